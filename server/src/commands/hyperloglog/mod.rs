//! The HyperLogLog family. What the bytes mean is `boxcar_store::hyperloglog`'s business; here they are found,
//! checked, changed in place and answered.
//!
//! - `sketch`: PFADD, PFCOUNT, PFMERGE.
//! - `debug`: PFDEBUG, PFSELFTEST.

pub mod debug;
pub mod sketch;
#[cfg(test)]
mod tests;

use super::row::{Argument, Categories, Command, Group, Locks};
use super::string::string_value;
use super::{Error, Server};
use crate::config::rows;
use boxcar_store::hyperloglog::sparse::{self, Raise, Splice};
use boxcar_store::hyperloglog::{self, Corrupt, DENSE_LEN, Layout, Observation, dense};
use boxcar_store::{OccupiedEntry, Record, Value};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[sketch::COMMANDS, debug::COMMANDS];

/// What the rows have in common.
const ROW: Command = Command {
    group: Group::Hyperloglog,
    categories: Categories::HYPERLOGLOG,
    locks: Locks::Keys,
    since: "2.8.9",
    ..Command::DEFAULT
};

const KEY: Argument = Argument::new("key", "key");

const CORRUPT: Error = Error::text("INVALIDOBJ Corrupted HLL object detected");

impl From<Corrupt> for Error {
    fn from(_: Corrupt) -> Self {
        CORRUPT
    }
}

/// The bytes of a record that has to be a HyperLogLog, and their layout.
fn image(record: Record<'_>) -> Result<(&[u8], Layout), Error> {
    const REFUSED: Error = Error::text("WRONGTYPE Key is not a valid HyperLogLog string value.");
    let Value::Bytes(image) = string_value(record)? else { return Err(REFUSED) };
    hyperloglog::layout(image).map(|layout| (image, layout)).ok_or(REFUSED)
}

/// A HyperLogLog that is about to be changed.
struct Sketch<'e> {
    entry: OccupiedEntry<'e>,
    layout: Layout,
    /// `hll-sparse-max-bytes`
    sparse_max: u64,
}

impl<'e> Sketch<'e> {
    fn open(entry: OccupiedEntry<'e>, server: &Server) -> Result<Self, Error> {
        let (_, layout) = image(entry.record())?;
        Ok(Self { entry, layout, sparse_max: server.config.bytes(rows::HLL_SPARSE_MAX_BYTES) })
    }

    fn image(&self) -> &[u8] {
        let Some(Value::Bytes(image)) = self.entry.record().string() else {
            unreachable!("a HyperLogLog stays a string")
        };
        image
    }

    fn image_mut(&mut self) -> &mut [u8] {
        let len = self.image().len();
        self.entry.resize_bytes(len)
    }

    fn packed_mut(&mut self) -> &mut dense::Packed {
        let image = self.entry.resize_bytes(DENSE_LEN);
        dense::packed_mut(image.first_chunk_mut().expect("it has just been made that long"))
    }

    /// Raises a register, changing the layout where that is needed; whether it was lower before.
    fn raise(&mut self, observation: Observation) -> Result<bool, Error> {
        if self.layout == Layout::Sparse {
            match sparse::raise(self.image(), observation, self.sparse_max)? {
                Raise::Nothing => return Ok(false),
                Raise::Splice(splice) => {
                    self.splice(&splice);
                    // At once: a later register may turn out to be corrupt.
                    hyperloglog::outdate_estimate(self.image_mut());
                    return Ok(true);
                }
                Raise::Dense => self.make_dense()?,
            }
        }
        Ok(dense::raise(self.packed_mut(), observation.index, observation.rank))
    }

    /// Makes it dense, if it is not.
    fn make_dense(&mut self) -> Result<(), Error> {
        if self.layout == Layout::Sparse {
            let dense = hyperloglog::to_dense(self.image())?;
            self.entry.set_value(Value::Bytes(&dense[..]));
            self.layout = Layout::Dense;
        }
        Ok(())
    }

    /// Replaces some bytes by others, moving what is behind them.
    fn splice(&mut self, splice: &Splice) {
        let (old, new, len) = (splice.old.clone(), splice.replacement(), self.image().len());
        let end = old.start + new.len();
        let new_len = len - old.len() + new.len();
        let bytes = self.entry.resize_bytes(len.max(new_len));
        bytes.copy_within(old.end..len, end);
        bytes[old.start..end].copy_from_slice(new);
        if new_len < len {
            self.entry.resize_bytes(new_len);
        }
    }
}
