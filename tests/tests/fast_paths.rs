//! Counters prove that the fast paths run: a fallback that nobody notices is a fallback that somebody pays for.
#![forbid(unsafe_code)]

use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Server, in_every_configuration};
use nix::unistd::{SysconfVar, sysconf};
use std::collections::HashMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

in_every_configuration!(idle_costs_nothing, a_pipeline_is_answered_by_few_sends);

/// Counters are published ten times a second.
const PUBLISHED: Duration = Duration::from_millis(250);

const IO_URING: Configuration = Configuration { dispatch: "inline", network: "io_uring" };

/// The drivers' counters.
struct Counters(HashMap<String, u64>);

impl Counters {
    fn of(client: &mut Client) -> Self {
        sleep(PUBLISHED);
        let text = client.call(["INFO", "network"]).to_text();
        let fields = text.lines().filter_map(|line| line.trim().strip_prefix("network_")?.split_once(':'));
        Self(fields.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect())
    }

    fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("INFO has no counter {name}: {:?}", self.0))
    }

    fn since(&self, before: &Self, name: &str) -> u64 {
        self.get(name) - before.get(name)
    }
}

/// CPU time that a process has used.
fn cpu_time(server: &Server) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("the process is there");
    // The second field, in parentheses, is the only one that may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().expect("a tick has a length") as u64;
    Duration::from_millis(ticks * 1000 / per_second)
}

fn idle_costs_nothing(configuration: Configuration) {
    let server = Options::boxcar(configuration).start();
    let mut client = server.client();
    for i in 0..100 {
        client.call(["SET", &i.to_string(), "value"]);
    }
    let (before, used) = (Counters::of(&mut client), cpu_time(&server));
    sleep(Duration::from_secs(2));
    let used = cpu_time(&server) - used;
    let after = Counters::of(&mut client);
    assert!(used <= Duration::from_millis(100), "{used:?} of CPU time in two idle seconds");
    let turns = after.since(&before, "turns");
    assert!(turns <= 100, "{turns} turns of two threads that look at their clocks ten times a second");
}

fn a_pipeline_is_answered_by_few_sends(configuration: Configuration) {
    const COMMANDS: usize = 10_000;
    let server = Options::boxcar(configuration).start();
    let mut client = server.client();
    client.call(["SET", "key", "value"]);
    let before = Counters::of(&mut client);
    let pipeline = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".repeat(COMMANDS);
    client.send_raw(&pipeline).expect("the server reads");
    for _ in 0..COMMANDS {
        assert_eq!(client.read().expect("a reply").to_text(), "value");
    }
    let sends = Counters::of(&mut client).since(&before, "sends");
    assert!(sends < COMMANDS as u64 / 50, "{sends} sends for a pipeline of {COMMANDS}");
}

#[test]
fn io_uring_arms_a_receive_once_for_many_and_enters_once_a_turn() {
    const ROUNDS: u64 = 2000;
    let server = Options::boxcar(IO_URING).start();
    assert_eq!(server.info("network_backend"), "io_uring");
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let before = Counters::of(&mut clients[0]);
    for _ in 0..ROUNDS / 8 {
        clients.iter_mut().for_each(|client| client.send(["PING"]));
        for client in &mut clients {
            client.read().expect("a reply");
        }
    }
    let after = Counters::of(&mut clients[0]);
    let since = |name| after.since(&before, name);
    assert!(since("receives") >= ROUNDS);
    assert_eq!((since("receive_arms"), since("singleshot_rearms")), (0, 0));
    assert!(since("multishot_rearms") <= ROUNDS / 100, "{}", since("multishot_rearms"));
    assert_eq!(since("buffer_exhaustions"), 0);
    assert_eq!(since("enters"), since("turns"));
    assert_eq!((since("submission_flushes"), since("completion_flushes")), (0, 0));
    // Each thread has one listener for each address, armed when it started and never again.
    assert_eq!((since("accept_arms"), after.get("accept_errors")), (0, 0));
    assert!(after.get("accepted") >= 8);
}

#[test]
fn io_urings_ring_each_other_without_a_system_call() {
    let server = Options::boxcar(IO_URING).start();
    // One of the threads feeds the monitors of both.
    let mut monitors: Vec<Client> = (0..16).map(|_| server.client()).collect();
    for monitor in &mut monitors {
        assert_eq!(monitor.call(["MONITOR"]).to_text(), "OK");
    }
    let mut client = server.client();
    let before = Counters::of(&mut client);
    for _ in 0..50 {
        client.call(["PING"]);
        sleep(Duration::from_millis(2));
    }
    let after = Counters::of(&mut client);
    assert!(after.since(&before, "msg_rings_sent") >= 10, "{:?}", after.0);
    assert_eq!(after.get("msg_rings_failed"), 0);
}
