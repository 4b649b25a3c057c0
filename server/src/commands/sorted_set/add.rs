//! Adding members and changing their scores: ZADD, ZINCRBY.

use super::{KEY, MEMBER, ROW, changed, limits};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Entry, SortedSet, SortedSetLimits};
use smallvec::SmallVec;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zadd",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "1.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Adds members with scores to a sorted set, or changes the scores of those that are there.",
        arguments: &[
            KEY,
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .optional()
                .since("3.0.2"),
            Argument::one_of("comparison", &[Argument::word("gt", "GT"), Argument::word("lt", "LT")])
                .optional()
                .since("6.2.0"),
            Argument::word("change", "CH").optional().since("3.0.2"),
            Argument::word("increment", "INCR").optional().since("3.0.2"),
            Argument::block("data", &[Argument::new("score", "double"), MEMBER]).multiple(),
        ],
        handler: zadd,
        ..ROW
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        since: "1.2.0",
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Adds to the score of a member, which is made when it is not there.",
        arguments: &[KEY, Argument::new("increment", "integer"), MEMBER],
        handler: zincrby,
        ..ROW
    },
];

/// What the words before the first score say.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::commands) struct Options {
    /// NX: only members that are not there.
    pub if_missing: bool,
    /// XX: only members that are there.
    pub if_present: bool,
    /// GT: only to a higher score.
    pub if_greater: bool,
    /// LT: only to a lower score.
    pub if_less: bool,
    /// CH: count changed members, too.
    pub count_changed: bool,
    /// INCR: the score is added to the present one.
    pub increment: bool,
}

impl Options {
    /// Reads the words from argument 2 on; also where the first score stands.
    fn parse(mut self, args: Args<'_>) -> (Self, usize) {
        let mut i = 2;
        while i < args.len() {
            let flag = match () {
                () if args.is(i, "NX") => &mut self.if_missing,
                () if args.is(i, "XX") => &mut self.if_present,
                () if args.is(i, "GT") => &mut self.if_greater,
                () if args.is(i, "LT") => &mut self.if_less,
                () if args.is(i, "CH") => &mut self.count_changed,
                () if args.is(i, "INCR") => &mut self.increment,
                () => break,
            };
            *flag = true;
            i += 1;
        }
        (self, i)
    }

    fn check(self, pairs: usize) -> Result<(), Error> {
        if self.if_missing && self.if_present {
            return Err(Error::text("ERR XX and NX options at the same time are not compatible"));
        }
        let comparisons = [self.if_missing, self.if_greater, self.if_less];
        if comparisons.into_iter().filter(|&set| set).count() > 1 {
            return Err(Error::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && pairs > 1 {
            return Err(Error::text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }
}

/// What happened to one member.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// A condition kept it from being looked at further.
    Refused,
    /// It has the score already.
    Same(f64),
    Added(f64),
    Changed(f64),
    /// The sum is not a number.
    NotNumber,
}

fn zadd(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    add(cx, args, Options::default())
}

fn zincrby(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    add(cx, args, Options { increment: true, ..Options::default() })
}

fn add(cx: &mut Cx<'_, '_>, args: Args<'_>, options: Options) -> CommandResult {
    let (options, first) = options.parse(args);
    let words = args.len() - first;
    if words == 0 || !words.is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    options.check(words / 2)?;
    let mut pairs: SmallVec<[(f64, &[u8]); 8]> = SmallVec::with_capacity(words / 2);
    for i in (first..args.len()).step_by(2) {
        pairs.push((args.double(i)?, args.at(i + 1)));
    }
    add_pairs(cx, args.at(1), options, &pairs)
}

/// Adds members with their scores, and replies.
pub(in crate::commands) fn add_pairs(
    cx: &mut Cx<'_, '_>,
    key: &[u8],
    options: Options,
    pairs: &[(f64, &[u8])],
) -> CommandResult {
    let limits = limits(cx.server);
    let clock = cx.keys.access_clock();
    let result = match cx.keys.write(key) {
        Entry::Occupied(mut entry) => {
            let mut set = entry.object_mut::<SortedSet>().ok_or(Error::WrongType)?;
            Some(apply(&mut set, options, pairs, limits))
        }
        Entry::Vacant(_) if options.if_present => None,
        Entry::Vacant(entry) => {
            let mut set = SortedSet::for_members(pairs.len(), pairs[0].1.len(), limits);
            let tally = apply(&mut set, options, pairs, limits);
            entry.insert_object(set, None, clock);
            Some(tally)
        }
    };
    let Tally { added, changed: updated, last } = result.unwrap_or_default();
    if added + updated > 0 {
        changed(cx, key, added + updated, if options.increment { "zincr" } else { "zadd" }, false);
    }
    match last {
        Outcome::NotNumber => return Err(Error::text("ERR resulting score is not a number (NaN)")),
        Outcome::Refused if options.increment => cx.reply.null(),
        Outcome::Same(score) | Outcome::Added(score) | Outcome::Changed(score) if options.increment => {
            cx.reply.double(score);
        }
        _ if options.count_changed => cx.reply.integer((added + updated) as i64),
        _ => cx.reply.integer(added as i64),
    }
    Ok(())
}

/// What happened to all members.
struct Tally {
    added: usize,
    changed: usize,
    last: Outcome,
}

impl Default for Tally {
    fn default() -> Self {
        Self { added: 0, changed: 0, last: Outcome::Refused }
    }
}

fn apply(set: &mut SortedSet, options: Options, pairs: &[(f64, &[u8])], limits: SortedSetLimits) -> Tally {
    let mut tally = Tally::default();
    for &(score, member) in pairs {
        tally.last = apply_one(set, options, score, member, limits);
        match tally.last {
            Outcome::Added(_) => tally.added += 1,
            Outcome::Changed(_) => tally.changed += 1,
            _ => {}
        }
    }
    tally
}

fn apply_one(
    set: &mut SortedSet,
    options: Options,
    score: f64,
    member: &[u8],
    limits: SortedSetLimits,
) -> Outcome {
    let mut outcome = Outcome::Refused;
    set.update(member, limits, |present| {
        outcome = match present {
            Some(_) if options.if_missing => Outcome::Refused,
            None if options.if_present => Outcome::Refused,
            None => Outcome::Added(score),
            Some(present) => {
                let score = if options.increment { present + score } else { score };
                let refused =
                    (options.if_less && score >= present) || (options.if_greater && score <= present);
                match () {
                    () if score.is_nan() => Outcome::NotNumber,
                    () if refused => Outcome::Refused,
                    () if score == present => Outcome::Same(score),
                    () => Outcome::Changed(score),
                }
            }
        };
        match outcome {
            Outcome::Added(score) | Outcome::Changed(score) => Some(score),
            _ => None,
        }
    });
    outcome
}
