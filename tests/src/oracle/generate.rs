//! Command sequences from seeds.
//!
//! A sequence follows from its seed and the rows alone. Nothing in it depends on the time: what expires has expired
//! already, or does within a pause made for it, or not while the sequence is played.

use super::choice::{ALONE, ALWAYS, BEGINNINGS, COMPANIONS, ONCE, UNSPOILT};
use super::pools::{Pool, draw, pool_of};
use super::rows::{Argument, Row, Rows};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// The clients of a sequence, by number; most commands come from the first.
pub const CLIENTS: u8 = 3;

/// How a command is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An array of bulk strings.
    Multibulk,
    /// A line.
    Inline,
}

/// One command of a sequence.
#[derive(Debug, Clone)]
pub struct Step {
    /// Who sends it.
    pub client: u8,
    /// The words.
    pub arguments: Vec<Vec<u8>>,
    /// How it is written.
    pub form: Form,
    /// Sent together with the one before, without waiting for that one's reply.
    pub joined: bool,
    /// Something expires right after it, and is waited for.
    pub pause: bool,
}

impl Step {
    /// A plain command.
    #[must_use]
    pub fn new(client: u8, arguments: Vec<Vec<u8>>) -> Self {
        Self { client, arguments, form: Form::Multibulk, joined: false, pause: false }
    }

    /// A plain command of words.
    #[must_use]
    pub fn words(client: u8, words: &[&str]) -> Self {
        Self::new(client, words.iter().map(|word| word.as_bytes().to_vec()).collect())
    }

    /// Its name in lower case.
    #[must_use]
    pub fn name(&self) -> String {
        self.arguments.first().map(|name| String::from_utf8_lossy(name).to_lowercase()).unwrap_or_default()
    }
}

/// A whole sequence.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// What it was made from.
    pub seed: u64,
    /// 2 or 3.
    pub protocol: u8,
    /// Values may outgrow the compact encodings, so that unordered types may be hash tables.
    pub long: bool,
    /// What is played.
    pub steps: Vec<Step>,
}

/// Makes sequences.
pub struct Generator<'r> {
    families: BTreeMap<String, Vec<&'r Row>>,
    companions: Vec<&'r Row>,
}

impl<'r> Generator<'r> {
    /// Plays the families of these names, without the rows that `skipped` names.
    #[must_use]
    pub fn new(rows: &'r Rows, families: &[String], skipped: &dyn Fn(&Row) -> bool) -> Self {
        let mut chosen: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in rows.iter().filter(|row| !skipped(row)) {
            if families.is_empty() || families.contains(&row.group) {
                chosen.entry(row.group.clone()).or_default().push(row);
            }
        }
        let companions = COMPANIONS.iter().filter_map(|name| rows.get(name)).filter(|row| !skipped(row));
        Self { companions: companions.collect(), families: chosen }
    }

    /// The rows that it plays, beside the companions.
    pub fn played(&self) -> impl Iterator<Item = &'r Row> {
        self.families.values().flatten().copied()
    }

    /// The sequence of a seed.
    ///
    /// # Panics
    /// When there is no family to play.
    #[must_use]
    pub fn sequence(&self, seed: u64) -> Sequence {
        let mut random = StdRng::seed_from_u64(seed);
        let families: Vec<&Vec<&Row>> = self.families.values().collect();
        let mut main = families.choose(&mut random).expect("a family to play").to_vec();
        if random.random_bool(0.3) {
            main.extend_from_slice(families.choose(&mut random).expect("a family to play"));
        }
        let protocol = random.random_range(2..=3);
        let long = random.random_bool(0.3);
        let length = random.random_range(15..60);
        let mut writer = Writer {
            generator: self,
            main,
            random,
            long,
            steps: Vec::new(),
            homes: BTreeMap::new(),
            in_multi: [false; CLIENTS as usize],
        };
        writer.begin();
        while writer.steps.len() < length {
            writer.more();
        }
        // Longer than what listpacks hold; written out, the numbers have more digits than that.
        let is_huge =
            |word: &Vec<u8>| word.len() > 64 || [&b"-1e300"[..], b"1e400"].contains(&word.as_slice());
        let long = long || writer.steps.iter().any(|step| step.arguments.iter().any(is_huge));
        Sequence { seed, protocol, long, steps: writer.steps }
    }
}

/// A sequence in the making.
struct Writer<'g, 'r> {
    generator: &'g Generator<'r>,
    /// The rows most commands are of.
    main: Vec<&'r Row>,
    random: StdRng,
    long: bool,
    steps: Vec<Step>,
    /// The keys that a family mostly uses, so that its commands meet values of their own type.
    homes: BTreeMap<String, [Vec<u8>; 2]>,
    /// Clients that have said MULTI.
    in_multi: [bool; CLIENTS as usize],
}

impl<'r> Writer<'_, 'r> {
    /// Makes what the sequence's families seldom find by chance.
    fn begin(&mut self) {
        for (family, words) in BEGINNINGS {
            let plays = self.main.iter().any(|row| row.group == *family);
            if !plays || !self.random.random_bool(0.7) {
                continue;
            }
            let key = self.home(family)[0].clone();
            let word = |word: &&str| if *word == "KEY" { key.clone() } else { word.as_bytes().to_vec() };
            self.push(Step::new(0, words.iter().map(word).collect()));
        }
    }

    fn more(&mut self) {
        let client = if self.random.random_bool(0.8) { 0 } else { self.random.random_range(0..CLIENTS) };
        let in_multi = self.in_multi[usize::from(client)];
        match self.random.random_range(0..100) {
            0..30 if in_multi => self.push(Step::words(client, &["EXEC"])),
            0..5 => self.transaction(client),
            5..6 => self.unknown(client),
            6..14 => self.pipeline(client),
            _ => self.single(client),
        }
    }

    fn push(&mut self, step: Step) {
        let in_multi = &mut self.in_multi[usize::from(step.client)];
        match step.name().as_str() {
            "multi" => *in_multi = true,
            "exec" | "discard" | "reset" => *in_multi = false,
            _ => {}
        }
        self.steps.push(step);
    }

    fn single(&mut self, client: u8) {
        let place = if self.in_multi[usize::from(client)] { Place::Queued } else { Place::Alone };
        let mut step = self.command(client, place);
        if self.random.random_bool(0.05) && can_be_inline(&step.arguments) {
            step.form = Form::Inline;
        }
        self.push(step);
    }

    fn pipeline(&mut self, client: u8) {
        for at in 0..self.random.random_range(2..8) {
            let mut step = self.command(client, Place::Together);
            step.joined = at > 0;
            self.push(step);
        }
    }

    /// WATCH, what somebody else does meanwhile, MULTI, commands, EXEC; each of them left out now and then.
    fn transaction(&mut self, client: u8) {
        if self.random.random_bool(0.4) {
            let key = self.key("");
            self.push(Step::new(client, vec![b"WATCH".to_vec(), key]));
            if self.random.random_bool(0.5) {
                let other = (client + self.random.random_range(0..CLIENTS)) % CLIENTS;
                let step = self.command(other, Place::Together);
                self.push(step);
            }
        }
        let joined = self.random.random_bool(0.5);
        self.push(Step::words(client, &["MULTI"]));
        for _ in 0..self.random.random_range(0..6) {
            let mut step = self.command(client, Place::Queued);
            step.joined = joined;
            self.push(step);
        }
        let end = if self.random.random_bool(0.9) { "EXEC" } else { "DISCARD" };
        let mut step = Step::words(client, &[end]);
        step.joined = joined;
        self.push(step);
    }

    fn unknown(&mut self, client: u8) {
        let mut arguments = vec![b"NOSUCH".to_vec()];
        for _ in 0..self.random.random_range(0..4) {
            arguments.push(draw(Pool::Text, &mut self.random, self.long));
        }
        self.push(Step::new(client, arguments));
    }

    /// A command of the sequence's families, or of a companion.
    fn command(&mut self, client: u8, place: Place) -> Step {
        let rows = if self.random.random_bool(0.8) || self.generator.companions.is_empty() {
            &self.main
        } else {
            &self.generator.companions
        };
        let fits = |row: &&&Row| match place {
            Place::Alone => true,
            Place::Queued => !ALONE.contains(&row.name.as_str()),
            Place::Together => !ALONE.contains(&row.name.as_str()) && !row.flags.contains("blocking"),
        };
        let rows: Vec<&&Row> = rows.iter().filter(fits).collect();
        let Some(row) = rows.choose(&mut self.random) else { return Step::words(client, &["PING"]) };
        let (arguments, pause) = self.call(row, place == Place::Alone);
        Step { pause, ..Step::new(client, arguments) }
    }

    /// A call of a row; whether something expires right after it.
    fn call(&mut self, row: &'r Row, may_pause: bool) -> (Vec<Vec<u8>>, bool) {
        let mut call =
            Call { row, words: Vec::new(), timed: false, pause: false, may_pause, following: None };
        for word in row.words() {
            let word = self.in_any_case(word);
            call.words.push(word);
        }
        self.arguments(&mut call, &row.arguments);
        let Call { mut words, timed, pause, .. } = call;
        if self.random.random_bool(0.12) && !UNSPOILT.contains(&row.name.as_str()) {
            self.spoil(row, &mut words);
            let restores = row.name == "restore";
            // A time that the client waits for is one, too.
            if timed || restores || row.flags.contains("blocking") {
                tame(&mut words, restores);
            }
        }
        (words, pause)
    }

    fn arguments(&mut self, call: &mut Call<'r>, arguments: &'r [Argument]) {
        for argument in arguments {
            let is_needed = ALWAYS.contains(&(call.row.name.as_str(), argument.name.as_str()));
            if argument.optional && !is_needed && !self.random.random_bool(0.35) {
                continue;
            }
            let is_once = ONCE.contains(&(call.row.name.as_str(), argument.name.as_str()));
            let times = match argument.multiple && !is_once {
                true => call.following.unwrap_or_else(|| self.random.random_range(1..=3)),
                false => 1,
            };
            for time in 0..times {
                if let Some(token) = &argument.token
                    && (time == 0 || argument.multiple_token)
                {
                    let token = self.in_any_case(token.trim_matches('"'));
                    call.words.push(token);
                }
                self.value(call, argument);
            }
        }
    }

    fn value(&mut self, call: &mut Call<'r>, argument: &'r Argument) {
        match argument.kind.as_str() {
            "pure-token" => {}
            "oneof" => {
                // A star is the server's own time.
                let parts: Vec<&Argument> =
                    argument.parts.iter().filter(|part| part.token.as_deref() != Some("*")).collect();
                if let Some(part) = parts.choose(&mut self.random).copied() {
                    let part = std::slice::from_ref(part);
                    // One of several is there, whatever the alternative says.
                    self.arguments(call, part);
                }
            }
            "block" => {
                let outer = call.following;
                let repeated = argument.parts.iter().filter(|part| part.multiple).count();
                if repeated > 1 {
                    // As many of one as of the other: keys and the ids for them.
                    call.following = Some(self.random.random_range(1..=3));
                }
                self.arguments(call, &argument.parts);
                call.following = outer;
            }
            _ => self.plain(call, argument),
        }
    }

    fn plain(&mut self, call: &mut Call<'r>, argument: &'r Argument) {
        let pool = pool_of(&call.row.name, argument);
        let word = match pool {
            Pool::Key => self.key(&call.row.group),
            Pool::Following if self.random.random_bool(0.95) => {
                let count = self.random.random_range(1..=3);
                call.following = Some(count);
                count.to_string().into_bytes()
            }
            Pool::Command => {
                let row = *self.main.choose(&mut self.random).expect("a command to play");
                let (words, _) = self.call(row, false);
                call.words.extend(words);
                return;
            }
            Pool::Milliseconds if call.may_pause && self.random.random_bool(0.2) => {
                call.pause = true;
                b"1".to_vec()
            }
            pool => draw(pool, &mut self.random, self.long),
        };
        call.timed |= matches!(pool, Pool::Seconds | Pool::Milliseconds | Pool::Time);
        call.words.push(word);
    }

    /// A key, mostly one of the family's own.
    fn key(&mut self, group: &str) -> Vec<u8> {
        if !self.random.random_bool(0.75) {
            return draw(Pool::Key, &mut self.random, self.long);
        }
        let home = self.home(group);
        home.choose(&mut self.random).cloned().unwrap_or_default()
    }

    /// The family's own keys.
    fn home(&mut self, group: &str) -> [Vec<u8>; 2] {
        if let Some(home) = self.homes.get(group) {
            return home.clone();
        }
        let home = [(); 2].map(|()| draw(Pool::Key, &mut self.random, self.long));
        self.homes.insert(group.to_owned(), home.clone());
        home
    }

    fn in_any_case(&mut self, word: &str) -> Vec<u8> {
        match self.random.random_range(0..10) {
            0 => word.to_lowercase().into_bytes(),
            1 => word
                .chars()
                .enumerate()
                .map(|(at, c)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c })
                .collect::<String>()
                .into_bytes(),
            _ => word.to_uppercase().into_bytes(),
        }
    }

    /// Makes a call wrong, or at least odd.
    fn spoil(&mut self, row: &'r Row, words: &mut Vec<Vec<u8>>) {
        let first = row.words().count();
        let at = |random: &mut StdRng, words: &Vec<Vec<u8>>| match words.len() > first {
            true => Some(random.random_range(first..words.len())),
            false => None,
        };
        match (self.random.random_range(0..8), at(&mut self.random, words)) {
            (0, Some(at)) => {
                words.remove(at);
            }
            (1, Some(at)) => words[at] = draw(Pool::Text, &mut self.random, self.long),
            (2, Some(at)) => words[at] = draw(Pool::Integer, &mut self.random, self.long),
            (3, Some(at)) => words.insert(at, words[at].clone()),
            (4, Some(at)) => words.truncate(at),
            (5, Some(at)) => {
                let other = self.random.random_range(first..words.len());
                words.swap(at, other);
            }
            (6, Some(_)) => {
                // The options of a second call: doubled and conflicting ones.
                let (more, _) = self.call(row, false);
                words.extend(more.into_iter().skip(first + 1));
            }
            _ => words.push(draw(Pool::Text, &mut self.random, self.long)),
        }
    }
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its reply is waited for.
    Alone,
    /// Others follow before its reply has come.
    Together,
    /// In a transaction.
    Queued,
}

/// A call in the making.
struct Call<'r> {
    row: &'r Row,
    words: Vec<Vec<u8>>,
    /// It says when something expires.
    timed: bool,
    /// Something expires right after it.
    pause: bool,
    may_pause: bool,
    /// How many of the next repeated argument there are.
    following: Option<usize>,
}

/// A spoilt call may have any number in the place of a time: none that comes while the sequence is played. RESTORE is given
/// none, either, that does not fit when Redis adds the clock to it.
fn tame(words: &mut [Vec<u8>], restores: bool) {
    let limit = if restores { i64::MAX / 2 } else { i64::MAX };
    for word in words.iter_mut().skip(1) {
        let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok());
        if number.is_some_and(|number| (1..100_000).contains(&number) || number > limit) {
            *word = b"100000".to_vec();
        }
    }
}

/// Whether a line can carry these words: an empty line is no command.
fn can_be_inline(words: &[Vec<u8>]) -> bool {
    words.first().is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(name: &str, kind: &str) -> Argument {
        Argument {
            name: name.to_owned(),
            kind: kind.to_owned(),
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            parts: Vec::new(),
            since: (0, 0),
        }
    }

    fn rows() -> Rows {
        let row = |name: &str, arguments: Vec<Argument>| Row {
            name: name.to_owned(),
            group: "generic".to_owned(),
            arguments,
            flags: std::collections::BTreeSet::new(),
            container: false,
        };
        let keys = Argument { multiple: true, ..argument("key", "key") };
        Rows::of(vec![
            row("pexpire", vec![argument("key", "key"), argument("milliseconds", "integer")]),
            row("touchmany", vec![argument("numkeys", "integer"), keys]),
        ])
    }

    #[test]
    fn a_seed_always_makes_the_same_sequence() {
        let rows = rows();
        let generator = Generator::new(&rows, &[], &|_| false);
        let shown = |seed| format!("{:?}", generator.sequence(seed));
        assert_eq!(shown(7), shown(7));
        assert_ne!(shown(7), shown(8));
    }

    #[test]
    fn nothing_expires_while_a_sequence_is_played_but_in_a_pause() {
        let rows = rows();
        let generator = Generator::new(&rows, &[], &|_| false);
        let (mut pauses, mut counted) = (0, 0);
        for step in (0..500).flat_map(|seed| generator.sequence(seed).steps) {
            let words: Vec<&str> =
                step.arguments.iter().filter_map(|word| std::str::from_utf8(word).ok()).collect();
            if step.name() == "pexpire" && words.len() >= 3 {
                let times = words[1..].iter().filter_map(|word| word.parse::<i64>().ok());
                let soon = times.filter(|time| (1..100_000).contains(time) && *time != 77).count();
                assert!(soon == 0 || step.pause, "{step:?}");
                pauses += usize::from(step.pause);
            }
            let count = words.get(1).and_then(|word| word.parse::<usize>().ok());
            counted +=
                usize::from(step.name() == "touchmany" && count.map(|n| n + 2) == Some(step.arguments.len()));
        }
        assert!(pauses > 20 && counted > 100, "{pauses} pauses, {counted} right counts");
    }
}
