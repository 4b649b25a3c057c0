//! Finding out what the kernel really does, by trying it once on sockets of our own, before the driver depends on it. A version number
//! or an operation's mere presence would not tell: vendors backport, sandboxes filter, and the meaning of flags has changed.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{cqueue, opcode, squeue};
use socket2::{Domain, SockRef, Socket, Type};

use super::buffers::{BufferRing, GROUP};
use super::ring::Ring;
use super::{Ways, error_of, op, send, user_data};
use crate::driver::{Counters, DriverError, DriverOptions, Feature, Toggles};

/// An answer that takes longer than this is none. Everything tried here completes without waiting for anybody.
const PATIENCE: Duration = Duration::from_secs(1);

/// More than the smallest socket buffer holds, so that a send of this much cannot be finished at once.
const TOO_MUCH: usize = 256 * 1024;

/// What a trial says: how well it went, or why not.
type Verdict = Result<&'static str, String>;

/// Tries every wanted feature; what came of each is added to `features`.
pub(super) fn probe(
    ring: &mut Ring,
    options: &DriverOptions,
    features: &mut Vec<Feature>,
) -> Result<(Ways, Option<BufferRing>), DriverError> {
    let wanted = options.toggles;
    let (size, count) = (options.receive_buffer_size, options.receive_buffer_count);
    let mut buffers = None;
    let has_buffers = decide(features, "buffer_ring", wanted.buffer_ring, || {
        buffers = Some(
            BufferRing::register(&ring.submitter(), size, count).map_err(|e| format!("{e} (Linux 5.19)"))?,
        );
        Ok("receive buffers belong to the thread")
    });
    let mut trial = Trial { ring, counters: Counters::default(), seen: Vec::new() };
    let ways = trial.ways(&wanted, features, buffers.as_mut().filter(|_| has_buffers));
    trial.finish()?;
    Ok((ways, buffers))
}

/// Carries out a trial if the feature is wanted, and writes the feature's row.
fn decide(
    features: &mut Vec<Feature>,
    name: &'static str,
    wanted: bool,
    trial: impl FnOnce() -> Verdict,
) -> bool {
    let verdict = if wanted { trial() } else { Err("switched off".to_owned()) };
    let active = verdict.is_ok();
    let reason = verdict.map_or_else(|why| why, str::to_owned);
    features.push(Feature { name, wanted, active, reason });
    active
}

/// For `map_err`: what failed while setting a trial up.
fn because(step: &'static str) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{step}: {error}")
}

struct Trial<'a> {
    ring: &'a mut Ring,
    counters: Counters,
    seen: Vec<cqueue::Entry>,
}

impl Trial<'_> {
    fn ways(
        &mut self,
        wanted: &Toggles,
        features: &mut Vec<Feature>,
        buffers: Option<&mut BufferRing>,
    ) -> Ways {
        Ways {
            multishot_receive: decide(features, "multishot_receive", wanted.multishot_receive, || {
                match buffers {
                    Some(buffers) => self.multishot_receive(buffers),
                    None => Err("needs buffer_ring".to_owned()),
                }
            }),
            multishot_accept: decide(features, "multishot_accept", wanted.multishot_accept, || {
                self.multishot_accept()
            }),
            ring_send: decide(features, "ring_send", wanted.ring_send, || {
                Ok("sends share the turn's system call")
            }),
            skip_send_completions: decide(
                features,
                "skip_send_completions",
                wanted.skip_send_completions,
                || self.skip_send_completions(),
            ),
            msg_ring: decide(features, "msg_ring", wanted.msg_ring, || self.msg_ring()),
        }
    }

    /// Submits an operation and waits for one completion, of it or of an earlier one.
    ///
    /// # Safety
    /// As [`Ring::push`].
    unsafe fn submit(&mut self, entry: squeue::Entry, want: u32) -> Result<(), String> {
        // SAFETY: passed on to the caller.
        unsafe { self.ring.push(entry, &mut self.counters) };
        self.wait(want).map_err(because("io_uring_enter"))
    }

    fn wait(&mut self, want: u32) -> io::Result<()> {
        self.ring.submit_and_wait(want, Some(PATIENCE))?;
        self.ring.take_completions(&mut self.seen);
        Ok(())
    }

    /// Takes the first completion of an operation kind out of those seen, waiting for it if need be.
    fn completion(&mut self, op: u8) -> Result<(i32, u32), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(place) = self.seen.iter().position(|entry| entry.user_data() == user_data(op, 0)) {
                let entry = self.seen.remove(place);
                return Ok((entry.result(), entry.flags()));
            }
            if Instant::now() >= deadline {
                return Err("no answer".to_owned());
            }
            self.wait(1).map_err(because("io_uring_enter"))?;
        }
    }

    fn multishot_receive(&mut self, buffers: &mut BufferRing) -> Verdict {
        let (here, there) = UnixStream::pair().map_err(because("socketpair"))?;
        io::Write::write_all(&mut &there, b"x").map_err(because("write"))?;
        let entry =
            opcode::RecvMulti::new(Fd(here.as_raw_fd()), GROUP).build().user_data(user_data(op::RECEIVE, 0));
        // SAFETY: the buffers belong to the caller, who keeps them as long as the ring.
        unsafe { self.submit(entry, 1)? };
        let (result, flags) = self.completion(op::RECEIVE)?;
        if let Some(buffer) = cqueue::buffer_select(flags) {
            buffers.recycle(buffer);
        }
        if !cqueue::more(flags) {
            return Err(match result {
                ..0 => format!("{} (Linux 6.0)", error_of(result)),
                _ => "taken as a single receive (Linux 6.0)".to_owned(),
            });
        }
        drop(there);
        while cqueue::more(self.completion(op::RECEIVE)?.1) {}
        Ok("a receive stays armed")
    }

    fn multishot_accept(&mut self) -> Verdict {
        let listener = unnamed_listener().map_err(because("listen"))?;
        let address = SockRef::from(&listener).local_addr().map_err(because("getsockname"))?;
        let client = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None).map_err(because("socket"))?;
        client.connect(&address).map_err(because("connect"))?;
        let flags = libc::SOCK_CLOEXEC;
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(flags).build();
        // SAFETY: the operation points to no memory.
        unsafe { self.submit(entry.user_data(user_data(op::ACCEPT, 0)), 1)? };
        let (result, flags) = self.completion(op::ACCEPT)?;
        if result >= 0 {
            // SAFETY: the kernel has just made the descriptor for us.
            drop(unsafe { OwnedFd::from_raw_fd(result) });
        }
        if !cqueue::more(flags) {
            return Err(match result {
                ..0 => format!("{} (Linux 5.19)", error_of(result)),
                _ => "taken as a single accept (Linux 5.19)".to_owned(),
            });
        }
        let cancel =
            opcode::AsyncCancel::new(user_data(op::ACCEPT, 0)).build().user_data(user_data(op::CANCEL, 0));
        // SAFETY: the operation points to no memory.
        unsafe { self.submit(cancel, 1)? };
        while cqueue::more(self.completion(op::ACCEPT)?.1) {}
        Ok("an accept stays armed")
    }

    /// What must hold: a send that succeeds says nothing, one that succeeds in part speaks up.
    fn skip_send_completions(&mut self) -> Verdict {
        let (here, there) = UnixStream::pair().map_err(because("socketpair"))?;
        let name = user_data(op::SEND, 0);
        let mut attempt = |bytes: &[u8]| {
            let entry =
                send::at_once(here.as_raw_fd(), bytes).flags(squeue::Flags::SKIP_SUCCESS).user_data(name);
            // SAFETY: the operation does not wait, so it is over before this returns, and the bytes live longer.
            unsafe { self.submit(entry, 0)? };
            let place = self.seen.iter().position(|entry| entry.user_data() == name);
            Ok::<_, String>(place.map(|place| self.seen.remove(place).result()))
        };
        if let Some(result) = attempt(b"x")? {
            return Err(format!("a whole send answered {result} (Linux 5.17)"));
        }
        let mut byte = [0];
        there.set_nonblocking(true).map_err(because("fcntl"))?;
        io::Read::read_exact(&mut &there, &mut byte).map_err(because("the send was not carried out"))?;
        SockRef::from(&here).set_send_buffer_size(1).map_err(because("SO_SNDBUF"))?;
        match attempt(&vec![0; TOO_MUCH])? {
            Some(result) if (1..TOO_MUCH as i32).contains(&result) || result == -libc::EAGAIN => {
                Ok("no completion for a send that succeeds at once")
            }
            Some(result) => Err(format!("a send in part answered {result} (Linux 5.19)")),
            None => Err("a send in part says nothing (Linux 5.19)".to_owned()),
        }
    }

    fn msg_ring(&mut self) -> Verdict {
        let ring = self.ring.duplicate_fd().map_err(because("fcntl"))?;
        let entry =
            opcode::MsgRingData::new(Fd(ring.as_raw_fd()), 0, user_data(op::MESSAGE, 0), None).build();
        let entry = entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(user_data(op::MESSAGE_FAILED, 0));
        // SAFETY: the operation points to no memory.
        unsafe { self.submit(entry, 1)? };
        match self.completion(op::MESSAGE) {
            Ok(_) => Ok("doorbells go from ring to ring"),
            Err(none) => match self.completion(op::MESSAGE_FAILED) {
                Ok((result, _)) => Err(format!("{} (Linux 5.18)", error_of(result))),
                Err(_) => Err(none),
            },
        }
    }

    /// Nothing of the trials may be left in the ring when the driver starts.
    fn finish(mut self) -> Result<(), DriverError> {
        self.wait(0).map_err(DriverError::call("io_uring_enter"))?;
        match self.seen.iter().find(|entry| entry.user_data() >> 56 != u64::from(op::CANCEL)) {
            None => Ok(()),
            Some(_) => Err(DriverError::Unsupported {
                missing: "the manners to answer each operation as often as agreed",
            }),
        }
    }
}

/// A listening unix socket whose address, outside the file system, is the kernel's choice (unix(7), autobind).
fn unnamed_listener() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    let family = libc::AF_UNIX as libc::sa_family_t;
    // SAFETY: the address is valid for the call and as long as is said.
    let result =
        unsafe { libc::bind(socket.as_raw_fd(), (&raw const family).cast(), size_of_val(&family) as u32) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    socket.listen(1)?;
    Ok(socket)
}
