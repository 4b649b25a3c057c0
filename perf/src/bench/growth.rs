//! The growth run: what commands cost at 10, 1,000, 100,000 and 1,000,000 elements, beside redis-server.
//!
//! The time is a client's round trip less that of a PING, the least of several, so that what disturbs the machine in
//! between does not count; quick calls are sent many at a time. Both servers are asked in turns, row by row.

use super::client::Client;
use super::datasets::Dataset;
use super::growth_cell::{Cell, fill, measure};
use super::growth_rows::{Effect, ROWS, Row};
use super::host::Host;
use super::servers::{Candidate, Server};
use super::tables::{TableArguments, Workplace, exit, head};
use super::{BenchError, ServerError};
use boxcar_sys::affinity::{CpuList, pin_current_thread};
use clap::Args;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Times below this many microseconds are as good as nothing: a round trip is 20 to 50.
const RESOLUTION: f64 = 0.5;

/// The same for calls that are made one at a time, each on a copy just made: a wake-up and cold caches.
const SINGLE_RESOLUTION: f64 = 25.0;

/// How much steeper than documented a measured growth may be: data that no longer fits into a cache makes any access slower, a
/// hash table's as well, by about a factor of 8 over three decades.
const TOLERANCE: f64 = 0.3;

/// How many of the slowest are listed.
const SLOWEST: usize = 30;

/// Measures what each data type's commands cost at growing sizes, beside redis-server.
///
/// Peers are found as for `quick`.
#[derive(Debug, Clone, Args)]
pub struct GrowthArguments {
    #[command(flatten)]
    table: TableArguments,
    /// Numbers of elements.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 100_000, 1_000_000])]
    elements: Vec<usize>,
    /// Only the rows whose data or command contains one of these, as in list,ZRANGE.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "growth")]
    name: String,
}

/// A row's cells: for each size, for each server.
struct Line {
    row: &'static Row,
    cells: Vec<(usize, Vec<Cell>)>,
}

/// Whether `--only` names this row.
pub(super) fn wanted(only: &[String], row: &Row) -> bool {
    let data = format!("{:?}", row.data).to_lowercase();
    only.is_empty()
        || only.iter().any(|part| data.contains(&part.to_lowercase()) || row.call.contains(part.as_str()))
}

/// The data of these rows, each once, in their order.
pub(super) fn datasets(rows: &[&Row]) -> Vec<Dataset> {
    let mut datasets: Vec<Dataset> = rows.iter().map(|row| row.data).collect();
    datasets.dedup();
    datasets
}

impl GrowthArguments {
    /// Runs it, prints the tables, writes them.
    pub fn execute(&self) -> ExitCode {
        exit(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.table.server_cpu);
        let candidates = self.table.candidates(&["redis"])?;
        pin_current_thread(&CpuList::from_iter([self.table.load_cpu]))?;
        let rows: Vec<&'static Row> = ROWS.iter().filter(|row| wanted(&self.only, row)).collect();
        let work = Workplace::new("growth");
        let mut lines: Vec<Line> = rows.iter().map(|&row| Line { row, cells: Vec::new() }).collect();
        for data in datasets(&rows) {
            self.one(data, &candidates, &mut lines, &work)
                .map_err(|error| BenchError::Arguments(format!("{data:?}: {error}")))?;
        }
        let page = self.page(&host, &candidates, &lines);
        self.table.publish(&host, &self.name, &page)
    }

    /// Measures all rows of this data at all sizes.
    fn one(
        &self,
        data: Dataset,
        candidates: &[Candidate],
        lines: &mut [Line],
        work: &Workplace,
    ) -> Result<(), ServerError> {
        let cpus = CpuList::from_iter([self.table.server_cpu]);
        let mut servers: Vec<(Server, Client)> = Vec::new();
        for candidate in candidates {
            let server = candidate.start(&cpus, &work.path().join(&candidate.name), &[])?;
            let client = Client::open(&server)?;
            servers.push((server, client));
        }
        for &n in &self.elements {
            for (_, client) in &mut servers {
                fill(client, data, n)?;
            }
            for line in lines.iter_mut().filter(|line| line.row.data == data && n <= line.row.most) {
                let cells = servers.iter_mut().map(|(_, client)| measure(client, line.row, n));
                let cells = cells.collect::<Result<Vec<Cell>, ServerError>>()?;
                eprintln!("{data:?} {n}: {}: {}", line.row.title(), pair(&cells));
                line.cells.push((n, cells));
            }
        }
        Ok(())
    }

    fn page(&self, host: &Host, candidates: &[Candidate], lines: &[Line]) -> String {
        let mut page = head("Growth", host, candidates);
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "`cargo xtask bench growth`. Microseconds of one call at so many elements: a client's round trip less that of a PING, the \
             least of several, Boxcar / redis-server (ratio where one of them is above {RESOLUTION}). The exponent is log(time \
             ratio) / log(size ratio) of the last size and the last but two, with times below {RESOLUTION} counted as \
             that ({SINGLE_RESOLUTION} where each call needs a copy of its own): Boxcar / redis-server / documented. A row *holds* if Boxcar's is at most {TOLERANCE} above the documented \
             one (larger data is further away from the processor, whatever the structure), or at most 0.1 above \
             redis-server's. n is the number of elements, half the half of it, other another key with the same data.\n\n\
             | data | command | documented |"
        );
        for n in &self.elements {
            let _ = write!(page, " {n} |");
        }
        page.push_str(" exponent | verdict |\n| :--- | :--- | :--- |");
        page.push_str(&" ---: |".repeat(self.elements.len() + 1));
        page.push_str(" :--- |\n");
        let mut holding = 0;
        for line in lines {
            let _ =
                write!(page, "| {:?} | `{}` | {} |", line.row.data, line.row.title(), line.row.documented);
            for n in &self.elements {
                let cells = line.cells.iter().find(|(size, _)| size == n);
                let _ = write!(page, " {} |", cells.map_or_else(String::new, |(_, cells)| pair(cells)));
            }
            let (exponents, verdict) = line.verdict();
            holding += usize::from(verdict == "holds");
            let _ = writeln!(page, " {exponents} | {verdict} |");
        }
        let _ = writeln!(page, "\n{holding} of {} rows hold.\n", lines.len());
        page.push_str(&slowest(lines));
        page
    }
}

impl Line {
    /// The exponents in words, and the verdict.
    fn verdict(&self) -> (String, &'static str) {
        let Some((large, cells)) = self.cells.last() else { return (String::new(), "not measured") };
        let (small, before) = &self.cells[self.cells.len().saturating_sub(3)];
        let Some(ours) = exponent(self.row, (*small, before.first()), (*large, cells.first())) else {
            return (String::new(), "NOT answered");
        };
        if small == large {
            return (String::new(), "one size");
        }
        let theirs = exponent(self.row, (*small, before.get(1)), (*large, cells.get(1)));
        let documented = self.row.growth.exponent(*small, *large);
        let holds = ours <= documented + TOLERANCE || theirs.is_some_and(|theirs| ours <= theirs + 0.1);
        let theirs = theirs.map_or_else(|| "-".to_owned(), |theirs| format!("{theirs:.2}"));
        (format!("{ours:.2} / {theirs} / {documented:.2}"), if holds { "holds" } else { "STEEPER" })
    }
}

fn exponent(row: &Row, small: (usize, Option<&Cell>), large: (usize, Option<&Cell>)) -> Option<f64> {
    let resolution = if row.effect == Effect::Consumes { SINGLE_RESOLUTION } else { RESOLUTION };
    let time = |cell: Option<&Cell>| Some(cell?.best()?.max(resolution));
    let (before, after) = (time(small.1)?, time(large.1)?);
    Some((after / before).ln() / (large.0 as f64 / small.0 as f64).ln())
}

/// Ours and theirs, and the ratio.
fn pair(cells: &[Cell]) -> String {
    let time = |cell: &Cell| match cell {
        Cell::Time { best, .. } if *best >= 100.0 => format!("{best:.0}"),
        Cell::Time { best, .. } => format!("{best:.1}"),
        Cell::Refused(error) => {
            let error = error.trim_start_matches('-').split(',').next().unwrap_or_default();
            format!("refused ({})", error.replace('|', "\\|"))
        }
    };
    let texts: Vec<String> = cells.iter().map(time).collect();
    let mut text = texts.join(" / ");
    if let [Some(ours), Some(theirs)] = cells.iter().map(Cell::best).collect::<Vec<_>>()[..]
        && ours.max(theirs) >= RESOLUTION
        && theirs > 0.0
    {
        // Writing to a String cannot fail.
        let _ = write!(text, " ({:.2})", ours / theirs);
    }
    text
}

/// The table of the slowest single commands at the largest size.
fn slowest(lines: &[Line]) -> String {
    let largest = lines.iter().flat_map(|line| &line.cells).map(|(n, _)| *n).max().unwrap_or(0);
    let at_largest = |line: &Line| {
        let (_, cells) = line.cells.iter().find(|(n, _)| *n == largest)?;
        let Cell::Time { best, median } = cells.first()? else { return None };
        Some((*median, *best, cells.get(1).cloned()))
    };
    let mut found: Vec<_> = lines.iter().filter_map(|line| Some((line.row, at_largest(line)?))).collect();
    found.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    let mut text = format!(
        "## The slowest single commands at {largest} elements\n\nMilliseconds, the least and the median of several calls.\n\n\
         | data | command | boxcar | redis-server |\n| :--- | :--- | ---: | ---: |\n"
    );
    for (row, (median, best, theirs)) in found.iter().take(SLOWEST) {
        let theirs = match theirs {
            Some(Cell::Time { best, median }) => format!("{:.1} to {:.1}", best / 1e3, median / 1e3),
            Some(Cell::Refused(_)) => "refused".to_owned(),
            None => "-".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {:?} | `{}` | {:.1} to {:.1} | {theirs} |",
            row.data,
            row.title(),
            best / 1e3,
            median / 1e3
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::growth_rows::Growth;

    static ROW: Row = Row {
        data: Dataset::List,
        call: "X $key",
        documented: "O(N)",
        growth: Growth::Linear,
        effect: Effect::Reads,
        most: 1_000_000,
    };

    fn line(ours: [f64; 3], theirs: [f64; 3]) -> Line {
        let cell = |best: f64| Cell::Time { best, median: best };
        let cells = [1_000, 100_000, 1_000_000]
            .into_iter()
            .zip(ours.into_iter().zip(theirs))
            .map(|(n, (our, their))| (n, vec![cell(our), cell(their)]))
            .collect();
        Line { row: &ROW, cells }
    }

    #[test]
    fn what_grows_faster_than_documented_is_steeper() {
        assert_eq!(line([1.0, 100.0, 1000.0], [1.0, 1.0, 1.0]).verdict().1, "holds");
        assert_eq!(line([1.0, 1e4, 1e6], [1.0, 100.0, 1000.0]).verdict().1, "STEEPER");
        assert_eq!(line([1.0, 1e4, 1e6], [1.0, 1e4, 1e6]).verdict().1, "holds");
    }

    #[test]
    fn a_refusal_is_told() {
        let mut line = line([1.0; 3], [1.0; 3]);
        line.cells[2].1[0] = Cell::Refused("-ERR unknown command".to_owned());
        assert_eq!(line.verdict().1, "NOT answered");
        assert_eq!(pair(&line.cells[2].1), "refused (ERR unknown command) / 1.0");
        assert_eq!(pair(&line.cells[1].1), "1.0 / 1.0 (1.00)");
    }
}
