//! What a driver has done, as plain numbers: the proof that a fast path ran.

/// Declares the counters once: the struct, and the rows that INFO and /metrics are derived from.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of one driver since it was opened. They belong to its thread; copy them to share them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// How many there are.
            pub const COUNT: usize = [$(stringify!($name)),+].len();

            /// Name and value of every counter, in a fixed order.
            #[must_use]
            pub fn rows(&self) -> [(&'static str, u64); Self::COUNT] {
                [$((stringify!($name), self.$name)),+]
            }

            /// Adds another driver's counters, for a sum over threads.
            pub fn add(&mut self, other: &Counters) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

counters! {
    /// Turns of the loop.
    turns,
    /// System calls that wait: `io_uring_enter` or `epoll_wait`. One a turn, but for the exceptions counted below.
    enters,
    /// `io_uring_enter` calls in mid-turn because the submission queue was full.
    submission_flushes,
    /// `io_uring_enter` calls to fetch completions that had overflowed the completion queue.
    completion_flushes,
    /// Completions (io_uring) or readiness events (epoll) seen.
    events,
    /// Connections accepted.
    accepted,
    /// Accept operations armed: with multishot accept one a listener, and one after each error.
    accept_arms,
    /// Accept errors of any kind.
    accept_errors,
    /// Times a listener was put to rest because descriptors or memory had run out.
    accept_backoffs,
    /// `received` calls.
    receives,
    /// Bytes received.
    received_bytes,
    /// Receive operations armed for a connection that had none: registration, resumption.
    receive_arms,
    /// Multishot receives that the kernel ended although the connection goes on, armed again.
    multishot_rearms,
    /// Receives armed again one by one, for want of multishot.
    singleshot_rearms,
    /// Receives that found the provided-buffer ring empty (`ENOBUFS`).
    buffer_exhaustions,
    /// Times more buffers of the provided-buffer ring were put into circulation because they had run out.
    buffer_growths,
    /// Receives that were cancelled to pause reading.
    receive_cancels,
    /// Bytes copied aside because they arrived after a pause.
    held_bytes,
    /// `send` calls with something in them.
    sends,
    /// Bytes handed to the kernel by finished sends.
    sent_bytes,
    /// Sends that were finished at once.
    sends_inline,
    /// Sends that found the socket's buffer full (or too small) and went on when there was room.
    short_sends,
    /// Sends that failed.
    send_errors,
    /// `MSG_RING` messages sent.
    msg_rings_sent,
    /// `MSG_RING` messages received.
    msg_rings_received,
    /// `MSG_RING` messages that failed and were replaced by an eventfd write.
    msg_rings_failed,
    /// Wake-ups by eventfd.
    eventfd_wakeups,
    /// `doorbell` calls.
    doorbells,
    /// `closed` calls.
    closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_sums_cover_the_fields() {
        let mut sum = Counters { turns: 1, closed: 2, ..Counters::default() };
        sum.add(&Counters { turns: 10, closed: 20, ..Counters::default() });
        let rows = sum.rows();
        assert_eq!(rows[0], ("turns", 11));
        assert_eq!(rows[rows.len() - 1], ("closed", 22));
    }
}
