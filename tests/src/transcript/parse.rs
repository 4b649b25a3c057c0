//! A transcript's text as steps.

use super::pattern::{Pattern, Source};
use std::time::Duration;

/// Something is wrong in a transcript.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// Counted from one.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// A whole transcript.
#[derive(Debug, Default)]
pub struct Script {
    /// Arguments that the server is started with (`! flags`).
    pub flags: Vec<String>,
    /// The oldest Redis that behaves like this (`! since 7.2`).
    pub since: Option<(u32, u32)>,
    /// Why a real Redis cannot be asked (`! boxcar-only REASON`).
    pub boxcar_only: Option<String>,
    /// The only protocol it is played over (`! protocol 3`).
    pub protocol: Option<u8>,
    /// Whether connections begin without a HELLO (`! plain`).
    pub plain: bool,
    /// The conversation.
    pub steps: Vec<Step>,
}

/// A line of the conversation.
#[derive(Debug)]
pub struct Step {
    /// Where it begins, counted from one.
    pub line: usize,
    /// Where it ends: an expectation may take several lines.
    pub last_line: usize,
    /// What happens.
    pub action: Action,
}

/// What happens in a step.
#[derive(Debug)]
pub enum Action {
    /// A client sends a command; each argument may hold `${…}`.
    Send {
        /// The client.
        client: String,
        /// The arguments as written, quotes resolved.
        command: Vec<Vec<u8>>,
    },
    /// A client sends a command again and again until the reply is as expected.
    Retry {
        /// The client.
        client: String,
        /// The arguments as written, quotes resolved.
        command: Vec<Vec<u8>>,
    },
    /// A client sends bytes as they are.
    Raw {
        /// The client.
        client: String,
        /// The bytes; they may hold `${…}`.
        bytes: Vec<u8>,
    },
    /// A client receives a reply.
    Expect {
        /// The client.
        client: String,
        /// The only protocol this holds for.
        protocol: Option<u8>,
        /// What comes.
        expected: Expected,
    },
    /// A client closes its connection.
    Close {
        /// The client.
        client: String,
    },
    /// Nothing happens for a while.
    Sleep(Duration),
}

/// What a client is to receive.
#[derive(Debug)]
pub enum Expected {
    /// A reply.
    Reply(Pattern),
    /// The end of the connection.
    Closed,
    /// Nothing, for a moment.
    Nothing,
    /// `?`: not recorded yet.
    Unrecorded,
}

impl Script {
    /// Reads a transcript.
    ///
    /// # Errors
    /// The first line that makes no sense.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut reader = Reader { script: Self::default(), speaker: None };
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        while at < lines.len() {
            let taken =
                reader.line(&lines[at..], at + 1).map_err(|problem| ScriptError { line: at + 1, problem })?;
            at += taken;
        }
        Ok(reader.script)
    }
}

struct Reader {
    script: Script,
    /// Who sent last: replies without a name are for that client.
    speaker: Option<String>,
}

impl Reader {
    /// Reads one step at the front of `lines`; gives how many lines it takes.
    fn line(&mut self, lines: &[&str], number: usize) -> Result<usize, String> {
        let line = lines[0].trim();
        if line.is_empty() || line.starts_with('#') && !matches!(line, "#t" | "#f") {
            return Ok(1);
        }
        if let Some(directive) = line.strip_prefix("! ") {
            self.directive(directive.trim())?;
            return Ok(1);
        }
        let action = if let Some(duration) = line.strip_prefix("sleep ") {
            Action::Sleep(parse_duration(duration)?)
        } else if let Some((name, rest)) = split_speaker(line) {
            self.speech(name, rest)?
        } else {
            return self.expectation(lines, number);
        };
        self.script.steps.push(Step { line: number, last_line: number, action });
        Ok(1)
    }

    fn directive(&mut self, directive: &str) -> Result<(), String> {
        if !self.script.steps.is_empty() {
            return Err("a line with `!` stands before the conversation".to_owned());
        }
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match name {
            "flags" => {
                let words = split_arguments(rest)?;
                self.script.flags.extend(words.iter().map(|word| String::from_utf8_lossy(word).into_owned()));
            }
            "since" => {
                let version =
                    rest.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                self.script.since = Some(version.ok_or("`since` takes a version such as 7.2")?);
            }
            "boxcar-only" if !rest.is_empty() => self.script.boxcar_only = Some(rest.to_owned()),
            "boxcar-only" => return Err("`boxcar-only` takes a reason".to_owned()),
            "protocol" => match rest {
                "2" => self.script.protocol = Some(2),
                "3" => self.script.protocol = Some(3),
                _ => return Err("`protocol` takes 2 or 3".to_owned()),
            },
            "plain" => self.script.plain = true,
            other => return Err(format!("there is no `! {other}`")),
        }
        Ok(())
    }

    /// `> command`, `?> command`, `>> "bytes"`, `! close`, each after the client's name, if it has one.
    fn speech(&mut self, name: &str, rest: &str) -> Result<Action, String> {
        let client = name.to_owned();
        if rest == "! close" {
            return Ok(Action::Close { client });
        }
        self.speaker = Some(client.clone());
        if let Some(bytes) = rest.strip_prefix(">> ") {
            return Ok(Action::Raw { client, bytes: split_arguments(bytes)?.concat() });
        }
        if let Some(command) = rest.strip_prefix("?> ") {
            return Ok(Action::Retry { client, command: split_arguments(command)? });
        }
        Ok(Action::Send { client, command: split_arguments(&rest[2..])? })
    }

    fn expectation(&mut self, lines: &[&str], number: usize) -> Result<usize, String> {
        let mut first = lines[0].trim();
        let mut client = None;
        if let Some((name, rest)) = first.split_once("< ")
            && is_name(name)
        {
            client = Some(name.to_owned());
            first = rest.trim();
        }
        let mut protocol = None;
        for (mark, number) in [("2: ", 2), ("3: ", 3)] {
            if let Some(rest) = first.strip_prefix(mark) {
                protocol = Some(number);
                first = rest.trim();
            }
        }
        let client =
            client.or_else(|| self.speaker.clone()).ok_or("a reply before anybody has said anything")?;
        let (expected, taken) = match first {
            "closed" => (Expected::Closed, 1),
            "nothing" => (Expected::Nothing, 1),
            "?" => (Expected::Unrecorded, 1),
            _ => {
                let (pattern, taken) = Source::new(first, &lines[1..]).pattern()?;
                (Expected::Reply(pattern), taken)
            }
        };
        let action = Action::Expect { client, protocol, expected };
        self.script.steps.push(Step { line: number, last_line: number + taken - 1, action });
        Ok(taken)
    }
}

/// The client's name (empty for the first one) and the rest from the sign on, when a client does something in this line.
fn split_speaker(line: &str) -> Option<(&str, &str)> {
    for sign in [">> ", "?> ", "> ", "! close"] {
        if let Some(at) = line.find(sign)
            && (at == 0 || is_name(&line[..at]))
        {
            return Some((&line[..at], &line[at..]));
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let milliseconds = text.trim().strip_suffix("ms").and_then(|n| n.parse().ok());
    milliseconds.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no time such as 20ms"))
}

/// Splits a line into arguments as redis-cli does: blanks separate, `"…"` with escapes and `'…'` without hold together.
///
/// # Errors
/// When a quote is not closed.
pub fn split_arguments(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut arguments = Vec::new();
    let bytes = line.as_bytes();
    let mut at = 0;
    loop {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        if at == bytes.len() {
            return Ok(arguments);
        }
        let mut argument = Vec::new();
        while let Some(byte) = bytes.get(at).filter(|b| !b.is_ascii_whitespace()) {
            match byte {
                b'"' => {
                    let (text, used) = unquote(&bytes[at..])?;
                    argument.extend(text);
                    at += used;
                }
                b'\'' => {
                    let end =
                        bytes[at + 1..].iter().position(|b| *b == b'\'').ok_or("a quote is not closed")?;
                    argument.extend_from_slice(&bytes[at + 1..at + 1 + end]);
                    at += end + 2;
                }
                other => {
                    argument.push(*other);
                    at += 1;
                }
            }
        }
        arguments.push(argument);
    }
}

/// The text of the `"…"` at the front, and how many bytes it takes there.
pub(super) fn unquote(input: &[u8]) -> Result<(Vec<u8>, usize), String> {
    let mut text = Vec::new();
    let mut at = 1;
    loop {
        match input.get(at) {
            None => return Err("a quote is not closed".to_owned()),
            Some(b'"') => return Ok((text, at + 1)),
            Some(b'\\') => {
                let escaped = *input.get(at + 1).ok_or("an escape at the end of a line")?;
                at += 2;
                text.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'x' => {
                        let digits = input.get(at..at + 2).and_then(|d| std::str::from_utf8(d).ok());
                        at += 2;
                        digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or("`\\x` takes two digits")?
                    }
                    other => other,
                });
            }
            Some(other) => {
                text.push(*other);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_as_by_redis_cli() {
        let split = split_arguments(r#"set 'a b' "c\x00\n\"d" e"f g""#).unwrap();
        assert_eq!(split, [&b"set"[..], b"a b", b"c\x00\n\"d", b"ef g"]);
        assert!(split_arguments("a \"b").is_err());
        assert!(split_arguments("a 'b").is_err());
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let text = "! flags --maxclients 10\n! since 7.2\n# comment\n> PING\n+PONG\nb> GET k\n2: nil\n3: nil\n\
                    b?> DBSIZE\n:0\n>> \"*1\\r\\n\"\nnothing\nsleep 20ms\nb< closed\nb! close\n> GET x\n?\n";
        let script = Script::parse(text).unwrap();
        assert_eq!((script.flags.len(), script.since), (2, Some((7, 2))));
        let lines: Vec<usize> = script.steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
        assert!(
            matches!(&script.steps[10].action, Action::Expect { client, expected: Expected::Closed, .. } if client == "b")
        );
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        assert_eq!(Script::parse("> PING\n+PONG\n! flags --x").unwrap_err().line, 3);
        assert_eq!(Script::parse("+PONG").unwrap_err().line, 1);
        assert_eq!(Script::parse("> A\n[\"a\"").unwrap_err().line, 2);
        assert!(Script::parse("> A\n[\n  \"a\"\n  :1\n]\n+OK").is_ok());
    }
}
