//! Values in the format of Redis's dumps and RDB files: what DUMP answers and RESTORE takes.
//!
//! ```text
//! type u8 | value                     as in an RDB file
//! type u8 | value | version u16 | CRC-64 u64     a payload of DUMP
//! ```
//!
//! - `wire`: lengths, strings and numbers, the parts of every value.
//! - `lzf`: the compression of strings.
//! - `save`, `load`: values to bytes and back; `stream`: the same for streams, which are the longest.
//! - `ziplist`: the two formats that Redis used for small collections before the listpack, for reading.
//!
//! Nothing here does I/O or trusts what it reads: every function is total. A payload is somebody's input, so lengths are
//! not believed before the bytes are there, elements have to be distinct and in order, and what is not sound is refused
//! as a whole.
//!
//! Written is what Redis 7.2 and later, and Valkey, read; read is what Redis has written since 2.6, modules' types aside.

mod load;
mod lzf;
mod save;
mod stream;
#[cfg(test)]
mod tests;
mod wire;
mod ziplist;

use crc::{CRC_64_REDIS, Crc, Table};

use crate::hash_map::HashLimits;
use crate::list::Fill;
use crate::object::Object;
use crate::record::Record;
use crate::set::SetLimits;
use crate::sorted_set::SortedSetLimits;
use wire::{Reader, Writer};

/// The newest version of the format that is read: Redis 7.4 and 8.0 write it.
pub const NEWEST_VERSION: u16 = 12;

/// The version that is written where it will do: that of Redis 7.2, and the newest that Valkey takes.
const WRITTEN_VERSION: u16 = 11;

/// Bytes of a payload behind the value: version and checksum.
const FOOTER: usize = 2 + 8;

static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// The first byte of a value: its type and how it is written (`RDB_TYPE_...` in Redis's rdb.h).
mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// The next two are those of release candidates of 7.4.
    pub const HASH_METADATA_EARLY: u8 = 22;
    pub const HASH_LISTPACK_EX_EARLY: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
}

/// How large values that are read may be, and which forms they get.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of a string that is compressed: a few bytes may stand for many.
    pub unpacked: usize,
    /// Of lists.
    pub list: Fill,
    /// Of sets.
    pub set: SetLimits,
    /// Of sorted sets.
    pub sorted_set: SortedSetLimits,
    /// Of hashes.
    pub hash: HashLimits,
}

/// A value that was read.
pub enum Restored {
    /// A string.
    String(Box<[u8]>),
    /// Anything else.
    Object(Object),
}

/// Why a payload is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// It is too short, of a newer version, or its checksum is another one.
    Footer,
    /// The value in it is not sound.
    Data,
}

/// The value of a record as DUMP answers it. With `compress`, longer strings are compressed where that makes them shorter
/// (`rdbcompression`).
#[must_use]
pub fn dump(record: Record<'_>, compress: bool) -> Vec<u8> {
    let mut writer = Writer::new(compress);
    let kind = save::value(&mut writer, record);
    let version = if kind > kind::STREAM_LISTPACKS_3 { NEWEST_VERSION } else { WRITTEN_VERSION };
    seal(writer.into_bytes(), version)
}

/// Makes a payload of the bytes of a type and a value: version and checksum follow.
#[must_use]
pub fn seal(value: Vec<u8>, version: u16) -> Vec<u8> {
    let mut payload = value;
    payload.extend_from_slice(&version.to_le_bytes());
    let checksum = CRC.checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// Bytes of a record's value in an RDB file, its type aside.
#[must_use]
pub fn serialized_len(record: Record<'_>, compress: bool) -> usize {
    let mut writer = Writer::new(compress);
    save::value(&mut writer, record);
    writer.into_bytes().len() - 1
}

/// The value in a payload of DUMP.
///
/// # Errors
/// When there is none.
pub fn restore(payload: &[u8], limits: &Limits) -> Result<Restored, RestoreError> {
    let value_len = payload.len().checked_sub(FOOTER).ok_or(RestoreError::Footer)?;
    let (value, footer) = payload.split_at(value_len);
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let checksum = CRC.checksum(&payload[..value_len + 2]);
    if version > NEWEST_VERSION || footer[2..] != checksum.to_le_bytes() {
        return Err(RestoreError::Footer);
    }
    let mut reader = Reader::new(value, limits.unpacked);
    load::value(&mut reader, limits).ok_or(RestoreError::Data)
}
