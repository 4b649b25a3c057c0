//! LATENCY GRAPH: an event's samples as columns of characters, the ages of the samples written downwards below.

use crate::observability::latency::Event;
use std::fmt::Write as _;

/// Columns of one row of graphs; further samples go into further rows.
const COLUMNS: usize = 80;
/// Lines a graph is high.
const LINES: usize = 4;
/// What stands on top of a column, by the third of a line that it reaches into.
const TOPS: [char; 3] = ['_', 'o', '#'];
/// What stands below the top.
const BODY: char = '|';

struct Column {
    millis: u64,
    age: String,
}

/// The drawing, with a line about the extremes above it. `now` is in Unix seconds.
pub fn draw(name: &str, event: &Event, now: i64) -> String {
    let samples: Vec<Column> =
        event.samples.iter().map(|&(time, millis)| Column { millis, age: age_text(now - time) }).collect();
    let low = samples.iter().map(|sample| sample.millis).min().unwrap_or(0);
    let high = samples.iter().map(|sample| sample.millis).max().unwrap_or(0);
    let mut text = String::new();
    let written =
        write!(text, "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n", event.max, "-".repeat(COLUMNS));
    written.expect("writing to a String does not fail");
    for (i, columns) in samples.chunks(COLUMNS).enumerate() {
        if i > 0 {
            text.push('\n');
        }
        draw_columns(&mut text, columns, low, high);
    }
    text
}

/// The largest unit that is not zero.
fn age_text(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn draw_columns(text: &mut String, columns: &[Column], low: u64, high: u64) {
    let steps = TOPS.len() * LINES;
    let range = (high - low).max(1) as f64;
    let heights: Vec<usize> = columns
        .iter()
        .map(|column| (((column.millis - low) as f64 * steps as f64 / range) as usize).min(steps - 1))
        .collect();
    for line in (0..LINES).rev() {
        let base = line * TOPS.len();
        text.extend(heights.iter().map(|&height| match height.checked_sub(base) {
            None => ' ',
            Some(above) => TOPS.get(above).copied().unwrap_or(BODY),
        }));
        text.push('\n');
    }
    text.extend(std::iter::repeat_n(' ', columns.len()));
    text.push('\n');
    let longest = columns.iter().map(|column| column.age.len()).max().unwrap_or(0);
    for line in 0..longest {
        text.extend(columns.iter().map(|column| column.age.chars().nth(line).unwrap_or(' ')));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_rise_with_the_latency() {
        let samples = [(40, 100), (90, 160), (99, 220)].into_iter().collect();
        let event = Event { samples, max: 300 };
        let dashes = "-".repeat(80);
        let expected = [
            "command - high 220 ms, low 100 ms (all time high 300 ms)",
            &dashes,
            "  #",
            " _|",
            " ||",
            "_||",
            "   ",
            // The ages: 1m, 10s, 1s.
            "111",
            "m0s",
            " s ",
        ];
        let text = draw("command", &event, 100);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn equal_samples_lie_on_the_ground_and_long_series_wrap() {
        let samples = (0..100).map(|time| (time, 50)).collect();
        let text = draw("fork", &Event { samples, max: 50 }, 99);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[5], "_".repeat(80));
        assert!(lines.contains(&"_".repeat(20).as_str()));
    }

    #[test]
    fn ages() {
        for (seconds, text) in [(59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86_400, "1d")] {
            assert_eq!(age_text(seconds), text);
        }
    }
}
