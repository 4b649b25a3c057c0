//! Taking pending entries over from other consumers: XCLAIM, XAUTOCLAIM.

use super::{
    CONSUMER, COUNT, GROUP, ID, KEY, ROW, consumer_made, id, meet_consumer, no_key_or_group, stream_mut,
    write_entry,
};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::Reply;
use boxcar_store::Entry;
use boxcar_store::stream::{ConsumerId, GroupMut, Log, Pending, StreamEntry, StreamId};
use smallvec::SmallVec;

const MIN_IDLE: Argument = Argument::new("min-idle-time", "string");
const JUST_ID: Argument = Argument::word("justid", "JUSTID").optional();

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xclaim",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        summary: "Makes a consumer the owner of pending entries.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            GROUP,
            CONSUMER,
            MIN_IDLE,
            ID.multiple(),
            Argument::new("ms", "integer").after("IDLE").optional(),
            Argument::new("unix-time-milliseconds", "unix-time").after("TIME").optional(),
            Argument::new("count", "integer").after("RETRYCOUNT").optional(),
            Argument::word("force", "FORCE").optional(),
            JUST_ID,
            Argument::new("lastid", "string").after("LASTID").optional(),
        ],
        handler: xclaim,
        ..ROW
    },
    Command {
        name: "xautoclaim",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Makes a consumer the owner of pending entries, whichever have been so for long.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY, GROUP, CONSUMER, MIN_IDLE, Argument::new("start", "string"), COUNT, JUST_ID],
        handler: xautoclaim,
        ..ROW
    },
];

/// What becomes of the entries that are claimed.
struct Claim {
    /// The time of the call, in Unix milliseconds.
    now_ms: i64,
    /// How long an entry must have been with its owner, in milliseconds; 0 for any time.
    min_idle_ms: i64,
    /// When they count as delivered, in Unix milliseconds; `None` for now.
    delivered_ms: Option<i64>,
    /// How often they count as delivered; `None` for once more.
    deliveries: Option<u64>,
    /// Entries that are pending with nobody are claimed, too.
    force: bool,
    /// Only IDs are wanted, and this is no delivery.
    just_id: bool,
    last_id: StreamId,
}

/// Milliseconds at argument `i`, at least 0.
fn min_idle(args: Args<'_>, i: usize, command: &str) -> Result<i64, Error> {
    let number = args.integer(i).map_err(|_| format!("ERR Invalid min-idle-time argument for {command}"))?;
    Ok(number.max(0))
}

/// The options of XCLAIM from argument `i` on.
fn parse_options(args: Args<'_>, mut i: usize, min_idle_ms: i64, now_ms: i64) -> Result<Claim, Error> {
    let invalid = |option: &str| Error::from(format!("ERR Invalid {option} option argument for XCLAIM"));
    let mut claim = Claim {
        now_ms,
        min_idle_ms,
        delivered_ms: None,
        deliveries: None,
        force: false,
        just_id: false,
        last_id: StreamId::MIN,
    };
    while i < args.len() {
        let more = i + 1 < args.len();
        if args.is(i, "force") {
            claim.force = true;
        } else if args.is(i, "justid") {
            claim.just_id = true;
        } else if args.is(i, "idle") && more {
            i += 1;
            let idle = args.integer(i).map_err(|_| invalid("IDLE"))?;
            claim.delivered_ms = Some(now_ms.wrapping_sub(idle));
        } else if args.is(i, "time") && more {
            i += 1;
            claim.delivered_ms = Some(args.integer(i).map_err(|_| invalid("TIME"))?);
        } else if args.is(i, "retrycount") && more {
            i += 1;
            claim.deliveries = u64::try_from(args.integer(i).map_err(|_| invalid("RETRYCOUNT"))?).ok();
        } else if args.is(i, "lastid") && more {
            i += 1;
            claim.last_id = id::parse(args.at(i), 0)?;
        } else {
            return Err(Error::Bytes(
                [b"ERR Unrecognized XCLAIM option '", Error::quotable(args.at(i)), b"'"].concat(),
            ));
        }
        i += 1;
    }
    // A client's clock that is ahead of ours is no reason to fail.
    claim.delivered_ms = claim.delivered_ms.filter(|at| (0..=now_ms).contains(at));
    Ok(claim)
}

fn xclaim(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, name) = (args.at(1), args.at(2));
    let now_ms = cx.keys.now_ms;
    let missing = || no_key_or_group(key, name, "");
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(missing()) };
    let mut stream = stream_mut(&mut entry)?;
    let (log, mut group) = stream.group_mut(name).ok_or_else(missing)?;
    let min_idle_ms = min_idle(args, 4, "XCLAIM")?;
    // What is no ID begins the options.
    let ids: SmallVec<[StreamId; 8]> = args.from(5).map_while(|text| id::parse(text, 0).ok()).collect();
    let claim = parse_options(args, 5 + ids.len(), min_idle_ms, now_ms)?;
    let mut changes = u64::from(claim.last_id > group.last_id);
    group.last_id = group.last_id.max(claim.last_id);
    let (consumer, made) = meet_consumer(&mut group, args.at(3), now_ms);
    let (mark, mut claimed) = (cx.reply.deferred_array(), 0);
    for id in ids {
        let Some(entry) = log.get(id) else {
            changes += u64::from(group.acknowledge(id));
            continue;
        };
        if take(&mut group, &entry, &claim, consumer) {
            write_claimed(cx.reply, &entry, &claim);
            claimed += 1;
        }
    }
    cx.reply.finish(mark, claimed);
    drop(group);
    drop(stream);
    if made {
        consumer_made(cx, key);
    }
    cx.stats.metrics.changes.add(changes + claimed as u64);
    Ok(())
}

/// Makes the consumer the owner of an entry; false when it is not to be had.
fn take(group: &mut GroupMut<'_>, entry: &StreamEntry<'_>, claim: &Claim, consumer: ConsumerId) -> bool {
    let deliveries = match group.pending().get(&entry.id) {
        Some(pending) => {
            if claim.min_idle_ms > 0 && claim.now_ms.saturating_sub(pending.delivered_ms) < claim.min_idle_ms
            {
                return false;
            }
            pending.deliveries
        }
        None if claim.force => 1,
        None => return false,
    };
    let once_more = deliveries.wrapping_add(u64::from(!claim.just_id));
    let pending = Pending {
        consumer,
        delivered_ms: claim.delivered_ms.unwrap_or(claim.now_ms),
        deliveries: claim.deliveries.unwrap_or(once_more),
    };
    group.give(entry.id, pending);
    group.consumer_mut(consumer).active_ms = Some(claim.now_ms);
    true
}

fn write_claimed(reply: &mut Reply, entry: &StreamEntry<'_>, claim: &Claim) {
    if claim.just_id {
        id::write(reply, entry.id);
    } else {
        write_entry(reply, entry);
    }
}

/// Most entries that XAUTOCLAIM may be asked for.
const COUNT_MAX: i64 = i64::MAX / 16;

/// How many pending entries XAUTOCLAIM looks at for each that is asked for.
const ATTEMPTS: i64 = 10;

fn xautoclaim(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, name) = (args.at(1), args.at(2));
    let now_ms = cx.keys.now_ms;
    let mut claim = parse_options(args, args.len(), min_idle(args, 4, "XAUTOCLAIM")?, now_ms)?;
    let start = id::parse_start_of_interval(args.at(5))?;
    let mut count = 100;
    let mut i = 6;
    while i < args.len() {
        if args.is(i, "count") && i + 1 < args.len() {
            i += 1;
            let given = args.integer(i).ok().filter(|count| (1..=COUNT_MAX).contains(count));
            count = given.ok_or(const { Error::text("ERR COUNT must be > 0") })?;
        } else if args.is(i, "justid") {
            claim.just_id = true;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    let missing = || no_key_or_group(key, name, "");
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(missing()) };
    let mut stream = stream_mut(&mut entry)?;
    let (log, mut group) = stream.group_mut(name).ok_or_else(missing)?;
    let (consumer, made) = meet_consumer(&mut group, args.at(3), now_ms);
    let changes = claim_from(cx.reply, log, &mut group, &claim, consumer, start, count);
    drop(group);
    drop(stream);
    if made {
        consumer_made(cx, key);
    }
    cx.stats.metrics.changes.add(changes);
    Ok(())
}

/// Claims up to `count` entries from `start` on and replies with where to go on, the entries, and the IDs of those that are
/// gone, which are pending no longer. Returns the number of changes.
fn claim_from(
    reply: &mut Reply,
    log: &Log,
    group: &mut GroupMut<'_>,
    claim: &Claim,
    consumer: ConsumerId,
    start: StreamId,
    mut count: i64,
) -> u64 {
    let (mut claimed, mut gone) = (SmallVec::<[StreamEntry<'_>; 8]>::new(), Vec::new());
    let mut attempts = count * ATTEMPTS;
    let mut next = group.pending().range(start..).next().map(|(id, _)| *id);
    while let Some(id) = next
        && attempts > 0
        && count > 0
    {
        attempts -= 1;
        match log.get(id) {
            None => {
                group.acknowledge(id);
                gone.push(id);
                count -= 1;
            }
            Some(entry) => {
                if take(group, &entry, claim, consumer) {
                    claimed.push(entry);
                    count -= 1;
                }
            }
        }
        next = id.next().and_then(|behind| group.pending().range(behind..).next()).map(|(id, _)| *id);
    }
    reply.array(3);
    id::write(reply, next.unwrap_or(StreamId::MIN));
    reply.array(claimed.len());
    claimed.iter().for_each(|entry| write_claimed(reply, entry, claim));
    reply.array(gone.len());
    gone.iter().for_each(|id| id::write(reply, *id));
    (claimed.len() + gone.len()) as u64
}
