//! What all drawings are made of.

use maud::{Markup, html};

/// The two widths that each drawing comes in, in CSS pixels; the style sheet shows one of them.
pub(super) const WIDTHS: [(f64, &str); 2] = [(880.0, "wide"), (372.0, "narrow")];

/// Below this, a drawing puts names above things instead of beside them.
pub(super) const NARROW: f64 = 500.0;

/// A coordinate, to a tenth of a pixel.
pub(super) fn at(value: f64) -> String {
    format!("{value:.1}")
}

/// A whole drawing. `label` is what a screen reader says of it.
pub(super) fn drawing(width: f64, height: f64, label: &str, content: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (at(width)) " " (at(height)) } role="img" aria-label=(label) { (content) }
    }
}

/// A line of text; `anchor` is start, middle or end.
pub(super) fn label(x: f64, y: f64, anchor: &str, class: &str, text: &str) -> Markup {
    html! { text x=(at(x)) y=(at(y)) text-anchor=(anchor) class=(class) { (text) } }
}

/// A straight line.
pub(super) fn line(from: (f64, f64), to: (f64, f64), class: &str) -> Markup {
    html! { line x1=(at(from.0)) y1=(at(from.1)) x2=(at(to.0)) y2=(at(to.1)) class=(class) {} }
}

/// About how wide a text of the drawings' letters is.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 7.5
}

/// The mark of the `index`th curve around a point: marks differ in form as well as in colour.
pub(super) fn mark(index: usize, (x, y): (f64, f64), class: &str) -> Markup {
    let r = 3.8;
    let path = match index % 6 {
        1 => format!("M{} {}h{}v{}h-{}z", at(x - r), at(y - r), at(2.0 * r), at(2.0 * r), at(2.0 * r)),
        2 => format!(
            "M{} {}L{} {}L{} {}z",
            at(x),
            at(y - r * 1.2),
            at(x + r * 1.1),
            at(y + r),
            at(x - r * 1.1),
            at(y + r)
        ),
        3 => format!(
            "M{} {}L{} {}L{} {}L{} {}z",
            at(x),
            at(y - r * 1.3),
            at(x + r * 1.3),
            at(y),
            at(x),
            at(y + r * 1.3),
            at(x - r * 1.3),
            at(y)
        ),
        4 => format!(
            "M{} {}L{} {}L{} {}z",
            at(x),
            at(y + r * 1.2),
            at(x + r * 1.1),
            at(y - r),
            at(x - r * 1.1),
            at(y - r)
        ),
        5 => format!(
            "M{} {}h{}v{}h-{}z",
            at(x - r * 1.4),
            at(y - r * 0.6),
            at(2.8 * r),
            at(1.2 * r),
            at(2.8 * r)
        ),
        _ => return html! { circle cx=(at(x)) cy=(at(y)) r=(at(r)) class={ "mark " (class) } {} },
    };
    html! { path d=(path) class={ "mark " (class) } {} }
}
