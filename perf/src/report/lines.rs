//! Curves: latency percentiles, latency against throughput, a model against measurements.

use super::Ink;
use super::axis::{Ruler, Scale, Unit};
use super::svg::{NARROW, at, drawing, label, line, mark, text_width};
use maud::{Markup, html};

/// Curves over two axes.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical one.
    pub y: Axis,
    /// The curves; one without points is left out.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What it shows.
    pub label: String,
    /// How it is spread.
    pub scale: Scale,
    /// What its figures count.
    pub unit: Unit,
}

impl Axis {
    /// An axis.
    pub fn new(label: &str, scale: Scale, unit: Unit) -> Axis {
        Axis { label: label.to_owned(), scale, unit }
    }
}

/// A curve.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Drawn dashed: what is computed, not measured.
    pub dashed: bool,
    /// Its points, in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// Points between which a mark is drawn would overlap: so far apart at least.
const MARK_DISTANCE: f64 = 26.0;

/// Room to the right of the frame.
const MARGIN: f64 = 22.0;

impl Lines {
    /// The drawing at this width; says that there is nothing if there are no points.
    pub(super) fn draw(&self, width: f64, caption: &str) -> Markup {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let rulers = Ruler::fit(self.x.scale, points().map(|point| point.0))
            .zip(Ruler::fit(self.y.scale, points().map(|point| point.1)));
        let Some((x, y)) = rulers else {
            return html! { p.nothing { "There is nothing to draw; the table says why." } };
        };
        let narrow = width < NARROW;
        let y_ticks = y.ticks(if narrow { 7 } else { 9 });
        let widest = y_ticks.iter().map(|&tick| text_width(&self.y.unit.show(tick))).fold(0.0, f64::max);
        let frame = Frame {
            left: widest + 10.0,
            top: 26.0,
            right: width - MARGIN,
            bottom: if narrow { 270.0 } else { 350.0 },
            x,
            y,
        };
        let content = html! {
            (self.grid(&frame, &y_ticks, if narrow { 4 } else { 9 }))
            // What the report is about is drawn last, above the others.
            @for (index, series) in self.series.iter().enumerate().rev() {
                (self.curve(&frame, index, series))
            }
        };
        drawing(width, frame.bottom + 46.0, caption, &content)
    }

    fn grid(&self, frame: &Frame, y_ticks: &[f64], most_x: usize) -> Markup {
        let x_ticks = frame.x.ticks(most_x);
        html! {
            @for &tick in y_ticks {
                @let y = frame.y_at(tick);
                (line((frame.left, y), (frame.right, y), "grid"))
                (label(frame.left - 7.0, y + 4.0, "end", "tick", &self.y.unit.show(tick)))
            }
            @for &tick in &x_ticks {
                @let x = frame.x_at(tick);
                (line((x, frame.top), (x, frame.bottom), "grid"))
                @let text = self.x.unit.show(tick);
                // The last one stays inside of the drawing.
                @let x = x.min(frame.right + MARGIN - text_width(&text) / 2.0);
                (label(x, frame.bottom + 17.0, "middle", "tick", &text))
            }
            (line((frame.left, frame.bottom), (frame.right, frame.bottom), "axis"))
            (label(frame.left.min(4.0), 13.0, "start", "name", &self.y.label))
            (label(frame.right, frame.bottom + 38.0, "end", "name", &self.x.label))
        }
    }

    fn curve(&self, frame: &Frame, index: usize, series: &Series) -> Markup {
        let places: Vec<(f64, f64)> =
            series.points.iter().map(|&(x, y)| (frame.x_at(x), frame.y_at(y))).collect();
        let path: Vec<String> = places.iter().map(|&(x, y)| format!("{} {}", at(x), at(y))).collect();
        let mut marked = f64::NEG_INFINITY;
        let marks: Vec<bool> = places
            .iter()
            .map(|&(x, _)| {
                let far = x - marked >= MARK_DISTANCE;
                marked = if far { x } else { marked };
                far
            })
            .collect();
        let class = series.ink.class();
        let dashed = if series.dashed { " dashed" } else { "" };
        html! {
            g.series {
                @if path.len() > 1 {
                    path d={ "M" (path.join("L")) } class={ "curve " (class) (dashed) } {}
                }
                @for ((&place, &(x, y)), &marked) in places.iter().zip(&series.points).zip(&marks) {
                    g {
                        @if marked && !series.dashed { (mark(index, place, class)) }
                        // A larger target for the pointer than the mark.
                        circle cx=(at(place.0)) cy=(at(place.1)) r="9" class="target" {
                            title {
                                (series.name) ": " (self.y.unit.show(y)) " (" (self.y.label) ") at "
                                (self.x.unit.show(x)) " (" (self.x.label) ")"
                            }
                        }
                    }
                }
            }
        }
    }

    /// What the colours and marks mean.
    pub(super) fn legend(&self) -> Markup {
        html! {
            ul.legend {
                @for (index, series) in self.series.iter().enumerate().filter(|(_, s)| !s.points.is_empty()) {
                    li {
                        svg viewBox="0 0 30 14" aria-hidden="true" {
                            @let dashed = if series.dashed { " dashed" } else { "" };
                            path d="M1 7H29" class={ "curve " (series.ink.class()) (dashed) } {}
                            @if !series.dashed { (mark(index, (15.0, 7.0), series.ink.class())) }
                        }
                        (series.name)
                    }
                }
            }
        }
    }
}

struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    x: Ruler,
    y: Ruler,
}

impl Frame {
    fn x_at(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (self.right - self.left)
    }

    fn y_at(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value) * (self.bottom - self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(points: Vec<(f64, f64)>) -> Lines {
        Lines {
            x: Axis::new("percentile", Scale::Tail, Unit::Percentile),
            y: Axis::new("latency", Scale::Log, Unit::Micros),
            series: vec![Series { name: "a<b".to_owned(), ink: Ink::OWN, dashed: false, points }],
        }
    }

    #[test]
    fn curves_have_their_points_and_names() {
        let drawn = lines(vec![(0.0, 100.0), (50.0, 200.0), (99.0, 1500.0)]).draw(880.0, "x").into_string();
        assert_eq!(drawn.matches("class=\"target\"").count(), 3);
        assert!(drawn.contains("a&lt;b: 1.5 ms (latency) at p99 (percentile)"), "{drawn}");
        assert!(drawn.contains("class=\"curve s0\""));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert!(lines(Vec::new()).draw(880.0, "x").into_string().contains("nothing to draw"));
    }
}
