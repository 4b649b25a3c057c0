//! Flame graphs, drawn by inferno.

use super::ProfileError;
use super::stacks::Stacks;
use inferno::flamegraph::color::{BasicPalette, MultiPalette, Palette};
use inferno::flamegraph::{Options, from_lines};
use std::fs;
use std::io::BufWriter;
use std::path::Path;

/// What the width of a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Samples taken on the CPU.
    Samples,
    /// Microseconds off the CPU.
    Microseconds,
}

/// Draws `stacks` into `file`.
///
/// # Errors
/// The file cannot be written, or there is nothing to draw.
pub fn draw(
    stacks: &Stacks,
    weight: Weight,
    title: &str,
    subtitle: &str,
    file: &Path,
) -> Result<(), ProfileError> {
    let mut options = options(title, subtitle);
    match weight {
        Weight::Samples => options.colors = Palette::Multi(MultiPalette::Rust),
        Weight::Microseconds => {
            options.colors = Palette::Basic(BasicPalette::Io);
            options.count_name = "us".to_owned();
        }
    }
    write(&mut options, stacks.folded().lines(), file)
}

/// Draws `after`; where a frame's own weight has grown since `before` it is red, where it has shrunk blue.
///
/// # Errors
/// The file cannot be written, or there is nothing to draw.
pub fn draw_difference(
    before: &Stacks,
    after: &Stacks,
    title: &str,
    subtitle: &str,
    file: &Path,
) -> Result<(), ProfileError> {
    let mut lines = Vec::new();
    let (before, after) = (before.folded(), after.folded());
    inferno::differential::from_readers(
        inferno::differential::Options::default(),
        before.as_bytes(),
        after.as_bytes(),
        &mut lines,
    )?;
    // It writes what it has read, which was text.
    let lines = String::from_utf8_lossy(&lines);
    write(&mut options(title, subtitle), lines.lines(), file)
}

fn options(title: &str, subtitle: &str) -> Options<'static> {
    let mut options = Options::default();
    options.title = title.to_owned();
    options.subtitle = Some(subtitle.to_owned());
    options.deterministic = true;
    // Narrower frames are not seen, and most of the file's size.
    options.min_width = 0.1;
    options
}

fn write<'l>(
    options: &mut Options<'_>,
    lines: impl Iterator<Item = &'l str>,
    file: &Path,
) -> Result<(), ProfileError> {
    from_lines(options, lines, BufWriter::new(fs::File::create(file)?))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(own: u64) -> Stacks {
        let mut stacks = Stacks::default();
        stacks.add("io-0", &["parse".to_owned(), "serve".to_owned()], own);
        stacks.add("io-0", &["execute".to_owned(), "serve".to_owned()], 50);
        stacks
    }

    #[test]
    fn graphs_name_their_functions() {
        let folder = std::env::temp_dir().join(format!("boxcar-flamegraph-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (graph, difference) = (folder.join("graph.svg"), folder.join("difference.svg"));
        draw(&stacks(50), Weight::Samples, "a title", "beneath", &graph).unwrap();
        draw_difference(&stacks(50), &stacks(90), "a title", "beneath", &difference).unwrap();
        let nothing =
            draw(&Stacks::default(), Weight::Samples, "a title", "beneath", &folder.join("none.svg"));
        let (graph, difference) =
            (fs::read_to_string(graph).unwrap(), fs::read_to_string(difference).unwrap());
        fs::remove_dir_all(&folder).unwrap();
        assert!(graph.contains("parse (50 samples, 50.00%)") && graph.contains("a title"), "{graph}");
        // 40 of 140 more.
        assert!(difference.contains("parse (90 samples, 64.29%; +28.57%)"), "{difference}");
        assert!(nothing.is_err());
    }
}
