//! What has to be done now and then, on a thread of its own: active expiry under a time budget, sampling for
//! INFO's rates, forgetting abandoned watches, and choosing the dispatch when it is `auto`.

use super::defragmentation::Defragmenter;
use super::eviction::{Evictor, Outcome};
use super::expiry::ExpiryCycle;
use super::worker::Workers;
use crate::commands::server_state::ActiveDispatch;
use crate::commands::{Server, blocking};
use crate::config::choices::Dispatch;
use crate::config::rows;
use crate::observability::stats::ThreadStats;
use boxcar_sys::clock::{monotonic_us, wall_ms};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Of the time of one processor, cleaning up may use this part, as Redis's slow cycle (25 %); with
/// `active-expire-effort` above 1 up to 43 %.
const CLEANING_PERCENT: u64 = 25;
/// How long it works without a pause: less than the scheduler lets a thread run before it takes its processor away,
/// so that it hardly ever loses it while it holds a lock, and little beside the time that a request takes.
const BURST_US: u64 = 100;

/// The housekeeping thread's state.
pub struct Housekeeper {
    server: Arc<Server>,
    workers: Arc<Workers>,
    stats: Arc<ThreadStats>,
    expiry: ExpiryCycle,
    evictor: Evictor,
    defragmenter: Defragmenter,
    chooser: Chooser,
}

impl Housekeeper {
    /// For this server and these workers.
    pub fn new(server: Arc<Server>, workers: Arc<Workers>) -> Self {
        let stats = server.stats.register("boxcar-house");
        Self {
            server,
            workers,
            stats,
            expiry: ExpiryCycle::default(),
            evictor: Evictor::default(),
            defragmenter: Defragmenter::default(),
            chooser: Chooser::default(),
        }
    }

    /// Works until `stopping`.
    pub fn run(mut self, stopping: &AtomicBool) {
        let mut turn = 0u64;
        while !stopping.load(Relaxed) {
            let hz = self.server.config.int(rows::HZ).clamp(1, 500).unsigned_abs();
            let end = monotonic_us() + 1_000_000 / hz;
            self.server.stats.sample(monotonic_us());
            if self.server.housekeeping_paused.load(Relaxed) {
                thread::sleep(Duration::from_micros(end.saturating_sub(monotonic_us())));
                continue;
            }
            if turn.is_multiple_of(hz) {
                self.sweep();
                self.choose_dispatch();
                self.server.trim_tracking();
            }
            turn += 1;
            self.clean_up(end);
            self.defragment(end);
            thread::sleep(Duration::from_micros(end.saturating_sub(monotonic_us())));
        }
    }

    /// Evicts what clients were not to be held up for any longer, and looks for expired keys, until there is nothing
    /// left to do or the period ends. Works in short bursts, so that on a busy machine no thread that serves clients
    /// has to wait long for its processor, and the pauses between them keep to the share that cleaning may use.
    fn clean_up(&mut self, end_us: u64) {
        let server = Arc::clone(&self.server);
        let effort = server.config.int(rows::ACTIVE_EXPIRE_EFFORT).unsigned_abs() - 1;
        let share = CLEANING_PERCENT + 2 * effort;
        let pause = Duration::from_micros(BURST_US * (100 - share) / share);
        // What expires may have to be told, and must not flood threads that cannot follow.
        let crowded = server.inboxes.any_full() && server.has_listeners();
        let expiring = server.active_expire.load(Relaxed) && !crowded;
        if expiring {
            self.expiry.begin(&server);
        }
        if server.budget.is_limited() {
            server.count_memory();
        }
        let mut worked_us = 0;
        loop {
            let started = monotonic_us();
            let evicting = self.keep_budget();
            let more = expiring && self.expiry.work(&server, &self.stats, wall_ms(), started + BURST_US);
            let now = monotonic_us();
            worked_us += now - started;
            if !(evicting || more) || now + pause.as_micros() as u64 >= end_us {
                break;
            }
            thread::sleep(pause);
        }
        if expiring {
            self.expiry.end(&server);
        }
        let threshold = server.config.int(rows::LATENCY_MONITOR_THRESHOLD).unsigned_abs();
        server.latency.add("expire-cycle", threshold, wall_ms() / 1000, worked_us / 1000);
    }

    /// Moves data together for what is left of the period, in bursts like [`Housekeeper::clean_up`], within the share of
    /// a processor that `active-defrag-cycle-*` allows.
    fn defragment(&mut self, end_us: u64) {
        let server = Arc::clone(&self.server);
        loop {
            let effort = self.defragmenter.effort(&server);
            if effort == 0 {
                return;
            }
            let pause_us = BURST_US * (100 - effort) / effort;
            if monotonic_us() + BURST_US + pause_us >= end_us {
                return;
            }
            self.defragmenter.work(&server, monotonic_us() + BURST_US);
            thread::sleep(Duration::from_micros(pause_us));
        }
    }

    /// A burst of eviction, if `maxmemory` is exceeded; true when another one is due.
    fn keep_budget(&mut self) -> bool {
        let budget = &self.server.budget;
        if budget.is_exceeded() {
            let patience = Duration::from_micros(BURST_US);
            self.evictor.make_room(&self.server, &self.stats, wall_ms(), patience) == Outcome::Unfinished
        } else {
            budget.note(false, false, monotonic_us());
            false
        }
    }

    /// Forgets abandoned watches, and waits that are over, and gives the memory of used-up tables back.
    fn sweep(&self) {
        blocking::sweep(&self.server.keyspace, &self.server.blocking.figures);
        for shard in 0..self.server.keyspace.shards() as u32 {
            if let Some(mut guard) = self.server.keyspace.try_lock(shard) {
                guard.ext().sweep();
                guard.release_empty();
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
