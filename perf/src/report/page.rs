//! The HTML file.

use super::svg::WIDTHS;
use super::{Drawing, Figure, Page, Section, Table};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// All there is of style; part of the file, which fetches nothing.
const STYLE: &str = include_str!("report.css");

impl Page {
    /// The whole file.
    pub fn html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    // Nothing is fetched, whatever stands in the file.
                    meta http-equiv="Content-Security-Policy" content=(self.policy());
                    // Browsers ask for an icon unless there is one.
                    link rel="icon" href="data:,";
                    title { (self.title) " · Boxcar" }
                    style { (PreEscaped(STYLE)) }
                }
                body { (self.body()) }
            }
        }
        .into_string()
    }

    /// What the file may do. A flame graph's scripts run in a document of their own, which inherits this.
    fn policy(&self) -> String {
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let flames = figures.filter(|figure| matches!(figure.drawing, Some(Drawing::Flame(_)))).count();
        let scripts = if flames > 0 { "; script-src 'unsafe-inline'" } else { "" };
        format!("default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src data:{scripts}")
    }

    fn body(&self) -> Markup {
        let end = ["Machine and software", "Commands"];
        html! {
            header {
                p.brand { "Boxcar" span { "measurements" } }
                h1 { (self.title) }
                p.lead { (self.lead) }
                @if !self.tiles.is_empty() {
                    div.tiles {
                        @for tile in &self.tiles {
                            div.tile {
                                p.value { (tile.value) }
                                p.label { (tile.label) }
                                p.note { (tile.note) }
                            }
                        }
                    }
                }
                nav aria-label="Sections" {
                    @for title in self.sections.iter().map(|section| section.title.as_str()).chain(end) {
                        a href={ "#" (anchor(title)) } { (title) }
                    }
                }
            }
            main {
                @for section in &self.sections { (draw_section(section)) }
                section id=(anchor(end[0])) {
                    h2 { (end[0]) }
                    dl { @for (name, value) in &self.facts { div { dt { (name) } dd { (value) } } } }
                    @if !self.limits.is_empty() {
                        h3 { "What these figures cannot say" }
                        ul { @for limit in &self.limits { li { (limit) } } }
                    }
                    @if !self.missing.is_empty() {
                        h3 { "What did not take part" }
                        ul { @for missing in &self.missing { li { (missing) } } }
                    }
                }
                section id=(anchor(end[1])) {
                    h2 { (end[1]) }
                    p { "Exactly what ran; PORT and PID stand for what differs from start to start." }
                    (draw_table(&self.commands, true))
                }
            }
        }
    }
}

fn draw_section(section: &Section) -> Markup {
    html! {
        section id=(anchor(&section.title)) {
            h2 { (section.title) }
            p { (section.text) }
            @for figure in &section.figures { (draw_figure(figure)) }
        }
    }
}

fn draw_figure(figure: &Figure) -> Markup {
    let caption = figure.caption.as_str();
    let both = |draw: &dyn Fn(f64) -> Markup| {
        html! { @for (width, class) in WIDTHS { div class={ "drawing " (class) } { (draw(width)) } } }
    };
    let drawing = figure.drawing.as_ref().map(|drawing| match drawing {
        Drawing::Lines(lines) => html! { (lines.legend()) (both(&|width| lines.draw(width, caption))) },
        Drawing::Bars(bars) => html! { (bars.legend()) (both(&|width| bars.draw(width, caption))) },
        Drawing::Heat(heat) => html! { (heat.legend()) (both(&|width| heat.draw(width, caption))) },
        Drawing::Flame(flame) => html! { div.drawing { (flame.draw(caption)) } },
    });
    html! {
        figure {
            figcaption { (caption) }
            @match drawing {
                Some(drawing) => {
                    (drawing)
                    @if !figure.table.rows.is_empty() {
                        details {
                            summary { "The figures as a table" }
                            (draw_table(&figure.table, false))
                        }
                    }
                }
                None => (draw_table(&figure.table, false)),
            }
        }
    }
}

/// A table; where there is no room for it, the style sheet makes a card of each row, with the names of the columns
/// beside the cells.
fn draw_table(table: &Table, code: bool) -> Markup {
    html! {
        table class=[code.then_some("commands")] {
            thead { tr { @for name in &table.head { th scope="col" { (name) } } } }
            tbody {
                @for row in &table.rows {
                    tr {
                        @for (index, (name, cell)) in table.head.iter().zip(row).enumerate() {
                            @if index == 0 {
                                th scope="row" { (cell) }
                            } @else {
                                td data-name=(name) { @if code && index + 1 == row.len() { code { (cell) } } @else { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A heading as a name that links can use.
fn anchor(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_escaped() {
        let page = Page {
            title: "<script>alert(1)</script>".to_owned(),
            facts: vec![("a".to_owned(), "\"<b>".to_owned())],
            ..Page::default()
        };
        let html = page.html();
        assert!(!html.contains("<script>") && !html.contains("<b>") && html.contains("&lt;script&gt;"));
    }

    #[test]
    fn nothing_points_outside() {
        let html = Page { title: "x".to_owned(), ..Page::default() }.html();
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("@import"));
    }

    #[test]
    fn anchors_are_plain_words() {
        assert_eq!(anchor("CPU time / operation (µs)"), "cpu-time-operation-s");
    }
}
