//! Flame graphs that another program drew, embedded as they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// A flame graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Flame {
    svg: String,
    size: (f64, f64),
}

impl Flame {
    /// A flame graph from the text of its SVG file.
    ///
    /// # Errors
    /// It is no SVG that says how large it is.
    pub fn new(svg: String) -> Result<Flame, String> {
        let start = svg.find("<svg").ok_or("it is not an SVG")?;
        let head = &svg[start..start + svg[start..].find('>').ok_or("its first element has no end")?];
        let side = |name: &str| -> Option<f64> {
            let value = head.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
            value.trim_end_matches("px").parse().ok().filter(|side: &f64| side.is_finite() && *side > 0.0)
        };
        let size = side("width").zip(side("height")).ok_or("it does not say how wide and high it is")?;
        Ok(Flame { svg, size })
    }

    /// An own document in the page, so that its scripts and its styles reach nothing else.
    pub(super) fn draw(&self, caption: &str) -> Markup {
        let data = STANDARD.encode(&self.svg);
        let ratio = format!("aspect-ratio:{} / {}", self.size.0, self.size.1);
        html! {
            iframe.flame sandbox="allow-scripts" title=(caption) style=(ratio) src={ "data:image/svg+xml;base64," (data) } {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_size_is_embedded() {
        let svg = r#"<?xml version="1.0"?><svg version="1.1" width="1200" height="400" xmlns="x"><g/></svg>"#;
        let drawn = Flame::new(svg.to_owned()).unwrap().draw("where time goes").into_string();
        assert!(
            drawn.contains("aspect-ratio:1200 / 400") && drawn.contains("data:image/svg+xml;base64,PD94")
        );
        for wrong in ["", "<html>", "<svg", "<svg viewBox='0 0 1 1'>"] {
            assert!(Flame::new(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
