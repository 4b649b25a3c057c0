//! Many sequences: over all configurations of the server, with progress, and with the check that nothing was left out.

use super::choice::{NOT_PLAYED, SINCE_7_2};
use super::failure::Failure;
use super::generate::Generator;
use super::pair::{Pair, Side};
use super::play::{Hits, play};
use super::rows::{Row, Rows};
use super::shrink::{shrink, transcript};
use crate::matrix::MATRIX;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The real server.
    pub peer: PathBuf,
    /// Names of families; all of them when empty.
    pub families: Vec<String>,
    /// At least so many commands.
    pub commands: u64,
    /// Where seeds begin: the sequences are those of this seed and of those after it.
    pub seed: u64,
    /// End after so many different failures.
    pub most_failures: usize,
    /// Whether progress is told on standard error.
    pub tell: bool,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Report {
    /// Sequences played.
    pub sequences: u64,
    /// Commands in them.
    pub commands: u64,
    /// A transcript for each different failure.
    pub failures: Vec<String>,
    /// Commands of the families that never answered with anything but an error.
    pub never_hit: Vec<String>,
    /// Commands that the real server does not know.
    pub not_on_peer: Vec<String>,
    /// Commands that only the real server knows.
    pub only_on_peer: Vec<String>,
    /// The real server's version.
    pub version: (u32, u32),
}

impl Report {
    /// The report, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let (major, minor) = self.version;
        let mut out = String::new();
        for failure in &self.failures {
            out.push_str(failure);
            out.push('\n');
        }
        out.push_str(&format!(
            "{} sequences, {} commands against version {major}.{minor}: {} different failures\n",
            self.sequences,
            self.commands,
            self.failures.len()
        ));
        let mut list = |what: &str, names: &[String]| {
            if !names.is_empty() {
                out.push_str(&format!("{what}: {}\n", names.join(" ")));
            }
        };
        list("never answered without an error", &self.never_hit);
        list("not played, unknown to the real server", &self.not_on_peer);
        list("known to the real server only", &self.only_on_peer);
        out
    }

    /// Whether everything was as it must be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failures.is_empty() && self.never_hit.is_empty()
    }
}

/// Plays a plan: each configuration of the server in a thread of its own, with every fourth seed.
///
/// # Panics
/// When a server does not start.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut first = Pair::start(&plan.peer, MATRIX[0]);
    let mut rows = read_rows(&mut first.boxcar);
    let peer_rows = read_rows(&mut first.peer);
    let version = first.version;
    rows.keep_until(version);
    drop(first);
    let skipped = |row: &Row| skip(row, &peer_rows, version).is_some();
    let generator = Generator::new(&rows, &plan.families, &skipped);
    let shared = &Shared {
        plan,
        rows: &rows,
        generator: &generator,
        commands: AtomicU64::new(0),
        sequences: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        failures: Mutex::new(BTreeMap::new()),
        hits: Mutex::new(Hits::new()),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..MATRIX.len()).map(|number| scope.spawn(move || shared.work(number))).collect();
        shared.tell(&|| workers.iter().all(std::thread::ScopedJoinHandle::is_finished));
    });
    let hits = shared.hits.lock().map(|mut hits| std::mem::take(&mut *hits)).unwrap_or_default();
    let failures = shared.failures.lock().map(|mut found| std::mem::take(&mut *found)).unwrap_or_default();
    let chosen = |row: &&Row| plan.families.is_empty() || plan.families.contains(&row.group);
    let names = |rows: Vec<&Row>| rows.into_iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    Report {
        sequences: shared.sequences.load(Ordering::Relaxed),
        commands: shared.commands.load(Ordering::Relaxed),
        failures: failures.into_values().collect(),
        never_hit: names(generator.played().filter(|row| !hits.contains_key(&row.name)).collect()),
        not_on_peer: names(
            rows.iter().filter(chosen).filter(|row| peer_rows.get(&row.name).is_none()).collect(),
        ),
        only_on_peer: names(
            peer_rows.iter().filter(chosen).filter(|row| rows.get(&row.name).is_none()).collect(),
        ),
        version,
    }
}

/// Why a row is not played, if it is not.
fn skip(row: &Row, peer: &Rows, version: (u32, u32)) -> Option<&'static str> {
    if peer.get(&row.name).is_none() {
        return Some("unknown to the real server");
    }
    if row.container {
        return Some("only its subcommands answer");
    }
    let newer = SINCE_7_2.iter().find(|(name, _)| version < (7, 2) && *name == row.name);
    if let Some((_, reason)) = newer {
        return Some(reason);
    }
    let container = row.name.split('|').next();
    NOT_PLAYED
        .iter()
        .find(|(name, _)| *name == row.name || Some(*name) == container)
        .map(|(_, reason)| *reason)
}

fn read_rows(side: &mut Side) -> Rows {
    let mut client = side.server.client();
    client.hello(3);
    Rows::read(&mut client)
}

/// What the threads of a run share.
struct Shared<'a> {
    plan: &'a Plan,
    rows: &'a Rows,
    generator: &'a Generator<'a>,
    commands: AtomicU64,
    sequences: AtomicU64,
    stop: AtomicBool,
    /// A transcript for each signature.
    failures: Mutex<BTreeMap<String, String>>,
    hits: Mutex<Hits>,
}

impl Shared<'_> {
    /// One configuration's share. Which sequences that are follows from the plan alone, not from who is faster.
    fn work(&self, number: usize) {
        let configuration = MATRIX[number];
        let threads = MATRIX.len() as u64;
        let share = self.plan.commands.div_ceil(threads);
        let (mut seed, mut played) = (self.plan.seed + number as u64, 0);
        let mut pair = Pair::start(&self.plan.peer, configuration);
        let mut hits = Hits::new();
        let mut known = BTreeSet::new();
        while !self.stop.load(Ordering::Relaxed) && played < share {
            let sequence = self.generator.sequence(seed);
            seed += threads;
            played += sequence.steps.len() as u64;
            self.commands.fetch_add(sequence.steps.len() as u64, Ordering::Relaxed);
            self.sequences.fetch_add(1, Ordering::Relaxed);
            let Err(failure) = play(&mut pair, self.rows, &sequence, true, &mut hits) else { continue };
            if failure.is_broken() {
                pair.restart();
            }
            if known.insert(failure.signature()) {
                let shrunk = shrink(&mut pair, self.rows, &sequence, failure);
                let text = transcript(&shrunk, sequence.seed);
                self.failed(&shrunk.failure, format!("{text}# in {}\n", configuration.name()));
            }
        }
        let mut all = self.hits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (name, count) in hits {
            *all.entry(name).or_default() += count;
        }
    }

    fn failed(&self, failure: &Failure, text: String) {
        let mut failures = self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !failures.contains_key(&failure.signature()) && self.plan.tell {
            eprintln!("{text}");
        }
        failures.entry(failure.signature()).or_insert(text);
        if failures.len() >= self.plan.most_failures {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Tells how far it is, until the workers have ended.
    fn tell(&self, ended: &dyn Fn() -> bool) {
        let start = Instant::now();
        let mut told = Instant::now();
        while !ended() {
            std::thread::sleep(Duration::from_millis(20));
            if self.plan.tell && told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let failures = self.failures.lock().map_or(0, |failures| failures.len());
                eprintln!(
                    "{:.0} s: {} sequences, {} of {} commands, {failures} different failures",
                    start.elapsed().as_secs_f64(),
                    self.sequences.load(Ordering::Relaxed),
                    self.commands.load(Ordering::Relaxed),
                    self.plan.commands
                );
            }
        }
    }
}
