//! The sparse layout: registers in order, as runs.
//!
//! | Opcode | Run |
//! |---|---|
//! | `00nnnnnn` | n + 1 registers of zero, 1 to 64 |
//! | `01nnnnnn nnnnnnnn` | n + 1 registers of zero, 1 to 16,384 |
//! | `1vvvvvnn` | n + 1 registers, 1 to 4, of rank v + 1, 1 to 32 |
//!
//! A change replaces a few opcodes by others. It is planned first ([`raise`]), so that whoever owns the bytes can make
//! room for it. The opcodes that come out are those that Redis makes of the same changes, byte for byte: two
//! neighbouring runs of one rank are joined only close to a change, and only when they fit one opcode.

use super::estimate::Histogram;
use super::{Corrupt, HEADER_LEN, Observation, REGISTERS};
use std::ops::Range;

/// Longest run of the short form of zeros.
const ZEROS_MAX: usize = 64;
/// Longest run of a rank.
const RUN_MAX: usize = 4;
/// Highest rank that an opcode holds.
pub const RANK_MAX: u8 = 32;

const LONG_ZEROS: u8 = 1 << 6;
const RANKED: u8 = 1 << 7;

/// Opcodes that are looked at for joining after a change, from the one before it on. Redis's figure.
const JOIN_REACH: usize = 5;

/// One opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A run of zeros, short form.
    Zeros(usize),
    /// A run of zeros, long form.
    LongZeros(usize),
    /// A run of one rank.
    Ranked {
        /// 1 to 32.
        rank: u8,
        /// Registers, 1 to 4.
        run: usize,
    },
}

impl Opcode {
    /// Number of registers.
    #[must_use]
    pub fn run(self) -> usize {
        match self {
            Self::Zeros(run) | Self::LongZeros(run) | Self::Ranked { run, .. } => run,
        }
    }

    /// The rank of its registers.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Zeros(_) | Self::LongZeros(_) => 0,
            Self::Ranked { rank, .. } => rank,
        }
    }

    /// Number of bytes.
    fn len(self) -> usize {
        if let Self::LongZeros(_) = self { 2 } else { 1 }
    }
}

/// The long opcode for a run of `run` zeros, 1 to 16,384.
pub(super) const fn long_zeros(run: usize) -> [u8; 2] {
    let [high, low] = (run as u16 - 1).to_be_bytes();
    [LONG_ZEROS | high, low]
}

/// The opcode for a run of 1 to 4 registers of a rank from 1 to 32.
fn ranked(rank: u8, run: usize) -> u8 {
    RANKED | (rank - 1) << 2 | (run as u8 - 1)
}

/// The first opcode of `bytes`.
fn first(bytes: &[u8]) -> Result<Opcode, Corrupt> {
    match *bytes {
        [byte, ..] if byte & RANKED != 0 => {
            Ok(Opcode::Ranked { rank: (byte >> 2 & 0x1f) + 1, run: usize::from(byte & 3) + 1 })
        }
        [byte, ..] if byte & LONG_ZEROS == 0 => Ok(Opcode::Zeros(usize::from(byte) + 1)),
        [high, low, ..] => {
            let run = u16::from_be_bytes([high & !LONG_ZEROS, low]);
            Ok(Opcode::LongZeros(usize::from(run) + 1))
        }
        _ => Err(Corrupt),
    }
}

/// The opcodes, without the header; ends after an error.
pub fn opcodes(mut bytes: &[u8]) -> impl Iterator<Item = Result<Opcode, Corrupt>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let opcode = first(bytes);
        bytes = opcode.map_or(&[], |opcode| &bytes[opcode.len()..]);
        Some(opcode)
    })
}

/// Shows each run of a rank above zero: its first register, its length, the rank. All of them lie inside the
/// registers, even when an error follows.
pub(super) fn registers(bytes: &[u8], mut visit: impl FnMut(usize, usize, u8)) -> Result<(), Corrupt> {
    let mut index = 0;
    for opcode in opcodes(bytes) {
        let opcode = opcode?;
        if index + opcode.run() > REGISTERS {
            return Err(Corrupt);
        }
        if opcode.rank() > 0 {
            visit(index, opcode.run(), opcode.rank());
        }
        index += opcode.run();
    }
    if index == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// How many registers have each rank.
pub(super) fn histogram(bytes: &[u8]) -> Result<Histogram, Corrupt> {
    let mut histogram = [0; 64];
    histogram[0] = REGISTERS as u32;
    registers(bytes, |_, run, rank| {
        histogram[0] -= run as u32;
        histogram[usize::from(rank)] += run as u32;
    })?;
    Ok(histogram)
}

/// What raising a register comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raise {
    /// The register is that high already.
    Nothing,
    /// These bytes are replaced by others.
    Splice(Splice),
    /// The result does not fit this layout: it has to become dense first.
    Dense,
}

/// A replacement of some bytes of the whole string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// What is replaced.
    pub old: Range<usize>,
    bytes: [u8; WINDOW],
    len: usize,
}

impl Splice {
    /// What comes in its place.
    #[must_use]
    pub fn replacement(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Most bytes that one change replaces or writes: an opcode before it, the change itself (two long runs of zeros
/// around one register), and as many opcodes of two bytes behind it as are looked at.
const WINDOW: usize = 2 + 5 + 2 * JOIN_REACH + 1;

/// Plans raising one register of a sparse HyperLogLog (with its header), which then is at most `max_len` bytes long.
///
/// # Errors
/// When its opcodes end before that register.
pub fn raise(image: &[u8], observation: Observation, max_len: u64) -> Result<Raise, Corrupt> {
    let Observation { index, rank } = observation;
    if rank > RANK_MAX {
        return Ok(Raise::Dense);
    }
    let Found { before, at, first, opcode } = find(image, index)?;
    let mut replacement = Bytes::default();
    match opcode {
        Opcode::Ranked { rank: there, .. } if there >= rank => return Ok(Raise::Nothing),
        _ => split(&mut replacement, opcode, index - first, rank),
    }
    let grown = replacement.len.saturating_sub(opcode.len());
    if grown > 0 && (image.len() + grown) as u64 > max_len {
        return Ok(Raise::Dense);
    }
    // The opcode before, the change, and what follows as far as joining may reach.
    let behind = at + opcode.len();
    let mut window = Bytes::default();
    window.extend(&image[before..at]);
    window.extend(&replacement.bytes[..replacement.len]);
    let follow = (WINDOW - window.len).min(image.len() - behind);
    window.extend(&image[behind..behind + follow]);
    join(&mut window);
    Ok(Raise::Splice(Splice { old: before..behind + follow, bytes: window.bytes, len: window.len }))
}

/// Where a register is described.
struct Found {
    /// Where the opcode before begins; the opcode itself when it is the first.
    before: usize,
    /// Where the opcode begins.
    at: usize,
    /// The first register of its run.
    first: usize,
    opcode: Opcode,
}

fn find(image: &[u8], index: usize) -> Result<Found, Corrupt> {
    let (mut before, mut at, mut register) = (HEADER_LEN, HEADER_LEN, 0);
    loop {
        let opcode = first(&image[at..])?;
        if index < register + opcode.run() {
            return Ok(Found { before, at, first: register, opcode });
        }
        register += opcode.run();
        before = at;
        at += opcode.len();
    }
}

/// A few opcodes.
#[derive(Default)]
struct Bytes {
    bytes: [u8; WINDOW],
    len: usize,
}

impl Bytes {
    fn extend(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Registers of one rank: none, or what one opcode holds.
    fn push(&mut self, rank: u8, run: usize) {
        match (rank, run) {
            (_, 0) => {}
            (0, 1..=ZEROS_MAX) => self.extend(&[run as u8 - 1]),
            (0, _) => self.extend(&long_zeros(run)),
            _ => self.extend(&[ranked(rank, run)]),
        }
    }
}

/// The opcodes for a run in which the register at `offset` gets another rank.
fn split(target: &mut Bytes, opcode: Opcode, offset: usize, rank: u8) {
    target.push(opcode.rank(), offset);
    target.push(rank, 1);
    target.push(opcode.rank(), opcode.run() - offset - 1);
}

/// Joins neighbouring runs of one rank, as far as Redis looks.
fn join(window: &mut Bytes) {
    let mut at = 0;
    for _ in 0..JOIN_REACH {
        let Ok(opcode) = first(&window.bytes[at..window.len]) else { return };
        let next = first(&window.bytes[(at + opcode.len()).min(window.len)..window.len]);
        if let (Opcode::Ranked { rank, run }, Ok(Opcode::Ranked { rank: next_rank, run: next_run })) =
            (opcode, next)
            && rank == next_rank
            && run + next_run <= RUN_MAX
        {
            // The joined run may be joined again with the one behind it.
            window.bytes[at] = ranked(rank, run + next_run);
            window.bytes.copy_within(at + 2..window.len, at + 1);
            window.len -= 1;
        } else {
            at += opcode.len();
        }
    }
}
