//! Recording: every `?` of a transcript becomes what a real server replies.

use super::parse::{Action, Expected, Script};
use super::pattern::{Captured, Source};
use super::play::{Came, Player};
use crate::server::Options;
use crate::value::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Plays a transcript over both protocols, each time to a server of its own, and returns its text with every `?`
/// replaced. What both protocols agree on becomes one expectation, anything else one for each.
///
/// # Errors
/// When a step that is not `?` goes otherwise than written, or the text makes no sense.
pub fn record(text: &str, program: &Path) -> Result<String, String> {
    let script = Script::parse(text).map_err(|error| error.to_string())?;
    let mut answers: BTreeMap<usize, Vec<(u8, String, Option<Value>)>> = BTreeMap::new();
    for protocol in [3, 2].into_iter().filter(|p| script.protocol.is_none_or(|only| only == *p)) {
        let server = Options::program(program).flags(script.flags.clone()).start();
        let mut player = Player::new(&script, server.address(), protocol);
        for step in &script.steps {
            if let Action::Expect { client, expected: Expected::Unrecorded, .. } = &step.action {
                let answer = match player.receive(client, false)? {
                    Came::Reply(value) => (protocol, value.to_string(), Some(value)),
                    Came::Closed => (protocol, "closed".to_owned(), None),
                    Came::Nothing => (protocol, "nothing".to_owned(), None),
                };
                answers.entry(step.line).or_default().push(answer);
            } else {
                player.step(step).map_err(|problem| format!("line {}: {problem}", step.line))?;
            }
        }
    }
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        match answers.get(&(number + 1)) {
            Some(answers) => out.push_str(&line.replacen('?', &merged(line, answers), 1)),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}

/// One text for all protocols when the first one's text fits the others' replies too.
fn merged(line: &str, answers: &[(u8, String, Option<Value>)]) -> String {
    let prefix = line.split('?').next().unwrap_or_default();
    let (_, text, _) = &answers[0];
    let fits = |(protocol, other, value): &(u8, String, Option<Value>)| match value {
        Some(value) => fits(text, value, *protocol),
        None => other == text,
    };
    if answers.iter().all(fits) {
        return text.clone();
    }
    let separate: Vec<String> =
        answers.iter().map(|(protocol, text, _)| format!("{protocol}: {text}")).collect();
    separate.join(&format!("\n{prefix}"))
}

fn fits(text: &str, value: &Value, protocol: u8) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let Some((first, rest)) = lines.split_first() else { return false };
    Source::new(first, rest).pattern().is_ok_and(|(p, _)| p.matches(value, protocol, &mut Captured::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(protocol: u8, wire: &str) -> (u8, String, Option<Value>) {
        let (value, _) = Value::decode(wire.as_bytes()).unwrap().unwrap();
        (protocol, value.to_string(), Some(value))
    }

    #[test]
    fn what_both_protocols_agree_on_is_written_once() {
        let answers = [answer(3, "%1\r\n$1\r\na\r\n,1.5\r\n"), answer(2, "*2\r\n$1\r\na\r\n$3\r\n1.5\r\n")];
        assert_eq!(merged("?", &answers), "{\n  \"a\" => ,1.5\n}");
    }

    #[test]
    fn what_they_differ_in_is_written_twice() {
        let answers = [answer(3, ":1\r\n"), answer(2, "+one\r\n")];
        assert_eq!(merged("b< ?", &answers), "3: :1\nb< 2: +one");
    }
}
