//! A field of ratios: what each switch does to each scenario.

use super::svg::{NARROW, at, drawing, label, text_width};
use maud::{Markup, html};

/// A field of ratios.
#[derive(Debug, Clone)]
pub struct Heat {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Names of the rows and their cells, one for each column.
    pub rows: Vec<(String, Vec<Option<Cell>>)>,
}

/// A cell: a ratio to the yardstick, less is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The ratio; 1 is no difference.
    pub ratio: f64,
    /// Whether the difference is larger than the noise.
    pub sure: bool,
    /// What the pointer is told.
    pub note: String,
}

impl Cell {
    /// Its class: how far from one, and to which side. Steps of 2, 5, 10 and 25 per cent.
    fn class(&self) -> String {
        if !self.sure {
            return "unsure".to_owned();
        }
        let distance = (self.ratio.max(1e-9).ln()).abs();
        let step = [1.02, 1.05, 1.1, 1.25].into_iter().filter(|step: &f64| distance >= step.ln()).count();
        format!("{}{step}", if self.ratio < 1.0 { "less" } else { "more" })
    }

    /// The difference in per cent.
    pub fn text(&self) -> String {
        let percent = (self.ratio - 1.0) * 100.0;
        let digits = if percent.abs() < 9.95 { format!("{percent:+.1}") } else { format!("{percent:+.0}") };
        // A minus as wide as the plus.
        let digits = digits.replace('-', "\u{2212}");
        if self.sure { format!("{digits} %") } else { format!("({digits})") }
    }
}

const CELL: f64 = 30.0;

impl Heat {
    /// The drawing at this width.
    pub(super) fn draw(&self, width: f64, caption: &str) -> Markup {
        let narrow = width < NARROW;
        let names = self.rows.iter().map(|(name, _)| text_width(name)).fold(0.0, f64::max);
        let left = if narrow { 2.0 } else { names + 12.0 };
        let cell = (width - left - 2.0) / self.columns.len().max(1) as f64;
        let row = if narrow { CELL + 22.0 } else { CELL + 3.0 };
        let top = 24.0;
        let content = html! {
            @for (index, _) in self.columns.iter().enumerate() {
                (label(left + (index as f64 + 0.5) * cell, 14.0, "middle", "group", &letter(index)))
            }
            @for (index, (name, cells)) in self.rows.iter().enumerate() {
                @let y = top + index as f64 * row;
                @if narrow {
                    (label(left, y + 13.0, "start", "row", name))
                } @else {
                    (label(left - 8.0, y + CELL / 2.0 + 4.0, "end", "row", name))
                }
                @let y = if narrow { y + 18.0 } else { y };
                @for (column, found) in cells.iter().enumerate() {
                    (one(found.as_ref(), (left + column as f64 * cell, y), cell, (name, &self.columns[column])))
                }
            }
        };
        drawing(width, top + self.rows.len() as f64 * row, caption, &content)
    }

    /// What the letters and colours mean.
    pub(super) fn legend(&self) -> Markup {
        html! {
            ul.legend {
                @for (index, column) in self.columns.iter().enumerate() {
                    li { b { (letter(index)) } " " (column) }
                }
            }
            ul.legend {
                @for (class, text) in [
                    ("less4", "25 % less or better"), ("less2", "5 % less"), ("less0", "less"), ("unsure", "(within the noise)"),
                    ("more0", "more"), ("more2", "5 % more"), ("more4", "25 % more or worse"),
                ] {
                    li {
                        svg viewBox="0 0 14 14" aria-hidden="true" {
                            rect x="1" y="1" width="12" height="12" class={ "cell " (class) } {}
                        }
                        (text)
                    }
                }
            }
        }
    }
}

fn one(cell: Option<&Cell>, (x, y): (f64, f64), width: f64, (row, column): (&str, &str)) -> Markup {
    let class = cell.map_or("none".to_owned(), Cell::class);
    let text = cell.map_or("–".to_owned(), Cell::text);
    html! {
        g {
            title { (row) ", " (column) ": " @match cell { Some(cell) => (cell.note), None => "not measured" } }
            rect x=(at(x + 1.0)) y=(at(y)) width=(at(width - 2.0)) height=(at(CELL)) rx="3" class={ "cell " (class) } {}
            (label(x + width / 2.0, y + CELL / 2.0 + 4.0, "middle", &format!("on {class}"), &text))
        }
    }
}

/// A, B, ... Z, and numbers behind them.
fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(index) if index < 26 => char::from(b'A' + index).to_string(),
        _ => (index + 1).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_tell_how_far_and_how_sure() {
        let cell = |ratio, sure| Cell { ratio, sure, note: String::new() };
        assert_eq!(
            (cell(0.7, true).class().as_str(), cell(0.7, true).text().as_str()),
            ("less4", "\u{2212}30 %")
        );
        assert_eq!(
            (cell(1.03, true).class().as_str(), cell(1.03, true).text().as_str()),
            ("more1", "+3.0 %")
        );
        assert_eq!(
            (cell(1.3, false).class().as_str(), cell(1.3, false).text().as_str()),
            ("unsure", "(+30)")
        );
    }

    #[test]
    fn every_cell_is_drawn() {
        let heat = Heat {
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows: vec![(
                "epoll".to_owned(),
                vec![Some(Cell { ratio: 1.1, sure: true, note: "n".to_owned() }), None],
            )],
        };
        let drawn = heat.draw(880.0, "x").into_string();
        assert_eq!(drawn.matches("<rect").count(), 2);
        assert!(drawn.contains("epoll, b: not measured"), "{drawn}");
    }
}
