//! LZF: fast compression, byte for byte as LibLZF does it with the options of Redis, so that dumps of equal values are
//! equal.
//!
//! ```text
//! 000lllll and l+1 bytes               these bytes
//! lllooooo oooooooo                    l+2 bytes from o+1 bytes before, for l below 7
//! 111ooooo llllllll oooooooo           l+9 bytes from o+1 bytes before
//! ```
//!
//! There are crates for it; those that write what LibLZF writes count in 32 bits, and panic on some inputs.

/// Bits of a slot's number in the table of places.
const SLOT_BITS: u32 = 16;
/// The farthest that bytes are taken from.
const FARTHEST: usize = 1 << 13;
/// The most bytes that are taken at once, less two.
const LONGEST: usize = (1 << 8) + (1 << 3);
/// The most bytes that are written as they are at once.
const MOST_LITERALS: usize = 1 << 5;

/// The most that three bytes can stand for.
const LARGEST_COPY: usize = LONGEST;

/// Compresses one string after the other with one table.
pub(super) struct Compressor {
    /// Places of three bytes by their hash, counted from `base`; what is below is of an earlier string.
    places: Vec<u32>,
    base: u32,
}

impl Compressor {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), base: 1 }
    }

    /// Appends `input` to `output` in at most `most` bytes; `None`, and nothing appended, when it takes more.
    pub(super) fn compress(&mut self, input: &[u8], most: usize, output: &mut Vec<u8>) -> Option<()> {
        let len = u32::try_from(input.len()).ok().filter(|&len| len > 0 && most > 0)?;
        if self.places.is_empty() || self.base.checked_add(len).is_none() {
            self.places = vec![0; 1 << SLOT_BITS];
            self.base = 1;
        }
        let start = output.len();
        let done = self.pack(input, most, output);
        if done.is_none() {
            output.truncate(start);
        }
        // Checked above.
        self.base = self.base.saturating_add(len);
        done
    }

    fn pack(&mut self, input: &[u8], most: usize, output: &mut Vec<u8>) -> Option<()> {
        let end = input.len();
        let mut run = Run::begin(output);
        let mut at = 0;
        while at + 2 < end {
            let place = self.exchange(input, at);
            let found = place.filter(|&place| {
                place > 0 && at - place - 1 < FARTHEST && input[place..place + 3] == input[at..at + 3]
            });
            let Some(place) = found else {
                if run.len() >= most {
                    return None;
                }
                run.literal(input[at]);
                at += 1;
                continue;
            };
            if run.len_without_empty() + 3 + 1 >= most {
                return None;
            }
            let octets = same_octets(input, place, at);
            run.copy(at - place - 1, octets - 2);
            at += octets;
            if at + 2 >= end {
                break;
            }
            self.exchange(input, at - 2);
            self.exchange(input, at - 1);
        }
        if run.len() + 3 > most {
            return None;
        }
        input[at.min(end)..].iter().for_each(|&byte| run.literal(byte));
        run.finish();
        Some(())
    }

    /// Notes that the three bytes at `at` are there; where such bytes were before.
    fn exchange(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let bytes = u32::from_be_bytes([0, input[at], input[at + 1], input[at + 2]]);
        let slot = (bytes >> (24 - SLOT_BITS)).wrapping_sub(bytes.wrapping_mul(5)) & ((1 << SLOT_BITS) - 1);
        let place = core::mem::replace(&mut self.places[slot as usize], self.base + at as u32);
        place.checked_sub(self.base).map(|place| place as usize)
    }
}

/// How many bytes are taken from `place` for those at `at`, of which three are known to be equal. (LibLZF compares the
/// first sixteen without a look at the limit, so that what it finds near the end depends on how much is left.)
fn same_octets(input: &[u8], place: usize, at: usize) -> usize {
    let mut len = 2;
    let most = (input.len() - at - len).min(LONGEST);
    let equal = |len: usize| input[place + len] == input[at + len];
    if most > 16 {
        for _ in 0..16 {
            len += 1;
            if !equal(len) {
                return len;
            }
        }
    }
    loop {
        len += 1;
        if len >= most || !equal(len) {
            return len;
        }
    }
}

/// Compressed bytes, the last of them literals whose number is not written yet.
struct Run<'o> {
    output: &'o mut Vec<u8>,
    start: usize,
    literals: usize,
}

impl<'o> Run<'o> {
    fn begin(output: &'o mut Vec<u8>) -> Self {
        let start = output.len();
        output.push(0);
        Self { output, start, literals: 0 }
    }

    /// Bytes so far, with the place of the number of literals.
    fn len(&self) -> usize {
        self.output.len() - self.start
    }

    /// The same without that place when there are none.
    fn len_without_empty(&self) -> usize {
        self.len() - usize::from(self.literals == 0)
    }

    fn literal(&mut self, byte: u8) {
        self.output.push(byte);
        self.literals += 1;
        if self.literals == MOST_LITERALS {
            self.end_literals();
            self.output.push(0);
        }
    }

    fn copy(&mut self, distance: usize, len: usize) {
        self.end_literals();
        let high = (distance >> 8) as u8;
        if len < 7 {
            self.output.push(high | (len as u8) << 5);
        } else {
            self.output.extend_from_slice(&[high | 7 << 5, (len - 7) as u8]);
        }
        self.output.extend_from_slice(&[distance as u8, 0]);
    }

    /// Writes the number of literals, or takes its place back.
    fn end_literals(&mut self) {
        if self.literals == 0 {
            self.output.pop();
        } else {
            let at = self.output.len() - self.literals - 1;
            self.output[at] = (self.literals - 1) as u8;
            self.literals = 0;
        }
    }

    fn finish(mut self) {
        self.end_literals();
    }
}

/// The `len` bytes that were compressed; `None` when these are not such. Allocates no more than `input` can stand for.
pub(super) fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().saturating_mul(LARGEST_COPY) {
        return None;
    }
    let mut output = Vec::with_capacity(len);
    let mut rest = input;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if usize::from(first) < MOST_LITERALS {
            let (literals, after) = rest.split_at_checked(usize::from(first) + 1)?;
            output.extend_from_slice(literals);
            rest = after;
        } else {
            let mut octets = usize::from(first >> 5);
            if octets == 7 {
                let (&more, after) = rest.split_first()?;
                octets += usize::from(more);
                rest = after;
            }
            let (&low, after) = rest.split_first()?;
            rest = after;
            let distance = (usize::from(first & 0x1f) << 8 | usize::from(low)) + 1;
            let from = output.len().checked_sub(distance)?;
            if output.len() + octets + 2 > len {
                return None;
            }
            // Byte by byte: the stretches may overlap.
            (from..from + octets + 2).for_each(|at| output.push(output[at]));
        }
        if output.len() > len {
            return None;
        }
    }
    (output.len() == len).then_some(output)
}
