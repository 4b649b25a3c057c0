//! One sequence, played to both servers, reply by reply.
//!
//! Clients take turns: nobody sends before everything that can come has come. Whether a blocking command waits is not
//! guessed from the time that passes but read from INFO, and whether all messages of a subscriber have come is known
//! from the reply to a PING sent behind them. The real server leads; Boxcar, whose threads tell each other, has a while
//! to follow.

use super::digest;
use super::failure::{Came, Failure, Problem, Received};
use super::generate::{CLIENTS, Form, Sequence, Step};
use super::pair::Pair;
use super::rows::Rows;
use super::tolerance::{Setting, is_lexical, parts_ways, passes_over_other_type, same, same_messages};
use crate::client::{Client, ReadError, encode};
use crate::value::{Value, quoted};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a reply may take before it counts as a hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long Boxcar may take to do in another thread what the real server has done.
const A_WHILE: Duration = Duration::from_secs(2);
/// How long what expires in one millisecond is waited for.
const PAUSE: Duration = Duration::from_millis(4);
/// How long one looks whether something has come.
const GLANCE: Duration = Duration::from_millis(1);
/// The client that reads what a sequence has left behind.
pub const READER: u8 = CLIENTS;
/// What the PING behind messages says.
const FENCE: &[u8] = b"-- no more messages --";

/// How often each command has answered with something else than an error.
pub type Hits = BTreeMap<String, u64>;

/// Plays a sequence, and compares what it has left behind when `to_the_end`.
///
/// # Errors
/// The first step at which the two differ.
pub fn play(
    pair: &mut Pair,
    rows: &Rows,
    sequence: &Sequence,
    to_the_end: bool,
    hits: &mut Hits,
) -> Result<(), Box<Failure>> {
    let mut player = Player {
        setting: Setting { version: pair.version, long: sequence.long, expired: false, out_of_range: false },
        pair,
        rows,
        protocol: sequence.protocol,
        clients: BTreeMap::new(),
        steps: Vec::new(),
        received: Vec::new(),
        hits,
    };
    player.flush()?;
    let whole = player.all(&sequence.steps)?;
    player.clients.clear();
    if to_the_end && whole {
        let reads = digest::reads(player.pair).map_err(|what| player.broken(what))?;
        player.all(&reads)?;
    }
    Ok(())
}

/// A client: its connections to both servers, and what is known of its state from the real server's replies.
struct Connection {
    peer: Client,
    boxcar: Client,
    /// Between MULTI and EXEC: the full names of the commands queued, and their words.
    queued: Option<Vec<(String, Vec<Vec<u8>>)>>,
    /// The blocking command it waits in, its full name and its words.
    waiting: Option<(String, Vec<Vec<u8>>)>,
    /// It may receive messages: it subscribes, or has its reads tracked.
    listening: bool,
    /// Messages that came before a reply, from the real server and from Boxcar.
    messages: (Vec<Came>, Vec<Came>),
}

struct Player<'a> {
    pair: &'a mut Pair,
    rows: &'a Rows,
    setting: Setting,
    protocol: u8,
    clients: BTreeMap<u8, Connection>,
    steps: Vec<Step>,
    received: Vec<Received>,
    hits: &'a mut Hits,
}

impl Player<'_> {
    /// Empties both servers; nobody of an earlier sequence waits any more.
    fn flush(&mut self) -> Result<(), Box<Failure>> {
        for is_peer in [true, false] {
            let (side, who) = self.pair.side(is_peer);
            let flushed = side.control.try_call(["FLUSHALL"]).map_err(|e| e.to_string()).and_then(|_| {
                let deadline = Instant::now() + A_WHILE;
                while side.blocked()? > 0 {
                    if Instant::now() > deadline {
                        return Err("clients that have gone still wait".to_owned());
                    }
                    sleep(GLANCE);
                }
                Ok(())
            });
            if let Err(error) = flushed {
                let log = tail(&self.pair.side(is_peer).0.server.log()).to_owned();
                return Err(self.broken(format!("{who}: {error}:\n{log}")));
            }
        }
        Ok(())
    }

    /// Plays steps, those that are joined together at once. False when it had to stop before the end.
    fn all(&mut self, steps: &[Step]) -> Result<bool, Box<Failure>> {
        let mut rest = steps;
        while let Some(first) = rest.first() {
            let together =
                rest[1..].iter().take_while(|step| step.joined && step.client == first.client).count();
            let (group, after) = rest.split_at(1 + together);
            if group.iter().any(|step| is_lexical(&self.name_of(step), &step.arguments)) {
                for step in group {
                    if !self.alone(step)? || !self.settle()? {
                        return Ok(false);
                    }
                }
            } else if !self.group(group)? || !self.settle()? {
                return Ok(false);
            }
            rest = after;
        }
        Ok(true)
    }

    fn group(&mut self, group: &[Step]) -> Result<bool, Box<Failure>> {
        let client = group[0].client;
        if self.clients.get(&client).is_some_and(|connection| connection.waiting.is_some()) {
            return Ok(true);
        }
        let start = self.steps.len();
        self.steps.extend_from_slice(group);
        self.connect(client).and_then(|()| self.send(client, group)).map_err(|what| self.broken(what))?;
        for (at, step) in group.iter().enumerate() {
            let command = self.name_of(step);
            self.setting.expired |= may_expire(&command, &step.arguments);
            self.setting.out_of_range |= step.arguments.iter().any(|word| is_out_of_range(word));
            let in_multi = self.clients.get(&client).is_some_and(|c| c.queued.is_some());
            if is_subscription(&command) && !in_multi {
                self.subscription(client, &command, start + at)?;
                continue;
            }
            let may_wait =
                !in_multi && self.rows.get(&command).is_some_and(|row| row.flags.contains("blocking"));
            let peer = self.next(client, true, may_wait).map_err(|what| self.broken(what))?;
            self.received.push(Received { step: start + at, client, came: peer.clone() });
            let boxcar = self.next(client, false, may_wait).map_err(|what| self.broken(what))?;
            if !self.compare(client, &command, &step.arguments, &peer, &boxcar) {
                self.steps.truncate(start + at + 1);
                return Err(self.failure(command, Problem::Different { peer, boxcar }));
            }
            if parts_ways(&peer, &boxcar) {
                return Ok(false);
            }
            let (peer, boxcar) = match command == "quit" && !in_multi && peer != Came::Closed {
                true => self.after_quit(client, start + at).map_err(|what| self.broken(what))?,
                false => (peer, boxcar),
            };
            if peer != boxcar && (peer == Came::Closed || boxcar == Came::Closed) {
                return Err(self.failure(command, Problem::Different { peer, boxcar }));
            }
            match peer {
                Came::Closed => {
                    // What else was sent to the closed connection is lost on both.
                    self.clients.remove(&client);
                    self.steps.truncate(start + at + 1);
                    return Ok(true);
                }
                Came::Nothing => {
                    if let Some(connection) = self.clients.get_mut(&client) {
                        connection.waiting = Some((command, step.arguments.clone()));
                    }
                    // Only a shortened sequence may have sent more behind it, whose replies would come any time.
                    return Ok(at + 1 == group.len());
                }
                Came::Reply(..) => {}
            }
        }
        if group.iter().any(|step| step.pause) {
            sleep(PAUSE);
        }
        Ok(true)
    }

    /// Plays a step by itself. One that goes by the names of members is left out where that need not mean the same on both
    /// servers: in a transaction, as nobody knows what its key holds then, and where scores are not all the same.
    fn alone(&mut self, step: &Step) -> Result<bool, Box<Failure>> {
        let alone = [Step { joined: false, ..step.clone() }];
        if !is_lexical(&self.name_of(step), &step.arguments) {
            return self.group(&alone);
        }
        let in_multi = self.clients.get(&step.client).is_some_and(|client| client.queued.is_some());
        let peer = &mut self.pair.peer;
        let mixed = step.arguments.iter().skip(1).map(|word| digest::has_mixed_scores(peer, word));
        let mixed = mixed.collect::<Result<Vec<bool>, String>>().map_err(|what| self.broken(what))?;
        if in_multi || mixed.contains(&true) {
            return Ok(true);
        }
        self.group(&alone)
    }

    /// What comes behind the reply to QUIT: the end, unless QUIT was refused.
    fn after_quit(&mut self, client: u8, step: usize) -> Result<(Came, Came), String> {
        let refused = matches!(self.received.last(), Some(Received { came: Came::Reply(reply, _), .. }) if reply.is_error());
        if refused {
            let refused = Came::Reply(Value::ok(), Vec::new());
            return Ok((refused.clone(), refused));
        }
        let peer = self.next(client, true, false)?;
        self.received.push(Received { step, client, came: peer.clone() });
        Ok((peer, self.next(client, false, false)?))
    }

    fn connect(&mut self, client: u8) -> Result<(), String> {
        if self.clients.contains_key(&client) {
            return Ok(());
        }
        let protocol = self.protocol;
        let mut open = |is_peer: bool| -> Result<Client, String> {
            let (side, who) = self.pair.side(is_peer);
            let mut client = side.server.try_client().map_err(|e| format!("{who}: cannot connect: {e}"))?;
            if protocol == 3 {
                client.try_call(["HELLO", "3"]).map_err(|e| format!("{who}: HELLO: {e}"))?;
            }
            Ok(client)
        };
        let (peer, boxcar) = (open(true)?, open(false)?);
        let messages = (Vec::new(), Vec::new());
        let connection = Connection { peer, boxcar, queued: None, waiting: None, listening: false, messages };
        self.clients.insert(client, connection);
        Ok(())
    }

    fn send(&mut self, client: u8, group: &[Step]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for step in group {
            match step.form {
                Form::Multibulk => encode(&mut bytes, &step.arguments),
                Form::Inline => bytes.extend(line(&step.arguments)),
            }
        }
        let Some(connection) = self.clients.get_mut(&client) else { return Ok(()) };
        connection.peer.send_raw(&bytes).map_err(|e| format!("the real server does not read: {e}"))?;
        connection.boxcar.send_raw(&bytes).map_err(|e| format!("Boxcar does not read: {e}"))
    }

    /// The next reply; messages before it are kept. `Nothing` when the server says that the client waits.
    fn next(&mut self, client: u8, is_peer: bool, may_wait: bool) -> Result<Came, String> {
        let others = self.clients.values().filter(|connection| connection.waiting.is_some()).count();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let patience = if may_wait { GLANCE } else { PATIENCE };
            match self.receive(client, is_peer, patience)? {
                Some(came) => return Ok(came),
                None if !may_wait || Instant::now() > deadline => {
                    return Err(format!("{}: no reply in time", self.pair.side(is_peer).1));
                }
                None if self.pair.side(is_peer).0.blocked()? > others => return Ok(Came::Nothing),
                None => {}
            }
        }
    }

    /// What comes within this time and is no message; those are kept.
    fn receive(&mut self, client: u8, is_peer: bool, patience: Duration) -> Result<Option<Came>, String> {
        loop {
            let Some(connection) = self.clients.get_mut(&client) else { return Ok(Some(Came::Closed)) };
            let (socket, messages) = match is_peer {
                true => (&mut connection.peer, &mut connection.messages.0),
                false => (&mut connection.boxcar, &mut connection.messages.1),
            };
            match socket.read_frame(patience) {
                Ok((value @ Value::Push(_), frame)) => messages.push(Came::Reply(value, frame)),
                Ok((value, frame)) => return Ok(Some(Came::Reply(value, frame))),
                Err(ReadError::Timeout) => return Ok(None),
                Err(ReadError::Closed) => {
                    let (side, who) = self.pair.side(is_peer);
                    return match side.is_alive() {
                        true => Ok(Some(Came::Closed)),
                        false => Err(format!("{who} has ended:\n{}", tail(&side.server.log()))),
                    };
                }
                Err(error) => return Err(format!("{}: {error}", self.pair.side(is_peer).1)),
            }
        }
    }

    /// The replies to SUBSCRIBE and its kin: as many as there are.
    fn subscription(&mut self, client: u8, command: &str, step: usize) -> Result<(), Box<Failure>> {
        if let Some(connection) = self.clients.get_mut(&client) {
            connection.listening = true;
        }
        let before = self.received.len();
        self.messages(client, command, step)?;
        if self.received.len() > before {
            *self.hits.entry(command.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    /// Compares all messages that have come for a client.
    fn messages(&mut self, client: u8, command: &str, step: usize) -> Result<(), Box<Failure>> {
        let Some(connection) = self.clients.get_mut(&client) else { return Ok(()) };
        let mut bytes = Vec::new();
        encode(&mut bytes, [b"PING".as_slice(), FENCE]);
        let sent = connection.peer.send_raw(&bytes).and_then(|()| connection.boxcar.send_raw(&bytes));
        sent.map_err(|e| self.broken(format!("cannot send: {e}")))?;
        let peer = self.until_fence(client, true, 0).map_err(|what| self.broken(what))?;
        let boxcar = self.until_fence(client, false, peer.len()).map_err(|what| self.broken(what))?;
        for came in &peer {
            self.received.push(Received { step, client, came: came.clone() });
        }
        if same_messages(command, &peer, &boxcar) {
            if peer.last() == Some(&Came::Closed) {
                self.clients.remove(&client);
            }
            return Ok(());
        }
        let differs = |at: &usize| peer.get(*at) != boxcar.get(*at);
        let at = (0..peer.len().max(boxcar.len())).find(differs).unwrap_or(0);
        let one = |list: &[Came]| list.get(at).cloned().unwrap_or(Came::Nothing);
        let problem = Problem::Different { peer: one(&peer), boxcar: one(&boxcar) };
        Err(self.failure(command.to_owned(), problem))
    }

    /// All messages before the reply to the PING behind them; after it, too, while there are fewer than `expected`.
    fn until_fence(&mut self, client: u8, is_peer: bool, expected: usize) -> Result<Vec<Came>, String> {
        let mut found = Vec::new();
        let mut passed = false;
        loop {
            if let Some(connection) = self.clients.get_mut(&client) {
                let kept = if is_peer { &mut connection.messages.0 } else { &mut connection.messages.1 };
                found.append(kept);
            }
            if passed && found.len() >= expected {
                return Ok(found);
            }
            let patience = if passed { A_WHILE } else { PATIENCE };
            match self.receive(client, is_peer, patience)? {
                Some(Came::Reply(value, _)) if is_fence(&value) => passed = true,
                Some(Came::Closed) => return Ok([found, vec![Came::Closed]].concat()),
                Some(came) => found.push(came),
                None if passed => return Ok(found),
                None => return Err(format!("{}: no reply to PING in time", self.pair.side(is_peer).1)),
            }
        }
    }

    /// What one client's commands have brought to the others: replies to blocking commands, and messages. False when the
    /// servers went different ways on purpose, so that nothing behind it can be compared.
    fn settle(&mut self) -> Result<bool, Box<Failure>> {
        let step = self.steps.len().saturating_sub(1);
        if !self.settle_waiting(step)? {
            return Ok(false);
        }
        let listening: Vec<u8> = self
            .clients
            .iter()
            .filter(|(_, c)| c.listening && c.queued.is_none() && c.waiting.is_none())
            .map(|(n, _)| *n)
            .collect();
        for client in listening {
            self.messages(client, "message", step)?;
        }
        Ok(true)
    }

    fn settle_waiting(&mut self, step: usize) -> Result<bool, Box<Failure>> {
        let waiting: Vec<u8> =
            self.clients.iter().filter(|(_, c)| c.waiting.is_some()).map(|(number, _)| *number).collect();
        if waiting.is_empty() {
            return Ok(true);
        }
        let left = self.pair.peer.blocked().map_err(|what| self.broken(what))?;
        let mut served = waiting.len().saturating_sub(left);
        for client in waiting.iter().cycle().take(waiting.len() * 1000) {
            let is_waiting = self.clients.get(client).is_some_and(|c| c.waiting.is_some());
            if served == 0 || !is_waiting {
                continue;
            }
            let Some(peer) = self.receive(*client, true, GLANCE).map_err(|what| self.broken(what))? else {
                continue;
            };
            served -= 1;
            self.received.push(Received { step, client: *client, came: peer.clone() });
            let waiting = self.clients.get_mut(client).and_then(|c| c.waiting.take());
            let (command, call) = waiting.unwrap_or_default();
            let boxcar = self.receive(*client, false, A_WHILE).map_err(|what| self.broken(what))?;
            let boxcar = boxcar.unwrap_or(Came::Nothing);
            if passes_over_other_type(&peer, &boxcar) {
                return Ok(false);
            }
            if !self.compare(*client, &command, &call, &peer, &boxcar) {
                return Err(self.failure(command, Problem::Different { peer, boxcar }));
            }
        }
        let deadline = Instant::now() + A_WHILE;
        loop {
            let here = self.pair.boxcar.blocked().map_err(|what| self.broken(what))?;
            if here == left {
                return Ok(true);
            }
            if here < left || Instant::now() > deadline {
                let command = self.steps.last().map(|step| self.name_of(step)).unwrap_or_default();
                let what = format!("{left} clients still wait, {here} at Boxcar");
                return Err(self.failure(command, Problem::Otherwise(what)));
            }
            sleep(GLANCE);
        }
    }

    fn name_of(&self, step: &Step) -> String {
        self.rows.called(&step.arguments).map_or_else(|| step.name(), |row| row.name.clone())
    }

    /// Whether the two are the same as far as the table of tolerances asks for it. Keeps track of transactions.
    fn compare(&mut self, client: u8, command: &str, call: &[Vec<u8>], peer: &Came, boxcar: &Came) -> bool {
        let (Came::Reply(peer, peer_bytes), Came::Reply(boxcar, boxcar_bytes)) = (peer, boxcar) else {
            return peer == boxcar;
        };
        let mut executed = Vec::new();
        let is_queued = *peer == Value::Simple(b"QUEUED".to_vec());
        if let Some(connection) = self.clients.get_mut(&client) {
            match (command, &mut connection.queued) {
                ("exec" | "discard" | "reset", queued) if ends_transaction(peer) => {
                    executed = queued.take().unwrap_or_default();
                }
                (_, Some(queue)) if is_queued => queue.push((command.to_owned(), call.to_vec())),
                ("multi", queued) if !peer.is_error() => *queued = Some(Vec::new()),
                _ => {}
            }
            connection.listening |= command == "client|tracking" && !peer.is_error();
            connection.listening &= command != "reset";
        }
        if !is_queued && !peer.is_error() {
            *self.hits.entry(command.to_owned()).or_default() += 1;
        }
        let (results, others) = match (peer, boxcar) {
            (Value::Array(a), Value::Array(b)) if command == "exec" && a.len() == b.len() => (a, b),
            _ => {
                return peer_bytes == boxcar_bytes || same(&names(command), call, self.setting, peer, boxcar);
            }
        };
        executed.len() == results.len()
            && executed.iter().zip(results.iter().zip(others)).all(|((command, call), (peer, boxcar))| {
                if !peer.is_error() {
                    *self.hits.entry(command.clone()).or_default() += 1;
                }
                same(&names(command), call, self.setting, peer, boxcar)
            })
    }

    fn broken(&self, what: String) -> Box<Failure> {
        let command = self.steps.last().map(|step| self.name_of(step)).unwrap_or_default();
        self.failure(command, Problem::Broken(what))
    }

    fn failure(&self, command: String, problem: Problem) -> Box<Failure> {
        Box::new(Failure { steps: self.steps.clone(), received: self.received.clone(), command, problem })
    }
}

/// The full name, and that of the container.
fn names(command: &str) -> Vec<&str> {
    std::iter::once(command).chain(command.split_once('|').map(|(container, _)| container)).collect()
}

/// Whether this reply to EXEC, DISCARD or RESET means that there is no transaction any more.
fn ends_transaction(reply: &Value) -> bool {
    !reply.is_error() || reply.to_text().starts_with("EXECABORT")
}

/// Whether a call may give a key a time to live.
fn may_expire(command: &str, call: &[Vec<u8>]) -> bool {
    let option =
        |word: &Vec<u8>| [&b"PX"[..], b"EX", b"PXAT", b"EXAT"].iter().any(|o| word.eq_ignore_ascii_case(o));
    command.contains("expire") || command.ends_with("setex") || call.iter().any(option)
}

/// Whether a word is a number that neither 64 bits nor a double hold.
fn is_out_of_range(word: &[u8]) -> bool {
    let text = std::str::from_utf8(word).unwrap_or_default();
    let beyond = |number: f64| !number.is_finite() || number.abs() >= i64::MAX as f64;
    text.parse::<i64>().is_err()
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.parse().is_ok_and(beyond)
}

/// Commands that answer once for each channel, or not at all.
fn is_subscription(command: &str) -> bool {
    command.ends_with("subscribe")
}

/// The reply to the PING behind messages: of two kinds in RESP2.
fn is_fence(value: &Value) -> bool {
    match value {
        Value::Bulk(text) => text == FENCE,
        Value::Array(parts) => {
            matches!(parts.as_slice(), [Value::Bulk(_), Value::Bulk(text)] if text == FENCE)
        }
        _ => false,
    }
}

/// The words as an inline command.
#[must_use]
pub fn line(arguments: &[Vec<u8>]) -> Vec<u8> {
    let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
    format!("{}\r\n", words.join(" ")).into_bytes()
}

/// The end of a log, from the last panic on if there is one.
fn tail(log: &str) -> &str {
    let start = log.rfind("panicked at").unwrap_or(log.len().saturating_sub(2000));
    let start = log[..start].rfind('\n').unwrap_or(0);
    log[start..].trim_start()
}
