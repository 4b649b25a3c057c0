//! Dropping a driver: everything under way is cancelled, and memory that the kernel uses is freed only when it has let go of it.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use io_uring::cqueue;

use super::receive::Receiving;
use super::send::Sending;
use super::{UringDriver, op, user_data};
use crate::driver::Token;

/// The kernel answers cancels at once; after this long something is wrong with it, and leaking is the safe way out.
const PATIENCE: Duration = Duration::from_secs(5);

impl Drop for UringDriver {
    fn drop(&mut self) {
        self.cancel_everything();
        if !self.wait_for_everything() {
            self.leak();
        } else if let Some(buffers) = &self.buffers
            && buffers.unregister(&self.ring.submitter()).is_err()
        {
            self.leak();
        }
    }
}

impl UringDriver {
    fn cancel_everything(&mut self) {
        let mut targets: Vec<u64> = self
            .listeners
            .iter()
            .filter(|listener| listener.is_armed())
            .map(super::Listener::user_data)
            .collect();
        for connection in self.connections.iter_mut() {
            if connection.receiving != Receiving::Idle {
                targets.push(user_data(op::RECEIVE, connection.token.0));
            }
            if connection.sending == Sending::Waiting {
                targets.push(user_data(op::SEND, connection.token.0));
            }
        }
        for target in targets {
            self.cancel(target);
        }
    }

    /// Waits for the last completion of every operation that uses memory or makes a descriptor. False: in vain.
    fn wait_for_everything(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut listeners = self.listeners.iter().filter(|listener| listener.is_armed()).count();
        let mut completed = Vec::new();
        loop {
            // First without waiting: cancels are answered while they are submitted.
            if self.ring.submit_and_wait(0, None).is_err() {
                return false;
            }
            self.ring.take_completions(&mut completed);
            for completion in completed.drain(..) {
                listeners -= usize::from(self.completed_late(&completion));
            }
            if !self.ring.overflowed() {
                self.settle_late();
                let busy = self.connections.iter_mut().any(|connection| !connection.is_idle());
                if !busy && listeners == 0 {
                    return true;
                }
            }
            if Instant::now() > deadline
                || self.ring.submit_and_wait(1, Some(Duration::from_millis(50))).is_err()
            {
                return false;
            }
        }
    }

    /// Notes that an operation is over. True: it was the last completion of a listener.
    fn completed_late(&mut self, completion: &cqueue::Entry) -> bool {
        let more = cqueue::more(completion.flags());
        let connection = self.connections.get(Token(completion.user_data() & Token::MASK));
        match ((completion.user_data() >> 56) as u8, connection) {
            (op::RECEIVE, Some(connection)) if !more => connection.receiving = Receiving::Idle,
            (op::SEND, Some(connection)) => connection.sending = Sending::Idle,
            (op::ACCEPT, _) => {
                if completion.result() >= 0 {
                    // SAFETY: the kernel has just made the descriptor for us. Nobody is left to hand it to.
                    drop(unsafe { OwnedFd::from_raw_fd(completion.result()) });
                }
                return !more;
            }
            _ => {}
        }
        false
    }

    fn settle_late(&mut self) {
        let taken = self.ring.taken();
        while let Some(&(token, place)) = self.at_once.front()
            && place < taken
        {
            self.at_once.pop_front();
            if let Some(connection) = self.connections.get(token)
                && connection.sending == Sending::AtOnce
            {
                connection.sending = Sending::Idle;
            }
        }
    }

    /// Gives up all memory that the kernel may still use.
    fn leak(&mut self) {
        std::mem::forget(self.buffers.take());
        for connection in self.connections.iter_mut() {
            std::mem::forget(std::mem::take(&mut connection.outgoing));
            std::mem::forget(connection.own_buffer.take());
        }
    }
}
