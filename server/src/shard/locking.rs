//! Which shards a command needs, and taking their locks.

use crate::clients::{Session, Transaction};
use crate::commands::keys::ServerKeyspace;
use crate::commands::{Args, Entry, Flags, Keys, Locks, Table};
use smallvec::SmallVec;

/// The shards a command needs.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// These, ascending, without repeats. May be empty.
    Some(SmallVec<[u32; 8]>),
    /// All.
    All,
}

/// What a command with these arguments needs. Its keys are hashed for this, and their places remembered in `keys`.
pub fn plan(keys: &mut Keys<'_>, table: &Table, entry: &Entry, args: Args<'_>, session: &Session) -> Plan {
    let mut shards = SmallVec::new();
    keys.forget_plan();
    let all = match entry.locks {
        Locks::Nothing | Locks::Steps => false,
        Locks::Keyspace => true,
        Locks::Keys => {
            add_keys(keys, entry, args, &mut shards);
            add_derived(keys, entry, args, &mut shards)
        }
        Locks::Transaction => match &session.transaction {
            Some(transaction) if !transaction.aborted => {
                add_watched(keys.keyspace(), session, &mut shards);
                add_transaction(keys, table, transaction, &mut shards)
            }
            _ => false,
        },
    };
    if all {
        return Plan::All;
    }
    shards.sort_unstable();
    shards.dedup();
    Plan::Some(shards)
}

fn add_keys(keys: &mut Keys<'_>, entry: &Entry, args: Args<'_>, shards: &mut SmallVec<[u32; 8]>) {
    for spec in entry.keys {
        spec.positions(args, &mut |i| shards.push(keys.plan(args.at(i)).shard));
    }
}

/// Adds the shards of keys that the command finds the names of while it executes; true when they may be in any shard.
fn add_derived(keys: &mut Keys<'_>, entry: &Entry, args: Args<'_>, shards: &mut SmallVec<[u32; 8]>) -> bool {
    (entry.command.derived)(args, &mut |i| shards.push(keys.keyspace().locate(args.at(i)).shard))
}

fn add_watched(keyspace: &ServerKeyspace, session: &Session, shards: &mut SmallVec<[u32; 8]>) {
    shards.extend(session.watched.iter().map(|watched| keyspace.locate(&watched.key).shard));
}

/// Adds the shards of all queued commands; true when one of them needs the whole keyspace.
fn add_transaction(
    keys: &mut Keys<'_>,
    table: &Table,
    transaction: &Transaction,
    shards: &mut SmallVec<[u32; 8]>,
) -> bool {
    transaction.queue.iter().any(|queued| {
        let entry = table.entry(queued.command);
        let args = Args::new(&queued.input, &queued.args);
        add_keys(keys, entry, args, shards);
        add_derived(keys, entry, args, shards) || matches!(entry.locks, Locks::Keyspace | Locks::Steps)
    })
}

/// Takes the locks of `plan`, or none of them and returns the shard that is held by another thread.
pub fn acquire<'k>(keys: &mut Keys<'k>, plan: &Plan) -> Result<(), u32> {
    keys.release();
    match plan {
        Plan::Some(shards) => shards.iter().try_for_each(|&shard| take(keys, shard)),
        Plan::All => (0..keys.keyspace().shards() as u32).try_for_each(|shard| take(keys, shard)),
    }
    .inspect_err(|_| keys.release())
}

/// Whether a command may make keys ready for clients that wait (see [`crate::commands::blocking`]).
#[inline]
fn may_serve(entry: &Entry) -> bool {
    entry.flags.contains(Flags::WRITE) || entry.locks == Locks::Transaction
}

/// Whether a command may have to serve a client that waits and needs more than the locked shard.
#[inline]
pub fn needs_more(keys: &mut Keys<'_>, entry: &Entry) -> bool {
    may_serve(entry) && keys.links().next().is_some()
}

/// Adds the shards that clients need who may be served after the command (the destination of a BLMOVE); true when there
/// were any, so that the locks have to be taken anew: they may not be added out of order.
pub fn widen(plan: &mut Plan, keys: &mut Keys<'_>, entry: &Entry) -> bool {
    let Plan::Some(shards) = plan else { return false };
    if !may_serve(entry) {
        return false;
    }
    let missing: SmallVec<[u32; 8]> =
        keys.links().filter(|shard| shards.binary_search(shard).is_err()).collect();
    shards.extend_from_slice(&missing);
    shards.sort_unstable();
    shards.dedup();
    !missing.is_empty()
}

/// Makes one shard the only one held.
#[inline]
pub fn acquire_one(keys: &mut Keys<'_>, shard: u32) -> Result<(), u32> {
    if keys.holds_only(shard) {
        return Ok(());
    }
    keys.release();
    take(keys, shard)
}

/// A holder that runs keeps a lock for well under a microsecond: a short spin, then the caller parks.
#[inline(always)]
fn take(keys: &mut Keys<'_>, shard: u32) -> Result<(), u32> {
    let guard = keys.keyspace().lock_bounded(shard).ok_or(shard)?;
    keys.hold(guard);
    Ok(())
}
