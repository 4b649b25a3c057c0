//! Making room: what has to go when the data set is larger than `maxmemory`.
//!
//! Each thread that executes commands has an evictor of its own, and nothing is shared between them but the data. It
//! looks at a few records of a shard, keeps the best candidates it has ever seen in a small pool, and evicts the best
//! of those if it has not been used meanwhile. Samples come from all shards and databases in proportion to their
//! sizes. The evictor holds one shard's lock at a time, never waits for one, and its caller holds none.

use crate::commands::access::{AccessClock, idle_seconds};
use crate::commands::budget::growth;
use crate::commands::events::EventClass;
use crate::commands::{Server, news};
use crate::config::choices::MaxmemoryPolicy;
use crate::config::rows;
use crate::observability::stats::ThreadStats;
use boxcar_store::{Record, Sample};
use boxcar_sys::clock::monotonic_us;
use std::time::Duration;

/// What came of an attempt to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The data set is small enough.
    Enough,
    /// It is not yet, but something can be evicted: the time was up, or others hold the shards.
    Unfinished,
    /// It is too large, and nothing may be evicted.
    Exhausted,
}

/// Candidates that are kept, as in Redis: more would be used by others before their turn comes.
const POOL: usize = 16;
/// Shards drawn by lot before one is searched for.
const DRAWS: usize = 16;
/// Samples without a victim after which an attempt ends. Only shards that others hold, and long stretches without a
/// single key that may go, come to that.
const SAMPLES_IN_VAIN: usize = 64;
/// Buckets that a sample may pass under one lock: about 2 us when it finds nothing.
const BUCKETS: usize = 256;
/// Evictions between two looks at the clock and at what the other threads have done.
const EVICTIONS_A_LOOK: usize = 16;

/// A record that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    /// The larger, the sooner.
    score: u64,
    shard: u32,
    db: usize,
    hash: u64,
}

/// A place to go on sampling, after a stretch without a key that may go.
#[derive(Debug, Clone, Copy)]
struct Spot {
    shard: u32,
    db: usize,
    position: u64,
}

/// What one attempt needs to know.
struct Attempt<'s> {
    server: &'s Server,
    stats: &'s ThreadStats,
    rule: Rule,
    now_ms: i64,
}

/// A thread's evictor. See the module's text.
#[derive(Debug, Default)]
pub struct Evictor {
    /// Ascending by score.
    pool: Vec<Candidate>,
    /// The rule that judged the pool.
    rule: Option<Rule>,
    /// Largest number of keys seen in a shard, by which shards are drawn.
    largest: usize,
    /// Where to go on instead of drawing a shard.
    spot: Option<Spot>,
}

impl Evictor {
    /// Evicts until the data set is within `maxmemory`, for at most `patience`. The caller holds no lock.
    pub fn make_room(
        &mut self,
        server: &Server,
        stats: &ThreadStats,
        now_ms: i64,
        patience: Duration,
    ) -> Outcome {
        if server.inboxes.any_full() && server.has_listeners() {
            // What goes has to be told, and must not flood threads that cannot follow.
            return Outcome::Unfinished;
        }
        let rule = Rule::of(server);
        if self.rule != rule {
            self.pool.clear();
            self.spot = None;
            self.rule = rule;
        }
        let started = monotonic_us();
        let outcome = match rule {
            Some(rule) => {
                let deadline =
                    started.saturating_add(u64::try_from(patience.as_micros()).unwrap_or(u64::MAX));
                self.evict_until(&Attempt { server, stats, rule, now_ms }, deadline)
            }
            None => Outcome::Exhausted,
        };
        let outcome = if outcome == Outcome::Exhausted && !server.budget.refuses() {
            // Perhaps something has gone that was never counted off, by its time while there was no limit; and tables
            // whose last key went keep a line each.
            server.release_empty_tables();
            server.count_memory();
            if server.budget.is_exceeded() { Outcome::Exhausted } else { Outcome::Enough }
        } else {
            outcome
        };
        let ended = monotonic_us();
        server.budget.note(outcome == Outcome::Exhausted, outcome != Outcome::Enough, ended);
        let threshold = server.config.int(rows::LATENCY_MONITOR_THRESHOLD).unsigned_abs();
        if threshold != 0 && rule.is_some() {
            server.latency.add("eviction-cycle", threshold, now_ms / 1000, (ended - started) / 1000);
        }
        outcome
    }

    fn evict_until(&mut self, attempt: &Attempt<'_>, deadline_us: u64) -> Outcome {
        let budget = &attempt.server.budget;
        loop {
            let mut excess = budget.excess();
            if excess == 0 {
                return Outcome::Enough;
            }
            let mut evicted = 0;
            let mut freed = 0;
            while evicted < EVICTIONS_A_LOOK && freed < excess {
                match self.evict_one(attempt) {
                    Ok(bytes) => freed += bytes,
                    Err(outcome) => {
                        budget.pay(-freed);
                        excess = budget.excess();
                        return if excess == 0 { Outcome::Enough } else { outcome };
                    }
                }
                evicted += 1;
            }
            budget.pay(-freed);
            if monotonic_us() >= deadline_us {
                return if budget.is_exceeded() { Outcome::Unfinished } else { Outcome::Enough };
            }
        }
    }

    /// Evicts one key and returns the bytes that this freed.
    fn evict_one(&mut self, attempt: &Attempt<'_>) -> Result<i64, Outcome> {
        for _ in 0..SAMPLES_IN_VAIN {
            if !self.sample(attempt) {
                return Err(Outcome::Exhausted);
            }
            while let Some(candidate) = self.pool.pop() {
                if let Some(freed) = attempt.evict(candidate) {
                    return Ok(freed);
                }
            }
        }
        Err(Outcome::Unfinished)
    }

    /// Looks at a few records and keeps the best. False when no key may go, anywhere.
    fn sample(&mut self, attempt: &Attempt<'_>) -> bool {
        let Some(spot) = self.spot.take().or_else(|| self.draw(attempt)) else { return false };
        let Spot { shard, db, position } = spot;
        let records = match attempt.rule {
            Rule::Any { .. } => 1,
            _ => attempt.server.config.int(rows::MAXMEMORY_SAMPLES) as usize,
        };
        let sample = Sample { volatile: attempt.rule.volatile(), records, buckets: BUCKETS };
        let Some(mut guard) = attempt.server.keyspace.try_lock(shard) else { return true };
        let mut found = false;
        let position = guard.db(db).sample(position, sample, &mut |hash, record| {
            found = true;
            let score = attempt.rule.score(record, attempt.now_ms);
            keep(&mut self.pool, Candidate { score, shard, db, hash });
        });
        drop(guard);
        if !found && attempt.eligible(shard, db) > 0 {
            self.spot = Some(Spot { position, ..spot });
        }
        true
    }

    /// A random place of a shard and a database, both drawn in proportion to the number of keys that may go.
    fn draw(&mut self, attempt: &Attempt<'_>) -> Option<Spot> {
        let shards = attempt.server.keyspace.shards() as u32;
        let first: u32 = rand::random();
        for draw in 0..DRAWS as u32 {
            let shard = first.wrapping_add(draw.wrapping_mul(0x9e37_79b1)) % shards;
            let size = attempt.eligible_in(shard);
            self.largest = self.largest.max(size);
            if size > 0 && below(self.largest) < size {
                return attempt.spot_in(shard, size);
            }
        }
        // All of them small beside the largest there was, or empty: the next one that is not.
        let mut sizes =
            (0..shards).map(|i| first.wrapping_add(i) % shards).map(|s| (s, attempt.eligible_in(s)));
        let (shard, size) = sizes.find(|&(_, size)| size > 0)?;
        self.largest = size;
        attempt.spot_in(shard, size)
    }
}

impl Attempt<'_> {
    /// Number of keys that may go in a database's part of a shard.
    fn eligible(&self, shard: u32, db: usize) -> usize {
        let (keys, volatile) = self.server.keyspace.len_in(shard, db);
        if self.rule.volatile() { volatile } else { keys }
    }

    fn eligible_in(&self, shard: u32) -> usize {
        (0..self.server.keyspace.databases()).map(|db| self.eligible(shard, db)).sum()
    }

    /// A place in this shard, where `size` keys may go.
    fn spot_in(&self, shard: u32, size: usize) -> Option<Spot> {
        let mut chosen = below(size);
        let db = (0..self.server.keyspace.databases()).find(|&db| {
            let here = self.eligible(shard, db);
            let found = chosen < here;
            chosen = chosen.saturating_sub(here);
            found
        });
        // It may have been emptied meanwhile.
        Some(Spot { shard, db: db.unwrap_or(0), position: rand::random() })
    }

    /// Evicts a candidate unless it was used, changed or removed meanwhile, or its shard is held. Returns the bytes
    /// that this freed.
    fn evict(&self, candidate: Candidate) -> Option<i64> {
        let Candidate { score, shard, db, hash } = candidate;
        let mut guard = self.server.keyspace.try_lock(shard)?;
        let (part, extension) = guard.db_and_ext(db);
        let entry = part.into_sampled(hash)?;
        let record = entry.record();
        if self.rule.volatile() && record.expire_at().is_none()
            || self.rule.score(record, self.now_ms) < score
        {
            return None;
        }
        let evicted = entry.take();
        let key = std::iter::once(evicted.record().key());
        news::removed(self.server, extension, db, key, (EventClass::EVICTED, "evicted"));
        if self.server.keyspace.len_in(shard, db).0 == 0 {
            guard.release_empty();
        }
        let freed = -growth(&mut guard);
        drop(guard);
        self.stats.metrics.evicted_keys.add(1);
        let lazily = self.server.config.bool(rows::LAZYFREE_LAZY_EVICTION);
        self.server.reclaimer.free_record(evicted, lazily);
        Some(freed)
    }
}

/// Puts a candidate in its place in the pool, if it is better than the worst of a full one.
fn keep(pool: &mut Vec<Candidate>, candidate: Candidate) {
    let place = pool.partition_point(|kept| kept.score <= candidate.score);
    if pool.len() == POOL {
        if place == 0 {
            return;
        }
        pool.remove(0);
        pool.insert(place - 1, candidate);
    } else {
        pool.insert(place, candidate);
    }
}

/// A random number from 0 to `bound - 1`; `bound` is not 0.
fn below(bound: usize) -> usize {
    ((u128::from(rand::random::<u64>()) * bound as u128) >> 64) as usize
}

/// What goes first. `volatile`: only keys with an expiry go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// What has not been used for longest.
    Idle { volatile: bool },
    /// What is used least often.
    Seldom { volatile: bool, clock: AccessClock },
    /// Anything.
    Any { volatile: bool },
    /// What expires soonest.
    Soonest,
}

impl Rule {
    /// What `maxmemory-policy` says; `None` for nothing at all.
    fn of(server: &Server) -> Option<Self> {
        let clock = AccessClock::of(&server.config);
        Some(match server.config.choice(rows::MAXMEMORY_POLICY) {
            MaxmemoryPolicy::NoEviction => return None,
            MaxmemoryPolicy::AllkeysLru => Self::Idle { volatile: false },
            MaxmemoryPolicy::VolatileLru => Self::Idle { volatile: true },
            MaxmemoryPolicy::AllkeysLfu => Self::Seldom { volatile: false, clock },
            MaxmemoryPolicy::VolatileLfu => Self::Seldom { volatile: true, clock },
            MaxmemoryPolicy::AllkeysRandom => Self::Any { volatile: false },
            MaxmemoryPolicy::VolatileRandom => Self::Any { volatile: true },
            MaxmemoryPolicy::VolatileTtl => Self::Soonest,
        })
    }

    fn volatile(self) -> bool {
        match self {
            Self::Idle { volatile } | Self::Seldom { volatile, .. } | Self::Any { volatile } => volatile,
            Self::Soonest => true,
        }
    }

    /// The larger, the sooner it goes. Never falls while the key is neither used nor changed.
    fn score(self, record: Record<'_>, now_ms: i64) -> u64 {
        match self {
            Self::Idle { .. } => idle_seconds(record.access(), now_ms).into(),
            Self::Seldom { clock, .. } => (u8::MAX - clock.frequency(record.access(), now_ms)).into(),
            Self::Any { .. } => 0,
            // Ascending times become descending scores, from the 64-bit integers to the natural numbers.
            Self::Soonest => !(record.expire_at().unwrap_or(i64::MAX) as u64 ^ 1 << 63),
        }
    }
}

/// How long a command may be held up by making room, from `maxmemory-eviction-tenacity` by Redis's formula: 50 us for
/// each of the first ten, 15 percent more for each of the others, and without a bound at 100.
pub fn patience(server: &Server) -> Duration {
    let micros = match server.config.int(rows::MAXMEMORY_EVICTION_TENACITY) {
        tenacity @ ..=10 => 50.0 * tenacity as f64,
        tenacity @ 11..=99 => 500.0 * 1.15f64.powi(tenacity as i32 - 10),
        _ => return Duration::MAX,
    };
    Duration::from_micros(micros as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{Fixture, START_MS};
    use std::sync::Arc;

    /// A server with a policy, and keys `p:0`, `p:1`... that were written one second after the other; those with an
    /// even number have an expiry, the earlier the higher their number.
    fn filled(policy: &str, keys: u64) -> (Fixture, Arc<ThreadStats>) {
        let mut server = Fixture::new();
        server.check(&format!("CONFIG SET maxmemory-policy {policy} maxmemory-samples 10"), "+OK");
        for number in 0..keys {
            let expiry =
                if number % 2 == 0 { format!("PX {}", 90_000_000 - 2000 * number) } else { String::new() };
            server.check(&format!("SET p:{number} {} {expiry}", "x".repeat(100)), "+OK");
            server.advance_ms(1000);
        }
        server.server.count_memory();
        let stats = server.server.stats.register("evictor");
        (server, stats)
    }

    /// Evicts until `share` percent of the bytes are left.
    fn shrink(server: &Fixture, stats: &ThreadStats, share: u64) -> Outcome {
        let used = server.server.keyspace.used_memory() as u64;
        server.server.budget.set_limit((used * share / 100).max(1));
        Evictor::default().make_room(&server.server, stats, server.now_ms, Duration::MAX)
    }

    /// Numbers of the keys that are left.
    fn left(server: &mut Fixture, keys: u64) -> Vec<u64> {
        (0..keys).filter(|number| server.run(&["EXISTS", &format!("p:{number}")]) == b":1\r\n").collect()
    }

    #[test]
    fn only_what_the_policy_names_goes_and_mostly_in_its_order() {
        for (policy, volatile, order) in [
            ("allkeys-lru", false, Some(1)),
            ("volatile-lru", true, Some(1)),
            ("allkeys-random", false, None),
            ("volatile-random", true, None),
            ("volatile-ttl", true, Some(-1)),
        ] {
            let (mut server, stats) = filled(policy, 1000);
            assert_eq!(shrink(&server, &stats, 80), Outcome::Enough, "{policy}");
            let left = left(&mut server, 1000);
            let gone: Vec<u64> = (0..1000).filter(|number| !left.contains(number)).collect();
            assert!(!gone.is_empty() && !server.server.budget.is_exceeded());
            assert_eq!(stats.metrics.evicted_keys.get(), gone.len() as u64);
            assert!(!volatile || gone.iter().all(|number| number % 2 == 0), "{policy}: {gone:?}");
            let mean = gone.iter().sum::<u64>() / gone.len() as u64;
            match order {
                Some(1) => assert!(mean < 350, "{policy}: the old ones go, not {gone:?}"),
                Some(_) => assert!(mean > 650, "{policy}: those that expire soon go, not {gone:?}"),
                None => assert!((300..700).contains(&mean), "{policy}: {gone:?}"),
            }
        }
    }

    #[test]
    fn what_is_used_often_stays() {
        for policy in ["allkeys-lfu", "volatile-lfu"] {
            let (mut server, stats) = filled(policy, 400);
            for _ in 0..100 {
                (0..20).for_each(|number| drop(server.run(&["GET", &format!("p:{number}")])));
            }
            assert_eq!(shrink(&server, &stats, 60), Outcome::Enough);
            let left = left(&mut server, 400);
            assert!((0..20).all(|number| left.contains(&number)), "{policy}: {left:?}");
        }
    }

    #[test]
    fn what_may_not_go_stays_and_commands_are_refused() {
        let (mut server, stats) = filled("noeviction", 1000);
        assert_eq!(shrink(&server, &stats, 50), Outcome::Exhausted);
        assert!(server.server.budget.refuses());
        server.server.config.set(&[b"maxmemory-policy", b"volatile-lru"], true).unwrap();
        assert_eq!(shrink(&server, &stats, 10), Outcome::Exhausted, "half of the keys have no expiry");
        assert_eq!(left(&mut server, 1000), (0..1000).filter(|number| number % 2 == 1).collect::<Vec<_>>());
        assert!(server.server.budget.refuses());
        server.server.config.set(&[b"maxmemory-policy", b"allkeys-random"], true).unwrap();
        assert_eq!(shrink(&server, &stats, 50), Outcome::Enough);
        assert!(!server.server.budget.refuses());
    }

    #[test]
    fn a_single_key_that_may_go_is_found_among_many() {
        let mut server = Fixture::with_shards(1);
        for number in 0..20_000 {
            server.check(&format!("SET {number} value"), "+OK");
        }
        server.check("SELECT 5", "+OK");
        server.check("SET other value EX 100", "+OK");
        server.check("CONFIG SET maxmemory-policy volatile-lru", "+OK");
        server.server.count_memory();
        let stats = server.server.stats.register("evictor");
        assert_eq!(shrink(&server, &stats, 99), Outcome::Exhausted);
        assert_eq!((server.stored_keys(0), server.stored_keys(5)), (20_000, 0));
    }

    #[test]
    fn watchers_hear_of_evictions() {
        let (mut server, stats) = filled("allkeys-lru", 10);
        server.check("WATCH p:3", "+OK");
        server.check("MULTI", "+OK");
        server.check("SET other value", "+QUEUED");
        // Tables without keys take nothing.
        assert_eq!(shrink(&server, &stats, 0), Outcome::Enough);
        assert_eq!((server.stored_keys(0), server.server.keyspace.used_memory()), (0, 0));
        server.check("EXEC", "*-1");
    }

    #[test]
    fn a_held_shard_is_passed_over() {
        let (server, stats) = filled("allkeys-lru", 100);
        let held = server.server.keyspace.lock(3);
        let kept = held.used_memory();
        let mut evictor = Evictor::default();
        server.server.budget.set_limit(1);
        let outcome = evictor.make_room(&server.server, &stats, START_MS, Duration::from_millis(100));
        assert_eq!(outcome, Outcome::Unfinished);
        assert_eq!(held.used_memory(), kept);
        assert_eq!(server.server.keyspace.len_in(2, 0), (0, 0));
        drop(held);
        let outcome = evictor.make_room(&server.server, &stats, START_MS, Duration::MAX);
        assert_eq!((outcome, server.stored_keys(0)), (Outcome::Enough, 0));
    }

    #[test]
    fn the_pool_keeps_the_best_in_order() {
        let mut pool = Vec::new();
        for score in [5, 3, 9, 3, 7].into_iter().chain(10..30) {
            keep(&mut pool, Candidate { score, shard: 0, db: 0, hash: score });
        }
        assert_eq!(pool.len(), POOL);
        assert!(pool.is_sorted_by_key(|candidate| candidate.score));
        assert_eq!((pool[0].score, pool[POOL - 1].score), (14, 29));
    }

    #[test]
    fn patience_follows_tenacity() {
        let server = Fixture::new().server;
        for (tenacity, micros) in [("0", 0), ("1", 50), ("10", 500), ("11", 575), ("99", 127_000_000)] {
            server.config.set(&[b"maxmemory-eviction-tenacity", tenacity.as_bytes()], true).unwrap();
            assert!(patience(&server).as_micros().abs_diff(micros) <= micros / 1000 * 300, "{tenacity}");
        }
        server.config.set(&[b"maxmemory-eviction-tenacity", b"100"], true).unwrap();
        assert_eq!(patience(&server), Duration::MAX);
    }
}
