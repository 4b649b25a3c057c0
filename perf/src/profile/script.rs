//! What `perf script` prints, as records.
//!
//! The text is the one form of a recording that every version of perf writes alike: a line for each record, under a sample
//! its call chain, innermost frame first, and an empty line.

use super::ProfileError;
use std::io::BufRead;

/// One frame of a call chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The address: within its file or in memory, depending on perf's version; see `symbols`.
    pub address: u64,
    /// The symbol, as perf found it.
    pub symbol: String,
    /// The file, or a name in brackets: `[kernel.kallsyms]`, `[vdso]`, `[unknown]`.
    pub object: String,
}

impl Frame {
    /// Whether the kernel, or a module of it, is in this frame.
    pub fn in_kernel(&self) -> bool {
        self.object.starts_with("[kernel")
            || self.object.ends_with(".ko")
            || self.object.starts_with("bpf_prog")
    }
}

/// Something that happened to a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The thread's name.
    pub thread: String,
    /// The thread's id.
    pub tid: u32,
    /// When, on the clock of the recording, in nanoseconds.
    pub time: u64,
    /// What.
    pub kind: Kind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An event was sampled: its name, what it says of itself, and how the thread came there, innermost first.
    Sample { event: String, details: String, frames: Vec<Frame> },
    /// A file was mapped for execution.
    Map { start: u64, length: u64, offset: u64, path: String },
    /// The thread left the CPU; `preempted`: it would have gone on.
    Out { preempted: bool },
    /// The thread got a CPU.
    In,
    /// The buffer was full: so many records are missing.
    Lost(u64),
}

/// Reads records from `text` until it ends, and hands them to `take`. Records of other kinds are passed over.
///
/// # Errors
/// It cannot be read, or a line is none that perf script prints.
pub fn read(mut text: impl BufRead, mut take: impl FnMut(Record)) -> Result<(), ProfileError> {
    let mut line = Vec::new();
    let mut sample: Option<Record> = None;
    loop {
        line.clear();
        let end = text.read_until(b'\n', &mut line)? == 0;
        // Thread names are bytes.
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        // Frames begin with a tab; other lines may begin with blanks, which bring names of threads to the same length.
        if (end || !text.starts_with('\t'))
            && let Some(sample) = sample.take()
        {
            take(sample);
        }
        if end {
            return Ok(());
        }
        if text.is_empty() {
            continue;
        }
        if text.starts_with('\t') {
            if let Some(Record { kind: Kind::Sample { frames, .. }, .. }) = &mut sample {
                frames.push(frame(text).ok_or_else(|| ProfileError::Script(text.to_owned()))?);
            }
            continue;
        }
        match head(text).ok_or_else(|| ProfileError::Script(text.to_owned()))? {
            Some(record) if matches!(record.kind, Kind::Sample { .. }) => sample = Some(record),
            Some(record) => take(record),
            None => {}
        }
    }
}

/// `  d43b8 __vfork (/usr/lib/libc.so.6)`. Symbols of Rust have blanks and parentheses in them.
fn frame(line: &str) -> Option<Frame> {
    let (address, rest) = line.trim_start().split_once(' ')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let (symbol, object) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    Some(Frame { address, symbol: symbol.to_owned(), object: object.to_owned() })
}

/// The first line of a record. `Some(None)`: a record of another kind.
fn head(line: &str) -> Option<Option<Record>> {
    // The name may have blanks in it: the time is the first word that looks like one, the id stands before it.
    let mut at = 0;
    let (before, time, rest) = line.split_inclusive(' ').find_map(|word| {
        let start = at;
        at += word.len();
        let time = timestamp(word.trim_end().strip_suffix(':')?)?;
        Some((line[..start].trim_end(), time, line[at..].trim()))
    })?;
    let (thread, id) = before.rsplit_once(' ')?;
    // Threads of the kernel have the id -1 before their name is known.
    let tid = id.parse::<i64>().ok()?.try_into().unwrap_or_default();
    let kind = match rest.split_once(' ').unwrap_or((rest, "")) {
        ("PERF_RECORD_SWITCH", how) => match how.trim_start().split_once(' ').unwrap_or((how.trim(), "")) {
            ("OUT", more) => Kind::Out { preempted: more.contains("preempt") },
            ("IN", _) => Kind::In,
            _ => return None,
        },
        ("PERF_RECORD_MMAP2", map) => mapping(map)?,
        ("PERF_RECORD_LOST", lost) => {
            Kind::Lost(lost.split_whitespace().filter_map(|word| word.parse().ok()).next_back()?)
        }
        (other, _) if other.starts_with("PERF_RECORD_") => return Some(None),
        (event, details) => {
            let event = event.trim_end_matches(':').to_owned();
            Kind::Sample { event, details: details.trim().to_owned(), frames: Vec::new() }
        }
    };
    Some(Some(Record { thread: thread.trim().to_owned(), tid, time, kind }))
}

/// `1132.324786123`: seconds, in nanoseconds.
fn timestamp(word: &str) -> Option<u64> {
    let (seconds, fraction) = word.split_once('.')?;
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| (1..=9).contains(digits))?;
    let fraction: u64 = fraction.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction * 10u64.pow(9 - digits))
}

/// `29439/29439: [0x7f50a0fec000(0x156000) @ 0x26000 fe:00 326279 0]: r-xp /usr/lib/libc.so.6`
fn mapping(text: &str) -> Option<Kind> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None => text.parse().ok(),
    };
    let (range, rest) = text.split_once(": [")?.1.split_once("]: ")?;
    let (start, range) = range.split_once('(')?;
    let (length, range) = range.split_once(") @ ")?;
    let offset = range.split(' ').next()?;
    let path = rest.split_once(' ')?.1.to_owned();
    Some(Kind::Map { start: number(start)?, length: number(length)?, offset: number(offset)?, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
swapper     0     0.000000: PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x12090c8) @ 0xffffffff81000000]: x [kernel.kallsyms]_text
boxcar-io-0 29439  1132.323719: PERF_RECORD_MMAP2 29439/29439: [0x5555bbd73000(0x13000) @ 0x4000 fe:00 247076 0]: r-xp /srv/boxcar
boxcar-io-0 29439  1132.324786001:     500000 cpu-clock:pppH: \n";

    fn records(text: &str) -> Vec<Record> {
        let mut records = Vec::new();
        read(text.as_bytes(), |record| records.push(record)).unwrap();
        records
    }

    #[test]
    fn maps_are_read_and_other_records_passed_over() {
        let records = records(TEXT);
        assert_eq!(
            records[0].kind,
            Kind::Map {
                start: 0x5555_bbd7_3000,
                length: 0x13000,
                offset: 0x4000,
                path: "/srv/boxcar".to_owned()
            }
        );
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn samples_have_their_frames() {
        let text = "     io 6  2.5: raw_syscalls:sys_exit: NR 426 = 19\n\
                    a thread 7  3.000000002: sched:sched_switch: prev_comm=x ==> y\n\
                    \tffffffff821f8298 __schedule ([kernel.kallsyms])\n\
                    \t            1f5e <a::B as c::D(E)>::f (/srv/boxcar)\n\
                    \n\
                    a thread 7  3.000000005: PERF_RECORD_SWITCH OUT preempt\n\
                    a thread 7  3.000000009: PERF_RECORD_SWITCH IN         \n\
                    a thread 7  4.5: PERF_RECORD_LOST lost 12\n";
        let mut records = records(text);
        let first = records.remove(0);
        let exit = Kind::Sample {
            event: "raw_syscalls:sys_exit".to_owned(),
            details: "NR 426 = 19".to_owned(),
            frames: Vec::new(),
        };
        assert_eq!((first.thread.as_str(), first.tid, first.kind), ("io", 6, exit));
        let Kind::Sample { event, details, frames } = &records[0].kind else { panic!("{records:?}") };
        assert_eq!((event.as_str(), details.as_str()), ("sched:sched_switch", "prev_comm=x ==> y"));
        assert!(frames[0].in_kernel() && !frames[1].in_kernel());
        assert_eq!((frames[1].address, frames[1].symbol.as_str()), (0x1f5e, "<a::B as c::D(E)>::f"));
        assert_eq!(
            (records[0].thread.as_str(), records[0].tid, records[0].time),
            ("a thread", 7, 3_000_000_002)
        );
        assert_eq!(records[1].kind, Kind::Out { preempted: true });
        assert_eq!(records[2].kind, Kind::In);
        assert_eq!((records[3].time, &records[3].kind), (4_500_000_000, &Kind::Lost(12)));
    }

    #[test]
    fn a_line_of_something_else_is_an_error() {
        assert!(read("no such record\n".as_bytes(), |_| {}).is_err());
        assert!(read("x 1 1.0: cpu-clock:\n\tnowhere\n".as_bytes(), |_| {}).is_err());
    }
}
