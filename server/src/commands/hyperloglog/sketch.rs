//! PFADD, PFCOUNT, PFMERGE.

use super::{KEY, ROW, Sketch, image};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::hyperloglog::{self, EMPTY, Layout, Observation, REGISTERS, Registers, dense};
use boxcar_store::{Entry, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        complexity: "O(1) to add every element.",
        summary: "Shows elements to a HyperLogLog, which is made when it is missing.",
        arguments: &[KEY, Argument::new("element", "string").optional().multiple()],
        handler: pfadd,
        ..ROW
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec {
            notes: "RW because it may change the internal representation of the key, and propagate to replicas",
            ..KeySpec::all_from(1, 1, KeyFlags::RW.union(KeyFlags::ACCESS))
        }],
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being \
            the number of keys, and much bigger constant times, when called with multiple keys.",
        summary: "Estimates how many different elements one or several HyperLogLogs have seen.",
        arguments: &[KEY.multiple()],
        handler: pfcount,
        ..ROW
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[
            KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::INSERT)),
            KeySpec::all_from(2, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Merges HyperLogLogs into one that has seen what any of them has.",
        arguments: &[
            Argument::new("destkey", "key"),
            Argument::new("sourcekey", "key").optional().multiple(),
        ],
        handler: pfmerge,
        ..ROW
    },
];

/// The HyperLogLog of `key` for writing, made when it is missing; whether it was.
fn open_or_make<'s>(cx: &'s mut Cx<'_, '_>, key: &[u8]) -> Result<(Sketch<'s>, bool), Error> {
    let clock = cx.keys.access_clock();
    let (entry, made) = match cx.keys.write(key) {
        Entry::Occupied(entry) => (entry, false),
        Entry::Vacant(entry) => (entry.insert(Value::Bytes(&EMPTY), None, clock), true),
    };
    Ok((Sketch::open(entry, cx.server)?, made))
}

fn pfadd(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let (mut sketch, made) = open_or_make(cx, key)?;
    let mut raised = made;
    for element in args.from(2) {
        raised |= sketch.raise(hyperloglog::observe(element))?;
    }
    if raised {
        hyperloglog::outdate_estimate(sketch.image_mut());
        cx.keys.changed(key);
        cx.keys.event(EventClass::STRING, "pfadd", key);
    }
    cx.reply.integer(i64::from(raised));
    Ok(())
}

fn pfcount(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() == 2 {
        return count_one(cx, args.at(1));
    }
    let mut registers: Registers = [0; REGISTERS];
    for key in args.from(1) {
        if let Some(record) = cx.keys.read(key) {
            hyperloglog::merge(&mut registers, image(record)?.0)?;
        }
    }
    cx.reply.integer(hyperloglog::estimate_merged(&registers) as i64);
    Ok(())
}

/// The estimate is kept with the registers until one of them changes, and keeping it is a change of the string.
fn count_one(cx: &mut Cx<'_, '_>, key: &[u8]) -> CommandResult {
    let (kept, estimate) = match cx.keys.read(key) {
        None => (true, 0),
        Some(record) => {
            let (image, _) = image(record)?;
            match hyperloglog::kept_estimate(image) {
                Some(estimate) => (true, estimate),
                None => (false, hyperloglog::estimate(image)?),
            }
        }
    };
    if !kept && let Entry::Occupied(entry) = cx.keys.entry(key) {
        let mut sketch = Sketch::open(entry, cx.server)?;
        hyperloglog::keep_estimate(sketch.image_mut(), estimate);
        cx.keys.changed(key);
    }
    cx.reply.integer(estimate as i64);
    Ok(())
}

fn pfmerge(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let mut registers: Registers = [0; REGISTERS];
    let mut layout = Layout::Sparse;
    for key in args.from(1) {
        if let Some(record) = cx.keys.read(key) {
            let (image, its_layout) = image(record)?;
            hyperloglog::merge(&mut registers, image)?;
            if its_layout == Layout::Dense {
                layout = Layout::Dense;
            }
        }
    }
    let key = args.at(1);
    let (mut sketch, _) = open_or_make(cx, key)?;
    if layout == Layout::Dense {
        sketch.make_dense()?;
        dense::pack(sketch.packed_mut(), &registers);
    } else {
        for (index, rank) in registers.into_iter().enumerate().filter(|(_, rank)| *rank > 0) {
            sketch.raise(Observation { index, rank })?;
        }
    }
    hyperloglog::outdate_estimate(sketch.image_mut());
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "pfadd", key);
    cx.reply.ok();
    Ok(())
}
