//! The clients that wait for keys of one shard, first come first served; under the shard's lock.

use crate::clients::Waiter;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Figures over all shards.
#[derive(Debug, Default)]
pub struct Figures {
    /// Clients that wait.
    pub clients: AtomicUsize,
    /// Clients that wait no longer than some time.
    pub with_timeout: AtomicUsize,
    /// Keys that clients wait for.
    pub keys: AtomicUsize,
    /// Keys that clients wait for who have to know of their removal, too.
    pub keys_even_missing: AtomicUsize,
    /// Waits that have ended while a shard could not be had at once: their places in queues are left to housekeeping.
    pub left_behind: AtomicUsize,
}

/// The queue of one key of one database.
#[derive(Debug, Default)]
struct Queue {
    db: usize,
    /// By ticket.
    waiters: BTreeMap<u64, Arc<Waiter>>,
    /// How many have to know of the key's removal, too.
    even_missing: usize,
    /// The key is ready and will be handled.
    ready: bool,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Queues {
    keys: HashMap<Box<[u8]>, SmallVec<[Queue; 1]>>,
    /// Other shards without whose locks some waiter here cannot be served, and how many such waiters there are.
    links: Vec<(u32, usize)>,
}

impl Queues {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of a database that somebody waits for.
    pub fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        let here = self.keys.iter().filter(move |(_, queues)| queues.iter().any(|queue| queue.db == db));
        here.map(|(key, _)| &**key)
    }

    /// Whether nothing at all is kept here.
    pub fn is_idle(&self) -> bool {
        self.keys.is_empty() && self.links.is_empty()
    }

    /// The shards that a command which may make a key ready here has to lock as well.
    pub fn links(&self) -> impl ExactSizeIterator<Item = u32> {
        self.links.iter().map(|link| link.0)
    }

    fn queue(&mut self, db: usize, key: &[u8]) -> Option<&mut Queue> {
        self.keys.get_mut(key)?.iter_mut().find(|queue| queue.db == db)
    }

    /// Lets a waiter stand in for a key; once, however often the key is named.
    pub fn add(&mut self, key: &[u8], waiter: &Arc<Waiter>, figures: &Figures) {
        let queues = match self.keys.get_mut(key) {
            Some(queues) => queues,
            None => self.keys.entry(key.into()).or_default(),
        };
        let at = queues.iter().position(|queue| queue.db == waiter.db).unwrap_or_else(|| {
            figures.keys.fetch_add(1, Relaxed);
            queues.push(Queue { db: waiter.db, ..Queue::default() });
            queues.len() - 1
        });
        let queue = &mut queues[at];
        if queue.waiters.insert(waiter.ticket, Arc::clone(waiter)).is_some() {
            return;
        }
        if waiter.even_missing {
            queue.even_missing += 1;
            figures.keys_even_missing.fetch_add(usize::from(queue.even_missing == 1), Relaxed);
        }
        for &shard in &waiter.links {
            match self.links.iter_mut().find(|link| link.0 == shard) {
                Some(link) => link.1 += 1,
                None => self.links.push((shard, 1)),
            }
        }
    }

    /// Takes a waiter out of a key's queue, if it is there.
    pub fn remove(&mut self, key: &[u8], waiter: &Waiter, figures: &Figures) {
        let Some(queues) = self.keys.get_mut(key) else { return };
        let Some(at) = queues.iter().position(|queue| queue.db == waiter.db) else { return };
        let queue = &mut queues[at];
        if queue.waiters.remove(&waiter.ticket).is_none() {
            return;
        }
        if waiter.even_missing {
            queue.even_missing -= 1;
            figures.keys_even_missing.fetch_sub(usize::from(queue.even_missing == 0), Relaxed);
        }
        if queue.waiters.is_empty() {
            figures.keys.fetch_sub(1, Relaxed);
            queues.swap_remove(at);
        }
        if queues.is_empty() {
            self.keys.remove(key);
        }
        for &shard in &waiter.links {
            let at = self.links.iter().position(|link| link.0 == shard).expect("links are counted");
            self.links[at].1 -= 1;
            if self.links[at].1 == 0 {
                self.links.swap_remove(at);
            }
        }
    }

    /// A key was changed. True when clients wait for it and it was not known to be ready yet.
    pub fn make_ready(&mut self, db: usize, key: &[u8]) -> bool {
        self.queue(db, key).is_some_and(|queue| !std::mem::replace(&mut queue.ready, true))
    }

    /// The ticket of whoever stands last for a ready key, which is no longer noted as ready: who comes later, or what
    /// changes from now on, is not part of this round.
    pub fn begin_round(&mut self, db: usize, key: &[u8]) -> Option<u64> {
        let queue = self.queue(db, key)?;
        queue.ready = false;
        queue.waiters.last_key_value().map(|(&ticket, _)| ticket)
    }

    /// The first waiter for a key with a ticket from `from` to `last`. With `missing`, the key is not there: only those
    /// are asked who have to know.
    pub fn next(
        &mut self,
        db: usize,
        key: &[u8],
        from: u64,
        last: u64,
        missing: bool,
    ) -> Option<Arc<Waiter>> {
        let queue = self.queue(db, key)?;
        if (missing && queue.even_missing == 0) || from > last {
            return None;
        }
        let mut round = queue.waiters.range(from..=last).map(|(_, waiter)| waiter);
        round.find(|waiter| !missing || waiter.even_missing).cloned()
    }

    /// Takes out those whose wait has ended.
    pub fn sweep(&mut self, figures: &Figures) {
        let all = self.keys.iter();
        let ended: Vec<(Box<[u8]>, Arc<Waiter>)> = all
            .flat_map(|(key, queues)| queues.iter().map(move |queue| (key, queue)))
            .flat_map(|(key, queue)| queue.waiters.values().map(move |waiter| (key, waiter)))
            .filter(|(_, waiter)| waiter.has_ended())
            .map(|(key, waiter)| (key.clone(), Arc::clone(waiter)))
            .collect();
        for (key, waiter) in ended {
            self.remove(&key, &waiter, figures);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::waiter::{End, Wish};

    fn waiter(ticket: u64, change: impl FnOnce(&mut Wish)) -> Arc<Waiter> {
        let (waiter, session, _) = Waiter::sample(|wish| {
            wish.ticket = ticket;
            change(wish);
        });
        assert!(waiter.wait(session));
        waiter
    }

    fn figures(figures: &Figures) -> (usize, usize) {
        (figures.keys.load(Relaxed), figures.keys_even_missing.load(Relaxed))
    }

    /// The tickets of a round over a key of database 0.
    fn round(queues: &mut Queues, key: &[u8], missing: bool) -> Vec<u64> {
        let Some(last) = queues.begin_round(0, key) else { return Vec::new() };
        let mut from = 0;
        std::iter::from_fn(|| {
            let ticket = queues.next(0, key, from, last, missing)?.ticket;
            from = ticket + 1;
            Some(ticket)
        })
        .collect()
    }

    #[test]
    fn who_comes_first_is_first_whatever_else_happens() {
        let (mut queues, all) = (Queues::default(), Figures::default());
        let waiters: Vec<_> = [30, 10, 20, 40].map(|ticket| waiter(ticket, |_| {})).into();
        waiters.iter().for_each(|waiter| queues.add(b"k", waiter, &all));
        queues.add(b"k", &waiters[0], &all);
        assert_eq!(round(&mut queues, b"k", false), [10, 20, 30, 40]);
        queues.remove(b"k", &waiters[2], &all);
        queues.remove(b"k", &waiters[2], &all);
        queues.remove(b"other", &waiters[0], &all);
        assert_eq!(round(&mut queues, b"k", false), [10, 30, 40]);
        // Who comes during a round is not part of it.
        let last = queues.begin_round(0, b"k").expect("somebody waits");
        queues.add(b"k", &waiter(50, |_| {}), &all);
        assert!(queues.next(0, b"k", 41, last, false).is_none());
        assert_eq!(queues.next(0, b"k", 41, u64::MAX, false).map(|waiter| waiter.ticket), Some(50));
    }

    #[test]
    fn a_key_is_made_ready_once_for_each_round() {
        let (mut queues, all) = (Queues::default(), Figures::default());
        assert!(!queues.make_ready(0, b"k"), "nobody waits");
        queues.add(b"k", &waiter(1, |wish| wish.db = 3), &all);
        assert!(!queues.make_ready(0, b"k"), "another database");
        assert!(queues.make_ready(3, b"k") && !queues.make_ready(3, b"k"));
        assert_eq!(queues.begin_round(3, b"k"), Some(1));
        assert!(queues.make_ready(3, b"k"));
        assert_eq!((queues.keys(3).count(), queues.keys(0).count()), (1, 0));
    }

    #[test]
    fn of_a_missing_key_only_those_hear_who_have_to_know() {
        let (mut queues, all) = (Queues::default(), Figures::default());
        let knows = waiter(2, |wish| wish.even_missing = true);
        for waiter in [&waiter(1, |_| {}), &knows, &waiter(3, |_| {})] {
            queues.add(b"k", waiter, &all);
        }
        assert_eq!(figures(&all), (1, 1));
        assert_eq!(round(&mut queues, b"k", true), [2]);
        queues.remove(b"k", &knows, &all);
        assert!(round(&mut queues, b"k", true).is_empty());
        assert_eq!((figures(&all), round(&mut queues, b"k", false)), ((1, 0), vec![1, 3]));
    }

    #[test]
    fn links_last_as_long_as_somebody_needs_them() {
        let (mut queues, all) = (Queues::default(), Figures::default());
        let [one, two] = [1, 2].map(|ticket| waiter(ticket, |wish| wish.links = [5].into_iter().collect()));
        queues.add(b"k", &one, &all);
        queues.add(b"l", &two, &all);
        assert_eq!(queues.links().collect::<Vec<_>>(), [5]);
        queues.remove(b"k", &one, &all);
        queues.remove(b"k", &one, &all);
        assert_eq!(queues.links().collect::<Vec<_>>(), [5]);
        queues.remove(b"l", &two, &all);
        assert!(queues.links().len() == 0 && queues.is_empty());
    }

    #[test]
    fn sweeping_takes_out_those_whose_wait_has_ended() {
        let (mut queues, all) = (Queues::default(), Figures::default());
        let [gone, stays] = [1, 2].map(|ticket| waiter(ticket, |_| {}));
        for key in [&b"k"[..], b"l"] {
            queues.add(key, &gone, &all);
        }
        queues.add(b"k", &stays, &all);
        queues.sweep(&all);
        assert_eq!((round(&mut queues, b"k", false), figures(&all)), (vec![1, 2], (2, 0)));
        assert!(gone.end(End::Left));
        queues.sweep(&all);
        assert_eq!((round(&mut queues, b"k", false), figures(&all)), (vec![2], (1, 0)));
        assert!(round(&mut queues, b"l", false).is_empty());
        stays.end(End::Left);
        queues.sweep(&all);
        assert!(queues.is_empty() && figures(&all) == (0, 0));
    }
}
