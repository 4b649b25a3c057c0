//! CLIENT PAUSE: until when commands wait, and which.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};

/// Which commands wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PauseMode {
    /// None.
    None = 0,
    /// Those that may write.
    Write = 1,
    /// All but CLIENT UNPAUSE and other administration.
    All = 2,
}

/// The server-wide pause.
#[derive(Debug, Default)]
pub struct Pause {
    mode: AtomicU8,
    until_ms: AtomicI64,
    writer: Mutex<()>,
}

impl Pause {
    /// What waits at `now_ms`. One relaxed load when nothing is paused.
    pub fn mode(&self, now_ms: i64) -> PauseMode {
        match self.mode.load(Relaxed) {
            0 => PauseMode::None,
            _ if now_ms >= self.until_ms.load(Relaxed) => PauseMode::None,
            1 => PauseMode::Write,
            _ => PauseMode::All,
        }
    }

    /// Starts or extends a pause: the later end and the stricter mode win, as in Redis.
    pub fn start(&self, mode: PauseMode, until_ms: i64, now_ms: i64) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (mode, until) = match self.mode(now_ms) {
            PauseMode::None => (mode, until_ms),
            current => (mode.max(current), until_ms.max(self.until_ms.load(Relaxed))),
        };
        self.until_ms.store(until, Relaxed);
        self.mode.store(mode as u8, Relaxed);
    }

    /// CLIENT UNPAUSE. Whoever waits must be woken by the caller.
    pub fn end(&self) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.mode.store(0, Relaxed);
    }

    /// When the pause ends, in unix milliseconds, if there is one at `now_ms`.
    pub fn ends_at(&self, now_ms: i64) -> Option<i64> {
        (self.mode(now_ms) != PauseMode::None).then(|| self.until_ms.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_end_and_stricter_mode_win() {
        let pause = Pause::default();
        pause.start(PauseMode::All, 100, 0);
        pause.start(PauseMode::Write, 50, 0);
        assert_eq!(pause.mode(99), PauseMode::All);
        assert_eq!(pause.mode(100), PauseMode::None);
        pause.start(PauseMode::Write, 300, 200);
        assert_eq!(pause.ends_at(200), Some(300));
        pause.end();
        assert_eq!(pause.ends_at(200), None);
    }
}
