//! Subcommands that change the server's ways. Those whose subject does not exist here say what Redis would, so that the
//! tests that use them go on; DIFFERENCES.md lists them.

use crate::commands::help::subcommand_syntax;
use crate::commands::{Args, CommandResult, Cx, Error};
use crate::config::parse_memory;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// The number at the start of argument 2, as atoi(3) has it: what does not begin with one is 0.
fn is_on(args: Args<'_>) -> bool {
    let digits = args.at(2).trim_ascii_start();
    let digits = digits.strip_prefix(b"-").or(digits.strip_prefix(b"+")).unwrap_or(digits);
    digits.iter().take_while(|byte| byte.is_ascii_digit()).any(|&byte| byte != b'0')
}

fn switch(cx: &mut Cx<'_, '_>, flag: &AtomicBool, on: bool) -> CommandResult {
    flag.store(on, Relaxed);
    cx.reply.ok();
    Ok(())
}

pub(super) fn active_expire(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    switch(cx, &cx.server.active_expire, is_on(args))
}

pub(super) fn pause_cron(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    switch(cx, &cx.server.housekeeping_paused, is_on(args))
}

/// What there is nothing to switch for.
pub(super) fn nothing(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.ok();
    Ok(())
}

pub(super) fn packed_threshold(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let bytes = str::from_utf8(args.at(2)).ok().and_then(parse_memory);
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok()).ok_or(
        const { Error::text("ERR argument must be a memory value bigger than 1 and smaller than 4gb") },
    )?;
    cx.server.plain_threshold.store(bytes, Relaxed);
    cx.reply.ok();
    Ok(())
}

pub(super) fn reply_buffer(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.is(2, "PEAK-RESET-TIME") {
        if !args.is(3, "NEVER") && !args.is(3, "RESET") {
            args.integer(3)?;
        }
    } else if !args.is(2, "RESIZING") {
        return Err(subcommand_syntax(args));
    }
    cx.reply.ok();
    Ok(())
}
