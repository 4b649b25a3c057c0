//! What has to be done now and then, on a thread of its own: active expiry under a time budget, sampling for
//! INFO's rates, forgetting abandoned watches, and choosing the dispatch when it is `auto`.

use super::worker::Workers;
use crate::clients::tracking::Cause;
use crate::commands::events::{EventClass, KeyEvent};
use crate::commands::server_state::ActiveDispatch;
use crate::commands::{Server, news};
use crate::config::choices::Dispatch;
use crate::config::rows;
use crate::observability::stats::ThreadStats;
use boxcar_store::Expired;
use boxcar_sys::clock::{monotonic_us, wall_ms};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Records looked at while one shard is locked: some 2 us.
const EXPIRE_STEP: usize = 64;
/// Of every period the active expiry may use this part, as Redis's slow cycle (25 %); with `active-expire-effort`
/// above 1 up to half.
const EXPIRE_SHARE_PERCENT: u64 = 25;
/// A shard is looked at again at once when more than this part of the records looked at had expired.
const EXPIRE_AGAIN_PERCENT: usize = 10;

/// The housekeeping thread's state.
pub struct Housekeeper {
    server: Arc<Server>,
    workers: Arc<Workers>,
    stats: Arc<ThreadStats>,
    shard: u32,
    chooser: Chooser,
}

impl Housekeeper {
    /// For this server and these workers.
    pub fn new(server: Arc<Server>, workers: Arc<Workers>) -> Self {
        let stats = server.stats.register("boxcar-house");
        Self { server, workers, stats, shard: 0, chooser: Chooser::default() }
    }

    /// Works until `stopping`.
    pub fn run(mut self, stopping: &AtomicBool) {
        let mut turn = 0u64;
        while !stopping.load(Relaxed) {
            let hz = self.server.config.int(rows::HZ).clamp(1, 500).unsigned_abs();
            let period = Duration::from_micros(1_000_000 / hz);
            self.server.stats.sample(monotonic_us());
            self.server.measure_memory();
            // What expires may have to be told, and must not flood threads that cannot follow.
            let crowded = self.server.inboxes.any_full() && self.server.has_listeners();
            if self.server.active_expire.load(Relaxed) && !crowded {
                self.expire(period);
            }
            if turn.is_multiple_of(hz) {
                self.sweep();
                self.choose_dispatch();
                self.server.trim_tracking();
            }
            turn += 1;
            thread::sleep(period);
        }
    }

    /// One turn of the active expiry cycle: shard after shard, a small step under each lock, until the time is used.
    fn expire(&mut self, period: Duration) {
        let keyspace = &self.server.keyspace;
        let effort = self.server.config.int(rows::ACTIVE_EXPIRE_EFFORT).unsigned_abs() - 1;
        let share = EXPIRE_SHARE_PERCENT + 2 * effort;
        let (started, now_ms) = (monotonic_us(), wall_ms());
        let deadline = started + period.as_micros() as u64 * share / 100;
        let shards = keyspace.shards() as u32;
        for db in (0..keyspace.databases()).filter(|&db| keyspace.expires(db).any()) {
            let mut left = shards;
            while left > 0 && monotonic_us() < deadline {
                if !self.expire_in(self.shard, db, now_ms) {
                    self.shard = (self.shard + 1) % shards;
                    left -= 1;
                }
            }
        }
        let millis = (monotonic_us() - started) / 1000;
        let threshold = self.server.config.int(rows::LATENCY_MONITOR_THRESHOLD).unsigned_abs();
        self.server.latency.add("expire-cycle", threshold, now_ms / 1000, millis);
    }

    /// One step in one shard; true when it is worth another one at once. A held shard is passed over.
    fn expire_in(&self, shard: u32, db: usize, now_ms: i64) -> bool {
        let Some(mut guard) = self.server.keyspace.try_lock(shard) else { return false };
        let mut expired_keys: Vec<Box<[u8]>> = Vec::new();
        let mut events: Vec<KeyEvent> = Vec::new();
        let (mut part, extension) = guard.db_and_ext(db);
        if !part.expires().any() {
            return false;
        }
        let notified = self.server.notified();
        let broadcasts = self.server.tracking.broadcasts();
        let told = extension.is_observed() || broadcasts;
        let step = part.expire_step(now_ms, EXPIRE_STEP, &mut |what, record| {
            if told {
                expired_keys.push(record.key().into());
            }
            let happened = events_of(what).iter().filter(|(class, _)| notified.contains(*class));
            events.extend(happened.map(|&(class, name)| KeyEvent {
                class,
                name,
                db,
                key: record.key().into(),
            }));
        });
        for key in &expired_keys {
            extension.touched(db, key, Cause::NOBODY);
        }
        for event in &events {
            news::publish(&self.server.pubsub, notified, event);
        }
        if broadcasts && !expired_keys.is_empty() {
            self.server.tracking.broadcast(&expired_keys, Cause::NOBODY);
        }
        self.stats.metrics.expired_keys.add(step.expired as u64);
        self.stats.metrics.expired_fields.add(step.expired_fields as u64);
        let expired = step.expired + step.expired_fields;
        step.fields_left || expired * 100 > step.checked * EXPIRE_AGAIN_PERCENT && !step.wrapped
    }

    /// Forgets abandoned watches.
    fn sweep(&self) {
        for shard in 0..self.server.keyspace.shards() as u32 {
            if let Some(mut guard) = self.server.keyspace.try_lock(shard) {
                guard.ext().sweep();
            }
        }
    }

    /// Follows `dispatch`.
    fn choose_dispatch(&mut self) {
        if self.server.config.choice::<Dispatch>(rows::DISPATCH) != Dispatch::Auto {
            return;
        }
        let commands = self.server.stats.totals().commands_processed;
        let contended = self.server.keyspace.lock_counters().spun;
        let active = self.server.dispatch();
        let wanted = self.chooser.choose(active, commands, contended);
        if wanted == active {
            return;
        }
        if wanted == ActiveDispatch::Rings
            && let Err(error) = self.workers.start(&self.server)
        {
            tracing::warn!("dispatch stays inline: workers cannot start: {error}");
            return;
        }
        tracing::info!("dispatch auto: {wanted:?} from now on");
        self.server.set_dispatch(wanted);
    }
}

/// What is said of an expiry.
fn events_of(expired: Expired) -> &'static [(EventClass, &'static str)] {
    match expired {
        Expired::Key => &[(EventClass::EXPIRED, "expired")],
        Expired::Fields { gone: false } => &[(EventClass::HASH, "hexpired")],
        Expired::Fields { gone: true } => &[(EventClass::HASH, "hexpired"), (EventClass::GENERIC, "del")],
    }
}

/// The rule of `dispatch auto`: run to completion unless the I/O threads keep getting into each other's way.
#[derive(Debug, Default)]
struct Chooser {
    commands: u64,
    contended: u64,
    seconds_contended: u32,
    seconds_quiet: u32,
}

/// Contended lock acquisitions per 1,000 commands from which on a second counts as contended.
const CONTENDED_PER_THOUSAND: u64 = 100;
/// Commands per second below which nothing is worth a change.
const BUSY_COMMANDS: u64 = 50_000;
/// So many contended seconds in a row switch to rings.
const SECONDS_TO_RINGS: u32 = 3;
/// So many quiet seconds in a row switch back.
const SECONDS_TO_INLINE: u32 = 10;

impl Chooser {
    /// Called once a second with running totals.
    fn choose(&mut self, active: ActiveDispatch, commands: u64, contended: u64) -> ActiveDispatch {
        let executed = commands.saturating_sub(std::mem::replace(&mut self.commands, commands));
        let met = contended.saturating_sub(std::mem::replace(&mut self.contended, contended));
        let busy = executed >= BUSY_COMMANDS;
        let crowded = busy && met * 1000 >= executed * CONTENDED_PER_THOUSAND;
        self.seconds_contended = if crowded { self.seconds_contended + 1 } else { 0 };
        self.seconds_quiet = if busy { 0 } else { self.seconds_quiet + 1 };
        match active {
            ActiveDispatch::Inline if self.seconds_contended >= SECONDS_TO_RINGS => ActiveDispatch::Rings,
            ActiveDispatch::Rings if self.seconds_quiet >= SECONDS_TO_INLINE => ActiveDispatch::Inline,
            unchanged => unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_switches_on_lasting_contention_only() {
        let mut chooser = Chooser::default();
        let (mut commands, mut contended) = (0, 0);
        let mut second = |chooser: &mut Chooser, active, executed: u64, met: u64| {
            commands += executed;
            contended += met;
            chooser.choose(active, commands, contended)
        };
        use ActiveDispatch::{Inline, Rings};
        for _ in 0..10 {
            assert_eq!(second(&mut chooser, Inline, 1_000_000, 10_000), Inline);
        }
        assert_eq!(second(&mut chooser, Inline, 1_000_000, 200_000), Inline);
        assert_eq!(second(&mut chooser, Inline, 1_000_000, 200_000), Inline);
        assert_eq!(second(&mut chooser, Inline, 1_000_000, 200_000), Rings);
        for _ in 0..9 {
            assert_eq!(second(&mut chooser, Rings, 1000, 0), Rings);
        }
        assert_eq!(second(&mut chooser, Rings, 1000, 0), Inline);
    }
}
