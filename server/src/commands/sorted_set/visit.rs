//! Going through a sorted set in steps, and picking from it: ZSCAN, ZRANDMEMBER.

use super::{KEY, READS_FIRST, ROW, WITHSCORES, read, write_member, write_members};
use crate::commands::float::write_17_digits;
use crate::commands::generic::walk::parse_cursor;
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx, Error};
use crate::config::glob::{self, Case};
use boxcar_resp::{DoubleText, Reply, format_double};
use boxcar_store::{Composite, Encoding, IntegerText, SCAN_CURSOR_BITS, SortedSet};

/// Default of ZSCAN's COUNT.
const COUNT: usize = 10;

/// Most members that one ZRANDMEMBER with repetitions returns: its reply is made at once.
const MOST_PICKS: u64 = 1 << 24;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zrandmember",
        arity: -2,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members returned",
        summary: "Returns members of a sorted set at random.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            Argument::block("options", &[Argument::new("count", "integer"), WITHSCORES]).optional(),
        ],
        handler: zrandmember,
        ..ROW
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor \
            to return back to 0. N is the number of elements inside the collection.",
        summary: "Walks over the members of a sorted set, some with each call.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            Argument::new("cursor", "integer"),
            Argument::new("pattern", "pattern").after("MATCH").optional(),
            Argument::new("count", "integer").after("COUNT").optional(),
        ],
        handler: zscan,
        ..ROW
    },
];

fn zrandmember(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() > 2 {
        return pick_many(cx, args);
    }
    match read(cx.keys, args.at(1))?.and_then(|set| set.get(rand::random_range(0..set.len()))) {
        Some((member, _)) => write_member(cx.reply, member),
        None => cx.reply.null(),
    }
    Ok(())
}

fn pick_many(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let out_of_range = Error::text("ERR value is out of range");
    let count = args.integer(2)?;
    if count == i64::MIN {
        return Err(Error::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 4 || (args.len() == 4 && !with_scores) {
        return Err(Error::Syntax);
    }
    if with_scores && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(out_of_range);
    }
    let Some(set) = read(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let len = set.len();
    let pick = |rank: usize| set.get(rank).expect("a rank below the length");
    if count < 0 {
        if count.unsigned_abs() > MOST_PICKS {
            return Err(out_of_range);
        }
        let picks = (0..count.unsigned_abs() as usize).map(|_| pick(rand::random_range(0..len)));
        write_members(cx.reply, picks, with_scores);
    } else if count as usize >= len {
        // From the last one on, as Redis does.
        write_members(cx.reply, set.iter().rev(), with_scores);
    } else {
        let ranks = rand::seq::index::sample(&mut rand::rng(), len, count as usize);
        write_members(cx.reply, ranks.into_iter().map(pick), with_scores);
    }
    Ok(())
}

/// What ZSCAN's options say.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Self, Error> {
        let mut filter = Self { pattern: None, count: COUNT };
        for i in (3..args.len()).step_by(2) {
            let value = args.get(i + 1).ok_or(Error::Syntax)?;
            if args.is(i, "MATCH") {
                filter.pattern = (value != b"*").then_some(value);
            } else if args.is(i, "COUNT") {
                let count = usize::try_from(args.integer(i + 1)?).ok();
                filter.count = count.filter(|&count| count > 0).ok_or(Error::Syntax)?;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(filter)
    }

    fn admits(&self, member: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, member, Case::Sensitive))
    }
}

fn zscan(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let cursor = parse_cursor(args.at(2)).ok_or(const { Error::text("ERR invalid cursor") })?;
    cx.reply.array(2);
    let Some(set) = read(cx.keys, args.at(1))? else {
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(());
    };
    let filter = Filter::parse(args)?;
    let mut found = Reply::new(cx.reply.protocol());
    let (next, count) = scan(set, cursor, &filter, &mut found);
    cx.reply.bulk_integer(next as i64);
    cx.reply.array(2 * count);
    cx.reply.raw(found.as_bytes());
    Ok(())
}

/// Visits about as many members as wanted and writes those that the filter admits; where to go on, and how many they
/// are. As with Redis, scores are texts over both protocols, and those of a large set have all their digits.
fn scan(set: &SortedSet, cursor: u64, filter: &Filter<'_>, found: &mut Reply) -> (u64, usize) {
    let mut position = cursor & ((1 << SCAN_CURSOR_BITS) - 1);
    let (mut visited, mut admitted) = (0, 0);
    let large = set.encoding() == Encoding::Skiplist;
    let (mut text, mut short, mut long) = (IntegerText::default(), DoubleText::new(), String::new());
    loop {
        position = set.scan(position, |member, score| {
            visited += 1;
            let member = member.as_bytes(&mut text);
            if filter.admits(member) {
                admitted += 1;
                found.bulk(member);
                if large {
                    write_17_digits(score, &mut long);
                    found.bulk(long.as_bytes());
                } else {
                    found.bulk(format_double(score, &mut short).as_bytes());
                }
            }
        });
        if position == 0 || visited >= filter.count {
            return (position, admitted);
        }
    }
}
