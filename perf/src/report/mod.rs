//! Reports: one HTML page a run, complete in itself, and the same tables as plain text.
//!
//! A [`Page`] is data: sections of figures, each a drawing and the table of what it draws. [`Page::html`] makes one file that
//! fetches nothing: drawings are inline SVG without scripts, colours follow the reader's preference for light or dark, and
//! each drawing comes in two widths, so that its letters have their size on a telephone too. [`Page::text`] is the same in
//! Markdown. Whoever measures something fills in a page; nothing here knows what was measured.

mod axis;
mod bars;
mod flame;
mod heat;
mod lines;
mod page;
mod svg;
mod text;

pub use axis::{Scale, Unit};
pub use bars::{Bar, BarGroup, Bars, Part};
pub use flame::Flame;
pub use heat::{Cell, Heat};
pub use lines::{Axis, Lines, Series};

/// A report.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its name.
    pub title: String,
    /// A sentence or two below it: what was done.
    pub lead: String,
    /// Figures that one should see first.
    pub tiles: Vec<Tile>,
    /// What was found.
    pub sections: Vec<Section>,
    /// The machine and the software: name and value.
    pub facts: Vec<(String, String)>,
    /// What took part: name, version, command.
    pub commands: Table,
    /// What was wanted and did not take part, and why.
    pub missing: Vec<String>,
    /// What this machine cannot measure, and what makes figures doubtful.
    pub limits: Vec<String>,
}

/// One large figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The figure with its unit.
    pub value: String,
    /// What it is.
    pub label: String,
    /// What it is compared with, or how far it may be off.
    pub note: String,
}

/// A part of a page.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// How it was measured and how to read it.
    pub text: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// A drawing and the figures behind it.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What is seen.
    pub caption: String,
    /// The drawing; without one, the table stands alone.
    pub drawing: Option<Drawing>,
    /// The figures.
    pub table: Table,
}

/// The kinds of drawings.
#[derive(Debug, Clone)]
pub enum Drawing {
    /// Curves over two axes.
    Lines(Lines),
    /// Horizontal bars in groups, each in parts.
    Bars(Bars),
    /// A field of ratios.
    Heat(Heat),
    /// A flame graph that another program drew.
    Flame(Flame),
}

/// A table. The first column names its row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub head: Vec<String>,
    /// Cells, as many in each row as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Table {
        Table { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// It has not one cell for each column.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.head.len(), "a row has a cell for each column");
        self.rows.push(cells);
    }
}

/// The colour of a curve: one of [`INKS`]. The first is for what the report is about, the last for yardsticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(usize);

/// How many colours can be told apart.
pub const INKS: usize = 8;

impl Ink {
    /// The colour of what the report is about.
    pub const OWN: Ink = Ink(0);
    /// The colour of a yardstick.
    pub const YARDSTICK: Ink = Ink(INKS - 1);

    /// The colour of the `index`th of the others; the seventh gets the first one's again, and another mark.
    pub fn other(index: usize) -> Ink {
        Ink(1 + index % (INKS - 2))
    }

    /// Its class in the style sheet.
    fn class(self) -> &'static str {
        ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"][self.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_of_others_are_neither_the_first_nor_the_last() {
        for index in 0..20 {
            let ink = Ink::other(index);
            assert!(ink != Ink::OWN && ink != Ink::YARDSTICK, "{index}");
        }
        assert_eq!(Ink::other(0), Ink::other(INKS - 2));
    }

    #[test]
    #[should_panic(expected = "a cell for each column")]
    fn a_short_row_is_refused() {
        Table::new(["a", "b"]).row(["1"]);
    }
}
