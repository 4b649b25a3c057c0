//! Receiving: arming, delivering, pausing, ending.
//!
//! A pause costs nothing by itself: the receive stays armed. Only when bytes arrive during the pause are they copied aside and the
//! receive cancelled, so that the rest stays in the socket. The cancel goes with the next entry into the kernel and is carried out
//! there before anything else is received, so what is copied aside is bounded by the completions of one turn.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode, squeue};

use super::buffers::GROUP;
use super::{UringDriver, error_of, op, user_data};
use crate::driver::{Handler, Reading, Token};

/// What the kernel is doing about a connection's incoming bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    /// Nothing.
    Idle,
    /// Waiting for them.
    Armed,
    /// Asked to give up waiting; a last completion will come.
    Cancelling,
}

/// What arrived after a pause.
#[derive(Debug, Default)]
pub(super) struct Held {
    data: Vec<u8>,
    delivered: usize,
    /// The end or an error came as well, after the data.
    end: Option<Option<io::Error>>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.delivered == self.data.len() && self.end.is_none()
    }
}

impl UringDriver {
    /// Arms a receive for a connection that has none.
    pub(super) fn arm_receive(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        assert!(connection.receiving == Receiving::Idle, "{token:?} has a receive already");
        connection.receiving = Receiving::Armed;
        let fd = Fd(connection.socket.as_raw_fd());
        let entry = match (&self.buffers, self.ways.multishot_receive) {
            (Some(_), true) => opcode::RecvMulti::new(fd, GROUP).build(),
            (Some(_), false) => {
                let room = self.receive_buffer_size as u32;
                let receive = opcode::Recv::new(fd, std::ptr::null_mut(), room).buf_group(GROUP).build();
                receive.flags(squeue::Flags::BUFFER_SELECT)
            }
            (None, _) => {
                let size = self.receive_buffer_size;
                let buffer = connection.own_buffer.get_or_insert_with(|| vec![0; size].into_boxed_slice());
                opcode::Recv::new(fd, buffer.as_mut_ptr(), size as u32).build()
            }
        };
        // SAFETY: the buffers of the ring live as long as the driver, a connection's own buffer until the connection is removed,
        // which waits for this operation's completion.
        unsafe { self.ring.push(entry.user_data(user_data(op::RECEIVE, token.0)), &mut self.counters) };
    }

    pub(super) fn receive_completed<H: Handler>(
        &mut self,
        token: Token,
        result: i32,
        flags: u32,
        handler: &mut H,
    ) {
        let more = cqueue::more(flags);
        let connection = self.connections.get(token).expect("a connection outlives its operations");
        if !more {
            connection.receiving = Receiving::Idle;
        }
        let buffer = cqueue::buffer_select(flags);
        if result > 0 {
            self.deliver(token, buffer, result as usize, handler);
        }
        if let (Some(buffer), Some(buffers)) = (buffer, &mut self.buffers) {
            buffers.recycle(buffer);
        }
        if result <= 0 {
            self.receive_stopped(token, result, handler);
        }
        if !more {
            self.receive_over(token, result, handler);
        }
    }

    /// Hands arrived bytes to the handler, or copies them aside during a pause.
    #[inline]
    fn deliver<H: Handler>(&mut self, token: Token, buffer: Option<u16>, len: usize, handler: &mut H) {
        self.counters.receives += 1;
        self.counters.received_bytes += len as u64;
        let connection = self.connections.get(token).expect("a connection outlives its operations");
        if connection.closing {
            return;
        }
        let data = match (buffer, &mut self.buffers, &mut connection.own_buffer) {
            // SAFETY: the completion has just given us this buffer, and it is recycled after this call.
            (Some(buffer), Some(buffers), _) => unsafe { buffers.received(buffer, len) },
            (None, None, Some(own)) => &mut own[..len],
            _ => unreachable!("bytes in neither the ring's nor the connection's buffer"),
        };
        if connection.reading && connection.held.is_none() {
            connection.reading = handler.received(token, data) == Reading::Continue;
            return;
        }
        connection.held.get_or_insert_default().data.extend_from_slice(data);
        self.counters.held_bytes += len as u64;
        if connection.receiving == Receiving::Armed {
            connection.receiving = Receiving::Cancelling;
            self.counters.receive_cancels += 1;
            self.cancel(user_data(op::RECEIVE, token.0));
        }
    }

    /// A receive has ended without bytes.
    fn receive_stopped<H: Handler>(&mut self, token: Token, result: i32, handler: &mut H) {
        let end = match -result {
            0 => None,
            libc::ENOBUFS => {
                self.counters.buffer_exhaustions += 1;
                if let Some(buffers) = &mut self.buffers {
                    buffers.note_exhaustion();
                }
                return;
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => return,
            _ => Some(error_of(result)),
        };
        let Some(connection) = self.connections.get(token).filter(|connection| !connection.closing) else {
            return;
        };
        if connection.ended {
            return;
        }
        connection.ended = true;
        if connection.reading && connection.held.is_none() {
            handler.read_closed(token, end);
        } else {
            connection.held.get_or_insert_default().end = Some(end);
        }
    }

    /// The kernel does not watch the socket any more: watch it again, unless there is a reason not to.
    fn receive_over<H: Handler>(&mut self, token: Token, result: i32, handler: &mut H) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.closing {
            self.finish_if_idle(token, handler);
        } else if connection.reading && !connection.ended {
            if !self.ways.multishot_receive {
                self.counters.singleshot_rearms += 1;
            } else if result != -libc::ECANCELED {
                self.counters.multishot_rearms += 1;
            }
            self.arm_receive(token);
        }
    }

    pub(in crate::driver) fn pause_reading(&mut self, token: Token) {
        if let Some(connection) = self.connections.get(token) {
            connection.reading = false;
        }
    }

    pub(in crate::driver) fn resume_reading(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token).filter(|c| !c.closing && !c.reading) else {
            return;
        };
        connection.reading = true;
        if connection.held.is_some() {
            self.resumed.push(token);
        } else if connection.receiving == Receiving::Idle && !connection.ended {
            self.counters.receive_arms += 1;
            self.arm_receive(token);
        }
    }

    /// Delivers what was held back from connections that were resumed.
    pub(super) fn deliver_held<H: Handler>(&mut self, handler: &mut H) -> bool {
        let delivered = !self.resumed.is_empty();
        for token in std::mem::take(&mut self.resumed) {
            self.deliver_held_of(token, handler);
        }
        delivered
    }

    fn deliver_held_of<H: Handler>(&mut self, token: Token, handler: &mut H) {
        let Some(connection) = self.connections.get(token).filter(|connection| !connection.closing) else {
            return;
        };
        let Some(held) = &mut connection.held else { return };
        while connection.reading && held.delivered < held.data.len() {
            let end = held.data.len().min(held.delivered + self.receive_buffer_size);
            let piece = &mut held.data[held.delivered..end];
            held.delivered = end;
            connection.reading = handler.received(token, piece) == Reading::Continue;
        }
        if connection.reading
            && let Some(end) = held.end.take()
        {
            handler.read_closed(token, end);
        }
        if held.is_empty() {
            connection.held = None;
            if connection.reading && !connection.ended && connection.receiving == Receiving::Idle {
                self.counters.receive_arms += 1;
                self.arm_receive(token);
            }
        }
    }
}
