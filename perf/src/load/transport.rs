//! How bytes get to the server and back: a [`Driver`] of `boxcar-sys` for each thread, over io_uring or epoll.
//!
//! Both deliver what has arrived during a turn, and take batches between two turns. Over epoll a batch is written at once;
//! over io_uring all batches of a turn leave with the next turn's single entry into the kernel, which also waits. What counts
//! as the moment of sending is in both cases the last reading of the clock before the kernel gets the batch
//! ([`Transport::defers`]), and as the moment of arrival the first one after the program gets the reply: what waits in the
//! completion queue, or in a socket while others are read, waits at the server's expense, as it would in any client.

use super::LoadError;
use super::connection::Connection;
use boxcar_sys::{Backend, Driver, DriverError, DriverOptions, Handler, Sent, Token, Wait};
use clap::ValueEnum;
use nix::sys::prctl::set_timerslack;
use socket2::Socket;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// No wait is longer than this, so that a stop is noticed soon although the server is silent.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Bytes taken by one read over epoll: several pipelines' worth of replies, and still in the L2 cache.
const EPOLL_BUFFER: usize = 128 * 1024;

/// Bytes of one of io_uring's receive buffers. Only what is received is touched.
const URING_BUFFER: usize = 64 * 1024;

/// io_uring's receive buffers at most: one for each connection, if all are answered at once, within these bounds.
const URING_BUFFERS: std::ops::RangeInclusive<usize> = 256..=4096;

/// epoll lets a timer be late by a thousandth of the time asked for. A longer wait than this is cut short by more than that
/// and followed by another; what is left of a shorter one is too little to matter.
const COARSE_WAIT: Duration = Duration::from_micros(500);

/// Which kernel interface to use, as the server's directive of the same name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// io_uring where the kernel allows it, else epoll.
    Auto,
    /// io_uring, or an error.
    #[value(name = "io_uring")]
    IoUring,
    /// epoll.
    Epoll,
}

/// The interface that a run uses.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub backend: Backend,
    /// Why it is not what would be used elsewhere, if so.
    pub note: Option<String>,
}

impl Network {
    /// Tries what is wanted on the calling thread.
    pub(super) fn choose(self) -> Result<Chosen, LoadError> {
        let chosen = |backend, note| Ok(Chosen { backend, note });
        let trial = |backend| Driver::open(backend, &options(backend, 1)).map(drop);
        match self {
            Network::Epoll => chosen(Backend::Epoll, None),
            Network::IoUring => match trial(Backend::IoUring) {
                Ok(()) => chosen(Backend::IoUring, None),
                Err(source) => Err(LoadError::Driver { network: Backend::IoUring.name(), source }),
            },
            Network::Auto => match trial(Backend::IoUring) {
                Ok(()) => chosen(Backend::IoUring, None),
                Err(error) => {
                    chosen(Backend::Epoll, Some(format!("epoll, because io_uring is not to be had: {error}")))
                }
            },
        }
    }
}

/// How to open a driver for so many connections.
fn options(backend: Backend, connections: usize) -> DriverOptions {
    let (fewest, most) = (*URING_BUFFERS.start(), *URING_BUFFERS.end());
    DriverOptions {
        max_connections: connections.max(1),
        receive_buffer_size: if backend == Backend::IoUring { URING_BUFFER } else { EPOLL_BUFFER },
        receive_buffer_count: connections.clamp(fewest, most).next_power_of_two(),
        ..DriverOptions::default()
    }
}

/// One thread's way to the server.
#[derive(Debug)]
pub(super) struct Transport {
    driver: Driver,
    /// Timers are exact to the microsecond; otherwise to the millisecond, and the last one is spent polling.
    fine: bool,
    /// A shorter wait than this is spent polling.
    poll: Duration,
}

impl Transport {
    /// Opens it for the calling thread, which alone may use it. Waits that are to be shorter than `poll` do not sleep.
    pub fn open(backend: Backend, connections: usize, poll: Duration) -> Result<Transport, LoadError> {
        Ok(Transport { poll, ..Transport::with(backend, &options(backend, connections))? })
    }

    fn with(backend: Backend, options: &DriverOptions) -> Result<Transport, LoadError> {
        // The kernel may be late by this much (50 us unless told otherwise) with any wait of this thread.
        set_timerslack(1).map_err(io::Error::from)?;
        let failed = |source: DriverError| LoadError::Driver { network: backend.name(), source };
        let driver = Driver::open(backend, options).map_err(failed)?;
        let coarse = |name| driver.features().iter().any(|feature| feature.name == name && !feature.active);
        let fine = !coarse("epoll_pwait2");
        Ok(Transport { driver, fine, poll: Duration::ZERO })
    }

    /// Whether a batch leaves with the next turn, and not at once.
    pub fn defers(&self) -> bool {
        matches!(self.driver, Driver::Uring(_))
    }

    /// Starts reading from a socket, which replaces the connection's former one.
    pub fn register(&mut self, index: usize, connection: &mut Connection, socket: Socket) {
        let generation = connection.token.map_or(0, |token| token.generation().wrapping_add(1));
        let token = Token::new(index as u32, generation);
        connection.token = Some(token);
        self.driver.register(token, OwnedFd::from(socket));
    }

    /// Gives a batch to the kernel, or keeps it until the next turn does. `Some`: the buffer is free again already.
    ///
    /// # Errors
    /// The socket is broken.
    #[inline]
    pub fn send(&mut self, connection: &mut Connection, batch: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        assert!(!connection.sending, "a batch is sent only after the one before it has left");
        let token = connection.token.expect("a connection has a socket before it is used");
        match self.driver.send(token, batch) {
            Sent::Done(batch) => Ok(Some(batch)),
            Sent::Pending => {
                connection.sending = true;
                Ok(None)
            }
            Sent::Failed(_, error) => Err(error),
        }
    }

    /// Gives a connection's socket up; [`Handler::closed`] tells when it is gone.
    pub fn close(&mut self, connection: &Connection) {
        self.driver.close(connection.token.expect("a connection has a socket before it is used"));
    }

    /// Waits until something happens, for `left`, or for 50 ms, whichever is first, and tells what has happened. Returns whether it
    /// only polled.
    #[inline]
    pub fn turn(&mut self, left: Duration, handler: &mut impl Handler) -> Result<bool, LoadError> {
        let wait = self.wait(left.min(LONGEST_WAIT));
        self.driver.turn(wait, handler)?;
        Ok(wait == Wait::Poll)
    }

    fn wait(&self, left: Duration) -> Wait {
        if left.is_zero() || left < self.poll {
            return Wait::Poll;
        }
        if self.defers() {
            return Wait::For(left);
        }
        if !self.fine {
            // Milliseconds are rounded up, so the wait may end a millisecond late.
            return left.checked_sub(Duration::from_millis(2)).map_or(Wait::Poll, Wait::For);
        }
        Wait::For(if left > COARSE_WAIT { left - left / 256 } else { left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxcar_sys::{ListenerId, Reading};
    use std::time::Instant;

    struct Nobody;

    impl Handler for Nobody {
        fn accepted(&mut self, _: ListenerId, _: OwnedFd) {}
        fn received(&mut self, _: Token, _: &mut [u8]) -> Reading {
            Reading::Continue
        }
        fn read_closed(&mut self, _: Token, _: Option<io::Error>) {}
        fn sent(&mut self, _: Token, _: Vec<u8>, _: io::Result<()>) {}
        fn doorbell(&mut self) {}
        fn closed(&mut self, _: Token) {}
    }

    /// Turns until `time` has passed, as a loop does, and returns how late it was noticed.
    fn lateness(transport: &mut Transport, time: Duration) -> Duration {
        let due = Instant::now() + time;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return due.elapsed();
            }
            transport.turn(left, &mut Nobody).unwrap();
        }
    }

    #[test]
    fn waits_end_on_time_whatever_the_timer_can_do() {
        let mut transports = vec![Transport::open(Backend::Epoll, 1, Duration::ZERO).unwrap()];
        let mut coarse = options(Backend::Epoll, 1);
        coarse.toggles.epoll_pwait2 = false;
        transports.push(Transport::with(Backend::Epoll, &coarse).unwrap());
        assert!(transports[0].fine && !transports[1].fine);
        transports.extend(Transport::open(Backend::IoUring, 1, Duration::ZERO));
        for transport in &mut transports {
            // The best of many: this is about the timer, not about the machine's other business.
            for time in [20, 900, 7_300].map(Duration::from_micros) {
                let best = (0..20).map(|_| lateness(transport, time)).min().unwrap();
                assert!(best < Duration::from_micros(400), "{transport:?}: {time:?}, {best:?} late");
            }
        }
    }

    #[test]
    fn options_are_valid_for_any_number_of_connections() {
        for connections in [0, 1, 50, 300, 10_000, 100_000] {
            for backend in [Backend::IoUring, Backend::Epoll] {
                options(backend, connections).validate().unwrap();
            }
        }
    }
}
