//! The same tables in Markdown that is readable as it stands.

use super::{Page, Table};
use std::fmt::Write;

impl Page {
    /// The whole page without its drawings.
    pub fn text(&self) -> String {
        let mut out = format!("# {}\n\n{}\n", self.title, self.lead);
        // Writing to a String cannot fail, here and below.
        for tile in &self.tiles {
            let _ = write!(out, "\n- **{}** {} ({})", tile.value, tile.label, tile.note);
        }
        if !self.tiles.is_empty() {
            out.push('\n');
        }
        out.push_str(&self.findings());
        out.push_str("\n## Machine and software\n\n");
        for (name, value) in &self.facts {
            let _ = writeln!(out, "- {name}: {value}");
        }
        for (title, lines) in
            [("What these figures cannot say", &self.limits), ("What did not take part", &self.missing)]
        {
            if !lines.is_empty() {
                let _ = write!(out, "\n### {title}\n\n");
                for line in lines {
                    let _ = writeln!(out, "- {line}");
                }
            }
        }
        let _ = write!(out, "\n## Commands\n\n{}", self.commands.text());
        out
    }

    /// Only what was found: the sections with their tables.
    pub fn findings(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            let _ = write!(out, "\n## {}\n\n{}\n", section.title, section.text);
            for figure in section.figures.iter().filter(|figure| !figure.table.rows.is_empty()) {
                let _ = write!(out, "\n{}\n\n{}", figure.caption, figure.table.text());
            }
        }
        out
    }
}

impl Table {
    /// The table in Markdown, its columns aligned.
    pub fn text(&self) -> String {
        // A bar would end the cell.
        let clean = |cell: &String| cell.replace('|', "\\|");
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(clean).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.head[column].chars().count(), 4]).max().unwrap_or(4)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut out = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &String>| {
            for (column, (cell, &width)) in cells.zip(&widths).enumerate() {
                let _ = if column == 0 {
                    write!(out, "| {cell:<width$} ")
                } else {
                    write!(out, "| {cell:>width$} ")
                };
            }
            out.push_str("|\n");
        };
        line(&mut self.head.iter());
        let rules: Vec<String> =
            (0..self.head.len()).map(|column| if column == 0 { ":---" } else { "---:" }.to_owned()).collect();
        line(&mut rules.iter());
        for row in &rows {
            line(&mut row.iter());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_closed() {
        let mut table = Table::new(["server", "µs"]);
        table.row(["boxcar", "4.5"]);
        table.row(["a|b", "10"]);
        assert_eq!(
            table.text(),
            "| server |   µs |\n| :---   | ---: |\n| boxcar |  4.5 |\n| a\\|b   |   10 |\n"
        );
    }
}
