//! Going through a sorted set in steps, and picking from it: ZSCAN, ZRANDMEMBER.

use super::{KEY, READS_FIRST, ROW, WITHSCORES, read, write_head, write_member, write_members, write_one};
use crate::commands::float::write_17_digits;
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::sampling::{self, Sample};
use crate::commands::scan::{self, ScanOptions};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::{DoubleText, Reply, format_double};
use boxcar_store::{Composite, Encoding, IntegerText, SCAN_CURSOR_BITS, SortedSet};

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
    let sample = sampling::parse_count(args, 2)?;
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 4 || (args.len() == 4 && !with_scores) {
        return Err(Error::Syntax);
    }
    if with_scores && sample.count() > i64::MAX.unsigned_abs() / 2 {
        return Err(Error::text("ERR value is out of range"));
    }
    let Some(set) = read(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let len = set.len();
    let pick = |rank: usize| set.get(rank).expect("a rank below the length");
    match sample {
        Sample::Distinct(count) if count < len as u64 => {
            let ranks = rand::seq::index::sample(&mut rand::rng(), len, count as usize);
            write_members(cx.reply, ranks.into_iter().map(pick), with_scores);
        }
        // From the last one on, as Redis does.
        Sample::Distinct(_) => write_members(cx.reply, set.iter().rev(), with_scores),
        Sample::Repeated(count) => {
            let begin = cx.reply.len();
            write_head(cx.reply, count, with_scores);
            for _ in 0..count {
                write_one(cx.reply, pick(rand::random_range(0..len)), with_scores);
                sampling::check_size(cx.reply, begin)?;
            }
        }
    }
    Ok(())
}

fn zscan(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let cursor = scan::cursor(args.at(2))?;
    let Some(set) = read(cx.keys, args.at(1))? else {
        scan::write_nothing(cx.reply);
        return Ok(());
    };
    let options = ScanOptions::parse(args, true)?;
    let mut found = Reply::new(cx.reply.protocol());
    let (next, count) = walk(set, cursor, &options, &mut found);
    scan::write(cx.reply, next, 2 * count, &found);
    Ok(())
}

/// Visits about as many members as wanted and writes those that the options admit; where to go on, and how many they
/// are. As with Redis, scores are texts over both protocols, and those of a large set have all their digits.
fn walk(set: &SortedSet, cursor: u64, options: &ScanOptions<'_>, found: &mut Reply) -> (u64, usize) {
    let mut position = cursor & ((1 << SCAN_CURSOR_BITS) - 1);
    let (mut visited, mut admitted) = (0, 0);
    let large = set.encoding() == Encoding::Skiplist;
    let (mut text, mut short, mut long) = (IntegerText::default(), DoubleText::new(), String::new());
    loop {
        position = set.scan(position, |member, score| {
            visited += 1;
            let member = member.as_bytes(&mut text);
            if options.admits(member) {
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
        if position == 0 || visited >= options.count {
            return (position, admitted);
        }
    }
}
