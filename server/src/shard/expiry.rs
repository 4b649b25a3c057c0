//! Active expiry: removing keys, and fields of hashes, whose time has come although nobody asks for them.
//!
//! Shards take turns, a few records under each lock, so that nobody meets the same held shard twice. A shard in which
//! many keys had expired comes again in the next round, until the turn's time is used up.

use crate::commands::budget::growth;
use crate::commands::events::EventClass;
use crate::commands::{Keys, Server, blocking, news};
use crate::config::rows;
use crate::observability::stats::ThreadStats;
use boxcar_store::{ExpireStep, Expired, OwnedRecord};
use boxcar_sys::clock::monotonic_us;
use std::mem::swap;

/// Records looked at while a shard is locked: some 3 us if all of them go, less than a waiting thread spins.
const STEP: usize = 32;

/// A database's part of a shard.
type Part = (u32, usize);

/// The active expiry cycle. Each turn goes through all shards once, and goes on with those where it is worth it.
#[derive(Debug, Default)]
pub struct ExpiryCycle {
    /// What is left of this round, the last first.
    round: Vec<Part>,
    /// Where much had expired in this round.
    again: Vec<Part>,
    checked: u64,
    expired: u64,
    /// The part that was looked at last.
    last: Option<Part>,
    /// What one step removed, until its lock is released; kept for its memory.
    gone: Vec<OwnedRecord>,
}

impl ExpiryCycle {
    /// Begins a turn.
    pub fn begin(&mut self, server: &Server) {
        let keyspace = &server.keyspace;
        self.round.clear();
        self.again.clear();
        (self.checked, self.expired, self.last) = (0, 0, None);
        for db in (0..keyspace.databases()).filter(|&db| keyspace.expires(db).any()) {
            self.round.extend((0..keyspace.shards() as u32).map(|shard| (shard, db)));
        }
    }

    /// Goes on until `deadline_us`; false when the turn is over.
    pub fn work(&mut self, server: &Server, stats: &ThreadStats, now_ms: i64, deadline_us: u64) -> bool {
        // As with Redis's slow cycle at effort 1, and less tolerant with each more.
        let tolerated = 10 - (server.config.int(rows::ACTIVE_EXPIRE_EFFORT) - 1).clamp(0, 9) as usize;
        let started = monotonic_us();
        let mut more = true;
        while monotonic_us() < deadline_us {
            if self.round.is_empty() {
                swap(&mut self.round, &mut self.again);
            }
            let Some(&part) = self.round.last() else {
                more = false;
                break;
            };
            if self.last == Some(part) {
                // The only one that is left: whoever waits for it comes first.
                self.last = None;
                break;
            }
            self.round.pop();
            self.last = Some(part);
            let step = expire_in(server, stats, part, now_ms, &mut self.gone);
            self.checked += step.checked as u64;
            let expired = step.expired + step.expired_fields;
            self.expired += expired as u64;
            if step.fields_left || expired * 100 > step.checked * tolerated {
                self.again.push(part);
            }
        }
        server.stats.expiry.add_cpu_us(monotonic_us() - started);
        more
    }

    /// Ends the turn, whose time may be up before its work is done.
    pub fn end(&mut self, server: &Server) {
        let unfinished = !(self.round.is_empty() && self.again.is_empty());
        server.stats.expiry.add_turn(self.checked, self.expired, unfinished);
    }
}

/// One step in one part. A held shard is passed over.
fn expire_in(
    server: &Server,
    stats: &ThreadStats,
    (shard, db): Part,
    now_ms: i64,
    gone: &mut Vec<OwnedRecord>,
) -> ExpireStep {
    let mut step = ExpireStep::default();
    if !server.keyspace.may_expire_in(shard, db) {
        return step;
    }
    let Some(mut guard) = server.keyspace.try_lock(shard) else { return step };
    let (mut part, extension) = guard.db_and_ext(db);
    let (mut changed, mut emptied) = (Vec::<Box<[u8]>>::new(), Vec::new());
    step = part.expire_step(now_ms, STEP, &mut |expired| match expired {
        Expired::Key(record) => gone.push(record),
        Expired::Fields(record) => changed.push(record.key().into()),
        Expired::LastFields(record) => emptied.push(record),
    });
    let keys = gone.iter().map(|record| record.record().key());
    news::removed(server, extension, db, keys, (EventClass::EXPIRED, "expired"));
    let keys = changed.iter().map(|key| &**key);
    news::removed(server, extension, db, keys, (EventClass::HASH, "hexpired"));
    for event in [(EventClass::HASH, "hexpired"), (EventClass::GENERIC, "del")] {
        news::removed(server, extension, db, emptied.iter().map(|record| record.record().key()), event);
    }
    gone.append(&mut emptied);
    let grown = if server.budget.is_limited() { growth(&mut guard) } else { 0 };
    if !guard.ext().has_waiters() || gone.is_empty() {
        drop(guard);
    } else {
        // Clients may wait for keys that are gone (XREADGROUP).
        let mut keys = Keys::new(&server.keyspace, stats, now_ms);
        keys.hold(guard);
        keys.db = db;
        for record in gone.iter() {
            let key = record.record().key();
            keys.make_ready(keys.locate(key), key);
        }
        blocking::serve(server, stats, &mut keys);
    }
    server.budget.pay(grown);
    stats.metrics.expired_keys.add(step.expired as u64);
    stats.metrics.expired_fields.add(step.expired_fields as u64);
    let lazily = server.config.bool(rows::LAZYFREE_LAZY_EXPIRE);
    gone.drain(..).for_each(|record| server.reclaimer.free_record(record, lazily));
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::Fixture;

    fn turn(cycle: &mut ExpiryCycle, server: &Fixture, stats: &ThreadStats) {
        cycle.begin(&server.server);
        while cycle.work(&server.server, stats, server.now_ms, u64::MAX) {}
        cycle.end(&server.server);
    }

    #[test]
    fn one_turn_removes_all_of_very_many_and_leaves_the_others() {
        let mut server = Fixture::new();
        let stats = server.server.stats.register("house");
        for number in 0..3000 {
            server.check(
                &format!("SET k:{number} value PX {}", if number < 2000 { 10 } else { 100_000 }),
                "+OK",
            );
            server.check(&format!("SET forever:{number} value"), "+OK");
        }
        server.check("SELECT 3", "+OK");
        server.check("SET other value PX 10", "+OK");
        server.advance_ms(11);
        let mut cycle = ExpiryCycle::default();
        turn(&mut cycle, &server, &stats);
        assert_eq!((server.stored_keys(3), stats.metrics.expired_keys.get() > 1900), (0, true));
        // A shard is left alone when less than a tenth of what was looked at had expired.
        (0..100).for_each(|_| turn(&mut cycle, &server, &stats));
        assert_eq!((server.stored_keys(0), stats.metrics.expired_keys.get()), (4000, 2001));
        assert_eq!(server.server.stats.expiry.time_cap_reached(), 0);
    }

    #[test]
    fn a_turn_without_time_is_counted_and_held_shards_are_passed_over() {
        let mut server = Fixture::with_shards(2);
        let stats = server.server.stats.register("house");
        for number in 0..100 {
            server.check(&format!("SET {number} value PX 10"), "+OK");
        }
        server.advance_ms(11);
        let mut cycle = ExpiryCycle::default();
        cycle.begin(&server.server);
        assert!(cycle.work(&server.server, &stats, server.now_ms, 0));
        cycle.end(&server.server);
        assert_eq!(server.server.stats.expiry.time_cap_reached(), 1);
        let held = server.server.keyspace.lock(1);
        let kept = server.server.keyspace.len_in(1, 0);
        turn(&mut cycle, &server, &stats);
        assert_eq!(
            (server.server.keyspace.len_in(0, 0), server.server.keyspace.len_in(1, 0)),
            ((0, 0), kept)
        );
        drop(held);
        turn(&mut cycle, &server, &stats);
        assert_eq!(server.stored_keys(0), 0);
    }

    #[test]
    fn watchers_hear_of_it_and_the_budget_too() {
        let mut server = Fixture::new();
        let stats = server.server.stats.register("house");
        server.check("SET key value PX 10", "+OK");
        server.check("WATCH key", "+OK");
        server.check("CONFIG SET maxmemory 1gb", "+OK");
        server.server.apply_maxmemory();
        let before = server.server.keyspace.used_memory();
        server.advance_ms(11);
        turn(&mut ExpiryCycle::default(), &server, &stats);
        server.server.budget.set_limit(server.server.keyspace.used_memory() as u64);
        assert!(before > server.server.keyspace.used_memory() && !server.server.budget.is_exceeded());
        server.check("MULTI", "+OK");
        server.check("SET other value", "+QUEUED");
        server.check("EXEC", "*-1");
    }
}
