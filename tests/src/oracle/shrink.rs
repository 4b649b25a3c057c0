//! From a failed sequence to a short transcript.

use super::failure::{Failure, Problem};
use super::generate::{Form, Sequence, Step};
use super::pair::Pair;
use super::play::{Hits, line, play};
use super::rows::Rows;
use crate::value::quoted;
use std::time::{Duration, Instant};

/// How many sequences may be played for one failure, and for how long.
const TRIES: usize = 600;
const TIME: Duration = Duration::from_secs(30);
/// What stands for anything in a shrunk call.
const PLAIN: &[&[u8]] = &[b"k", b"1", b"a"];

/// A failure with as little around it as was found.
pub struct Shrunk {
    /// The protocol it needs.
    pub protocol: u8,
    /// The failure of the short sequence; the original one when that did not happen again.
    pub failure: Box<Failure>,
    /// Whether it happened again when it was played again.
    pub again: bool,
}

/// Plays ever shorter sequences that fail at the same command.
pub fn shrink(pair: &mut Pair, rows: &Rows, sequence: &Sequence, failure: Box<Failure>) -> Shrunk {
    let mut search =
        Search { pair, rows, long: sequence.long, seed: sequence.seed, tries: 0, start: Instant::now() };
    let protocol = sequence.protocol;
    let Some(first) = search.fails(protocol, &failure.steps, &failure) else {
        return Shrunk { protocol, failure, again: false };
    };
    let mut best = first;
    loop {
        let before = size(&best.steps);
        best = search.fewer_steps(protocol, best);
        best = search.plainer_steps(protocol, best);
        best = search.fewer_arguments(protocol, best);
        if size(&best.steps) == before || search.is_over() {
            break;
        }
    }
    best = search.plainer_arguments(protocol, best);
    match search.fails(2, &best.steps, &best) {
        Some(failure) => Shrunk { protocol: 2, failure, again: true },
        None => Shrunk { protocol, failure: best, again: true },
    }
}

fn size(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + step.arguments.len()).sum()
}

struct Search<'a> {
    pair: &'a mut Pair,
    rows: &'a Rows,
    long: bool,
    seed: u64,
    tries: usize,
    start: Instant,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.tries >= TRIES || self.start.elapsed() > TIME
    }

    /// How these steps fail, if they fail like that.
    fn fails(&mut self, protocol: u8, steps: &[Step], like: &Failure) -> Option<Box<Failure>> {
        self.tries += 1;
        let sequence = Sequence { seed: self.seed, protocol, long: self.long, steps: steps.to_vec() };
        let found = play(self.pair, self.rows, &sequence, false, &mut Hits::new()).err()?;
        if found.is_broken() {
            self.pair.restart();
        }
        found.is_like(like).then_some(found)
    }

    /// Leaves out runs of steps: halves first, single ones last.
    fn fewer_steps(&mut self, protocol: u8, mut best: Box<Failure>) -> Box<Failure> {
        let mut run = best.steps.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at + run < best.steps.len() + 1 && !self.is_over() {
                let mut steps = best.steps.clone();
                steps.drain(at..(at + run).min(best.steps.len()));
                match self.fails(protocol, &steps, &best) {
                    Some(found) => best = found,
                    None => at += run,
                }
            }
            if run == 1 {
                return best;
            }
            run /= 2;
        }
    }

    /// One client, one reply at a time, no inline commands, where that is enough.
    fn plainer_steps(&mut self, protocol: u8, best: Box<Failure>) -> Box<Failure> {
        let mut best = best;
        let changes: [fn(&mut Step); 4] = [
            |step| step.client = 0,
            |step| step.joined = false,
            |step| step.form = Form::Multibulk,
            |step| step.pause = false,
        ];
        for change in changes {
            let mut steps = best.steps.clone();
            steps.iter_mut().for_each(change);
            if let Some(found) = self.fails(protocol, &steps, &best) {
                best = found;
            }
        }
        best
    }

    fn fewer_arguments(&mut self, protocol: u8, mut best: Box<Failure>) -> Box<Failure> {
        for at in (0..best.steps.len()).rev() {
            let mut argument = 1;
            while at < best.steps.len() && argument < best.steps[at].arguments.len() && !self.is_over() {
                let mut steps = best.steps.clone();
                steps[at].arguments.remove(argument);
                match self.fails(protocol, &steps, &best) {
                    Some(found) => best = found,
                    None => argument += 1,
                }
            }
        }
        best
    }

    /// Replaces each distinct odd word by a plain one, everywhere at once, so that keys stay the same keys.
    fn plainer_arguments(&mut self, protocol: u8, mut best: Box<Failure>) -> Box<Failure> {
        let mut words: Vec<Vec<u8>> =
            best.steps.iter().flat_map(|step| step.arguments.iter().skip(1).cloned()).collect();
        words.sort();
        words.dedup();
        for word in words.iter().filter(|word| word.len() > 8 || !word.is_ascii()) {
            for plain in PLAIN {
                let mut steps = best.steps.clone();
                for argument in steps.iter_mut().flat_map(|step| step.arguments.iter_mut().skip(1)) {
                    if argument == word {
                        *argument = plain.to_vec();
                    }
                }
                if !self.is_over()
                    && let Some(found) = self.fails(protocol, &steps, &best)
                {
                    best = found;
                    break;
                }
            }
        }
        best
    }
}

/// The failure as a transcript: what the real server replies is what is expected.
#[must_use]
pub fn transcript(shrunk: &Shrunk, seed: u64) -> String {
    let failure = &shrunk.failure;
    let mut out = format!("# {} (seed {seed})\n! protocol {}\n\n", failure.command, shrunk.protocol);
    if !shrunk.again {
        out.push_str("# It did not happen again when it was played again.\n");
    }
    let mut at = 0;
    while at < failure.steps.len() {
        let joined = failure.steps[at + 1..].iter().take_while(|step| step.joined).count();
        let group = at..at + 1 + joined;
        for step in &failure.steps[group.clone()] {
            out.push_str(&sent(step));
        }
        let last = failure.steps[at].client;
        for received in failure.received.iter().filter(|received| group.contains(&received.step)) {
            let prefix = match received.client {
                client if client == last => String::new(),
                0 => "a< ".to_owned(),
                client => format!("{}< ", speaker(client)),
            };
            out.push_str(&format!("{prefix}{}\n", received.came));
        }
        if failure.steps[group.clone()].iter().any(|step| step.pause) {
            out.push_str("sleep 4ms\n");
        }
        at = group.end;
    }
    let (who, what) = match &failure.problem {
        Problem::Different { boxcar, .. } => ("Boxcar: ", boxcar.to_string()),
        Problem::Otherwise(what) | Problem::Broken(what) => ("", what.clone()),
    };
    out.push_str(&format!("# {who}{}\n", what.replace('\n', "\n#   ")));
    out
}

fn speaker(client: u8) -> &'static str {
    ["a", "b", "c", "d"][usize::from(client)]
}

fn sent(step: &Step) -> String {
    let speaker = speaker(step.client);
    if step.form == Form::Inline {
        return format!("{speaker}>> {}\n", quoted(&line(&step.arguments)));
    }
    let words: Vec<String> = step.arguments.iter().map(|word| written(word)).collect();
    format!("{speaker}> {}\n", words.join(" "))
}

/// A word as a transcript's command line takes it: bare where it can be.
fn written(word: &[u8]) -> String {
    let bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"{}_-+.:*[](?$#@!=<>|".contains(byte);
    match !word.is_empty() && word.iter().all(bare) && !word.starts_with(b"#") {
        true => String::from_utf8_lossy(word).into_owned(),
        false => quoted(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::failure::{Came, Received};
    use crate::transcript::Script;
    use crate::value::Value;

    #[test]
    fn what_is_written_is_a_transcript() {
        let mut inline = Step::words(1, &["GET", "a b"]);
        inline.form = Form::Inline;
        let steps = vec![Step::words(0, &["SET", "k", ""]), inline];
        let ok = Came::Reply(Value::ok(), Vec::new());
        let text = Came::Reply(Value::bulk("x\r\n"), Vec::new());
        let received = |step, client, came: &Came| Received { step, client, came: came.clone() };
        let received = vec![received(0, 0, &ok), received(1, 1, &text), received(1, 0, &Came::Nothing)];
        let problem = Problem::Different { peer: text, boxcar: ok };
        let failure = Box::new(Failure { steps, received, command: "get".to_owned(), problem });
        let text = transcript(&Shrunk { protocol: 2, failure, again: true }, 7);
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(script.steps.len(), 5, "{text}");
    }
}
