//! The memory run: bytes per element of every data type, as the kernel counts them and as the server does.
//!
//! Each figure comes from a server of its own: what it has grown by from its start until it holds the data and has come to
//! rest. The servers get the same bytes in the same commands.

use super::client::Client;
use super::datasets::Dataset;
use super::host::Host;
use super::servers::{Candidate, Server};
use super::tables::{TableArguments, Workplace, exit, head};
use super::{BenchError, ServerError};
use boxcar_sys::affinity::CpuList;
use clap::Args;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A server rests when it has not grown or shrunk by more than this between two looks.
const STEADY_BYTES: u64 = 64 << 10;

/// Time between two looks, and for how long there are any.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: Duration = Duration::from_secs(5);

/// Growth of resident bytes below this is pages and arenas more than it is data, and is not judged.
const JUDGED_BYTES: u64 = 4 << 20;

/// Measures bytes per element of every data type: Boxcar, redis-server and valkey-server.
///
/// Peers are found as for `quick`.
#[derive(Debug, Clone, Args)]
pub struct MemoryArguments {
    #[command(flatten)]
    table: TableArguments,
    /// Only the rows whose name contains one of these, as in stream,hash.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Servers that each figure is the median of: huge pages begin where they happen to, so that a single one may take some
    /// megabytes more.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "memory")]
    name: String,
}

/// A row: so many keys of so many elements.
struct Row {
    name: &'static str,
    data: Dataset,
    keys: usize,
    elements: usize,
    /// What a byte count is divided by.
    unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Element,
    Key,
}

const fn row(name: &'static str, data: Dataset, keys: usize, elements: usize, unit: Unit) -> Row {
    Row { name, data, keys, elements, unit }
}

const ROWS: &[Row] = &[
    row("keys: 16 bytes, values of 16 bytes", Dataset::Keys, 1, 1_000_000, Unit::Element),
    row("a stream: entries of 3 small fields", Dataset::Stream, 1, 1_000_000, Unit::Element),
    row("HyperLogLogs, sparse (100 elements each)", Dataset::HyperLogLog, 1_000, 100, Unit::Key),
    row("many HyperLogLogs, sparse (20 elements each)", Dataset::HyperLogLog, 100_000, 20, Unit::Key),
    row("HyperLogLogs, dense (4,000 elements each)", Dataset::HyperLogLog, 1_000, 4_000, Unit::Key),
    row("small hashes of 10 fields", Dataset::Hash, 100_000, 10, Unit::Key),
    row("a hash", Dataset::Hash, 1, 1_000_000, Unit::Element),
    row("a set", Dataset::Set, 1, 1_000_000, Unit::Element),
    row("a set of integers", Dataset::Integers, 1, 1_000_000, Unit::Element),
    row("a sorted set", Dataset::SortedSet, 1, 1_000_000, Unit::Element),
    row("a list", Dataset::List, 1, 1_000_000, Unit::Element),
];

/// Growth of one server, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Growth {
    resident: u64,
    used: u64,
}

impl MemoryArguments {
    /// Runs it, prints the table, writes it.
    pub fn execute(&self) -> ExitCode {
        exit(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.table.server_cpu);
        let candidates = self.table.candidates(&["redis", "valkey"])?;
        let work = Workplace::new("memory");
        let mut page = page_head(&host, &candidates, self.rounds);
        let wanted = |row: &&Row| {
            self.only.is_empty() || self.only.iter().any(|part| row.name.contains(part.as_str()))
        };
        let (mut rows, mut smaller) = (0, 0);
        for row in ROWS.iter().filter(wanted) {
            let mut figures = Vec::new();
            for candidate in &candidates {
                let growth = self.several(candidate, row, &work);
                if let Err(error) = &growth {
                    eprintln!("{}: {}: {error}", row.name, candidate.name);
                }
                figures.push(growth.ok());
            }
            let (line, verdict) = line(row, &figures);
            eprint!("{line}");
            page.push_str(&line);
            rows += 1;
            smaller += usize::from(verdict);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(page, "\nSmaller than both peers in {smaller} of {rows} rows.");
        self.table.publish(&host, &self.name, &page)
    }

    /// The median of as many servers as are wanted, of each figure by itself.
    fn several(&self, candidate: &Candidate, row: &Row, work: &Workplace) -> Result<Growth, ServerError> {
        let growths =
            (0..self.rounds).map(|_| self.one(candidate, row, work)).collect::<Result<Vec<_>, _>>()?;
        Ok(Growth {
            resident: median(growths.iter().map(|growth| growth.resident)),
            used: median(growths.iter().map(|growth| growth.used)),
        })
    }

    fn one(&self, candidate: &Candidate, row: &Row, work: &Workplace) -> Result<Growth, ServerError> {
        let server = candidate.start(&CpuList::from_iter([self.table.server_cpu]), work.path(), &[])?;
        let before = at_rest(&server)?;
        let mut client = Client::open(&server)?;
        row.data.fill_many(&mut client, row.keys, row.elements)?;
        // Its buffers go with it.
        drop(client);
        let after = at_rest(&server)?;
        Ok(Growth {
            resident: after.resident.saturating_sub(before.resident),
            used: after.used.saturating_sub(before.used),
        })
    }
}

/// The middle one of these figures, the smaller of two; there is at least one.
fn median(figures: impl Iterator<Item = u64>) -> u64 {
    let mut figures: Vec<u64> = figures.collect();
    figures.sort_unstable();
    figures[(figures.len() - 1) / 2]
}

/// What the server holds once it has come to rest and given back what it can.
fn at_rest(server: &Server) -> Result<Growth, ServerError> {
    let mut client = Client::open(server)?;
    client.push(&["MEMORY", "PURGE"]);
    client.send()?;
    client.reply()?;
    client.verdict()?;
    let started = Instant::now();
    let mut last = resident(server.pid())?;
    loop {
        std::thread::sleep(LOOK);
        let now = resident(server.pid())?;
        if now.abs_diff(last) <= STEADY_BYTES || started.elapsed() > LOOKS {
            let used = client.info("used_memory")?;
            let used = used.parse().map_err(|_| io::Error::other(format!("used_memory is {used}")))?;
            return Ok(Growth { resident: now, used });
        }
        last = now;
    }
}

/// Resident anonymous bytes of a process: its data, without the pages of its program that come and go.
fn resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
    let kilobytes: u64 = field.ok_or_else(|| io::Error::other("/proc/PID/status has no RssAnon"))?;
    Ok(kilobytes << 10)
}

fn page_head(host: &Host, candidates: &[Candidate], rounds: u16) -> String {
    let mut page = head("Memory", host, candidates);
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "`cargo xtask bench memory`. Bytes by which a fresh server has grown when it holds the data, after MEMORY PURGE and at \
         rest, divided by the number of elements or keys: resident anonymous memory (the kernel's figure), and used_memory \
         (the server's); each the median of {rounds} servers. Members and elements are 14 bytes, fields and values of hashes 13. One I/O thread, nothing on \
         disk. The ratio is ours to the smaller of the peers'; a row is *smaller* if both ratios are below 1, or, \
         where resident memory grew by less than {} MiB, if that of used_memory is.\n",
        JUDGED_BYTES >> 20
    );
    page.push_str("| data | per |");
    for candidate in candidates {
        let _ = write!(page, " {0} resident | {0} used |", candidate.name);
    }
    page.push_str(" ratio resident | ratio used | verdict |\n| :--- | :--- |");
    page.push_str(&" ---: | ---: |".repeat(candidates.len() + 1));
    page.push_str(" :--- |\n");
    page
}

/// The row's line, and whether it is smaller. The first figure is ours.
fn line(row: &Row, figures: &[Option<Growth>]) -> (String, bool) {
    let (unit, count) = match row.unit {
        Unit::Element => ("element", row.keys * row.elements),
        Unit::Key => ("key", row.keys),
    };
    let number = |count: usize| {
        let digits = count.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
        groups.join(",")
    };
    let total = if row.unit == Unit::Key { row.keys } else { row.elements };
    let mut line = format!("| {} {} | {unit} |", number(total), row.name);
    // Writing to a String cannot fail.
    for figure in figures {
        let _ = match figure {
            Some(growth) => {
                let each = |bytes: u64| bytes as f64 / count as f64;
                write!(line, " {:.1} | {:.1} |", each(growth.resident), each(growth.used))
            }
            None => write!(line, " - | - |"),
        };
    }
    let peers = || figures.iter().skip(1).flatten();
    let ratio = |of: fn(&Growth) -> u64| {
        let ours = of(figures.first()?.as_ref()?);
        Some(ours as f64 / peers().map(of).filter(|&bytes| bytes > 0).min()? as f64)
    };
    let (resident, used) = (ratio(|growth| growth.resident), ratio(|growth| growth.used));
    let judged = figures.iter().flatten().any(|growth| growth.resident >= JUDGED_BYTES);
    let smaller = match (resident, used) {
        (Some(resident), Some(used)) => (resident < 1.0 || !judged) && used < 1.0,
        _ => false,
    };
    let text = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let verdict = match (resident.or(used), smaller) {
        (None, _) => "not measured",
        (_, true) => "smaller",
        (_, false) => "NOT smaller",
    };
    let _ = writeln!(line, " {} | {} | {verdict} |", text(resident), text(used));
    (line, smaller)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mebibytes(resident: u64, used: u64) -> Option<Growth> {
        Some(Growth { resident: resident << 20, used: used << 20 })
    }

    #[test]
    fn smaller_means_than_both_and_in_both_figures() {
        let verdict = |figures: &[Option<Growth>]| line(&ROWS[0], figures).1;
        assert!(verdict(&[mebibytes(10, 10), mebibytes(12, 11), mebibytes(11, 11)]));
        assert!(!verdict(&[mebibytes(10, 10), mebibytes(12, 11), mebibytes(9, 11)]));
        assert!(!verdict(&[mebibytes(10, 12), mebibytes(12, 11), mebibytes(11, 11)]));
        // Too little for the kernel's figure to say anything.
        assert!(verdict(&[mebibytes(3, 1), mebibytes(2, 2), mebibytes(2, 2)]));
        assert!(!verdict(&[mebibytes(10, 10), None, None]));
        assert!(!verdict(&[None, mebibytes(10, 10), None]));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([5, 1, 9].into_iter()), 5);
        assert_eq!((median([4].into_iter()), median([8, 2].into_iter())), (4, 2));
    }

    #[test]
    fn lines_count_elements_or_keys() {
        let (text, _) = line(&ROWS[5], &[mebibytes(10, 10), None]);
        assert!(
            text.starts_with("| 100,000 small hashes of 10 fields | key | 104.9 | 104.9 | - | - |"),
            "{text}"
        );
    }
}
