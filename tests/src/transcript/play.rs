//! Holding a conversation.

use super::parse::{Action, Expected, Script, Step};
use super::pattern::{Captured, expand};
use crate::client::{Client, ReadError};
use crate::value::{Value, quoted};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long `?>` tries.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `nothing` listens.
const MOMENT: Duration = Duration::from_millis(100);
/// How many steps before the failed one are shown with it.
const SHOWN: usize = 12;

/// A conversation that went otherwise than written; the text shows where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Deviation(String);

/// Plays a transcript to the server at an address.
///
/// # Errors
/// The first step that goes otherwise than written.
pub fn play(script: &Script, text: &str, address: SocketAddr, protocol: u8) -> Result<(), Deviation> {
    let mut player = Player::new(script, address, protocol);
    for step in &script.steps {
        player.step(step).map_err(|problem| player.deviation(text, step, &problem))?;
    }
    player.nothing_left().map_err(Deviation)
}

/// What came where something was expected.
#[derive(Debug)]
pub enum Came {
    /// A reply.
    Reply(Value),
    /// The end of the connection.
    Closed,
    /// Nothing in time.
    Nothing,
}

/// One side of the conversation: the clients.
pub struct Player<'a> {
    script: &'a Script,
    address: SocketAddr,
    protocol: u8,
    clients: HashMap<String, Client>,
    captured: Captured,
    /// The command of a `?>` whose expectation is not reached yet.
    retrying: Option<(String, Vec<Vec<u8>>)>,
    log: Vec<String>,
}

impl<'a> Player<'a> {
    /// Nobody is connected yet.
    #[must_use]
    pub fn new(script: &'a Script, address: SocketAddr, protocol: u8) -> Self {
        let captured = Captured::from([("protocol".to_owned(), protocol.to_string().into_bytes())]);
        Self { script, address, protocol, clients: HashMap::new(), captured, retrying: None, log: Vec::new() }
    }

    /// Does one step.
    ///
    /// # Errors
    /// What went otherwise.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Expect { protocol: Some(only), .. } if *only != self.protocol => Ok(()),
            Action::Expect { client, expected, .. } => self.expect(client, expected),
            Action::Send { client, command } => self.send(client, command),
            Action::Retry { client, command } => {
                self.retrying = Some((client.clone(), command.clone()));
                self.send(client, command)
            }
            Action::Raw { client, bytes } => {
                let bytes = expand(bytes, &self.captured)?;
                self.log.push(format!("{client}>> {}", shortened(&quoted(&bytes))));
                self.client(client)?.send_raw(&bytes).map_err(|e| format!("cannot send: {e}"))
            }
            Action::Close { client } => match self.clients.remove(client) {
                Some(_) => Ok(()),
                None => Err(format!("{client:?} is not connected")),
            },
            Action::Sleep(duration) => {
                sleep(*duration);
                Ok(())
            }
        }
    }

    fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        if !self.clients.contains_key(name) {
            let mut client = Client::open(self.address).map_err(|e| format!("cannot connect: {e}"))?;
            if self.protocol == 3 && !self.script.plain {
                match client.try_call(["HELLO", "3"]) {
                    Ok(Value::Map(_)) => {}
                    other => return Err(format!("HELLO 3: {other:?}")),
                }
            }
            self.clients.insert(name.to_owned(), client);
        }
        self.clients.get_mut(name).ok_or_else(|| format!("{name:?} is not connected"))
    }

    fn send(&mut self, name: &str, command: &[Vec<u8>]) -> Result<(), String> {
        let command: Vec<Vec<u8>> =
            command.iter().map(|a| expand(a, &self.captured)).collect::<Result<_, _>>()?;
        let shown: Vec<String> = command.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        self.log.push(format!("{name}> {}", shortened(&shown.join(" "))));
        let mut bytes = Vec::new();
        crate::client::encode(&mut bytes, &command);
        self.client(name)?.send_raw(&bytes).map_err(|e| format!("cannot send: {e}"))
    }

    fn expect(&mut self, name: &str, expected: &Expected) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let came = self.receive(name, matches!(expected, Expected::Nothing))?;
            let fits = match (expected, &came) {
                (Expected::Reply(pattern), Came::Reply(value)) => {
                    pattern.matches(value, self.protocol, &mut self.captured)
                }
                (Expected::Closed, Came::Closed) | (Expected::Nothing, Came::Nothing) => true,
                (Expected::Unrecorded, _) => return Err(format!("not recorded yet; it is\n{}", show(&came))),
                _ => false,
            };
            match (&self.retrying, fits) {
                (_, true) => {
                    self.retrying = None;
                    return Ok(());
                }
                (Some((client, command)), false) if Instant::now() < deadline => {
                    let (client, command) = (client.clone(), command.clone());
                    sleep(Duration::from_millis(10));
                    self.send(&client, &command)?;
                }
                _ => return Err(format!("what came instead:\n{}", show(&came))),
            }
        }
    }

    /// What comes next for a client.
    ///
    /// # Errors
    /// When it is neither a reply, nor the end, nor nothing.
    pub fn receive(&mut self, name: &str, only_a_moment: bool) -> Result<Came, String> {
        let patience = if only_a_moment { MOMENT } else { PATIENCE };
        let came = match self.client(name)?.read_within(patience) {
            Ok(value) => Came::Reply(value),
            Err(ReadError::Closed) => Came::Closed,
            Err(ReadError::Timeout) => Came::Nothing,
            Err(error) => return Err(error.to_string()),
        };
        self.log.push(format!("{name}< {}", shortened(&show(&came))));
        Ok(came)
    }

    /// Nobody has anything left to read.
    fn nothing_left(&mut self) -> Result<(), String> {
        for (name, client) in &mut self.clients {
            match client.read_within(Duration::from_millis(1)) {
                Ok(value) => return Err(format!("after the end, {name:?} receives\n{value}")),
                Err(ReadError::NotResp(error)) => return Err(error.to_string()),
                Err(ReadError::Closed | ReadError::Timeout | ReadError::Io(_)) => {}
            }
        }
        Ok(())
    }

    fn deviation(&self, text: &str, step: &Step, problem: &str) -> Deviation {
        let start = self.log.len().saturating_sub(SHOWN);
        let before = self.log[start..].join("\n    ");
        let lines: Vec<&str> =
            text.lines().skip(step.line - 1).take(step.last_line + 1 - step.line).collect();
        let written = lines.join("\n    ");
        let problem = problem.replace('\n', "\n    ");
        Deviation(format!(
            "line {}, written:\n    {written}\n{problem}\n\nthe conversation:\n    {before}",
            step.line
        ))
    }
}

fn show(came: &Came) -> String {
    match came {
        Came::Reply(value) => value.to_string(),
        Came::Closed => "closed".to_owned(),
        Came::Nothing => "nothing".to_owned(),
    }
}

/// Long values are cut in the log of a conversation.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}... ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}
