//! The connections that the probe measures: a table of small sets, each connection in a cache line of its own.
//!
//! The way in and the way out may run on two CPUs at once, and no lock is taken. That is safe for these reasons: whoever
//! enters a connection has claimed its place; and a stamp counts only together with a `request` that names the same stamp and
//! the same connection, whatever order the words are seen in.

use crate::flow::hash;
use crate::layout::Address;
use crate::packet::Segment;

/// Connections of a set.
pub const WAYS: usize = 4;
/// Sets of the table.
pub const SETS: usize = 16_384;

/// Nobody's place.
const FREE: u64 = 0;
/// Being written.
const CLAIMED: u64 = 1;
/// In the low half of a connection's [`FlowKey::owner`].
const USED: u64 = 2;

/// A connection, from the client's side to the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    client: [u64; 2],
    server: [u64; 2],
    /// Both ports in the high half, USED in the low one: what its place says.
    owner: u64,
    /// The hash of all that, the same that steers.
    pub hash: u32,
}

impl FlowKey {
    /// The connection of a segment that came in.
    #[inline(always)]
    pub fn received(segment: &Segment) -> Self {
        Self::new(&segment.source, &segment.destination, segment.source_port, segment.destination_port)
    }

    /// The connection of a segment that goes out.
    #[inline(always)]
    pub fn sent(segment: &Segment) -> Self {
        Self::new(&segment.destination, &segment.source, segment.destination_port, segment.source_port)
    }

    #[inline(always)]
    fn new(client: &Address, server: &Address, client_port: u16, server_port: u16) -> Self {
        Self {
            client: client.halves(),
            server: server.halves(),
            owner: u64::from(client_port) << 48 | u64::from(server_port) << 32 | USED,
            hash: hash(client, server, client_port, server_port),
        }
    }

    /// Which set of the table it is in. The hash's high bits choose a thread; these are the low ones.
    #[inline(always)]
    pub const fn set(&self) -> u32 {
        self.hash & (SETS as u32 - 1)
    }

    /// Its place in that set, while nobody else is there.
    #[inline(always)]
    const fn home(&self) -> usize {
        (self.hash / SETS as u32) as usize & (WAYS - 1)
    }
}

/// What the probe knows of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Flow {
    /// When the request under measurement came in (`bpf_ktime_get_ns`); 0 = none is.
    stamp_ns: u64,
    /// [`request`] of that request.
    request: u64,
    client: [u64; 2],
    server: [u64; 2],
    /// FREE, CLAIMED, or the connection's [`FlowKey::owner`].
    owner: u64,
    /// The sequence number after the newest payload received.
    received_end: u32,
    /// The sequence number after the newest payload sent.
    sent_end: u32,
}

/// The connections whose hashes are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowSet {
    /// In no order.
    flows: [Flow; WAYS],
}

/// Writes the third into the word if it holds the second, at one stroke; false if it does not. The kernel's machine can do it,
/// but `core` does not know that.
pub trait Exchange: FnOnce(&mut u64, u64, u64) -> bool {}
impl<F: FnOnce(&mut u64, u64, u64) -> bool> Exchange for F {}

/// What became of a connection that was to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It has a place that was free.
    Free,
    /// It has the place of another, which is no longer measured.
    Displaced,
    /// Another CPU was writing there.
    Refused,
}

/// What a segment that came in was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The first of a request: it is stamped now.
    Stamped,
    /// More of what is stamped already.
    Joined,
    /// Seen before. Which of the two copies a reply would answer, nobody knows: nothing is measured.
    Retransmitted,
}

/// What a segment that goes out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The first of a reply; its request came in at this time.
    Reply(u64),
    /// Nothing that is under measurement: the rest of a reply, or a message that nobody asked for.
    Unasked,
    /// Sent before.
    Again,
}

/// The sequence number after a request in the high half (a reply acknowledges it); in the low half that of its stamp, mixed with
/// the connection's hash. The way in writes this word and the stamp, the way out reads both, in any order: they belong
/// together, and to this connection, exactly when the low half says so.
#[inline(always)]
fn request(end: u32, stamp_ns: u64, hash: u32) -> u64 {
    u64::from(end) << 32 | u64::from(stamp_ns as u32 ^ hash)
}

/// Whether sequence number `a` comes before `b`.
#[inline(always)]
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// One load, which another CPU's store may come before or after.
#[inline(always)]
fn read(word: &u64) -> u64 {
    // SAFETY: a reference is valid and aligned.
    unsafe { core::ptr::read_volatile(word) }
}

/// One store.
#[inline(always)]
fn write(word: &mut u64, value: u64) {
    // SAFETY: a reference is valid and aligned.
    unsafe { core::ptr::write_volatile(word, value) };
}

impl FlowSet {
    /// The connection, if it is at its own place, which nearly every one is as long as the table is not crowded: that takes one cache
    /// line.
    #[inline(always)]
    pub fn at_home(&mut self, key: &FlowKey) -> Option<&mut Flow> {
        let flow = &mut self.flows[key.home()];
        flow.is(key).then_some(flow)
    }

    /// The connection, if it is here.
    #[inline(always)]
    pub fn find(&mut self, key: &FlowKey) -> Option<&mut Flow> {
        self.flows.iter_mut().find(|flow| flow.is(key))
    }

    /// Enters a connection with its first request.
    #[inline(always)]
    pub fn enter(&mut self, key: &FlowKey, segment: &Segment, now: u64, exchange: impl Exchange) -> Entered {
        // The clock's low bits choose who makes room, when nobody has to.
        let mut place = now as usize >> 4 & (WAYS - 1);
        for (i, flow) in self.flows.iter().enumerate() {
            if flow.owner == FREE {
                place = i;
            }
        }
        if self.flows[key.home()].owner == FREE {
            place = key.home();
        }
        self.flows[place & (WAYS - 1)].claim(key, segment, now, exchange)
    }
}

impl Flow {
    #[inline(always)]
    fn is(&self, key: &FlowKey) -> bool {
        self.owner == key.owner
            && self.client[1] == key.client[1]
            && self.server[1] == key.server[1]
            && self.client[0] == key.client[0]
            && self.server[0] == key.server[0]
    }

    #[inline(always)]
    fn claim(&mut self, key: &FlowKey, segment: &Segment, now: u64, exchange: impl Exchange) -> Entered {
        let found = read(&self.owner);
        if found == CLAIMED || !exchange(&mut self.owner, found, CLAIMED) {
            return Entered::Refused;
        }
        write(&mut self.stamp_ns, 0);
        self.client = key.client;
        self.server = key.server;
        self.received_end = segment.end();
        // All before this has been sent, and arrived.
        self.sent_end = segment.acknowledgment;
        self.stamp(segment, key.hash, now);
        write(&mut self.owner, key.owner);
        if found == FREE { Entered::Free } else { Entered::Displaced }
    }

    #[inline(always)]
    fn stamp(&mut self, segment: &Segment, hash: u32, now: u64) {
        // Nobody else writes the stamp while it is 0.
        write(&mut self.request, request(segment.end(), now, hash));
        write(&mut self.stamp_ns, now);
    }

    /// The connection is over.
    #[inline(always)]
    pub fn forget(&mut self) {
        write(&mut self.stamp_ns, 0);
        write(&mut self.owner, FREE);
    }

    /// A segment with payload came in; `now` reads the clock.
    #[inline(always)]
    pub fn receive(&mut self, segment: &Segment, hash: u32, now: impl FnOnce() -> u64) -> Received {
        if before(segment.sequence, self.received_end) {
            write(&mut self.stamp_ns, 0);
            return Received::Retransmitted;
        }
        self.received_end = segment.end();
        if read(&self.stamp_ns) != 0 {
            return Received::Joined;
        }
        self.stamp(segment, hash, now());
        Received::Stamped
    }

    /// A segment with payload goes out.
    #[inline(always)]
    pub fn send(&mut self, segment: &Segment, hash: u32) -> Sent {
        if before(segment.sequence, self.sent_end) {
            return Sent::Again;
        }
        self.sent_end = segment.end();
        let (stamp_ns, expected) = (read(&self.stamp_ns), read(&self.request));
        let end = (expected >> 32) as u32;
        // No request is open, or the stamp is being written, or this was sent before the server had the request.
        if stamp_ns == 0 || expected != request(end, stamp_ns, hash) || before(segment.acknowledgment, end) {
            return Sent::Unasked;
        }
        write(&mut self.stamp_ns, 0);
        Sent::Reply(stamp_ns)
    }
}

const _: () = assert!(size_of::<Flow>() == 64 && size_of::<FlowSet>() == 64 * WAYS);

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment of a client on this port, or the server's to it.
    fn segment(port: u16, sequence: u32, acknowledgment: u32, payload: u32, out: bool) -> Segment {
        let (client, server) = (Address::v4([10, 0, 0, 9]), Address::v4([10, 0, 0, 1]));
        let (source, destination) = if out { (server, client) } else { (client, server) };
        let (source_port, destination_port) = if out { (6379, port) } else { (port, 6379) };
        let flags = crate::packet::ACK;
        let tcp_length = 20 + payload;
        let checksum = 0;
        Segment {
            source,
            destination,
            source_port,
            destination_port,
            sequence,
            acknowledgment,
            flags,
            checksum,
            tcp_length,
            payload,
        }
    }

    fn exchange(word: &mut u64, old: u64, new: u64) -> bool {
        let holds = *word == old;
        if holds {
            *word = new;
        }
        holds
    }

    fn entered(set: &mut FlowSet, port: u16, now: u64) -> (FlowKey, Entered) {
        let request = segment(port, 100, 500, 10, false);
        let key = FlowKey::received(&request);
        (key, set.enter(&key, &request, now, exchange))
    }

    #[test]
    fn both_directions_are_one_connection() {
        let (request, reply) = (segment(7, 1, 1, 1, false), segment(7, 1, 2, 1, true));
        assert_eq!(FlowKey::received(&request), FlowKey::sent(&reply));
        assert_ne!(FlowKey::received(&request), FlowKey::received(&segment(8, 1, 1, 1, false)));
        // Who is the client matters: a server may be a client of its own port's number.
        assert_ne!(FlowKey::received(&request), FlowKey::sent(&request));
    }

    #[test]
    fn a_reply_finds_the_stamp_of_its_request_once() {
        let mut set = FlowSet::default();
        let (key, how) = entered(&mut set, 7, 1_000);
        assert_eq!(how, Entered::Free);
        let flow = set.find(&key).unwrap();
        // Sent before the server had the whole request: a push, or the rest of an older reply.
        assert_eq!(flow.send(&segment(7, 500, 105, 4, true), key.hash), Sent::Unasked);
        assert_eq!(flow.send(&segment(7, 504, 110, 4, true), key.hash), Sent::Reply(1_000));
        assert_eq!(flow.send(&segment(7, 508, 110, 4, true), key.hash), Sent::Unasked);
        assert_eq!(flow.receive(&segment(7, 110, 512, 5, false), key.hash, || 2_000), Received::Stamped);
        assert_eq!(
            flow.receive(&segment(7, 115, 512, 5, false), key.hash, || unreachable!()),
            Received::Joined
        );
        assert_eq!(flow.send(&segment(7, 512, 120, 1, true), key.hash), Sent::Reply(2_000));
    }

    #[test]
    fn what_is_seen_twice_is_not_measured() {
        let mut set = FlowSet::default();
        let (key, _) = entered(&mut set, 7, 1_000);
        let flow = set.find(&key).unwrap();
        assert_eq!(flow.send(&segment(7, 500, 110, 4, true), key.hash), Sent::Reply(1_000));
        assert_eq!(flow.receive(&segment(7, 110, 504, 5, false), key.hash, || 2_000), Received::Stamped);
        // The old reply once more, although it acknowledges the new request.
        assert_eq!(flow.send(&segment(7, 500, 115, 4, true), key.hash), Sent::Again);
        let again = flow.receive(&segment(7, 110, 504, 5, false), key.hash, || unreachable!());
        assert_eq!(again, Received::Retransmitted);
        assert_eq!(flow.send(&segment(7, 504, 115, 4, true), key.hash), Sent::Unasked);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut set = FlowSet::default();
        let first = segment(7, u32::MAX - 4, u32::MAX, 10, false);
        let key = FlowKey::received(&first);
        set.enter(&key, &first, 1_000, exchange);
        let flow = set.find(&key).unwrap();
        assert_eq!(flow.send(&segment(7, u32::MAX, 5, 4, true), key.hash), Sent::Reply(1_000));
        assert_eq!(flow.receive(&segment(7, 5, 3, 5, false), key.hash, || 2_000), Received::Stamped);
        assert_eq!(flow.send(&segment(7, 3, 10, 4, true), key.hash), Sent::Reply(2_000));
    }

    #[test]
    fn a_stamp_of_another_connection_is_nobodys() {
        let mut set = FlowSet::default();
        let (key, _) = entered(&mut set, 7, 1_000);
        let flow = set.find(&key).unwrap();
        // What a CPU sees that reads a place while another fills it for someone else.
        assert_eq!(flow.send(&segment(7, 500, 110, 4, true), key.hash ^ 1), Sent::Unasked);
        assert_eq!(flow.send(&segment(7, 504, 110, 4, true), key.hash), Sent::Reply(1_000));
    }

    #[test]
    fn connections_are_at_home_unless_another_is() {
        let mut set = FlowSet::default();
        let (first, _) = entered(&mut set, 1, 1_000);
        assert!(set.at_home(&first).is_some());
        let same = |port: &u16| FlowKey::received(&segment(*port, 0, 0, 0, false)).home() == first.home();
        let (second, _) = entered(&mut set, (2..).find(same).unwrap(), 1_000);
        assert!(set.at_home(&second).is_none() && set.find(&second).is_some());
        let (third, _) = entered(&mut set, (2..).find(|port| !same(port)).unwrap(), 1_000);
        assert!(set.find(&third).is_some() && set.find(&first).is_some());
    }

    #[test]
    fn a_full_set_displaces_and_a_claimed_place_refuses() {
        let mut set = FlowSet::default();
        for port in 1..=WAYS as u16 {
            assert_eq!(entered(&mut set, port, 1_000).1, Entered::Free);
        }
        let (key, how) = entered(&mut set, 99, 16);
        assert_eq!(how, Entered::Displaced);
        assert!(set.find(&key).is_some());
        let left = (1..=WAYS as u16)
            .filter(|&port| set.find(&FlowKey::received(&segment(port, 0, 0, 0, false))).is_some());
        assert_eq!(left.count(), WAYS - 1);
        set.find(&key).unwrap().forget();
        assert!(set.find(&key).is_none());
        assert_eq!(entered(&mut set, 100, 16).1, Entered::Free);
        set.flows.iter_mut().for_each(|flow| flow.owner = CLAIMED);
        assert_eq!(entered(&mut set, 101, 16).1, Entered::Refused);
    }
}
