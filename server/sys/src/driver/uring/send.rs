//! Sending. The usual reply fits the socket's buffer: it is sent with `MSG_DONTWAIT`, so that the kernel carries it out while it
//! takes the submission, and with `IOSQE_CQE_SKIP_SUCCESS`, so that it says nothing when all went well. After the entry into the
//! kernel, every such send that it has taken and not complained about is finished: no completion, no further turn of the loop.
//!
//! A complaint (the buffer is full, or has room for a part) turns the send into a waiting one, `MSG_WAITALL` without
//! `MSG_DONTWAIT`: the kernel goes on by itself whenever there is room and completes it once, in its own time, without holding up
//! anybody else. `MSG_WAITALL` on the first send too makes the kernel count a part as a failure, which is never skipped; [`super::probe`]
//! proves it for the kernel at hand, because before Linux 5.19 it was not so.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use super::{UringDriver, error_of, op, user_data};
use crate::driver::{Handler, Sent, Token};

/// What the kernel is doing about a connection's outgoing bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Nothing.
    Idle,
    /// A send that finishes during submission.
    AtOnce,
    /// A send that waits for room.
    Waiting,
}

/// Bytes of one send operation at most; the length field has 32 bits, and the kernel stops at 2 GiB.
const MAX_SEND: usize = 1 << 30;

/// The first attempt: what can be done without waiting.
pub(super) fn at_once(fd: i32, bytes: &[u8]) -> squeue::Entry {
    let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    opcode::Send::new(Fd(fd), bytes.as_ptr(), bytes.len().min(MAX_SEND) as u32).flags(flags).build()
}

fn waiting(fd: i32, bytes: &[u8]) -> squeue::Entry {
    let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    opcode::Send::new(Fd(fd), bytes.as_ptr(), bytes.len().min(MAX_SEND) as u32).flags(flags).build()
}

impl UringDriver {
    pub(in crate::driver) fn send(&mut self, token: Token, buffer: Vec<u8>) -> Sent {
        let connection = self.connections.get(token).unwrap_or_else(|| panic!("send to unknown {token:?}"));
        assert!(!connection.closing, "send to closed {token:?}");
        assert!(connection.sending == Sending::Idle, "{token:?} has a send in flight");
        if buffer.is_empty() {
            return Sent::Done(buffer);
        }
        self.counters.sends += 1;
        // One operation is one attempt: what is longer than an operation cannot be finished at once.
        if !self.ways.ring_send || buffer.len() > MAX_SEND {
            return self.send_directly(token, buffer);
        }
        connection.outgoing = buffer;
        connection.written = 0;
        connection.sending = Sending::AtOnce;
        let mut entry = at_once(connection.socket.as_raw_fd(), &connection.outgoing);
        if self.ways.skip_send_completions {
            entry = entry.flags(squeue::Flags::SKIP_SUCCESS);
        }
        // SAFETY: the buffer's heap memory stays in the connection, untouched, until the send is settled.
        let place =
            unsafe { self.ring.push(entry.user_data(user_data(op::SEND, token.0)), &mut self.counters) };
        self.at_once.push_back((token, place));
        Sent::Pending
    }

    /// send(2), and the ring only for what it leaves.
    fn send_directly(&mut self, token: Token, buffer: Vec<u8>) -> Sent {
        let connection = self.connections.get(token).unwrap_or_else(|| panic!("send to unknown {token:?}"));
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: pointer and length are of one live buffer, which the kernel only reads, during the call.
        let result =
            unsafe { libc::send(connection.socket.as_raw_fd(), buffer.as_ptr().cast(), buffer.len(), flags) };
        let written = match usize::try_from(result) {
            Ok(written) => written,
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
                error => {
                    self.counters.send_errors += 1;
                    return Sent::Failed(buffer, error);
                }
            },
        };
        if written == buffer.len() {
            self.counters.sends_inline += 1;
            self.counters.sent_bytes += buffer.len() as u64;
            return Sent::Done(buffer);
        }
        connection.outgoing = buffer;
        connection.written = written;
        self.send_rest(token);
        Sent::Pending
    }

    /// Goes on with a send that did not fit.
    fn send_rest(&mut self, token: Token) {
        let connection = self.connections.get(token).expect("a connection outlives its operations");
        if connection.sending != Sending::Waiting {
            self.counters.short_sends += 1;
        }
        connection.sending = Sending::Waiting;
        let entry = waiting(connection.socket.as_raw_fd(), &connection.outgoing[connection.written..]);
        // SAFETY: the buffer's heap memory stays in the connection, untouched, until this operation's completion.
        unsafe { self.ring.push(entry.user_data(user_data(op::SEND, token.0)), &mut self.counters) };
    }

    pub(super) fn send_completed<H: Handler>(&mut self, token: Token, result: i32, handler: &mut H) {
        let connection = self.connections.get(token).expect("a connection outlives its operations");
        let retry = match -result {
            libc::EAGAIN | libc::EINTR => true,
            _ if result > 0 => {
                connection.written += result as usize;
                connection.written < connection.outgoing.len()
            }
            _ => false,
        };
        if retry && connection.closing {
            self.send_over(token, Err(io::Error::from_raw_os_error(libc::ECANCELED)), handler);
        } else if retry {
            self.send_rest(token);
        } else if result > 0 {
            self.send_over(token, Ok(()), handler);
        } else if result == 0 {
            self.send_over(token, Err(io::Error::from(io::ErrorKind::WriteZero)), handler);
        } else {
            self.send_over(token, Err(error_of(result)), handler);
        }
    }

    /// Finishes the sends that the kernel has taken and not complained about.
    pub(super) fn settle_sends<H: Handler>(&mut self, handler: &mut H) {
        let taken = self.ring.taken();
        while let Some(&(token, place)) = self.at_once.front()
            && place < taken
        {
            self.at_once.pop_front();
            // A complaint has made it a waiting send; a completion, or the connection's end, nothing at all.
            if self.connections.get(token).is_some_and(|connection| connection.sending == Sending::AtOnce) {
                self.send_over(token, Ok(()), handler);
            }
        }
    }

    fn send_over<H: Handler>(&mut self, token: Token, result: io::Result<()>, handler: &mut H) {
        let connection = self.connections.get(token).expect("a connection outlives its operations");
        let buffer = std::mem::take(&mut connection.outgoing);
        match result {
            Ok(()) => {
                self.counters.sends_inline += u64::from(connection.sending == Sending::AtOnce);
                self.counters.sent_bytes += buffer.len() as u64;
            }
            Err(_) => self.counters.send_errors += 1,
        }
        connection.sending = Sending::Idle;
        let closing = connection.closing;
        handler.sent(token, buffer, result);
        if closing {
            self.finish_if_idle(token, handler);
        }
    }
}
