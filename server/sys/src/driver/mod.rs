//! The I/O event loop of one thread: the [`Driver`], and the [`Handler`] it calls.
//!
//! ```text
//!            turn(wait, handler)                       between two turns
//!   ┌───────────────────────────────────┐   ┌─────────────────────────────────────┐
//!   │ one io_uring_enter or epoll_wait  │   │ send, register, pause_reading,      │
//!   │ accepted, received, read_closed,  │──▶│ resume_reading, shutdown_write,     │──▶ next turn
//!   │ sent, doorbell, closed            │   │ close, listen, ring                 │
//!   └───────────────────────────────────┘   └─────────────────────────────────────┘
//! ```
//!
//! The handler is called only from inside [`Driver::turn`], and the driver can only be told to do something between two
//! turns; so no call ever re-enters another. What is asked between two turns is carried out together with the next turn's
//! single system call (io_uring) or at once (epoll).
//!
//! **The life of a connection.** [`Driver::register`] starts reading. From then on the handler sees `received` any number
//! of times and at most one `read_closed`; each `send` is answered by its own return value or by exactly one `sent`. After
//! [`Driver::close`] there is neither `received` nor `read_closed` any more, at most one `sent` for a send that was in
//! flight, and then exactly one `closed`, always from a later turn. Only then may the token's index be used again.

mod counters;
mod doorbell;
mod epoll;
mod listener;
mod options;
mod table;
mod token;
mod uring;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

pub use counters::Counters;
pub use doorbell::Doorbell;
pub use epoll::EpollDriver;
pub use options::{Backend, DriverError, DriverOptions, Feature, Toggles};
pub use token::{ListenerId, Token};
pub use uring::UringDriver;

/// Whether a driver goes on reading from a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Deliver what arrives next, too.
    Continue,
    /// Stop, as [`Driver::pause_reading`] does.
    Pause,
}

/// How long a turn may sleep when nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until something happens.
    Forever,
    /// At most this long.
    For(Duration),
    /// Not at all: deliver what is there and return.
    Poll,
}

/// What became of a [`Driver::send`].
#[derive(Debug)]
#[must_use]
pub enum Sent {
    /// Everything was handed to the kernel at once; the buffer comes back.
    Done(Vec<u8>),
    /// [`Handler::sent`] will bring the buffer back.
    Pending,
    /// The socket is broken; the buffer comes back, some of it may have been sent.
    Failed(Vec<u8>, io::Error),
}

/// What a driver calls during a turn.
pub trait Handler {
    /// A connection was accepted. Tokens are the handler's to give: it calls [`Driver::register`] after the turn.
    /// Listener options that sockets inherit (`TCP_NODELAY`, keepalive) are in force already.
    fn accepted(&mut self, listener: ListenerId, socket: OwnedFd);

    /// Accepting failed (out of descriptors, out of memory, ...). The driver has backed off by itself and will try
    /// again; this is for the log.
    fn accept_failed(&mut self, listener: ListenerId, error: &io::Error) {
        let _ = (listener, error);
    }

    /// Bytes have arrived: at least one, and no more than fit one receive buffer. The slice is the handler's to
    /// scribble on until it returns; then the buffer goes back to the kernel.
    fn received(&mut self, token: Token, data: &mut [u8]) -> Reading;

    /// The peer has finished sending (`None`) or reading failed. There is no further `received` for this token. The
    /// other direction still works after `None`.
    fn read_closed(&mut self, token: Token, error: Option<io::Error>);

    /// A send that was [`Sent::Pending`] is over: all of the buffer is in the kernel's hands, or the socket failed.
    fn sent(&mut self, token: Token, buffer: Vec<u8>, result: io::Result<()>);

    /// Somebody rang this driver's [`Doorbell`], once or many times, since the last call.
    fn doorbell(&mut self);

    /// The kernel holds nothing of this connection any more, its descriptor is closed, and the token's index is free.
    fn closed(&mut self, token: Token);
}

/// The event loop of one thread. It belongs to the thread that opened it (it is not `Send`).
#[derive(Debug)]
pub enum Driver {
    /// Completions, over io_uring(7).
    Uring(Box<UringDriver>),
    /// Readiness, over epoll(7).
    Epoll(Box<EpollDriver>),
}

/// Calls the same method of whichever driver it is.
macro_rules! each {
    ($self:expr, $driver:ident => $call:expr) => {
        match $self {
            Driver::Uring($driver) => $call,
            Driver::Epoll($driver) => $call,
        }
    };
}

impl Driver {
    /// Opens a driver. Call it on the thread that will use it: io_uring's `SINGLE_ISSUER` binds a ring to the thread
    /// that made it.
    ///
    /// # Errors
    /// The backend as a whole is not to be had (forbidden, too old a kernel, no memory). A missing single feature is no
    /// error: it is replaced by its fallback and shown by [`Driver::features`].
    pub fn open(backend: Backend, options: &DriverOptions) -> Result<Driver, DriverError> {
        options.validate()?;
        match backend {
            Backend::IoUring => Ok(Driver::Uring(Box::new(UringDriver::open(options)?))),
            Backend::Epoll => Ok(Driver::Epoll(Box::new(EpollDriver::open(options)?))),
        }
    }

    /// Carries out what was asked since the last turn, sleeps until something has happened (or as long as `wait` allows),
    /// and delivers what has happened. One `io_uring_enter` or one `epoll_wait`.
    ///
    /// # Errors
    /// Only what means that the driver itself is broken; an error of one socket goes to that socket's events.
    pub fn turn<H: Handler>(&mut self, wait: Wait, handler: &mut H) -> io::Result<()> {
        each!(self, driver => driver.turn(wait, handler))
    }

    /// Starts accepting from a listening socket (see [`crate::socket`]).
    ///
    /// # Panics
    /// When the id is in use.
    pub fn listen(&mut self, id: ListenerId, socket: OwnedFd) {
        each!(self, driver => driver.listen(id, socket));
    }

    /// Stops accepting. There is no further `accepted` for this id, and the socket is closed at the latest by the
    /// second turn from now. The id may be used again at once. Unknown ids are ignored.
    pub fn stop_listening(&mut self, id: ListenerId) {
        each!(self, driver => driver.stop_listening(id));
    }

    /// Takes over a connected stream socket and starts reading from it.
    ///
    /// # Panics
    /// When the token's index is at or above [`DriverOptions::max_connections`] or is in use.
    pub fn register(&mut self, token: Token, socket: OwnedFd) {
        each!(self, driver => driver.register(token, socket));
    }

    /// Sends a buffer. An empty buffer is `Done` at once.
    ///
    /// # Panics
    /// When the token is unknown or closing, or a send of it is still in flight.
    pub fn send(&mut self, token: Token, buffer: Vec<u8>) -> Sent {
        each!(self, driver => driver.send(token, buffer))
    }

    /// Stops delivering `received` and `read_closed` until [`Driver::resume_reading`]. Bytes that the kernel has
    /// already handed over wait in the driver (at most one receive-buffer ring's worth), the rest stays in the socket and so
    /// slows the peer down. Unknown tokens are ignored.
    pub fn pause_reading(&mut self, token: Token) {
        each!(self, driver => driver.pause_reading(token));
    }

    /// Undoes [`Driver::pause_reading`] (or [`Reading::Pause`]). Unknown tokens are ignored.
    pub fn resume_reading(&mut self, token: Token) {
        each!(self, driver => driver.resume_reading(token));
    }

    /// Tells the peer that nothing more will be sent; call it when no send is in flight. Unknown tokens are ignored.
    pub fn shutdown_write(&mut self, token: Token) {
        each!(self, driver => driver.shutdown_write(token));
    }

    /// Gives the connection up: cancels what is in flight and closes the socket. `closed` follows from a later turn.
    ///
    /// # Panics
    /// When the token is unknown or was closed before.
    pub fn close(&mut self, token: Token) {
        each!(self, driver => driver.close(token));
    }

    /// This driver's doorbell, for other threads.
    #[must_use]
    pub fn doorbell(&self) -> Doorbell {
        each!(self, driver => driver.doorbell())
    }

    /// Rings another driver's doorbell. Between two io_uring drivers this is a message from ring to ring that leaves
    /// with this driver's next turn; otherwise it is [`Doorbell::ring`].
    pub fn ring(&mut self, other: &Doorbell) {
        each!(self, driver => driver.ring(other));
    }

    /// Gives back memory that only what was received before has needed. What is received next takes it anew, a page fault for
    /// each 4 KiB.
    pub fn release_memory(&mut self) {
        each!(self, driver => driver.release_memory());
    }

    /// Which kind this driver is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self {
            Driver::Uring(_) => Backend::IoUring,
            Driver::Epoll(_) => Backend::Epoll,
        }
    }

    /// Which kernel features were wanted, which are in use, and why not.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        each!(self, driver => driver.features())
    }

    /// What the driver has done so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        each!(self, driver => driver.counters())
    }
}
