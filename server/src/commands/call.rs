//! Executing one command whose locks are held: the handler and everything around it that is the same for all
//! (monitor feed, error reply, statistics, slow log). Used by dispatch and by EXEC.

use super::args::Args;
use super::context::Cx;
use super::error::Error;
use super::news;
use super::row::Flags;
use super::server_state::Server;
use crate::config::{ClientClass, rows};
use crate::observability::stats::{CommandCounters, ThreadStats};
use boxcar_resp::Reply;
use boxcar_sys::clock::{Ticks, wall_us};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Executes `cx.command` with these arguments. On return the reply holds exactly one reply, unless the client waits
/// ([`Cx::blocked`]).
pub fn call(cx: &mut Cx<'_, '_>, args: Args<'_>) {
    call_here(cx, args);
}

/// [`call`] as a part of its caller: for the one place that executes nearly all commands.
#[inline(always)]
pub fn call_here(cx: &mut Cx<'_, '_>, args: Args<'_>) {
    let (command, started, before) = (cx.command, cx.tick, cx.reply.len());
    let result = (command.handler)(cx, args);
    let counters = &cx.stats.commands[usize::from(command.id)];
    if let Err(error) = result {
        if let Error::Again(again) = error {
            cx.reply.truncate(before);
            cx.again = Some(again);
            return;
        }
        fail(cx, counters, before, &error);
    }
    if cx.session.tracking.is_some() {
        news::remember_read(cx, args);
    }
    if cx.keys.news.is_attentive() {
        news::send(cx);
    }
    if cx.command.single_key == 0 && !cx.serving {
        // It may have changed who has to be told what (CLIENT TRACKING, CONFIG SET); others of its pipeline follow.
        cx.keys.news.attend(cx.server, cx.session.client.id);
    }
    if cx.server.monitors.any() && !cx.serving {
        feed_monitors(cx, args);
    }
    if cx.blocked {
        // It counts when it is answered.
        return;
    }
    counters.calls.add(1);
    cx.stats.metrics.commands_processed.add(1);
    if cx.server.config.bool(rows::COMMAND_TIMING) {
        let ended = Ticks::now();
        let nanos = ended.nanos_since(started);
        cx.tick = ended;
        counters.nanos.add(nanos);
        if cx.server.config.bool(rows::LATENCY_TRACKING) {
            counters.record_latency(nanos);
        }
        // Only where one of the two may be interested: a negative threshold is one that nothing reaches.
        let slow = cx.server.config.int(rows::SLOWLOG_LOG_SLOWER_THAN) as u64;
        let threshold_ms = cx.server.config.int(rows::LATENCY_MONITOR_THRESHOLD).unsigned_abs();
        if nanos >= slow.saturating_mul(1000)
            || (threshold_ms != 0 && nanos >= threshold_ms.saturating_mul(1_000_000))
        {
            note_slow(cx, args, nanos / 1000, threshold_ms);
        }
    }
}

/// Takes back what the command has written, and answers the error.
#[cold]
fn fail(cx: &mut Cx<'_, '_>, counters: &CommandCounters, before: usize, error: &Error) {
    cx.reply.truncate(before);
    counters.failed.add(1);
    write_error(cx, error);
}

/// Enters a command into the slow log, or among the latency monitor's events.
#[cold]
fn note_slow(cx: &mut Cx<'_, '_>, args: Args<'_>, micros: u64, threshold_ms: u64) {
    let slow = cx.server.config.int(rows::SLOWLOG_LOG_SLOWER_THAN);
    if slow >= 0 && micros >= slow.unsigned_abs() {
        log_slow(cx, args, micros);
    }
    if threshold_ms != 0 && micros / 1000 >= threshold_ms {
        let event = if cx.command.flags.contains(Flags::FAST) { "fast-command" } else { "command" };
        cx.server.latency.add(event, threshold_ms, cx.keys.now_ms / 1000, micros / 1000);
    }
}

/// Writes an error reply and counts it.
#[cold]
pub fn write_error(cx: &mut Cx<'_, '_>, error: &Error) {
    answer_error(cx.server, cx.stats, error, cx.reply);
}

/// The same outside of a command.
pub fn answer_error(server: &Server, stats: &ThreadStats, error: &Error, reply: &mut Reply) {
    let message = error.message();
    reply.error(&message);
    stats.metrics.error_replies.add(1);
    server.stats.count_error(&String::from_utf8_lossy(&message));
}

fn log_slow(cx: &mut Cx<'_, '_>, args: Args<'_>, micros: u64) {
    if cx.command.flags.contains(Flags::SKIP_SLOWLOG) {
        return;
    }
    let max_len = cx.server.config.int(rows::SLOWLOG_MAX_LEN) as usize;
    let client = &cx.session.client;
    let name = client.labels().name.clone();
    let now = cx.keys.now_ms / 1000;
    let secret = cx.command.command.secret;
    let shown: Vec<&[u8]> =
        args.from(0).enumerate().map(|(i, arg)| if secret(args, i) { b"(redacted)" } else { arg }).collect();
    cx.server.slowlog.push(max_len, now, micros, shown.into_iter(), client.address.clone(), name);
}

/// One line to every MONITOR client: `+1700000000.123456 [0 127.0.0.1:1234] "GET" "key"`.
#[cold]
fn feed_monitors(cx: &Cx<'_, '_>, args: Args<'_>) {
    let hidden = Flags::SKIP_MONITOR | Flags::ADMIN;
    if cx.command.flags.intersects(hidden) {
        return;
    }
    let now = wall_us();
    let client = &cx.session.client;
    let mut line = format!("+{}.{:06} [{} ", now / 1_000_000, now % 1_000_000, cx.session.db);
    let unix = client.flags().contains(crate::clients::ClientFlags::UNIX_SOCKET);
    let address = if unix { client.address.split(':').next().unwrap_or_default() } else { &client.address };
    // Writing to a String cannot fail.
    let _infallible = write!(line, "{}{address}]", if unix { "unix:" } else { "" });
    for (i, arg) in args.from(0).enumerate() {
        line.push(' ');
        if (cx.command.command.secret)(args, i) {
            line.push_str("\"(redacted)\"");
        } else {
            quote(arg, &mut line);
        }
    }
    line.push_str("\r\n");
    let line: Arc<[u8]> = line.into_bytes().into();
    cx.server.monitors.feed(&line, cx.server.output_limit(ClientClass::Normal).hard as usize);
    client.active_ms.store(cx.keys.now_ms, Relaxed);
}

/// Appends `bytes` in double quotes with Redis's escapes (`sdscatrepr`).
pub fn quote(bytes: &[u8], text: &mut String) {
    text.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => {
                let _infallible = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
}
