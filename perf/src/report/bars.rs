//! Horizontal bars in groups, each bar in parts: where CPU time goes.

use super::axis::Unit;
use super::svg::{NARROW, at, drawing, label, line, text_width};
use maud::{Markup, html};

/// Bars. Each group has a scale of its own.
#[derive(Debug, Clone)]
pub struct Bars {
    /// What the figures count.
    pub unit: Unit,
    /// Names of the parts, in the order in which they are stacked and coloured.
    pub parts: Vec<Part>,
    /// The groups.
    pub groups: Vec<BarGroup>,
}

/// A part of a bar: its name and its place among the colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, as in "kernel".
    pub name: String,
}

/// Bars that are compared with one another.
#[derive(Debug, Clone)]
pub struct BarGroup {
    /// What they have in common.
    pub title: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Whether it is what the report is about.
    pub own: bool,
    /// Its parts, as many as [`Bars::parts`].
    pub values: Vec<f64>,
    /// The smallest and largest totals that were seen.
    pub range: (f64, f64),
}

impl Bar {
    fn total(&self) -> f64 {
        self.values.iter().sum()
    }
}

/// Colours that parts have.
const COLOURS: usize = 8;

const BAR: f64 = 16.0;
const BETWEEN: f64 = 25.0;
const TITLE: f64 = 34.0;

impl Bars {
    /// The drawing at this width.
    pub(super) fn draw(&self, width: f64, caption: &str) -> Markup {
        let narrow = width < NARROW;
        let names = self.groups.iter().flat_map(|group| &group.bars).map(|bar| text_width(&bar.name));
        // Where there is little room, names stand above their bars.
        let left = if narrow { 2.0 } else { names.fold(0.0, f64::max) + 12.0 };
        let row = if narrow { BETWEEN + 15.0 } else { BETWEEN };
        let right = width - 74.0;
        let mut y = 0.0;
        let mut content = Vec::new();
        for group in &self.groups {
            content.push(label(2.0, y + 20.0, "start", "group", &group.title));
            y += TITLE;
            let longest = group.bars.iter().map(|bar| bar.total().max(bar.range.1)).fold(0.0, f64::max);
            let scale = if longest > 0.0 { (right - left) / longest } else { 0.0 };
            for bar in &group.bars {
                content.push(self.bar(bar, (left, y), scale, narrow));
                y += row;
            }
            y += 8.0;
        }
        drawing(width, y.max(1.0), caption, &html! { @for part in &content { (part) } })
    }

    fn bar(&self, bar: &Bar, (left, y): (f64, f64), scale: f64, narrow: bool) -> Markup {
        let class = if bar.own { "own" } else { "row" };
        let top = if narrow { y + 15.0 } else { y };
        let middle = top + BAR / 2.0;
        let mut start = left;
        let pieces: Vec<(usize, f64, f64)> = bar
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let piece = (index, start, value * scale);
                start += value * scale;
                piece
            })
            .collect();
        let (low, high) = (left + bar.range.0 * scale, left + bar.range.1 * scale);
        html! {
            g {
                title {
                    (bar.name) ": " (self.unit.show(bar.total()))
                    " (" (self.unit.show(bar.range.0)) " to " (self.unit.show(bar.range.1)) ")"
                    @for (part, value) in self.parts.iter().zip(&bar.values).filter(|(_, value)| **value > 0.0) {
                        ", " (part.name) " " (self.unit.show(*value))
                    }
                }
                @if narrow {
                    (label(left, y + 10.0, "start", class, &bar.name))
                } @else {
                    (label(left - 8.0, middle + 4.0, "end", class, &bar.name))
                }
                @for (index, x, length) in pieces.into_iter().filter(|(_, _, length)| *length > 0.0) {
                    rect x=(at(x)) y=(at(top)) width=(at(length.max(0.0))) height=(at(BAR)) class={ "p" (index % COLOURS) } {}
                }
                (line((low, middle), (high, middle), "whisker"))
                (line((low, middle - 4.0), (low, middle + 4.0), "whisker"))
                (line((high, middle - 4.0), (high, middle + 4.0), "whisker"))
                (label(start.max(high) + 7.0, middle + 4.0, "start", class, &self.unit.show(bar.total())))
            }
        }
    }

    /// What the colours mean; those that no bar has are left out.
    pub(super) fn legend(&self) -> Markup {
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        let shown = |index: usize| bars().any(|bar| bar.values.get(index).is_some_and(|&value| value > 0.0));
        html! {
            ul.legend {
                @for (index, part) in self.parts.iter().enumerate().filter(|(index, _)| shown(*index)) {
                    li {
                        svg viewBox="0 0 14 14" aria-hidden="true" {
                            rect x="1" y="1" width="12" height="12" class={ "p" (index % COLOURS) } {}
                        }
                        (part.name)
                    }
                }
                li {
                    svg viewBox="0 0 30 14" aria-hidden="true" {
                        path d="M2 7H28M2 3V11M28 3V11" class="whisker" {}
                    }
                    "smallest to largest round"
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_stacked() {
        let bars = Bars {
            unit: Unit::Micros,
            parts: ["kernel", "user"].map(|name| Part { name: name.to_owned() }).to_vec(),
            groups: vec![BarGroup {
                title: "depth 1".to_owned(),
                bars: vec![
                    Bar { name: "boxcar".to_owned(), own: true, values: vec![3.0, 1.0], range: (3.5, 4.5) },
                    Bar { name: "null".to_owned(), own: false, values: vec![2.0, 0.5], range: (2.5, 2.5) },
                ],
            }],
        };
        for width in [880.0, 372.0] {
            let drawn = bars.draw(width, "x").into_string();
            assert_eq!(drawn.matches("<rect").count(), 4);
            assert!(drawn.contains("boxcar: 4 µs (3.5 µs to 4.5 µs), kernel 3 µs, user 1 µs"), "{drawn}");
        }
    }
}
