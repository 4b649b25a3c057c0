//! Which part of a command's way CPU time belongs to: reading it, executing it, its reply, or the loop around all that.
//!
//! The running server is sampled with call chains, and each sample belongs to the innermost function whose source file a row of
//! [`ROWS`] names. Functions without a row (memory copies, the allocator, what the standard library does) belong to whoever
//! called them. What no row names at all is [`Part::Unclassified`], a part of its own.

use super::ProfileError;
use super::recorder::{Chains, Subject, record};
use super::script::Kind;
use super::symbols::{Place, Symbols};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A part of the CPU time. The order is the one in which a command meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Inside of the kernel, on the server's behalf.
    Kernel,
    /// From bytes to commands: the parser, and the look-up in the table of commands.
    Parse,
    /// The commands themselves: hashing, locks, the store, handlers, what is counted of them; also what housekeeping does to the store.
    Execute,
    /// Encoding replies and handing them to the output.
    Reply,
    /// What is left around them: the driver of the network, connections, timers.
    Loop,
    /// User space that no row names.
    Unclassified,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] =
        [Part::Kernel, Part::Parse, Part::Execute, Part::Reply, Part::Loop, Part::Unclassified];

    /// Its name in pages.
    pub fn name(self) -> &'static str {
        match self {
            Part::Kernel => "kernel",
            Part::Parse => "parse",
            Part::Execute => "execute",
            Part::Reply => "reply",
            Part::Loop => "event loop",
            Part::Unclassified => "user space, unclassified",
        }
    }
}

/// Functions whose source file is there belong to this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// A file, or a folder with a slash at its end, in this repository.
    pub source: &'static str,
    /// The part.
    pub part: Part,
}

const fn row(source: &'static str, part: Part) -> Row {
    Row { source, part }
}

/// The table. Of several rows that match, the longest counts.
///
/// It goes by files and not by names, because what ships has line tables only, and those know of an inlined function its file
/// but not its path.
pub const ROWS: &[Row] = &[
    row("server/resp/src/request/", Part::Parse),
    row("server/src/commands/table.rs", Part::Parse),
    row("server/src/commands/", Part::Execute),
    row("server/src/shard/", Part::Execute),
    row("server/store/src/", Part::Execute),
    row("server/resp/src/reply/", Part::Reply),
    row("server/src/net/writing.rs", Part::Reply),
    row("server/src/net/", Part::Loop),
    row("server/sys/src/driver/", Part::Loop),
];

/// The row of a function in this file; none for those that belong to whoever called them.
fn row_of(file: &str) -> Option<usize> {
    let holds = |row: &Row| {
        file.find(row.source).is_some_and(|at| {
            let whole = row.source.ends_with('/') || file.len() == at + row.source.len();
            whole && (at == 0 || file.as_bytes()[at - 1] == b'/')
        })
    };
    let rows = ROWS.iter().enumerate().filter(|(_, row)| holds(row));
    rows.max_by_key(|(_, row)| row.source.len()).map(|(index, _)| index)
}

/// What was seen in a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Samples by part.
    pub samples: BTreeMap<Part, u64>,
    /// Which of [`ROWS`] had any.
    pub rows: BTreeSet<usize>,
    /// Call chains that no row names, innermost function first, with their samples.
    pub unclassified: BTreeMap<Vec<String>, u64>,
}

impl Seen {
    /// Takes a sample: the functions of its call chain, innermost first.
    fn take(&mut self, in_kernel: bool, chain: Vec<Place>) {
        let part = if in_kernel {
            Part::Kernel
        } else if let Some(index) = chain.iter().find_map(|place| row_of(place.file.as_deref()?)) {
            self.rows.insert(index);
            ROWS[index].part
        } else {
            let names = chain.into_iter().map(|place| place.name).collect();
            *self.unclassified.entry(names).or_default() += 1;
            Part::Unclassified
        };
        *self.samples.entry(part).or_default() += 1;
    }
}

/// Samples a second of CPU time. No divisor of anything that a kernel does by the clock.
const FREQUENCY: u32 = 3989;

/// Samples process `pid` for `length`; the recording goes to `folder`.
///
/// # Errors
/// There is no perf, it may not record, or the process is gone.
pub fn sample(pid: u32, length: Duration, folder: &Path) -> Result<Seen, ProfileError> {
    let binary = fs::read_link(format!("/proc/{pid}/exe"))?;
    let mut symbols = Symbols::of(&binary)?;
    let subject = Subject::OnCpu { frequency: FREQUENCY, chains: Chains::Unwinding };
    let recording = record(subject, pid, length, folder)?;
    let (mut seen, mut lost) = (Seen::default(), 0);
    recording.replay(|record| match record.kind {
        Kind::Map { start, length, offset, path } => symbols.mapped(&path, start, length, offset),
        Kind::Sample { frames, .. } => {
            let in_kernel = frames.first().is_some_and(super::script::Frame::in_kernel);
            seen.take(in_kernel, if in_kernel { Vec::new() } else { symbols.places(&frames) });
        }
        Kind::Lost(count) => lost += count,
        Kind::Out { .. } | Kind::In => {}
    })?;
    if lost > 0 {
        return Err(ProfileError::Perf(format!("{lost} samples were lost")));
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(file: &str) -> Option<Part> {
        row_of(file).map(|index| ROWS[index].part)
    }

    #[test]
    fn functions_belong_to_the_longest_row() {
        for (file, expected) in [
            ("/somewhere/server/resp/src/request/multibulk.rs", Some(Part::Parse)),
            ("server/src/net/io_thread.rs", Some(Part::Loop)),
            ("/x/server/src/net/writing.rs", Some(Part::Reply)),
            ("/x/server/src/net/writing.rs.old", Some(Part::Loop)),
            ("/x/server/src/commands/table.rs", Some(Part::Parse)),
            ("/x/server/src/commands/string/get.rs", Some(Part::Execute)),
            ("/x/server/sys/src/clock.rs", None),
            ("/rustc/1/library/core/src/ptr/mod.rs", None),
            ("/x/another-server/src/net/a.rs", None),
        ] {
            assert_eq!(part(file), expected, "{file}");
        }
    }

    #[test]
    fn samples_belong_to_the_innermost_function_with_a_row() {
        let mut seen = Seen::default();
        let chain = |files: &[&str]| {
            let place = |file: &&str| Place { name: "f".to_owned(), file: Some((*file).to_owned()) };
            files.iter().map(place).collect::<Vec<_>>()
        };
        let library = "/rustc/1/library/core/src/ptr/mod.rs";
        seen.take(false, chain(&[library, "server/resp/src/reply/scalar.rs", "server/src/commands/call.rs"]));
        seen.take(false, chain(&["server/store/src/db.rs", "server/src/net/dispatching.rs"]));
        seen.take(true, Vec::new());
        seen.take(false, vec![Place { name: "je_malloc".to_owned(), file: None }]);
        let expected = [(Part::Kernel, 1), (Part::Execute, 1), (Part::Reply, 1), (Part::Unclassified, 1)];
        assert_eq!(seen.samples, expected.into());
        assert_eq!(seen.rows.len(), 2);
        assert_eq!(seen.unclassified, [(vec!["je_malloc".to_owned()], 1)].into());
    }

    #[test]
    fn every_row_is_something_in_this_repository_and_stands_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for row in ROWS {
            assert!(root.join(row.source).exists(), "{}", row.source);
        }
        let sources: BTreeSet<&str> = ROWS.iter().map(|row| row.source).collect();
        assert_eq!(sources.len(), ROWS.len());
    }
}
