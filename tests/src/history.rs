//! Linearizability: whether a concurrent history can be explained by commands that happen at one instant each, somewhere
//! between their request and their reply.
//!
//! The search is Wing and Gong's ("Testing and verifying concurrent objects", 1993), driven by the events of the
//! history in order: between two events it keeps every pair of (contents of the keys, operations under way that have
//! happened already) that explains all replies so far. As an operation must have happened when its reply comes, the
//! history is wrong when no pair is left.

use std::collections::HashSet;
use std::fmt;

/// The most keys a history may use.
pub const KEYS: usize = 4;

/// The contents of the keys; 0 is a key that does not exist, as INCR takes it.
type State = [i64; KEYS];

/// A command on integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// GET
    Get(usize),
    /// SET
    Set(usize, i64),
    /// INCR
    Incr(usize),
    /// DEL of one key
    Del(usize),
}

/// What happens at one instant: one or more commands (those of MSET, MGET or a transaction) and their replies.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The client; it has one operation under way at a time.
    pub client: usize,
    /// When the request left, in any unit.
    pub start: u64,
    /// When the reply was there.
    pub end: u64,
    /// The commands.
    pub calls: Vec<Call>,
    /// What each command replied: the value, the new value, 1 or 0 for DEL, 0 for a SET.
    pub replies: Vec<i64>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "client {} from {} to {}: {:?} -> {:?}",
            self.client, self.start, self.end, self.calls, self.replies
        )
    }
}

/// The contents after an operation, if its replies are what these contents give.
fn apply(state: State, operation: &Operation) -> Option<State> {
    let mut state = state;
    for (call, reply) in operation.calls.iter().zip(&operation.replies) {
        let real = match *call {
            Call::Get(key) => state[key],
            Call::Set(key, value) => {
                state[key] = value;
                0
            }
            Call::Incr(key) => {
                state[key] += 1;
                state[key]
            }
            Call::Del(key) => i64::from(std::mem::take(&mut state[key]) != 0),
        };
        if real != *reply {
            return None;
        }
    }
    Some(state)
}

/// One explanation of all replies so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Explanation {
    state: State,
    /// The clients whose operation is under way and has happened, as bits.
    happened: u64,
}

/// The operations under way, by client.
type UnderWay<'a> = Vec<Option<&'a Operation>>;

/// Checks a history that began with no key. An operation that never got a reply ends at `u64::MAX`.
///
/// # Errors
/// The operation whose reply nothing explains.
///
/// # Panics
/// When a client has two operations under way, or there are more than 64 clients.
pub fn check(history: &[Operation]) -> Result<(), String> {
    let clients = history.iter().map(|operation| operation.client + 1).max().unwrap_or(0);
    assert!(clients <= 64, "a set of clients is 64 bits");
    // Starts come before ends of the same time: to overlap is to allow more.
    let mut events: Vec<(u64, bool, &Operation)> = Vec::new();
    for operation in history {
        events.push((operation.start, false, operation));
        events.push((operation.end, true, operation));
    }
    events.sort_by_key(|(time, is_end, _)| (*time, *is_end));
    let mut under_way: UnderWay = vec![None; clients];
    let mut explanations = HashSet::from([Explanation { state: [0; KEYS], happened: 0 }]);
    for (time, is_end, operation) in events {
        if !is_end {
            let before = under_way[operation.client].replace(operation);
            assert!(before.is_none(), "client {} has two operations under way", operation.client);
        } else if time < u64::MAX {
            explanations = finish(&explanations, &under_way, operation.client);
            under_way[operation.client] = None;
            if explanations.is_empty() {
                return Err(format!("nothing explains {operation}"));
            }
        }
    }
    Ok(())
}

/// What is left of the explanations when a client's operation has ended: those in which it has happened.
fn finish(before: &HashSet<Explanation>, under_way: &UnderWay, client: usize) -> HashSet<Explanation> {
    let bit = 1 << client;
    let mut after = HashSet::new();
    let mut seen = before.clone();
    let mut waiting: Vec<Explanation> = before.iter().copied().collect();
    while let Some(explanation) = waiting.pop() {
        if explanation.happened & bit != 0 {
            after.insert(Explanation { happened: explanation.happened & !bit, ..explanation });
            continue;
        }
        for (other, operation) in under_way.iter().enumerate() {
            let Some(operation) = operation.filter(|_| explanation.happened & (1 << other) == 0) else {
                continue;
            };
            let Some(state) = apply(explanation.state, operation) else { continue };
            let next = Explanation { state, happened: explanation.happened | (1 << other) };
            if seen.insert(next) {
                waiting.push(next);
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(client: usize, start: u64, end: u64, calls: &[Call], replies: &[i64]) -> Operation {
        Operation { client, start, end, calls: calls.to_vec(), replies: replies.to_vec() }
    }

    #[test]
    fn what_happens_one_after_another_must_be_seen() {
        let set = operation(0, 0, 1, &[Call::Set(0, 5)], &[0]);
        assert!(check(&[set.clone(), operation(1, 2, 3, &[Call::Get(0)], &[5])]).is_ok());
        assert!(check(&[set, operation(1, 2, 3, &[Call::Get(0)], &[0])]).is_err());
    }

    #[test]
    fn what_overlaps_may_be_seen_or_not_but_not_unseen_again() {
        let set = operation(0, 0, 10, &[Call::Set(0, 5)], &[0]);
        let get = |start, reply| operation(1, start, start + 1, &[Call::Get(0)], &[reply]);
        assert!(check(&[set.clone(), get(1, 0), get(3, 5), get(5, 5)]).is_ok());
        assert!(check(&[set, get(1, 5), get(3, 0)]).is_err());
    }

    #[test]
    fn half_of_an_mset_is_never_seen() {
        let mset = operation(0, 0, 10, &[Call::Set(0, 1), Call::Set(1, 1)], &[0, 0]);
        let mget = |a, b| operation(1, 2, 4, &[Call::Get(0), Call::Get(1)], &[a, b]);
        assert!(check(&[mset.clone(), mget(0, 0)]).is_ok());
        assert!(check(&[mset.clone(), mget(1, 1)]).is_ok());
        assert!(check(&[mset, mget(1, 0)]).is_err());
    }

    #[test]
    fn an_increment_is_neither_lost_nor_doubled() {
        let incr = |client, reply| operation(client, 0, 10, &[Call::Incr(0)], &[reply]);
        assert!(check(&[incr(0, 2), incr(1, 1), incr(2, 3)]).is_ok());
        assert!(check(&[incr(0, 1), incr(1, 1)]).is_err());
        assert!(check(&[incr(0, 1), incr(1, 3)]).is_err());
    }

    #[test]
    fn what_never_got_a_reply_may_have_happened_or_not() {
        let lost = operation(0, 0, u64::MAX, &[Call::Set(0, 1)], &[0]);
        let get = |start, reply| operation(1, start, start + 1, &[Call::Get(0)], &[reply]);
        assert!(check(&[lost.clone(), get(1, 0), get(3, 0)]).is_ok());
        assert!(check(&[lost.clone(), get(1, 0), get(3, 1)]).is_ok());
        assert!(check(&[lost, get(1, 1), get(3, 0)]).is_err());
    }
}
