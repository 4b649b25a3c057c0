//! Unions, intersections and differences: ZUNION, ZINTER, ZDIFF, the same with STORE, ZINTERCARD.

use super::inputs::{self, Input, Member};
use super::{KEY, ROW, WITHSCORES, limits, store, write_members};
use crate::commands::float::parse_double;
use crate::commands::row::{Argument, Begin, Command, Find, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{SortedSet, SortedSetLimits, Value};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

const NUMKEYS: Argument = Argument::new("numkeys", "integer");
const DESTINATION: Argument = Argument::new("destination", "key");
const WEIGHTS: Argument = Argument::new("weight", "integer").after("WEIGHTS").optional().multiple();
const AGGREGATE: Argument = Argument::one_of(
    "aggregate",
    &[Argument::word("sum", "SUM"), Argument::word("min", "MIN"), Argument::word("max", "MAX")],
)
.after("AGGREGATE")
.optional();

/// The inputs: a number, and as many keys.
const fn inputs_at(at: usize) -> KeySpec {
    KeySpec {
        begin: Begin::Index(at),
        find: Find::KeyCount { count_at: 0, first: 1, step: 1 },
        ..KeySpec::one(at, KeyFlags::RO.union(KeyFlags::ACCESS))
    }
}

const STORES: &[KeySpec] = &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), inputs_at(2)];

const UNION: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the \
    number of elements in the resulting sorted set.";
const UNION_STORED: &str = "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being \
    the number of elements in the resulting sorted set.";
const INTERSECTION: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the \
    number of input sorted sets and M being the number of elements in the resulting sorted set.";
const DIFFERENCE: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is \
    the size of the first set, and K is the size of the result set.";

/// What the rows of the commands that reply with the result have in common.
const REPLIES: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::READONLY, Flags::MOVABLEKEYS]),
    keys: &[inputs_at(1)],
    since: "6.2.0",
    ..ROW
};

/// What the rows of the commands that store the result have in common.
const STORED: Command = Command {
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::MOVABLEKEYS]),
    keys: STORES,
    since: "2.0.0",
    ..ROW
};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zunion",
        complexity: UNION,
        summary: "Returns the members of any of several sorted sets.",
        arguments: &[NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE, WITHSCORES],
        handler: zunion,
        ..REPLIES
    },
    Command {
        name: "zinter",
        complexity: INTERSECTION,
        summary: "Returns the members that several sorted sets have in common.",
        arguments: &[NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE, WITHSCORES],
        handler: zinter,
        ..REPLIES
    },
    Command {
        name: "zdiff",
        complexity: DIFFERENCE,
        summary: "Returns the members of a sorted set that no other one has.",
        arguments: &[NUMKEYS, KEY.multiple(), WITHSCORES],
        handler: zdiff,
        ..REPLIES
    },
    Command {
        name: "zunionstore",
        complexity: UNION_STORED,
        summary: "Stores the members of any of several sorted sets.",
        arguments: &[DESTINATION, NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE],
        handler: zunionstore,
        ..STORED
    },
    Command {
        name: "zinterstore",
        complexity: INTERSECTION,
        summary: "Stores the members that several sorted sets have in common.",
        arguments: &[DESTINATION, NUMKEYS, KEY.multiple(), WEIGHTS, AGGREGATE],
        handler: zinterstore,
        ..STORED
    },
    Command {
        name: "zdiffstore",
        since: "6.2.0",
        complexity: DIFFERENCE,
        summary: "Stores the members of a sorted set that no other one has.",
        arguments: &[DESTINATION, NUMKEYS, KEY.multiple()],
        handler: zdiffstore,
        ..STORED
    },
    Command {
        name: "zintercard",
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted \
            sets.",
        summary: "Counts the members that several sorted sets have in common.",
        arguments: &[NUMKEYS, KEY.multiple(), Argument::new("limit", "integer").after("LIMIT").optional()],
        handler: zintercard,
        ..REPLIES
    },
];

/// What is made of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reply,
    Store,
    Count,
}

/// What the scores of one member in several sets become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(args: Args<'_>, i: usize) -> Result<Self, Error> {
        match () {
            () if args.is(i, "SUM") => Ok(Self::Sum),
            () if args.is(i, "MIN") => Ok(Self::Min),
            () if args.is(i, "MAX") => Ok(Self::Max),
            () => Err(Error::Syntax),
        }
    }

    fn combine(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Sum => number_or_zero(a + b),
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Infinity less infinity, and zero times infinity, are zero here.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Everything that the arguments behind the keys say.
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Where counting ends; 0 for nowhere.
    limit: usize,
}

fn zunion(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    reply(cx, args, Operation::Union)
}

fn zinter(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    reply(cx, args, Operation::Intersection)
}

fn zdiff(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    reply(cx, args, Operation::Difference)
}

fn zunionstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    store_result(cx, args, Operation::Union, "zunionstore")
}

fn zinterstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    store_result(cx, args, Operation::Intersection, "zinterstore")
}

fn zdiffstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    store_result(cx, args, Operation::Difference, "zdiffstore")
}

fn reply(cx: &mut Cx<'_, '_>, args: Args<'_>, operation: Operation) -> CommandResult {
    let keys = input_keys(cx, args, 1)?;
    let options = Options::parse(args, &keys, operation, Purpose::Reply)?;
    let inputs = inputs::open(cx.keys, args, keys, &options.weights);
    let result = sorted(evaluate(inputs, operation, options.aggregate));
    let members = result.iter().map(|(member, score)| (Value::Bytes(member), *score));
    write_members(cx.reply, members, options.with_scores);
    Ok(())
}

fn store_result(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    operation: Operation,
    event: &'static str,
) -> CommandResult {
    let keys = input_keys(cx, args, 2)?;
    let options = Options::parse(args, &keys, operation, Purpose::Store)?;
    let limits = limits(cx.server);
    let inputs = inputs::open(cx.keys, args, keys, &options.weights);
    let set = set_of(&sorted(evaluate(inputs, operation, options.aggregate)), limits);
    store(cx, args.at(1), set, event);
    Ok(())
}

fn zintercard(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let keys = input_keys(cx, args, 1)?;
    let options = Options::parse(args, &keys, Operation::Intersection, Purpose::Count)?;
    let inputs = by_size(inputs::open(cx.keys, args, keys, &[]));
    let mut count = 0;
    inputs[0].for_each(|member, _| {
        count += usize::from(inputs[1..].iter().all(|other| other.score(&member).is_some()));
        options.limit == 0 || count < options.limit
    });
    cx.reply.integer(count as i64);
    Ok(())
}

/// Where the input keys stand, given where their number does; they are looked up.
fn input_keys(cx: &mut Cx<'_, '_>, args: Args<'_>, at: usize) -> Result<Range<usize>, Error> {
    let number = args.integer(at)?;
    if number < 1 {
        let text = format!("ERR at least 1 input key is needed for '{}' command", cx.command.name);
        return Err(text.into());
    }
    let first = at + 1;
    let number = usize::try_from(number).ok().filter(|&number| number <= args.len() - first);
    let keys = first..first + number.ok_or(Error::Syntax)?;
    inputs::check(cx, args, keys.clone())?;
    Ok(keys)
}

impl Options {
    /// Reads the options behind the keys.
    fn parse(
        args: Args<'_>,
        keys: &Range<usize>,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let mut options =
            Self { weights: Vec::new(), aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let has_scores = operation != Operation::Difference && purpose != Purpose::Count;
        let mut i = keys.end;
        while i < args.len() {
            let behind = args.len() - i - 1;
            if has_scores && args.is(i, "WEIGHTS") && behind >= keys.len() {
                let weight = |at| parse_double(args.at(at));
                let weights: Option<_> = (i + 1..=i + keys.len()).map(weight).collect();
                options.weights = weights.ok_or(const { Error::text("ERR weight value is not a float") })?;
                i += keys.len();
            } else if has_scores && args.is(i, "AGGREGATE") && behind >= 1 {
                options.aggregate = Aggregate::parse(args, i + 1)?;
                i += 1;
            } else if purpose == Purpose::Reply && args.is(i, "WITHSCORES") {
                options.with_scores = true;
            } else if purpose == Purpose::Count && args.is(i, "LIMIT") && behind >= 1 {
                options.limit = super::pop::natural(args, i + 1, 0, "ERR LIMIT can't be negative")?;
                i += 1;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        Ok(options)
    }
}

/// The inputs, the smallest one first.
fn by_size(mut inputs: Vec<Input<'_>>) -> Vec<Input<'_>> {
    inputs.sort_by_key(Input::len);
    inputs
}

/// Members of a result with their scores.
type Scored<'a> = Vec<(Member<'a>, f64)>;

/// The result, in no order.
fn evaluate(inputs: Vec<Input<'_>>, operation: Operation, aggregate: Aggregate) -> Scored<'_> {
    match operation {
        Operation::Union => union(&by_size(inputs), aggregate),
        Operation::Intersection => intersection(&by_size(inputs), aggregate),
        Operation::Difference => difference(&inputs),
    }
}

fn union<'a>(inputs: &[Input<'a>], aggregate: Aggregate) -> Scored<'a> {
    let largest = inputs.last().map_or(0, Input::len);
    let mut scores: HashMap<Member<'a>, f64, foldhash::fast::RandomState> =
        HashMap::with_capacity_and_hasher(largest, foldhash::fast::RandomState::default());
    for input in inputs {
        input.for_each(|member, score| {
            let score = number_or_zero(input.weight * score);
            scores
                .entry(member)
                .and_modify(|present| *present = aggregate.combine(*present, score))
                .or_insert(score);
            true
        });
    }
    scores.into_iter().collect()
}

fn intersection<'a>(inputs: &[Input<'a>], aggregate: Aggregate) -> Scored<'a> {
    let mut common = Scored::new();
    let (first, others) = inputs.split_first().expect("there is at least one input");
    first.for_each(|member, score| {
        let start = number_or_zero(first.weight * score);
        let total = others.iter().try_fold(start, |total, other| {
            Some(aggregate.combine(total, other.weight * other.score(&member)?))
        });
        common.extend(total.map(|total| (member, total)));
        true
    });
    common
}

fn difference<'a>(inputs: &[Input<'a>]) -> Scored<'a> {
    let (first, others) = inputs.split_first().expect("there is at least one input");
    let mut left = Scored::new();
    // Asking every other set for each member costs more than collecting their members when they are many and small.
    if first.len().saturating_mul(others.len()) / 2 <= others.iter().map(Input::len).sum() {
        first.for_each(|member, score| {
            if others.iter().all(|other| other.score(&member).is_none()) {
                left.push((member, score));
            }
            true
        });
        return left;
    }
    let mut taken: HashSet<Member<'a>, foldhash::fast::RandomState> = HashSet::default();
    for other in others {
        other.for_each(|member, _| {
            taken.insert(member);
            true
        });
    }
    first.for_each(|member, score| {
        if !taken.contains(&member) {
            left.push((member, score));
        }
        true
    });
    left
}

/// The members in the order of a sorted set.
fn sorted(mut members: Scored<'_>) -> Scored<'_> {
    members.sort_unstable_by(|(a, a_score), (b, b_score)| {
        a_score.partial_cmp(b_score).expect("a score is a number").then_with(|| a.cmp(b))
    });
    members
}

fn set_of(members: &[(Member<'_>, f64)], limits: SortedSetLimits) -> SortedSet {
    let longest = members.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
    let mut set = SortedSet::for_members(members.len(), longest, limits);
    members.iter().for_each(|(member, score)| set.insert(member, *score, limits));
    set
}
