//! Random members and walks: SPOP, SRANDMEMBER, SSCAN.

use super::{KEY, ROW, change, existing, read, report};
use crate::commands::args::parse_integer;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::sampling::{self, Sample};
use crate::commands::scan::{self, ScanOptions};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::Reply;
use boxcar_store::{Composite, Encoding, IntegerText, Set, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "spop",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        summary: "Removes random members from a set and returns them.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY, Argument::new("count", "integer").optional().since("3.2.0")],
        handler: spop,
        ..ROW
    },
    Command {
        name: "srandmember",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
        summary: "Returns random members of a set.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY, Argument::new("count", "integer").optional().since("2.6.0")],
        handler: srandmember,
        ..ROW
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        summary: "Walks over the members of a set, some with each call.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            Argument::new("cursor", "integer"),
            Argument::new("pattern", "pattern").after("MATCH").optional(),
            Argument::new("count", "integer").after("COUNT").optional(),
        ],
        handler: sscan,
        ..ROW
    },
];

fn spop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    if args.len() == 3 {
        return spop_count(cx, args);
    }
    let key = args.at(1);
    let Some(entry) = existing(cx.keys, key)? else {
        cx.reply.null();
        return Ok(());
    };
    let reply = &mut *cx.reply;
    let ((), gone) = change(entry, |set| pop_one(set, reply));
    report(cx.keys, key, "spop", gone);
    Ok(())
}

/// Replies with a random member, and removes it.
fn pop_one(set: &mut Set, reply: &mut Reply) {
    let picked = set.random(rand::random()).expect("a set in the keyspace is not empty");
    write_value(reply, picked);
    let (mut text, mut copy) = (IntegerText::default(), smallvec::SmallVec::<[u8; 128]>::new());
    copy.extend_from_slice(picked.as_bytes(&mut text));
    set.remove(Value::Bytes(&copy));
}

fn spop_count(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let count = parse_integer(args.at(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(const { Error::text("ERR value is out of range, must be positive") })?;
    let Some(entry) = existing(cx.keys, key)? else {
        cx.reply.set(0);
        return Ok(());
    };
    if count == 0 {
        cx.reply.set(0);
        return Ok(());
    }
    let reply = &mut *cx.reply;
    let ((), gone) = change(entry, |set| {
        if count >= set.len() {
            reply.set(set.len());
            set.iter().for_each(|member| write_value(reply, member));
            *set = Set::new();
        } else if set.encoding() == Encoding::Hashtable {
            reply.set(count);
            (0..count).for_each(|_| pop_one(set, reply));
        } else {
            pop_from_small(set, count, reply);
        }
    });
    report(cx.keys, key, "spop", gone);
    Ok(())
}

/// Removes some members of a small set in one pass, without searching for each.
fn pop_from_small(set: &mut Set, count: usize, reply: &mut Reply) {
    reply.set(count);
    let (len, mut wanted) = (set.len(), count);
    let mut passed = 0;
    set.retain_small(&mut |member| {
        let take = rand::random_range(0..len - passed) < wanted;
        passed += 1;
        if take {
            wanted -= 1;
            write_value(reply, member);
        }
        !take
    });
}

fn srandmember(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    if args.len() == 2 {
        match read(cx.keys, args.at(1))?.and_then(|set| set.random(rand::random())) {
            Some(member) => write_value(cx.reply, member),
            None => cx.reply.null(),
        }
        return Ok(());
    }
    let wanted = sampling::parse_count(args, 2)?;
    let Some(set) = read(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let reply = &mut *cx.reply;
    let len = match wanted {
        Sample::Repeated(count) => usize::try_from(count).unwrap_or(usize::MAX),
        Sample::Distinct(count) => count.min(set.len() as u64) as usize,
    };
    reply.array(len);
    let begin = reply.len();
    let mut show = |member| {
        write_value(reply, member);
        sampling::check_size(reply, begin)
    };
    match wanted {
        Sample::Repeated(count) => (0..count).map_while(|_| set.random(rand::random())).try_for_each(show),
        Sample::Distinct(count)
            if set.encoding() == Encoding::Hashtable && sampling::is_few(count, set.len()) =>
        {
            let draw = || set.random(rand::random()).expect("a set in the keyspace is not empty");
            sampling::draw_distinct(count, draw, address, &mut show)
        }
        Sample::Distinct(count) => sampling::choose_in_order(count, set.len(), set.iter(), &mut show),
    }
}

/// What tells the members of one hash table apart.
fn address(member: &Value<'_>) -> *const u8 {
    match member {
        Value::Bytes(bytes) => bytes.as_ptr(),
        Value::Integer(_) => unreachable!("a hash table keeps members as bytes"),
    }
}

fn sscan(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let cursor = scan::cursor(args.at(2))?;
    let Some(set) = read(cx.keys, args.at(1))? else {
        scan::write_nothing(cx.reply);
        return Ok(());
    };
    let options = ScanOptions::parse(args, true)?;
    let mut found = Reply::new(cx.reply.protocol());
    let mut count = 0;
    let next = set.scan(cursor, options.count, &mut |member| {
        if options.admits(member.as_bytes(&mut IntegerText::default())) {
            write_value(&mut found, member);
            count += 1;
        }
    });
    scan::write(cx.reply, next, count, &found);
    Ok(())
}
