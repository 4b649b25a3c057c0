//! The stock run: every test of redis-benchmark's default list, and what it costs the servers.
//!
//! redis-benchmark itself says which tests there are. In a round each runs against each server, the servers in an
//! order that rotates from round to round, and the server process's CPU clock is read before and after. What redis-benchmark
//! spends itself is not counted; it has a CPU of its own.

use super::host::Host;
use super::redis_benchmark::RedisBenchmark;
use super::servers::{Candidate, Server};
use super::statistics::Range;
use super::tables::{TableArguments, Workplace, exit, head};
use super::{BenchError, ServerError};
use crate::cost::ProcessClock;
use boxcar_sys::affinity::CpuList;
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

/// Requests of the run that finds how many requests fill the wanted time.
const TRIAL: u64 = 4_000;

/// Elements of the list that LRANGE reads, at least: the longest range has 600.
const LIST: u64 = 10_000;

/// Runs redis-benchmark's whole default list against Boxcar, redis-server and valkey-server: server CPU time per operation.
///
/// Peers are found as for `quick`; redis-benchmark beside them, or in PATH.
#[derive(Debug, Clone, Args)]
pub struct StockArguments {
    #[command(flatten)]
    table: TableArguments,
    /// Rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Pipeline depths.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    depths: Vec<u64>,
    /// Seconds that a test should take at the first server's speed.
    #[arg(long, default_value_t = 0.6)]
    seconds: f64,
    /// Only the tests whose name contains one of these, as in lrange,xadd.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "stock")]
    name: String,
}

/// A test of redis-benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Test {
    /// As redis-benchmark calls it, up to the first blank.
    name: String,
    /// Words that make redis-benchmark run this test and nothing else.
    words: Vec<String>,
}

impl Test {
    /// The test behind a title of redis-benchmark's table; `None` for what only prepares another.
    ///
    /// Asked for a test of LRANGE, redis-benchmark fills the list first, within the same run; so the command of that test is given
    /// to it in words. It is the same command, on the same key.
    fn of(title: &str) -> Option<Test> {
        if title.contains("needed to benchmark") {
            return None;
        }
        let name = title.split(' ').next()?.to_owned();
        let words = match name.strip_prefix("LRANGE_").and_then(|count| count.parse::<u64>().ok()) {
            Some(count) => {
                vec!["LRANGE".into(), "mylist".into(), "0".into(), count.saturating_sub(1).to_string()]
            }
            None => vec!["-t".into(), name.to_lowercase()],
        };
        Some(Test { name, words })
    }

    fn reads_list(&self) -> bool {
        self.words[0] == "LRANGE"
    }
}

/// CPU time per operation in microseconds, by test and depth, server, and round.
type Figures = BTreeMap<(usize, u64, usize), Vec<f64>>;

impl StockArguments {
    /// Runs it, prints the table, writes it.
    pub fn execute(&self) -> ExitCode {
        exit(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.table.server_cpu);
        let candidates = self.table.candidates(&["redis", "valkey"])?;
        let program = RedisBenchmark::find(self.table.load_cpu)?;
        let work = Workplace::new("stock");
        let plan = self.plan(&candidates, &program, &work)?;
        let mut figures = Figures::new();
        for round in 0..usize::from(self.rounds) {
            self.round(round, &candidates, &program, &plan, &work, &mut figures)?;
        }
        let page = self.page(&host, &candidates, &program, &plan, &figures);
        self.table.publish(&host, &self.name, &page)
    }

    fn start(&self, candidates: &[Candidate], work: &Workplace) -> Result<Vec<Server>, BenchError> {
        let cpus = CpuList::from_iter([self.table.server_cpu]);
        candidates
            .iter()
            .enumerate()
            .map(|(number, candidate)| {
                let directory = work.path().join(number.to_string());
                candidate.start(&cpus, &directory, &[]).map_err(|error: ServerError| {
                    BenchError::Arguments(format!("{}: {error}", candidate.name))
                })
            })
            .collect()
    }

    /// The tests, and for each depth how many requests each gets.
    fn plan(
        &self,
        candidates: &[Candidate],
        program: &RedisBenchmark,
        work: &Workplace,
    ) -> Result<Vec<(Test, Vec<u64>)>, BenchError> {
        let server = self.start(&candidates[..1], work)?.remove(0);
        let titles: Vec<String> =
            program.run(&server, 1, 1, &[])?.into_iter().map(|(title, _)| title).collect();
        let wanted = |test: &Test| {
            self.only.is_empty() || self.only.iter().any(|part| test.name.contains(&part.to_uppercase()))
        };
        let tests: Vec<Test> = titles.iter().filter_map(|title| Test::of(title)).filter(wanted).collect();
        if tests.is_empty() {
            return Err(BenchError::Arguments("redis-benchmark has no such test".to_owned()));
        }
        fill_list(program, &server)?;
        let mut plan: Vec<(Test, Vec<u64>)> = Vec::new();
        for test in tests {
            let mut counts = Vec::new();
            for &depth in &self.depths {
                let rows = program.run(&server, TRIAL, depth, &test.words)?;
                let rate = rows.first().map(|row| row.1).filter(|rate| rate.is_finite()).unwrap_or(100_000.0);
                counts.push(((rate * self.seconds) as u64).max(TRIAL));
            }
            plan.push((test, counts));
        }
        // What was pushed is there to be popped, as in the default list, where all have the same number of requests.
        for (pop, push) in [("LPOP", "LPUSH"), ("RPOP", "RPUSH")] {
            let pushed = plan.iter().find(|(test, _)| test.name == push).map(|(_, counts)| counts.clone());
            if let (Some(pushed), Some((_, counts))) =
                (pushed, plan.iter_mut().find(|(test, _)| test.name == pop))
            {
                *counts = pushed;
            }
        }
        Ok(plan)
    }

    fn round(
        &self,
        round: usize,
        candidates: &[Candidate],
        program: &RedisBenchmark,
        plan: &[(Test, Vec<u64>)],
        work: &Workplace,
        figures: &mut Figures,
    ) -> Result<(), BenchError> {
        for (at, &depth) in self.depths.iter().enumerate() {
            let servers = self.start(candidates, work)?;
            let mut list_filled = false;
            for (number, (test, counts)) in plan.iter().enumerate() {
                if test.reads_list() && !list_filled {
                    list_filled = true;
                    for server in &servers {
                        fill_list(program, server)?;
                    }
                }
                for turn in 0..servers.len() {
                    let who = (turn + round) % servers.len();
                    let cost = cost(program, &servers[who], counts[at], depth, test).map_err(|error| {
                        BenchError::Arguments(format!("{}: {}: {error}", candidates[who].name, test.name))
                    })?;
                    figures.entry((number, depth, who)).or_default().push(cost);
                }
                eprintln!(
                    "round {} depth {depth}: {} {}",
                    round + 1,
                    test.name,
                    self.last(figures, number, depth, candidates)
                );
            }
        }
        Ok(())
    }

    fn last(&self, figures: &Figures, number: usize, depth: u64, candidates: &[Candidate]) -> String {
        let mut text = String::new();
        for (who, candidate) in candidates.iter().enumerate() {
            if let Some(cost) = figures.get(&(number, depth, who)).and_then(|costs| costs.last()) {
                // Writing to a String cannot fail.
                let _ = write!(text, " {} {cost:.3}", candidate.name);
            }
        }
        text
    }

    fn page(
        &self,
        host: &Host,
        candidates: &[Candidate],
        program: &RedisBenchmark,
        plan: &[(Test, Vec<u64>)],
        figures: &Figures,
    ) -> String {
        let mut page = head("redis-benchmark's default list", host, candidates);
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "`cargo xtask bench stock`. Microseconds of CPU time of the server process (user space and kernel) per request of \
             {}, 50 connections; median (least to most) of {} rounds, in which the servers take turns. One I/O thread each; \
             servers on CPU {}, redis-benchmark on CPU {}. The ratio is ours to the better peer's of the same round. \
             A row is *faster* if that is below 1 in every round, *slower* if it is above 1 in every round, and otherwise \
             *level*, with the side on which the median lies.\n\n| test | -P |",
            program.version, self.rounds, self.table.server_cpu, self.table.load_cpu,
        );
        for candidate in candidates {
            let _ = write!(page, " {} |", candidate.name);
        }
        page.push_str(" ratio | verdict |\n| :--- | ---: |");
        page.push_str(&" ---: |".repeat(candidates.len() + 1));
        page.push_str(" :--- |\n");
        let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
        for &depth in &self.depths {
            for (number, (test, _)) in plan.iter().enumerate() {
                let costs: Vec<&[f64]> = (0..candidates.len())
                    .map(|who| figures.get(&(number, depth, who)).map_or(&[][..], Vec::as_slice))
                    .collect();
                let _ = write!(page, "| {} | {depth} |", test.name);
                for cost in &costs {
                    let _ = write!(page, " {} |", text(Range::of(cost.iter().copied()), 3));
                }
                let ratio = ratio(&costs);
                let verdict = verdict(ratio);
                *tally.entry(verdict).or_default() += 1;
                let _ = writeln!(page, " {} | {verdict} |", text(ratio, 2));
            }
        }
        let counted: Vec<String> =
            tally.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        let _ = writeln!(page, "\n{}.", counted.join(", "));
        page
    }
}

/// Ours to the better peer's, round by round. The first is ours.
fn ratio(costs: &[&[f64]]) -> Option<Range> {
    let (ours, peers) = costs.split_first()?;
    Range::of(ours.iter().enumerate().filter_map(|(round, our)| {
        let best = peers.iter().filter_map(|peer| peer.get(round)).copied().min_by(f64::total_cmp)?;
        (best > 0.0).then_some(our / best)
    }))
}

fn verdict(ratio: Option<Range>) -> &'static str {
    match ratio {
        None => "not measured",
        Some(ratio) if ratio.max < 1.0 => "faster",
        Some(ratio) if ratio.min > 1.0 => "SLOWER",
        Some(ratio) if ratio.median <= 1.0 => "level, better",
        Some(_) => "level, worse",
    }
}

fn text(range: Option<Range>, digits: usize) -> String {
    range.map_or_else(|| "-".to_owned(), |range| range.text(digits))
}

/// CPU time that the server spends while redis-benchmark runs, in microseconds per request.
fn cost(
    program: &RedisBenchmark,
    server: &Server,
    count: u64,
    depth: u64,
    test: &Test,
) -> Result<f64, BenchError> {
    let clock = ProcessClock::of(server.pid()).map_err(io::Error::from)?;
    let before = clock.read().map_err(io::Error::from)?;
    program.run(server, count, depth, &test.words)?;
    let spent = clock.read().map_err(io::Error::from)?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / count as f64)
}

/// Gives the server the list that the tests of LRANGE read, in redis-benchmark's own way.
fn fill_list(program: &RedisBenchmark, server: &Server) -> Result<(), BenchError> {
    program.run(server, LIST, 16, &["-t", "lpush"].map(str::to_owned)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_tests() {
        let words = |title: &str| Test::of(title).map(|test| test.words.join(" "));
        assert_eq!(words("PING_INLINE").as_deref(), Some("-t ping_inline"));
        assert_eq!(words("MSET (10 keys)").as_deref(), Some("-t mset"));
        assert_eq!(words("LRANGE_300 (first 300 elements)").as_deref(), Some("LRANGE mylist 0 299"));
        assert_eq!(words("LPUSH (needed to benchmark LRANGE)"), None);
    }

    #[test]
    fn the_better_peer_of_the_same_round_counts() {
        let ratio = ratio(&[&[1.0, 3.0], &[2.0, 4.0], &[4.0, 2.0]]);
        assert_eq!(ratio, Some(Range { median: 1.0, min: 0.5, max: 1.5 }));
        assert_eq!(verdict(ratio), "level, better");
        assert_eq!(verdict(Range::of([1.1, 1.2])), "SLOWER");
        assert_eq!(verdict(Range::of([0.8, 0.9])), "faster");
        assert_eq!(verdict(None), "not measured");
    }
}
