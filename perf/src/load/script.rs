//! What a worker sends next: plain GETs and SETs from templates, or any rows of the table with a journal of what was
//! asked.

use super::keys::Keys;
use super::mix::Share;
use super::requests::Requests;
use super::rows::{Access, Asked, Command, Row, Target, World};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// Requests of which kind, on which keys, how many at a time.
#[derive(Debug)]
pub(super) struct Script {
    pub source: Source,
    pub keys: Keys,
    /// Requests in flight on a connection, at most.
    pub depth: usize,
    /// Open loop: what comes due while a reply is outstanding waits for it, and leaves in one write.
    pub together: bool,
}

/// Where requests come from.
#[derive(Debug)]
pub(super) enum Source {
    Plain(Requests),
    Rows(RowRequests),
}

impl Script {
    /// Appends the next `count` requests of connection number `connection`, noted in its journal if one is kept.
    #[inline]
    pub fn encode(
        &mut self,
        count: usize,
        connection: u64,
        journal: &mut VecDeque<Asked>,
        out: &mut Vec<u8>,
    ) {
        match &self.source {
            Source::Plain(requests) => requests.encode(count, &mut self.keys, out),
            Source::Rows(requests) => requests.encode(count, &mut self.keys, connection, journal, out),
        }
    }
}

/// Draws requests from the rows of a mix.
#[derive(Debug)]
pub(super) struct RowRequests {
    shares: Vec<Share>,
    /// A coin below the number of a share, and not below the one before, falls on it.
    below: Vec<u64>,
    world: Arc<World>,
    /// Number of keys, and of connections between which they are divided for writing while replies are verified;
    /// `None`: any connection writes any key (keys are loaded in sequence, each by one).
    owners: Option<(u64, u64)>,
}

impl RowRequests {
    pub fn new(shares: &[Share], world: Arc<World>, owners: Option<(u64, u64)>) -> RowRequests {
        let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
        assert!(total > 0, "options were checked: the mix is not empty");
        let mut sum = 0;
        let below = shares
            .iter()
            .map(|share| {
                sum += u64::from(share.weight);
                ((u128::from(sum) << 32) / u128::from(total)) as u64
            })
            .collect();
        RowRequests { shares: shares.to_vec(), below, world, owners }
    }

    fn encode(
        &self,
        count: usize,
        keys: &mut Keys,
        connection: u64,
        journal: &mut VecDeque<Asked>,
        out: &mut Vec<u8>,
    ) {
        for _ in 0..count {
            let asked = self.draw(keys, connection);
            (asked.row.encode)(&mut Command { out, world: &self.world }, &asked);
            journal.push_back(asked);
        }
    }

    fn draw(&self, keys: &mut Keys, connection: u64) -> Asked {
        let share = if self.shares.len() == 1 {
            0
        } else {
            let coin = u64::from(keys.coin());
            self.below.iter().position(|&below| coin < below).expect("the last share reaches beyond any coin")
        };
        let Share { row, elements, .. } = self.shares[share];
        let count = if row.many_keys { elements } else { 1 };
        let targets: SmallVec<[Target; 1]> =
            (0..count).map(|_| self.target(row, keys.draw(), connection)).collect();
        let detail = (u64::from(keys.coin()) << 32) | u64::from(keys.coin());
        Asked { share: share as u16, row, elements, detail, targets }
    }

    fn target(&self, row: &Row, key: u64, connection: u64) -> Target {
        let Some(ledger) = &self.world.ledger else { return Target { key, version: 0 } };
        match row.access {
            Access::Reads => Target { key, version: ledger.acknowledged(key) },
            Access::Writes => {
                let key = self.owners.map_or(key, |owners| own(key, connection, owners));
                Target { key, version: ledger.issue(key) }
            }
            Access::Counts => Target { key, version: u32::try_from(ledger.counted(key)).unwrap_or(u32::MAX) },
            Access::Other => Target { key, version: 0 },
        }
    }
}

/// The key nearest to `key` that `connection` may write: of `keys` keys, each belongs to one of `connections`
/// connections (of which there are no more than keys).
fn own(key: u64, connection: u64, (keys, connections): (u64, u64)) -> u64 {
    let nearest = key - key % connections + connection;
    if nearest < keys { nearest } else { nearest - connections }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_writer() {
        for (keys, connections) in [(10, 10), (10, 3), (1_000, 7), (5, 1)] {
            for key in 0..keys {
                for connection in 0..connections {
                    let own = own(key, connection, (keys, connections));
                    assert!(own < keys && own % connections == connection, "{key} {connection}: {own}");
                }
            }
        }
    }
}
