//! The waits run: how long a GET of another key waits on other connections while one command takes long.
//!
//! Several connections read a key of their own each, once a millisecond, while one more sends the long command. With one
//! I/O thread, or on the long command's own, a GET waits for all of it; connections of the other thread should not notice. So the least of
//! the connections' worst waits is told, and the greatest, beside those of a time in which nothing long runs.

use super::client::Client;
use super::command_line::{boxcar, peer};
use super::growth::{datasets, wanted};
use super::growth_cell::{fill, prepare};
use super::growth_rows::{ROWS, Row};
use super::host::Host;
use super::servers::{Candidate, Server};
use super::tables::{TableArguments, Workplace, exit, head, present};
use super::{BenchError, ServerError};
use boxcar_sys::affinity::CpuList;
use clap::Args;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections that read meanwhile. The kernel spreads connections over the I/O threads; that all of these meet the same of
/// two happens once in 128 times.
const READERS: usize = 8;

/// Time between two reads of a connection.
const PAUSE: Duration = Duration::from_millis(1);

/// Time for which readers are watched with nothing else going on.
const QUIET: Duration = Duration::from_millis(500);

/// Measures how long GETs on other connections wait while one command takes long.
///
/// Peers are found as for `quick`.
#[derive(Debug, Clone, Args)]
pub struct WaitsArguments {
    #[command(flatten)]
    table: TableArguments,
    /// Number of elements.
    #[arg(long, default_value_t = 1_000_000)]
    elements: usize,
    /// Only the rows whose data or command contains one of these, as in list,ZRANGE.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "waits")]
    name: String,
}

/// What one long command did to the readers, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Waits {
    /// The command's own round trip.
    command: f64,
    /// The worst wait of the connection that was served best.
    least: f64,
    /// The worst wait of all.
    greatest: f64,
}

/// A row's waits on each server.
type Line = (&'static Row, Vec<Option<Waits>>);

impl WaitsArguments {
    /// Runs it, prints the table, writes it.
    pub fn execute(&self) -> ExitCode {
        exit(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.table.server_cpu);
        let two = |dispatch: &str| {
            let flags =
                ["--io-threads", "2", "--worker-threads", "2", "--dispatch", dispatch].map(str::to_owned);
            boxcar(&self.table.server, &format!("boxcar {dispatch}"), &flags)
        };
        let candidates = present([two("inline"), two("rings"), peer("redis")])?;
        let rows: Vec<&'static Row> =
            ROWS.iter().filter(|row| row.may_be_long() && wanted(&self.only, row)).collect();
        let work = Workplace::new("waits");
        let mut lines: Vec<Line> = rows.iter().map(|&row| (row, Vec::new())).collect();
        let mut quiet = Vec::new();
        for candidate in &candidates {
            quiet.push(
                self.one(candidate, &mut lines, &work)
                    .map_err(|error| BenchError::Arguments(format!("{}: {error}", candidate.name)))?,
            );
        }
        let page = self.page(&host, &candidates, &quiet, &lines);
        self.table.publish(&host, &self.name, &page)
    }

    /// Plays all rows against one server; the waits while nothing long runs.
    fn one(&self, candidate: &Candidate, lines: &mut [Line], work: &Workplace) -> Result<Waits, ServerError> {
        let cpus = CpuList::from_iter([self.table.server_cpu, self.table.load_cpu]);
        let server = candidate.start(&cpus, work.path(), &[])?;
        let mut client = Client::open(&server)?;
        let readers = Readers::default();
        std::thread::scope(|scope| {
            let (all, at) = (&readers, &server);
            let hands: Vec<_> =
                (0..READERS).map(|number| scope.spawn(move || all.read(at, number))).collect();
            let outcome = self.play(candidate, &mut client, &readers, lines);
            readers.stop.store(true, Ordering::Release);
            for hand in hands {
                hand.join().map_err(|_| io::Error::other("a reader panicked"))??;
            }
            outcome
        })
    }

    /// Sends the long commands; the waits while nothing long runs.
    fn play(
        &self,
        candidate: &Candidate,
        client: &mut Client,
        readers: &Readers,
        lines: &mut [Line],
    ) -> Result<Waits, ServerError> {
        let quiet = readers.watch(|| {
            std::thread::sleep(QUIET);
            Ok(())
        })?;
        let rows: Vec<&Row> = lines.iter().map(|(row, _)| *row).collect();
        for data in datasets(&rows) {
            fill(client, data, self.elements)?;
            for (row, waits) in lines.iter_mut().filter(|(row, _)| row.data == data) {
                let words = prepare(client, row, self.elements)?;
                let mut refused = false;
                let found = readers.watch(|| {
                    refused = client.call(&words)?.is_err();
                    Ok(())
                })?;
                waits.push((!refused).then_some(found));
                eprintln!("{}: {}: {}", candidate.name, row.title(), text(waits.last().copied().flatten()));
            }
        }
        Ok(quiet)
    }

    fn page(&self, host: &Host, candidates: &[Candidate], quiet: &[Waits], lines: &[Line]) -> String {
        let mut page = head("Waits", host, candidates);
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "`cargo xtask bench waits`. One connection sends a command on data of {} elements, while {READERS} others read a key of \
             their own each, once a millisecond. Milliseconds: the command's round trip; the longest wait of the reader that was served best / \
             of all readers. Boxcar has two I/O threads, and with rings two workers: readers on the long command's own thread wait for it when it is \
             executed there, those of the other thread should not. Servers and clients share CPUs {} and {}, so a wait of a few \
             milliseconds is the scheduler's; the first line has the waits while nothing else runs.\n\n| data | command |",
            self.elements, self.table.server_cpu, self.table.load_cpu,
        );
        for candidate in candidates {
            let _ = write!(page, " {} |", candidate.name);
        }
        page.push_str("\n| :--- | :--- |");
        page.push_str(&" ---: |".repeat(candidates.len()));
        page.push_str("\n| - | nothing |");
        for &waits in quiet {
            let _ = write!(page, " {} |", text(Some(waits)));
        }
        page.push('\n');
        for (row, waits) in lines {
            let _ = write!(page, "| {:?} | `{}` |", row.data, row.title());
            for &waits in waits {
                let _ = write!(page, " {} |", text(waits));
            }
            page.push('\n');
        }
        page
    }
}

fn text(waits: Option<Waits>) -> String {
    waits.map_or_else(
        || "refused".to_owned(),
        |waits| format!("{:.1}; {:.1} / {:.1}", waits.command, waits.least, waits.greatest),
    )
}

/// Connections that read all the time.
#[derive(Default)]
struct Readers {
    stop: AtomicBool,
    /// The longest wait of each since it was last taken, in nanoseconds.
    worst: [AtomicU64; READERS],
    /// Whether each has been answered since this was last taken back.
    ready: [AtomicBool; READERS],
}

impl Readers {
    /// Reads a key until `stop`.
    fn read(&self, server: &Server, number: usize) -> io::Result<()> {
        let mut client = Client::open(server)?;
        let key = format!("reader:{number}");
        while !self.stop.load(Ordering::Acquire) {
            let started = Instant::now();
            let _absent = client.call(&["GET", &key])?;
            self.worst[number].fetch_max(started.elapsed().as_nanos() as u64, Ordering::AcqRel);
            self.ready[number].store(true, Ordering::Release);
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The readers' waits while `work` is done, and until each has been answered after that.
    fn watch(&self, work: impl FnOnce() -> io::Result<()>) -> Result<Waits, ServerError> {
        self.round()?;
        for worst in &self.worst {
            worst.store(0, Ordering::Release);
        }
        let started = Instant::now();
        work()?;
        let command = started.elapsed();
        self.round()?;
        let worst: Vec<u64> = self.worst.iter().map(|worst| worst.load(Ordering::Acquire)).collect();
        let milliseconds = |nanoseconds: Option<&u64>| nanoseconds.copied().unwrap_or(0) as f64 / 1e6;
        Ok(Waits {
            command: command.as_secs_f64() * 1e3,
            least: milliseconds(worst.iter().min()),
            greatest: milliseconds(worst.iter().max()),
        })
    }

    /// Waits until each reader has been answered once more.
    fn round(&self) -> io::Result<()> {
        for ready in &self.ready {
            ready.store(false, Ordering::Release);
        }
        let started = Instant::now();
        while !self.ready.iter().all(|ready| ready.load(Ordering::Acquire)) {
            if started.elapsed() > Duration::from_secs(30) {
                return Err(io::Error::other("a reader has had no answer for 30 s"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}
