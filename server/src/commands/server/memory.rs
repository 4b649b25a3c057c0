//! MEMORY: what memory is used for.

use super::allocator::{self, Memory};
use super::info::{difference, human_bytes, ratio};
use super::{HELP, ROW};
use crate::clients::inbox::Mail;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec, Locks};
use crate::commands::{Args, CommandResult, Cx, Error};

const MEMORY_ROW: Command = Command {
    since: "4.0.0",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..ROW
};

const DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    summary: "Reports on the use of memory in plain words.",
    handler: doctor,
    ..MEMORY_ROW
};

const MALLOC_STATS: Command = Command {
    name: "malloc-stats",
    arity: 2,
    complexity: "Depends on how much memory is allocated, could be slow",
    summary: "Returns the figures of the allocator.",
    handler: malloc_stats,
    ..MEMORY_ROW
};

const PURGE: Command = Command {
    name: "purge",
    arity: 2,
    complexity: "Depends on how much memory is allocated, could be slow",
    summary: "Makes the allocator give unused memory back.",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    handler: purge,
    ..MEMORY_ROW
};

const STATS: Command = Command {
    name: "stats",
    arity: 2,
    summary: "Returns what memory is used for.",
    handler: stats,
    ..MEMORY_ROW
};

const USAGE: Command = Command {
    name: "usage",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    locks: Locks::Keys,
    complexity: "O(N) where N is the number of samples.",
    summary: "Returns the bytes that a key and its value take.",
    tips: &[],
    arguments: &[Argument::new("key", "key"), Argument::new("count", "integer").after("SAMPLES").optional()],
    handler: usage,
    ..MEMORY_ROW
};

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    summary: "Commands about memory.",
    subcommands: &[DOCTOR, Command { since: "4.0.0", ..HELP }, MALLOC_STATS, PURGE, STATS, USAGE],
    ..ROW
}];

/// The number of samples matters for values with many parts; strings have one.
fn usage(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let mut next = 3;
    while next < args.len() {
        if !args.is(next, "samples") || next + 1 == args.len() {
            return Err(Error::Syntax);
        }
        if args.integer(next + 1)? < 0 {
            return Err(Error::Syntax);
        }
        next += 2;
    }
    match cx.keys.stored(args.at(2)).map(boxcar_store::Record::memory_usage) {
        Some(bytes) => cx.reply.integer(bytes as i64),
        None => cx.reply.null(),
    }
    Ok(())
}

/// A figure of MEMORY STATS.
enum Figure {
    Integer(i64),
    Double(f64),
}

/// The fields in Redis's order. Tables and records are not counted apart, so there are no fields for the overhead of
/// single databases.
fn figures(cx: &Cx<'_, '_>) -> Vec<(&'static str, Figure)> {
    let memory = Memory::now(cx.server);
    let integer = |bytes: u64| Figure::Integer(bytes as i64);
    let keyspace = &cx.server.keyspace;
    let keys: usize = (0..keyspace.databases()).map(|db| keyspace.len(db)).sum();
    let net = memory.used.saturating_sub(memory.startup);
    let per_key = net.checked_div(keys as u64).unwrap_or(0);
    let (allocated, active, resident) = (memory.allocated, memory.active, memory.allocator_resident);
    vec![
        ("peak.allocated", integer(memory.peak)),
        ("total.allocated", integer(memory.used)),
        ("startup.allocated", integer(memory.startup)),
        ("replication.backlog", integer(0)),
        ("clients.slaves", integer(0)),
        ("clients.normal", integer(memory.clients)),
        ("cluster.links", integer(0)),
        ("aof.buffer", integer(0)),
        ("lua.caches", integer(0)),
        ("functions.caches", integer(0)),
        ("overhead.total", integer(memory.overhead())),
        ("keys.count", integer(keys as u64)),
        ("keys.bytes-per-key", integer(per_key)),
        ("dataset.bytes", integer(memory.dataset)),
        ("dataset.percentage", Figure::Double(memory.dataset_percent())),
        ("peak.percentage", Figure::Double(memory.peak_percent())),
        ("allocator.allocated", integer(allocated)),
        ("allocator.active", integer(active)),
        ("allocator.resident", integer(resident)),
        ("allocator-fragmentation.ratio", Figure::Double(ratio(active, allocated))),
        ("allocator-fragmentation.bytes", Figure::Integer(difference(active, allocated))),
        ("allocator-rss.ratio", Figure::Double(ratio(resident, active))),
        ("allocator-rss.bytes", Figure::Integer(difference(resident, active))),
        ("rss-overhead.ratio", Figure::Double(ratio(memory.resident, resident))),
        ("rss-overhead.bytes", Figure::Integer(difference(memory.resident, resident))),
        ("fragmentation", Figure::Double(ratio(memory.resident, memory.used))),
        ("fragmentation.bytes", Figure::Integer(difference(memory.resident, memory.used))),
    ]
}

fn stats(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let figures = figures(cx);
    cx.reply.map(figures.len());
    for (field, figure) in figures {
        cx.reply.bulk(field.as_bytes());
        match figure {
            Figure::Integer(value) => cx.reply.integer(value),
            Figure::Double(value) => cx.reply.double(value),
        }
    }
    Ok(())
}

fn malloc_stats(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    match allocator::report() {
        Some(text) => cx.reply.verbatim("txt", &text),
        None => cx.reply.bulk(b"Stats not supported for the current allocator"),
    }
    Ok(())
}

fn purge(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    if !allocator::purge() {
        return Err(Error::text("ERR Error purging dirty pages"));
    }
    for inbox in cx.server.inboxes.iter() {
        inbox.post(Mail::Release);
    }
    cx.reply.ok();
    Ok(())
}

/// Below this nothing that could be said would matter.
const WORTH_A_LOOK: u64 = 5 << 20;
/// Waste in bytes from which a ratio counts, too.
const NOTABLE_WASTE: i64 = 10 << 20;

fn doctor(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let memory = Memory::now(cx.server);
    let text = diagnosis(&memory);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// What stands out in the figures.
fn diagnosis(memory: &Memory) -> String {
    if memory.used < WORTH_A_LOOK {
        return "There is hardly any data: nothing that could be said about it would mean anything.\n"
            .to_owned();
    }
    let exceeds = |a: u64, b: u64, limit: f64| ratio(a, b) > limit && difference(a, b) > NOTABLE_WASTE;
    let mut findings = Vec::new();
    if exceeds(memory.peak, memory.used, 1.5) {
        findings.push(format!(
            "Peak: once {} were in use, now {}. The allocator may keep part of the difference; MEMORY PURGE asks it to \
             give that back.",
            human_bytes(memory.peak),
            human_bytes(memory.used)
        ));
    }
    if exceeds(memory.active, memory.allocated, 1.1) {
        findings.push(format!(
            "Fragmentation: {} of the allocator's pages hold only {} of data, as after many removals.",
            human_bytes(memory.active),
            human_bytes(memory.allocated)
        ));
    }
    if exceeds(memory.allocator_resident, memory.active, 1.1) {
        findings.push(format!(
            "Unused pages: the allocator keeps {} in memory but uses {}. MEMORY PURGE gives the rest back.",
            human_bytes(memory.allocator_resident),
            human_bytes(memory.active)
        ));
    }
    if exceeds(memory.resident, memory.allocator_resident, 1.1) {
        findings.push(format!(
            "Memory beside the allocator: the process holds {}, the allocator {}.",
            human_bytes(memory.resident),
            human_bytes(memory.allocator_resident)
        ));
    }
    if memory.clients > memory.used / 4 {
        findings.push(format!(
            "Clients: their buffers hold {}. CLIENT LIST shows whose (omem, qbuf).",
            human_bytes(memory.clients)
        ));
    }
    if findings.is_empty() {
        return "No problem found: memory is used for data, and little of it is wasted.\n".to_owned();
    }
    findings.iter().map(|finding| format!("* {finding}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagnosis_names_what_stands_out() {
        const MIB: u64 = 1 << 20;
        let healthy = Memory {
            used: 100 * MIB,
            peak: 101 * MIB,
            startup: MIB,
            dataset: 90 * MIB,
            allocated: 100 * MIB,
            active: 102 * MIB,
            allocator_resident: 103 * MIB,
            resident: 104 * MIB,
            clients: MIB,
            allocator: String::new(),
        };
        assert!(diagnosis(&healthy).starts_with("No problem"));
        assert!(diagnosis(&Memory { used: MIB, ..healthy.clone() }).starts_with("There is hardly"));
        for (sick, word) in [
            (Memory { peak: 300 * MIB, ..healthy.clone() }, "Peak"),
            (
                Memory {
                    active: 150 * MIB,
                    allocator_resident: 150 * MIB,
                    resident: 150 * MIB,
                    ..healthy.clone()
                },
                "Fragmentation",
            ),
            (Memory { allocator_resident: 150 * MIB, resident: 150 * MIB, ..healthy.clone() }, "Unused"),
            (Memory { resident: 150 * MIB, ..healthy.clone() }, "Memory beside"),
            (Memory { clients: 50 * MIB, ..healthy.clone() }, "Clients"),
        ] {
            let text = diagnosis(&sick);
            assert!(text.starts_with(&format!("* {word}")), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}
