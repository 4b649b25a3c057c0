//! Accepting: multishot where the kernel has it, resting after an error that another attempt would only repeat.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::{UringDriver, error_of, op, user_data};
use crate::driver::listener::{BACKOFF, concerns_one_connection};
use crate::driver::{Handler, ListenerId};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    id: ListenerId,
    /// Names this listener in completions: an id may be used again while its former listener is still being cancelled.
    serial: u32,
    socket: OwnedFd,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The kernel accepts from it.
    Armed,
    /// An error was met; armed again then.
    RestingUntil(Instant),
    /// `stop_listening` was called; a last completion will come.
    Stopping,
}

impl Listener {
    /// Whether the kernel has an operation under way for it.
    pub(super) fn is_armed(&self) -> bool {
        !matches!(self.state, State::RestingUntil(_))
    }

    pub(super) fn user_data(&self) -> u64 {
        user_data(op::ACCEPT, u64::from(self.serial))
    }
}

impl UringDriver {
    pub(super) fn add_listener(&mut self, id: ListenerId, socket: OwnedFd) {
        let taken = self.listeners.iter().any(|other| other.id == id && other.state != State::Stopping);
        assert!(!taken, "{id:?} is listening already");
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        super::set_blocking(&socket);
        self.listeners.push(Listener { id, serial, socket, state: State::Armed });
        self.arm_accept(self.listeners.len() - 1);
    }

    fn arm_accept(&mut self, place: usize) {
        let listener = &mut self.listeners[place];
        listener.state = State::Armed;
        self.counters.accept_arms += 1;
        let fd = Fd(listener.socket.as_raw_fd());
        let entry = if self.ways.multishot_accept {
            opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build()
        } else {
            let nobody = std::ptr::null_mut();
            opcode::Accept::new(fd, nobody, std::ptr::null_mut()).flags(libc::SOCK_CLOEXEC).build()
        };
        // SAFETY: the operation points to no memory: nobody asks for the peer's address.
        unsafe { self.ring.push(entry.user_data(listener.user_data()), &mut self.counters) };
    }

    pub(super) fn accept_completed<H: Handler>(
        &mut self,
        serial: u32,
        result: i32,
        flags: u32,
        handler: &mut H,
    ) {
        let place = self.listeners.iter().position(|listener| listener.serial == serial);
        let place = place.expect("a listener outlives its operations");
        let (id, stopping) = (self.listeners[place].id, self.listeners[place].state == State::Stopping);
        let mut rest = false;
        if result >= 0 {
            // SAFETY: the kernel has just made the descriptor for us.
            let socket = unsafe { OwnedFd::from_raw_fd(result) };
            if !stopping {
                self.counters.accepted += 1;
                handler.accepted(id, socket);
            }
        } else if !stopping {
            let error = error_of(result);
            rest = !concerns_one_connection(&error);
            self.counters.accept_errors += 1;
            self.counters.accept_backoffs += u64::from(rest);
            handler.accept_failed(id, &error);
        }
        if cqueue::more(flags) {
            return;
        }
        if stopping {
            self.listeners.swap_remove(place);
        } else if rest {
            self.listeners[place].state = State::RestingUntil(Instant::now() + BACKOFF);
        } else {
            self.arm_accept(place);
        }
    }

    pub(in crate::driver) fn stop_listening(&mut self, id: ListenerId) {
        let found = self.listeners.iter().position(|other| other.id == id && other.state != State::Stopping);
        let Some(place) = found else { return };
        if self.listeners[place].is_armed() {
            self.listeners[place].state = State::Stopping;
            let target = self.listeners[place].user_data();
            self.cancel(target);
        } else {
            self.listeners.swap_remove(place);
        }
    }

    /// Arms listeners again that have rested long enough.
    #[inline]
    pub(super) fn wake_listeners(&mut self) {
        if self.listeners.iter().any(|listener| !listener.is_armed()) {
            self.wake_rested(Instant::now());
        }
    }

    fn wake_rested(&mut self, now: Instant) {
        for place in 0..self.listeners.len() {
            if let State::RestingUntil(until) = self.listeners[place].state
                && until <= now
            {
                self.arm_accept(place);
            }
        }
    }

    /// How long until a resting listener is to be armed again.
    pub(super) fn next_listener_due(&self) -> Option<Duration> {
        let due = self.listeners.iter().filter_map(|listener| match listener.state {
            State::RestingUntil(until) => Some(until),
            _ => None,
        });
        due.min().map(|until| until.saturating_duration_since(Instant::now()))
    }
}
