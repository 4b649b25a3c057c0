//! The slow log: the last commands that took longer than `slowlog-log-slower-than`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Arguments kept per entry, and bytes kept per argument (Redis's `SLOWLOG_ENTRY_MAX_ARGC` and `_STRING`).
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Grows by one with every entry, never reused while the server runs.
    pub id: u64,
    /// Unix time in seconds.
    pub time: i64,
    /// Execution time in microseconds.
    pub micros: u64,
    /// The arguments, shortened to Redis's limits.
    pub arguments: Vec<Vec<u8>>,
    /// Address of the client.
    pub address: String,
    /// Name of the client, may be empty.
    pub name: Vec<u8>,
}

/// The log itself.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    entries: VecDeque<Entry>,
}

impl SlowLog {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command that took `micros`; at most `max_len` entries stay.
    pub fn push<'a>(
        &self,
        max_len: usize,
        time: i64,
        micros: u64,
        arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        address: String,
        name: Vec<u8>,
    ) {
        let arguments = shorten(arguments);
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.entries.push_front(Entry { id, time, micros, arguments, address, name });
        state.entries.truncate(max_len);
    }

    /// The newest `count` entries, newest first.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.state().entries.iter().take(count).cloned().collect()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `SLOWLOG RESET`.
    pub fn reset(&self) {
        self.state().entries.clear();
    }
}

fn shorten<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let total = arguments.len();
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(total.min(ARGUMENTS_MAX));
    for (i, argument) in arguments.take(ARGUMENTS_MAX).enumerate() {
        if total > ARGUMENTS_MAX && i == ARGUMENTS_MAX - 1 {
            kept.push(format!("... ({} more arguments)", total - ARGUMENTS_MAX + 1).into_bytes());
        } else if argument.len() > ARGUMENT_BYTES_MAX {
            let mut text = argument[..ARGUMENT_BYTES_MAX].to_vec();
            let more = format!("... ({} more bytes)", argument.len() - ARGUMENT_BYTES_MAX);
            text.extend_from_slice(more.as_bytes());
            kept.push(text);
        } else {
            kept.push(argument.to_vec());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_shortens() {
        let log = SlowLog::default();
        let long = vec![b'x'; 200];
        let many: Vec<&[u8]> = vec![b"a"; 40];
        log.push(2, 1, 10, [b"GET".as_slice(), &long].into_iter(), "a".into(), vec![]);
        log.push(2, 1, 10, many.into_iter(), "a".into(), vec![]);
        let entries = log.newest(10);
        assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(entries[0].arguments.len(), 32);
        assert_eq!(entries[0].arguments[31], b"... (9 more arguments)");
        assert!(entries[1].arguments[1].ends_with(b"... (72 more bytes)"));
        log.push(2, 1, 10, [b"GET".as_slice()].into_iter(), "a".into(), vec![]);
        assert_eq!(log.newest(10).last().map(|entry| entry.id), Some(1));
        log.reset();
        assert!(log.is_empty());
    }
}
