//! A client that waits in a blocking command.
//!
//! While a client waits, its session and a copy of its command lie in a [`Waiter`], which stands in the queue of every
//! key that the command waits for. Whoever makes one of these keys ready claims the session, executes the command
//! again for the client, and sends the session home with the reply. The other ways out (a timeout, CLIENT UNBLOCK, the
//! end of the connection) end the wait as well, and exactly one of them does.

use super::inbox::Mail;
use super::registry::Client;
use super::session::{Queued, Session};
use boxcar_resp::{Protocol, Reply};
use boxcar_store::{Kind, Place};
use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The command was executed.
    Served,
    /// The time was up, or CLIENT UNBLOCK said to behave as if.
    TimedOut,
    /// CLIENT UNBLOCK ERROR.
    Unblocked,
    /// The connection ends.
    Left,
}

/// Where the session is.
enum State {
    /// In here: whoever makes a key ready may claim it.
    Waiting(Box<Session>),
    /// With a thread that executes the command. If that leaves the client waiting, the wait ends like this.
    Executing(Option<End>),
    /// In here, on the way home.
    Ended(Settled),
    /// Home.
    Home,
}

/// The end of a wait, for the thread that owns the connection.
pub struct Settled {
    /// How it ended.
    pub end: End,
    /// The connection's session.
    pub session: Box<Session>,
    /// The reply, when the command was executed.
    pub reply: Vec<u8>,
    /// Whether the waiter stands in no queue any more.
    pub left_all: bool,
}

impl Settled {
    fn without_reply(end: End, session: Box<Session>) -> Self {
        Self { end, session, reply: Vec::new(), left_all: false }
    }
}

/// What a client waits for, and what is done then.
pub struct Wish {
    /// The command.
    pub command: Queued,
    /// The protocol of its connection.
    pub protocol: Protocol,
    /// The database of the keys.
    pub db: usize,
    /// Who came first: grows from waiter to waiter, and is drawn while the keys' shards are locked.
    pub ticket: u64,
    /// When the wait ends, in microseconds of the monotonic clock; `None` for never.
    pub deadline_us: Option<u64>,
    /// The kind of value that makes a key ready.
    pub kind: Kind,
    /// Whether every change of a key makes it ready, even its removal.
    pub even_missing: bool,
    /// The keys: which argument, and where the key lives.
    pub keys: SmallVec<[(u32, Place); 1]>,
    /// Shards, beside that of the key which has become ready, that have to be locked to execute the command.
    pub links: SmallVec<[u32; 1]>,
    /// Writes what is answered when the time is up.
    pub timed_out: fn(&mut Reply),
}

/// See the module's text.
pub struct Waiter {
    /// Whose command it is.
    pub client: Arc<Client>,
    wish: Wish,
    /// Never held for longer than it takes to move a pointer.
    state: Mutex<State>,
}

impl Deref for Waiter {
    type Target = Wish;

    fn deref(&self) -> &Wish {
        &self.wish
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("client", &self.client.id).field("ticket", &self.ticket).finish()
    }
}

impl Waiter {
    /// A waiter of `client`, whose session is still with the executing thread: [`Waiter::wait`] follows.
    pub fn new(client: &Arc<Client>, wish: Wish) -> Arc<Self> {
        Arc::new(Self { client: Arc::clone(client), wish, state: Mutex::new(State::Executing(None)) })
    }

    /// The keys it waits for.
    pub fn keys(&self) -> impl Iterator<Item = (&[u8], Place)> {
        self.keys.iter().map(|&(position, place)| {
            let span = self.command.args[position as usize];
            (&self.command.input[span.start as usize..][..span.len as usize], place)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the session for executing the command; `None` when the wait has ended. [`Waiter::wait`] or
    /// [`Waiter::served`] follows.
    pub fn claim(&self) -> Option<Box<Session>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Executing(None)) {
            State::Waiting(session) => Some(session),
            other => {
                *state = other;
                None
            }
        }
    }

    /// The command was executed and the client waits (on). False when something ended the wait meanwhile.
    pub fn wait(&self, session: Box<Session>) -> bool {
        let mut state = self.state();
        let State::Executing(ended) = *state else { unreachable!("only who has the session lets it wait") };
        match ended {
            None => *state = State::Waiting(session),
            Some(end) => self.settle(&mut state, Settled::without_reply(end, session)),
        }
        ended.is_none()
    }

    /// The command was executed, with this reply; `left_all` says whether the waiter stands in no queue any more.
    pub fn served(&self, session: Box<Session>, reply: Vec<u8>, left_all: bool) {
        let mut state = self.state();
        assert!(matches!(*state, State::Executing(_)), "only who has the session is served");
        self.settle(&mut state, Settled { end: End::Served, session, reply, left_all });
    }

    /// Ends the wait for another reason; false when it has ended already.
    pub fn end(&self, end: End) -> bool {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Home) {
            State::Waiting(session) => {
                self.settle(&mut state, Settled::without_reply(end, session));
                true
            }
            // The thread that executes the command sees it, unless the client is served.
            State::Executing(before) => {
                *state = State::Executing(Some(before.unwrap_or(end)));
                before.is_none()
            }
            over => {
                *state = over;
                false
            }
        }
    }

    fn settle(&self, state: &mut State, settled: Settled) {
        *state = State::Ended(settled);
        let (inbox, token) = self.client.wake_target();
        inbox.post(Mail::Unblocked(token));
    }

    /// Whether the wait has ended.
    pub fn has_ended(&self) -> bool {
        matches!(*self.state(), State::Ended(_) | State::Home)
    }

    /// Takes the session home; `None` while the client waits.
    pub fn take_home(&self) -> Option<Settled> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Home) {
            State::Ended(settled) => Some(settled),
            other => {
                *state = other;
                None
            }
        }
    }
}

#[cfg(test)]
impl Waiter {
    /// A waiter of a client of its own, changed as the test wishes, with the client's session and inbox.
    pub(crate) fn sample(change: impl FnOnce(&mut Wish)) -> (Arc<Self>, Box<Session>, Arc<super::Inbox>) {
        use boxcar_sys::{Backend, Driver, DriverOptions, Token};
        let driver = Driver::open(Backend::Epoll, &DriverOptions::default()).expect("epoll is always there");
        let inbox = super::inbox::Inboxes::new(1).open(0, driver.doorbell());
        let origin = super::registry::Origin {
            address: "127.0.0.1:50000".to_owned(),
            local_address: "127.0.0.1:6379".to_owned(),
            fd: 8,
            flags: super::ClientFlags::empty(),
            inbox: Arc::clone(&inbox),
            token: Token(7),
        };
        let client = super::registry::Clients::default().register(origin, 0);
        let mut wish = Wish {
            command: Queued { command: 0, input: Box::default(), args: Box::default() },
            protocol: Protocol::Resp2,
            db: 0,
            ticket: 0,
            deadline_us: None,
            kind: Kind::List,
            even_missing: false,
            keys: SmallVec::new(),
            links: SmallVec::new(),
            timed_out: |reply| reply.null_array(),
        };
        change(&mut wish);
        (Self::new(&client, wish), Box::new(Session::new(client, true)), inbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxcar_resp::Span;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    /// How often the client's thread was told that the wait is over.
    fn letters(inbox: &super::super::Inbox) -> usize {
        std::iter::from_fn(|| inbox.take()).filter(|mail| matches!(mail, Mail::Unblocked(_))).count()
    }

    #[test]
    fn a_session_waits_is_claimed_and_comes_home_with_the_reply() {
        let (waiter, session, inbox) = Waiter::sample(|_| {});
        assert!(waiter.claim().is_none(), "the session is with who executes");
        assert!(waiter.take_home().is_none());
        assert!(waiter.wait(session));
        let session = waiter.claim().expect("it waits");
        assert!(waiter.claim().is_none(), "there is one session");
        assert!(waiter.wait(session), "it keeps its place");
        let session = waiter.claim().expect("it waits on");
        assert!(!waiter.has_ended() && letters(&inbox) == 0);
        waiter.served(session, b"reply".to_vec(), true);
        assert!(waiter.has_ended() && waiter.claim().is_none());
        let settled = waiter.take_home().expect("served");
        assert_eq!((settled.end, &*settled.reply, settled.left_all), (End::Served, &b"reply"[..], true));
        assert!(waiter.take_home().is_none() && waiter.has_ended());
        assert_eq!(letters(&inbox), 1);
        assert!(!waiter.end(End::TimedOut), "home is home");
    }

    #[test]
    fn an_end_that_meets_an_execution_counts_unless_the_client_is_served() {
        let (waiter, session, inbox) = Waiter::sample(|_| {});
        assert!(waiter.end(End::Unblocked));
        assert!(!waiter.end(End::TimedOut), "the first end counts");
        assert!(!waiter.has_ended() && letters(&inbox) == 0, "the session is not here");
        assert!(!waiter.wait(session), "the wait is over before it has begun");
        assert_eq!(waiter.take_home().map(|settled| settled.end), Some(End::Unblocked));
        assert_eq!(letters(&inbox), 1);

        let (waiter, session, inbox) = Waiter::sample(|_| {});
        assert!(waiter.wait(session));
        let session = waiter.claim().expect("it waits");
        assert!(waiter.end(End::TimedOut));
        waiter.served(session, Vec::new(), false);
        assert_eq!(waiter.take_home().map(|settled| settled.end), Some(End::Served));
        assert_eq!(letters(&inbox), 1);
    }

    #[test]
    fn of_all_who_race_one_gets_the_session() {
        for _ in 0..200 {
            let (waiter, session, inbox) = Waiter::sample(|_| {});
            assert!(waiter.wait(session));
            let (start, served, ended) = (Barrier::new(4), AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for end in [None, None, Some(End::TimedOut), Some(End::Left)] {
                    let (waiter, start, served, ended) = (&waiter, &start, &served, &ended);
                    scope.spawn(move || {
                        start.wait();
                        match end {
                            Some(end) => _ = ended.fetch_add(usize::from(waiter.end(end)), Relaxed),
                            None => {
                                if let Some(session) = waiter.claim() {
                                    waiter.served(session, Vec::new(), true);
                                    served.fetch_add(1, Relaxed);
                                }
                            }
                        }
                    });
                }
            });
            let end = waiter.take_home().expect("somebody has ended it").end;
            assert_eq!((end == End::Served, letters(&inbox)), (served.load(Relaxed) == 1, 1));
            assert!(served.load(Relaxed) + ended.load(Relaxed) >= 1 && served.load(Relaxed) <= 1);
        }
    }

    #[test]
    fn a_waiter_knows_its_keys() {
        let place = |shard| Place { hash: 1, shard };
        let (waiter, _, _) = Waiter::sample(|wish| {
            wish.command.input = b"BLPOPonetwo0".as_slice().into();
            let spans = [(0, 5), (5, 3), (8, 3), (11, 1)].map(|(start, len)| Span { start, len });
            wish.command.args = spans.as_slice().into();
            wish.keys = [(1, place(4)), (2, place(5))].into_iter().collect();
        });
        let keys: Vec<_> = waiter.keys().collect();
        assert_eq!(keys, [(&b"one"[..], place(4)), (b"two", place(5))]);
    }
}
