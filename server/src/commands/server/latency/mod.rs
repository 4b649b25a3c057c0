//! LATENCY: spikes above `latency-monitor-threshold`, and the latency distribution of commands.
//!
//! - `graph`: LATENCY GRAPH's drawing.
//! - `doctor`: LATENCY DOCTOR's report.
//! - `stages`: LATENCY STAGES, where the time of sampled requests goes.
//! - `wire`: LATENCY WIRE, what the kernel-side probe has measured.

mod doctor;
mod graph;
mod stages;
mod wire;

use super::{ADMIN_FLAGS, HELP, ROW};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Entry, Error};
use crate::observability::histogram::Snapshot;
use crate::observability::latency::Event;

const LATENCY_ROW: Command = Command {
    flags: ADMIN_FLAGS,
    since: "2.8.13",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..ROW
};

const DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    summary: "Reports on the latency events in plain words.",
    handler: doctor::doctor,
    ..LATENCY_ROW
};

const GRAPH: Command = Command {
    name: "graph",
    arity: 3,
    summary: "Draws the samples of an event.",
    arguments: &[Argument::new("event", "string")],
    handler: draw,
    ..LATENCY_ROW
};

const HISTOGRAM: Command = Command {
    name: "histogram",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands with latency information being retrieved.",
    summary: "Returns the cumulative latency distribution of commands.",
    arguments: &[Argument::new("command", "string").optional().multiple()],
    handler: histogram,
    ..LATENCY_ROW
};

const HISTORY: Command = Command {
    name: "history",
    arity: 3,
    summary: "Returns the samples of an event.",
    arguments: &[Argument::new("event", "string")],
    handler: history,
    ..LATENCY_ROW
};

const LATEST: Command = Command {
    name: "latest",
    arity: 2,
    summary: "Returns the latest sample of every event.",
    handler: latest,
    ..LATENCY_ROW
};

const RESET: Command = Command {
    name: "reset",
    arity: -2,
    summary: "Forgets the samples of events, or of all.",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    arguments: &[Argument::new("event", "string").optional().multiple()],
    handler: reset,
    ..LATENCY_ROW
};

const STAGES: Command = Command {
    name: "stages",
    arity: -2,
    since: "0.1.0",
    summary: "Returns where the time of sampled requests goes inside the server, or forgets it.",
    arguments: &[Argument::word("reset", "RESET").optional()],
    handler: stages::stages,
    ..LATENCY_ROW
};

const WIRE: Command = Command {
    name: "wire",
    arity: -2,
    since: "0.1.0",
    summary: "Returns the latency distribution measured on the wire, by size of reply, or forgets it.",
    arguments: &[Argument::word("reset", "RESET").optional()],
    handler: wire::wire,
    ..LATENCY_ROW
};

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "latency",
    arity: -2,
    since: "2.8.13",
    complexity: "Depends on subcommand.",
    summary: "Commands about latency.",
    subcommands: &[
        DOCTOR,
        GRAPH,
        Command { since: "2.8.13", ..HELP },
        HISTOGRAM,
        HISTORY,
        LATEST,
        RESET,
        STAGES,
        WIRE,
    ],
    ..ROW
}];

fn latest(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let events = cx.server.latency.snapshot();
    let latest = events.iter().filter_map(|(name, event)| Some((name, event.samples.back()?, event.max)));
    let latest: Vec<_> = latest.collect();
    cx.reply.array(latest.len());
    for (name, (time, millis), max) in latest {
        cx.reply.array(4);
        cx.reply.bulk(name.as_bytes());
        cx.reply.integer(*time);
        cx.reply.integer(*millis as i64);
        cx.reply.integer(max as i64);
    }
    Ok(())
}

/// The event of this exact name.
fn find_event(cx: &Cx<'_, '_>, name: &[u8]) -> Option<Event> {
    let name = str::from_utf8(name).ok()?;
    cx.server.latency.snapshot().remove(name)
}

fn history(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let samples = find_event(cx, args.at(2)).unwrap_or_default().samples;
    cx.reply.array(samples.len());
    for (time, millis) in samples {
        cx.reply.array(2);
        cx.reply.integer(time);
        cx.reply.integer(millis as i64);
    }
    Ok(())
}

fn reset(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let names: Vec<&[u8]> = args.from(2).collect();
    let removed = cx.server.latency.reset(&names);
    cx.reply.integer(removed as i64);
    Ok(())
}

fn draw(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let name = args.at(2);
    let Some(event) = find_event(cx, name) else {
        return Err(Error::Bytes(
            [b"ERR No samples available for event '", Error::quotable(name), b"'"].concat(),
        ));
    };
    let text = graph::draw(&String::from_utf8_lossy(name), &event, cx.keys.now_ms / 1000);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// All commands, or the named ones together with their subcommands; those that were never called are left out.
fn histogram(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let table = &cx.server.table;
    let entries: Vec<&Entry> = if args.len() == 2 {
        table.callable_with_subcommands().collect()
    } else {
        let named = args.from(2).filter_map(|name| super::command::find(table, name));
        named.flat_map(|entry| table.with_subcommands(entry)).collect()
    };
    let distribution = |entry: &&Entry| {
        let latencies = cx.server.stats.command_latency(usize::from(entry.id));
        (latencies.count() > 0).then_some(latencies)
    };
    let found: Vec<(&Entry, Snapshot)> =
        entries.into_iter().filter_map(|entry| Some((entry, distribution(&entry)?))).collect();
    cx.reply.map(found.len());
    for (entry, latencies) in found {
        cx.reply.bulk(entry.name.as_bytes());
        cx.reply.map(2);
        cx.reply.bulk(b"calls");
        cx.reply.integer(latencies.count() as i64);
        cx.reply.bulk(b"histogram_usec");
        let rows = latencies.powers_of_two();
        cx.reply.map(rows.len());
        for (micros, count) in rows {
            cx.reply.integer(micros as i64);
            cx.reply.integer(count as i64);
        }
    }
    Ok(())
}
