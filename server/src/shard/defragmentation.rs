//! Active defragmentation: moving together what is stored when much of jemalloc's memory holds little.

use crate::commands::Server;
use crate::commands::server::allocator;
use crate::config::{Config, rows};
use crate::observability::defragmentation::DefragmentationFigures;
use boxcar_store::Db;
#[cfg(feature = "jemalloc")]
use boxcar_store::ValuePosition;
use boxcar_sys::clock::monotonic_us;

/// Buckets of one step under a lock: some 40 records, with values of up to 64 elements each.
#[cfg(feature = "jemalloc")]
const BUCKETS: usize = 8;
/// Allocations of one step in a value of many elements.
#[cfg(feature = "jemalloc")]
const ALLOCATIONS: usize = 64;
/// Between two looks at the waste while nothing is to be moved, microseconds.
const LOOK_EVERY_US: u64 = 1_000_000;

/// Where defragmentation is. A pass goes through all shards and databases once.
#[derive(Debug, Default)]
pub struct Defragmenter {
    shard: u32,
    db: usize,
    position: u64,
    /// Values of this part with many elements, which are gone through before the walk goes on; the last one first.
    large: Vec<Large>,
    /// Percent of a processor that this pass may use; 0 when there is none.
    effort: u64,
    looked_us: u64,
    pass_us: u64,
}

/// A value that is gone through step by step.
#[derive(Debug)]
struct Large {
    key: Box<[u8]>,
    #[cfg(feature = "jemalloc")]
    position: ValuePosition,
    /// Whether anything was moved.
    #[cfg(feature = "jemalloc")]
    moved: bool,
}

impl Defragmenter {
    /// Percent of a processor to use now: begins a pass when the waste asks for it, and ends one when switched off.
    pub fn effort(&mut self, server: &Server) -> u64 {
        if !server.config.bool(rows::ACTIVEDEFRAG) {
            self.end(server);
            return 0;
        }
        let now = monotonic_us();
        if self.effort == 0 && now.saturating_sub(self.looked_us) >= LOOK_EVERY_US {
            self.looked_us = now;
            let figures = allocator::allocated_and_active();
            self.effort = figures.map_or(0, |(used, pages)| wanted_effort(&server.config, used, pages));
            server.stats.defragmentation.set_running(self.effort);
        }
        self.effort
    }

    /// Goes on with the pass until `deadline_us`.
    pub fn work(&mut self, server: &Server, deadline_us: u64) {
        let started = monotonic_us();
        let figures = &server.stats.defragmentation;
        while self.effort > 0 && monotonic_us() < deadline_us {
            if server.keyspace.len_in(self.shard, self.db).0 == 0 {
                self.next(server);
                continue;
            }
            let Some(mut guard) = server.keyspace.try_lock(self.shard) else {
                // A held shard is passed over, but a value that is begun is not given up: the next burst goes on.
                if self.large.is_empty() {
                    self.next(server);
                    continue;
                }
                break;
            };
            if let Some(large) = self.large.pop() {
                let hash = server.keyspace.locate(&large.key).hash;
                let rest = defragment_value(&mut guard.db(self.db), hash, large, figures);
                self.large.extend(rest);
            } else {
                self.position = defragment(&mut guard.db(self.db), self.position, &mut self.large, figures);
            }
            drop(guard);
            if self.position == 0 && self.large.is_empty() {
                self.next(server);
            }
        }
        let worked = monotonic_us() - started;
        self.pass_us += worked;
        figures.add_time(worked, self.pass_us);
    }

    /// Goes on to the next part.
    fn next(&mut self, server: &Server) {
        self.position = 0;
        self.large.clear();
        self.shard += 1;
        if self.shard as usize == server.keyspace.shards() {
            self.shard = 0;
            self.db += 1;
        }
        if self.db == server.keyspace.databases() {
            tracing::debug!("Active defrag done in {} ms", self.pass_us / 1000);
            self.end(server);
        }
    }

    fn end(&mut self, server: &Server) {
        if self.effort > 0 {
            let looked_us = monotonic_us();
            *self = Self { looked_us, ..Self::default() };
            server.stats.defragmentation.set_running(0);
            server.stats.defragmentation.add_time(0, 0);
        }
    }
}

/// A step of the walk; returns where it goes on.
#[cfg(feature = "jemalloc")]
fn defragment(
    db: &mut Db<'_>,
    position: u64,
    large: &mut Vec<Large>,
    figures: &DefragmentationFigures,
) -> u64 {
    let step = db.defragment(position, BUCKETS);
    figures.add_allocations(step.moved, step.kept);
    figures.add_keys(step.moved_keys, step.kept_keys);
    large.extend(step.large.into_iter().map(|key| Large {
        key,
        position: ValuePosition::default(),
        moved: false,
    }));
    step.position
}

/// A step of going through a value; returns what is left to do.
#[cfg(feature = "jemalloc")]
fn defragment_value(
    db: &mut Db<'_>,
    hash: u64,
    large: Large,
    figures: &DefragmentationFigures,
) -> Option<Large> {
    let step = db.defragment_value(hash, &large.key, large.position, ALLOCATIONS);
    figures.add_allocations(step.moved, step.kept);
    let moved = large.moved || step.moved > 0;
    match step.position {
        Some(position) => Some(Large { position, moved, ..large }),
        None => {
            figures.add_keys(usize::from(moved), usize::from(!moved));
            None
        }
    }
}

/// Builds without jemalloc have nothing to move: `activedefrag` cannot be switched on there.
#[cfg(not(feature = "jemalloc"))]
fn defragment(_: &mut Db<'_>, _: u64, _: &mut Vec<Large>, _: &DefragmentationFigures) -> u64 {
    0
}

#[cfg(not(feature = "jemalloc"))]
fn defragment_value(_: &mut Db<'_>, _: u64, _: Large, _: &DefragmentationFigures) -> Option<Large> {
    None
}

/// Percent of a processor that the waste is worth, by Redis's rule: none below `active-defrag-ignore-bytes` or
/// `active-defrag-threshold-lower`, from there on in proportion, from `active-defrag-cycle-min` to `-max`.
fn wanted_effort(config: &Config, allocated: u64, active: u64) -> u64 {
    let wasted = active.saturating_sub(allocated);
    let percent = wasted as f64 * 100.0 / allocated.max(1) as f64;
    let number = |key| config.int(key) as f64;
    let lower = number(rows::ACTIVE_DEFRAG_THRESHOLD_LOWER);
    if percent < lower || wasted < config.bytes(rows::ACTIVE_DEFRAG_IGNORE_BYTES) {
        return 0;
    }
    let upper = number(rows::ACTIVE_DEFRAG_THRESHOLD_UPPER);
    let (least, most) = (number(rows::ACTIVE_DEFRAG_CYCLE_MIN), number(rows::ACTIVE_DEFRAG_CYCLE_MAX));
    let part = if upper > lower { ((percent - lower) / (upper - lower)).min(1.0) } else { 1.0 };
    (least + (most - least).max(0.0) * part) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::Fixture;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_effort_grows_with_the_waste() {
        let config = Config::default();
        for (allocated, active, effort) in [
            (1000, 1050, 0),
            (1000, 1099, 0),
            (1000, 1101, 1),
            (1000, 1550, 13),
            (1000, 2000, 25),
            (1000, 5000, 25),
            // Much of very little.
            (10, 100, 0),
        ] {
            assert_eq!(wanted_effort(&config, allocated * MIB, active * MIB), effort, "{allocated} {active}");
        }
    }

    #[test]
    fn a_pass_goes_through_everything_once_and_ends() {
        let mut server = Fixture::new();
        server.check("MSET a 1 b 2 c 3", "+OK");
        server.check("SELECT 7", "+OK");
        server.check("SET d 4", "+OK");
        let server = &server.server;
        server.config.set(&[b"activedefrag", b"yes"], true).unwrap();
        let mut defragmenter = Defragmenter { effort: 25, ..Defragmenter::default() };
        server.stats.defragmentation.set_running(25);
        assert_eq!(defragmenter.effort(server), 25);
        defragmenter.work(server, u64::MAX);
        let (moved, kept) = server.stats.defragmentation.keys();
        // The tests' allocator is not jemalloc, so that nothing is known to lie badly.
        assert_eq!((moved, kept, server.stats.defragmentation.running()), (0, 4, 0));
        assert_eq!((defragmenter.effort, defragmenter.shard, defragmenter.db), (0, 0, 0));
    }

    #[test]
    fn switching_it_off_ends_the_pass() {
        let server = Fixture::new().server;
        let mut defragmenter = Defragmenter { effort: 5, shard: 3, ..Defragmenter::default() };
        assert_eq!((defragmenter.effort(&server), defragmenter.shard), (0, 0));
    }
}
