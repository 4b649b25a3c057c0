//! A page made again from a run's record, with what was put beside it since: flame graphs and counters.

use super::BenchError;
use super::compare::comparison_page;
use super::peers_page::peers_page;
use super::record::{Record, RunKind, write_page};
use super::scaling_page::scaling_page;
use super::session::exit_code;
use crate::report::{Drawing, Figure, Flame, Page, Section, Table};
use clap::Args;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Makes the report of a run again from its results.json, and embeds what lies beside it.
///
/// Every file NAME.svg becomes a flame graph, and counters.json a table: {"about": "...", "columns": ["boxcar", ...], "rows": [["cycles per
/// operation", "1234", ...], ...], "missing": ["why a counter is not there", ...]}.
#[derive(Debug, Clone, Args)]
pub struct RepublishArguments {
    /// The run's directory.
    directory: PathBuf,
}

/// The file of counters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    about: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    #[serde(default)]
    missing: Vec<String>,
}

impl RepublishArguments {
    /// Writes index.html and results.md.
    pub fn execute(&self) -> ExitCode {
        exit_code(self.publish())
    }

    fn publish(&self) -> Result<(), BenchError> {
        let mut page = Record::read(&self.directory)?.page();
        page.limits.extend(embed(&self.directory, &mut page.sections)?);
        write_page(&page, &self.directory)?;
        println!("{}/index.html", self.directory.display());
        Ok(())
    }
}

impl Record {
    /// The page of this run.
    pub fn page(&self) -> Page {
        match self.kind {
            RunKind::Peers => peers_page(self),
            RunKind::Ab | RunKind::Matrix => comparison_page(self),
            RunKind::Scaling => scaling_page(self),
        }
    }
}

/// Adds sections of what lies in a directory; returns what could not be counted.
pub(super) fn embed(directory: &Path, sections: &mut Vec<Section>) -> Result<Vec<String>, BenchError> {
    let named = |path: &Path| {
        let path = path.to_owned();
        move |source| BenchError::File { path, source }
    };
    let mut missing = Vec::new();
    let counters = directory.join("counters.json");
    if counters.is_file() {
        let text = fs::read_to_string(&counters).map_err(named(&counters))?;
        let found: Counters = serde_json::from_str(&text)
            .map_err(|error| BenchError::Arguments(format!("{}: {error}", counters.display())))?;
        let mut table = Table::new(std::iter::once("counter".to_owned()).chain(found.columns));
        for row in found.rows {
            if row.len() != table.head.len() {
                let error = format!(
                    "{}: a row has {} cells, not {}",
                    counters.display(),
                    row.len(),
                    table.head.len()
                );
                return Err(BenchError::Arguments(error));
            }
            table.row(row);
        }
        missing = found.missing;
        sections.push(Section {
            title: "Counters".to_owned(),
            text: found.about,
            figures: vec![Figure { caption: "Counted per operation".to_owned(), drawing: None, table }],
        });
    }
    let entries = fs::read_dir(directory).map_err(named(directory))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "svg"));
    paths.sort();
    let mut figures = Vec::new();
    for path in paths {
        let svg = fs::read_to_string(&path).map_err(named(&path))?;
        let flame =
            Flame::new(svg).map_err(|error| BenchError::Arguments(format!("{}: {error}", path.display())))?;
        let caption = path.file_stem().unwrap_or_default().to_string_lossy().replace(['-', '_'], " ");
        figures.push(Figure { caption, drawing: Some(Drawing::Flame(flame)), table: Table::default() });
    }
    if !figures.is_empty() {
        sections.push(Section {
            title: "Flame graphs".to_owned(),
            text: "Where CPU time goes: each box is a function, as wide as the share of samples in which it was on the stack. A click enlarges a box.".to_owned(),
            figures,
        });
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_a_run_is_embedded() {
        let directory = std::env::temp_dir().join(format!("boxcar-embed-test-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("get_depth-16.svg"), "<svg width=\"10\" height=\"5\"></svg>").unwrap();
        let counters = r#"{"about": "a", "columns": ["boxcar"], "rows": [["cycles", "9"]], "missing": ["no cache misses"]}"#;
        fs::write(directory.join("counters.json"), counters).unwrap();
        let mut sections = Vec::new();
        let missing = embed(&directory, &mut sections);
        fs::write(directory.join("counters.json"), counters.replace("\"9\"", "\"9\", \"8\"")).unwrap();
        let wrong = embed(&directory, &mut Vec::new());
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(missing.unwrap(), ["no cache misses"]);
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[1].figures[0].caption, "get depth 16");
        assert!(wrong.unwrap_err().to_string().contains("3 cells, not 2"));
    }
}
