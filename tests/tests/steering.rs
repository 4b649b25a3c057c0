//! The kernel-side programs, between hosts of the test's own: where packets and connections land, what is measured, what is
//! counted, and what is left behind.
#![forbid(unsafe_code)]

use boxcar_ebpf_abi::flow::{hash, spread};
use boxcar_ebpf_abi::layout::Address;
use boxcar_tests::network::{Capture, INTERFACE, Network, ON, STEERED, WireServer, succeed};
use boxcar_tests::server::free_port;
use boxcar_tests::{Client, Value, programs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

fn with(flags: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [flags, more].concat()
}

fn ready() -> Option<Network> {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        assert!(std::env::var_os("CI").is_none(), "steering needs two CPUs");
        eprintln!("not run: steering needs two CPUs");
        return None;
    }
    Network::new()
}

fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(v4) => Address::v4(v4.octets()),
        IpAddr::V6(v6) => Address::v6(v6.octets()),
    }
}

/// The CPU that the hash names for a connection, with two threads on CPUs 0 and 1.
fn named(client: SocketAddr, server: SocketAddr) -> u32 {
    spread(hash(&address(client.ip()), &address(server.ip()), client.port(), server.port()), 2)
}

/// The CPU that last handled a packet of each connection, by the client's address.
fn incoming_cpus(server: &WireServer<'_>) -> Vec<(SocketAddr, u32)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/incoming_cpu.py");
    let text = succeed(programs::python().arg(script).arg(server.pid().to_string()));
    let connections = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let ip: IpAddr = words[0].parse().expect("an address");
        (SocketAddr::new(ip, words[1].parse().expect("a port")), words[2].parse().expect("a CPU"))
    });
    connections.collect()
}

fn accounted(server: &WireServer<'_>) -> u64 {
    let text = server.client(0).call(["INFO", "ebpf"]).to_text();
    let of = |name: &str| -> u64 {
        let line =
            text.lines().find_map(|line| line.strip_prefix("ebpf_")?.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}")).trim_end().parse().expect("a number")
    };
    let sum = |names: &[&str]| names.iter().map(|name| of(name)).sum::<u64>();
    // The frames of this very question may be counted while the counters are read one CPU after the other.
    let near = |a: u64, b: u64| a.abs_diff(b) <= 2;
    assert!(near(of("frames"), sum(&["other", "malformed", "fragments", "foreign", "matched"])), "{text}");
    let verdicts =
        ["unsteered", "local", "redirected", "partial_checksum", "no_cpu", "guard_denied", "guard_limited"];
    assert!(near(of("matched"), sum(&verdicts)), "{text}");
    of("frames")
}

/// Opens connections, sends a few commands on each, and gives them back.
fn connect(network: &Network, server: &WireServer<'_>, count: usize) -> Vec<Client> {
    network.as_client(|| {
        let open = |i: usize| Client::open(server.address(i % 2)).expect("a connection");
        let mut clients: Vec<Client> = (0..count).map(open).collect();
        for _ in 0..3 {
            for client in &mut clients {
                assert!(!client.call(["INCR", "n"]).is_error());
            }
        }
        clients
    })
}

fn share_on_named_cpu(server: &WireServer<'_>, clients: &[Client]) -> f64 {
    let cpus = incoming_cpus(server);
    assert!(cpus.len() >= clients.len(), "{} of {} connections found", cpus.len(), clients.len());
    let right = cpus.iter().filter(|(client, cpu)| {
        let family = usize::from(client.is_ipv6());
        *cpu == named(*client, server.address(family))
    });
    right.count() as f64 / cpus.len() as f64
}

/// Whether each connection was accepted by the thread that the hash names, as the server's own list says: how many were, of how
/// many.
fn accepted_by_named_thread(server: &WireServer<'_>, ours: &HashSet<SocketAddr>) -> (usize, usize) {
    let list = server.client(0).call(["CLIENT", "LIST"]).to_text();
    let field = |line: &str, name: &str| -> String {
        let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
    };
    let (mut right, mut all) = (0, 0);
    for line in list.lines() {
        let client: SocketAddr = field(line, "addr").parse().expect("an address");
        if ours.contains(&client) {
            let thread: u32 = field(line, "io-thread").parse().expect("a number");
            let server = server.address(usize::from(client.is_ipv6()));
            all += 1;
            right += usize::from(thread == named(client, server));
        }
    }
    (right, all)
}

#[test]
fn a_thousand_connections_land_where_the_hash_says() {
    let Some(network) = ready() else { return };
    // A veth sends frames whose checksums are not filled in: those may not be redirected in driver mode.
    for mode in ["generic", "driver"] {
        let checksums = if mode == "driver" { "off" } else { "on" };
        succeed(network.on_client("ethtool").args(["-K", INTERFACE, "tx", checksums]));
        let server = network.start(&with(STEERED, &["--xdp-mode", mode]));
        let clients = connect(&network, &server, 1000);
        let share = share_on_named_cpu(&server, &clients);
        eprintln!("{mode}: {:.2} % of 1,000 connections on the CPU that the hash names", share * 100.0);
        assert!(share >= 0.999, "{mode}: {share}");
        let ours = clients.iter().map(|client| client.stream().local_addr().expect("an address")).collect();
        assert_eq!(accepted_by_named_thread(&server, &ours), (1000, 1000), "{mode}");
        assert!(server.counter("selected") >= 1000 && server.counter("unselected") == 0);
        assert!(server.counter("redirected") > 0 && server.counter("no_cpu") == 0);
        accounted(&server);
    }
    let server = network.start(&with(ON, &["--cpu-affinity", "0-1"]));
    let clients = connect(&network, &server, 1000);
    eprintln!("steering off: {:.2} %", share_on_named_cpu(&server, &clients) * 100.0);
    assert_eq!((server.counter("selected"), server.counter("redirected")), (0, 0));
}

#[test]
fn queue_steering_selects_and_moves_no_packet() {
    let Some(network) = ready() else { return };
    let flags = ["--xdp-steering", "queue", "--cpu-affinity", "0-1"];
    let server = network.start(&with(ON, &flags));
    let _clients = connect(&network, &server, 50);
    assert!(server.counter("selected") >= 50);
    assert_eq!((server.counter("redirected"), server.counter("unselected")), (0, 0));
}

#[test]
fn unfilled_checksums_hang_nobody() {
    let Some(network) = ready() else { return };
    let server = network.start(&with(STEERED, &["--xdp-mode", "driver"]));
    let value = "x".repeat(300_000);
    network.as_client(|| {
        for i in 0..40 {
            let mut client = Client::open(server.address(i % 2)).expect("a connection");
            assert_eq!(client.call(["SET", "k", &value]), Value::ok());
            assert_eq!(client.call(["GET", "k"]).to_text(), value);
        }
    });
    assert!(server.counter("partial_checksum") > 0);
    assert_eq!(server.counter("redirected"), 0);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !server.log().contains("ethtool -K") {
        assert!(Instant::now() < deadline, "the log does not name the remedy:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every attached program of the server's interface, as `ip` shows them.
fn attached(network: &Network) -> bool {
    let link = network.server_ip(&format!("-d link show dev {INTERFACE}"));
    let egress = succeed(network.on_server("bpftool").args(["net", "show", "dev", INTERFACE]));
    link.contains("xdp") || egress.contains("probe_out") || egress.contains("steer")
}

#[test]
fn a_killed_server_leaves_nothing_in_the_way() {
    let Some(network) = ready() else { return };
    let port = free_port();
    let mut server = WireServer::start(&network, port, STEERED);
    assert!(attached(&network));
    let busy = connect(&network, &server, 50);
    server.kill();
    drop(busy);
    let deadline = Instant::now() + Duration::from_secs(5);
    while attached(&network) {
        assert!(Instant::now() < deadline, "a program is still attached");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.pins().exists(), "a killed process cannot remove its maps");
    let mut next = WireServer::start(&network, port, STEERED);
    assert!(next.log().contains("that an ended process left"), "{}", next.log());
    assert!(next.counter("matched") > 0);
    // Nobody takes a living server's maps.
    let other = Network::new().expect("a second pair of hosts");
    let log = WireServer::refused(&other, port, ON);
    assert!(log.contains("in use by process"), "{log}");
    next.stop();
    assert!(!attached(&network) && !next.pins().exists());
}

#[test]
fn two_servers_have_maps_of_their_own() {
    let (Some(network), Some(other)) = (ready(), ready()) else { return };
    let first = network.start(ON);
    let second = other.start(ON);
    let _clients = connect(&network, &first, 20);
    assert!(first.counter("probe_matched") >= 60);
    assert!(second.counter("probe_matched") < 20);
    // An interface has one XDP program: a second server on it says so, or runs without.
    let log = WireServer::refused(&network, free_port(), ON);
    assert!(log.contains("xdp on") && log.contains(INTERFACE), "{log}");
    let without = network.start(&["--xdp", "auto", "--xdp-interface", INTERFACE]);
    assert_eq!(without.field("status"), "off");
    assert!(without.log().contains("xdp auto: running without"), "{}", without.log());
}

#[test]
fn what_cannot_be_is_a_clear_error() {
    let Some(network) = ready() else { return };
    let refused = |flags: &[&str]| WireServer::refused(&network, free_port(), flags);
    let log = refused(&["--xdp", "on", "--xdp-interface", "nosuch0"]);
    assert!(log.contains("xdp on: interface nosuch0: there is none of this name"), "{log}");
    let log = refused(&with(ON, &["--xdp-steering", "cpu"]));
    assert!(log.contains("xdp-steering needs cpu-affinity"), "{log}");
    let program = programs::boxcar();
    let mut unprivileged = network.on_server("setpriv");
    unprivileged.args(["--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups"]);
    let output = unprivileged.arg(program).args(["--port", &free_port().to_string(), "--xdp", "on"]).output();
    let output = output.expect("setpriv is there");
    let log = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    // The binary itself may be out of another user's reach.
    if !log.contains("ermission denied") {
        assert!(
            log.contains("it takes root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"),
            "{log}"
        );
    }
}

#[test]
fn the_probe_and_its_map_are_for_people() {
    let Some(network) = ready() else { return };
    let server = network.start(ON);
    let mut client = server.client(0);
    for _ in 0..100 {
        client.call(["PING"]);
    }
    let path = server.pins().join("latency");
    let dump = succeed(std::process::Command::new("bpftool").args(["map", "dump", "pinned"]).arg(&path));
    for name in ["\"reply_bytes_up_to\": 64", "\"replies\": ", "\"under_64us\": ", "\"longer\": 0"] {
        assert!(dump.contains(name), "no {name} in\n{dump}");
    }
    assert_eq!(client.call(["CONFIG", "SET", "xdp-probe", "no"]), Value::ok());
    let before = server.counter("probe_matched");
    client.call(["PING"]);
    assert_eq!(server.counter("probe_matched"), before);
    assert_eq!(client.call(["CONFIG", "SET", "xdp-probe", "yes"]), Value::ok());
    client.call(["PING"]);
    client.call(["PING"]);
    assert!(server.counter("probe_matched") > before);
}

#[test]
fn the_guard_drops_what_it_is_told_to() {
    let Some(network) = ready() else { return };
    let server = network.start(ON);
    let mut operator = server.client(1);
    let opens = |family: usize| {
        let address = server.address(family);
        network.as_client(|| TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok())
    };
    assert!(opens(0));
    assert_eq!(operator.call(["CONFIG", "SET", "xdp-guard", "deny=10.77.0.0/16"]), Value::ok());
    assert!(!opens(0) && opens(1));
    assert_eq!(
        operator.call(["CONFIG", "SET", "xdp-guard", "deny=10.77.0.0/16 allow=10.77.0.2"]),
        Value::ok()
    );
    assert!(opens(0));
    assert!(server.counter("guard_denied") > 0);
    // Twenty connections a second, with a burst of as many.
    assert_eq!(operator.call(["CONFIG", "SET", "xdp-guard", "syn=20 allow=fd77::/64"]), Value::ok());
    let opened = (0..40).filter(|_| opens(0)).count();
    assert!((20..40).contains(&opened), "{opened} of 40");
    assert_eq!(operator.call(["CONFIG", "SET", "xdp-guard", "off"]), Value::ok());
    assert!((0..40).all(|_| opens(0)));
    assert!(server.counter("guard_limited") > 0);
    let wrong = operator.call(["CONFIG", "SET", "xdp-guard", "deny=everybody"]);
    assert!(wrong.is_error() && wrong.to_text().contains("deny=everybody"), "{wrong}");
    accounted(&server);
}

#[test]
fn jumbo_frames_and_large_values() {
    let Some(network) = ready() else { return };
    network.server_ip(&format!("link set {INTERFACE} mtu 9000"));
    network.client_ip(&format!("link set {INTERFACE} mtu 9000"));
    for mode in ["generic", "driver"] {
        let checksums = if mode == "driver" { "off" } else { "on" };
        succeed(network.on_client("ethtool").args(["-K", INTERFACE, "tx", checksums]));
        let server = network.start(&with(STEERED, &["--xdp-mode", mode]));
        let value = "v".repeat(3_000_000);
        network.as_client(|| {
            for i in 0..10 {
                let mut client = Client::open(server.address(i % 2)).expect("a connection");
                assert_eq!(client.call(["SET", "big", &value]), Value::ok(), "{mode}");
                assert_eq!(client.call(["GET", "big"]).to_text(), value, "{mode}");
            }
        });
        assert!(server.counter("redirected") > 0, "{mode}");
        accounted(&server);
    }
}

/// A raw Ethernet frame to everybody on the wire.
fn frame(tags: usize, kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1]);
    for tag in 0..tags {
        frame.extend(if tag + 1 < tags { 0x88a8u16 } else { 0x8100 }.to_be_bytes());
        frame.extend([0, 42]);
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

/// A TCP SYN over IPv4 to the server; `fragment` is the third word's flags and offset.
fn syn(port: u16, fragment: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 40, 0, 1];
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, 6, 0, 0, 10, 77, 0, 9, 10, 77, 0, 1, 0x30, 0x39]);
    packet.extend(port.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    packet
}

/// Sends frames from the client's interface as they are.
fn send_frames(network: &Network, frames: &[Vec<u8>]) {
    network.as_client(|| {
        let wire = Capture::open();
        frames.iter().for_each(|frame| wire.send(frame));
    });
}

#[test]
fn every_frame_is_accounted_for() {
    let Some(network) = ready() else { return };
    for mode in ["generic", "driver"] {
        let server = network.start(&with(ON, &["--xdp-mode", mode]));
        let counters = || ["matched", "fragments", "foreign"].map(|name| server.counter(name));
        let before = counters();
        let (ours, others) = (syn(server.port, 0), syn(server.port ^ 1, 0));
        let frames = [
            frame(0, 0x0800, &ours),
            frame(1, 0x0800, &ours),
            frame(2, 0x0800, &ours),
            frame(0, 0x0800, &syn(server.port, 0x2000)),
            frame(1, 0x0800, &syn(server.port, 0x0010)),
            frame(1, 0x0800, &others),
        ];
        send_frames(&network, &frames);
        let after = counters();
        assert!(after[0] >= before[0] + 3, "{mode}: {before:?} {after:?}");
        assert_eq!((after[1], after[2]), (before[1] + 2, before[2] + 1), "{mode}");
        // Frames of any bytes, whole and cut off; the shortest that a veth takes is an Ethernet header.
        let mut random = StdRng::seed_from_u64(0xb0c5_ca12);
        let frames: Vec<Vec<u8>> = (0..5000)
            .map(|i| {
                let mut bytes = frame(i % 3, [0x0800, 0x86dd, 0x0806][i % 7 % 3], &ours);
                bytes.resize(bytes.len() + random.random_range(0..100), 0);
                for _ in 0..random.random_range(0..8) {
                    let at = random.random_range(14..bytes.len());
                    bytes[at] = random.random();
                }
                bytes.truncate(random.random_range(15..=bytes.len()));
                bytes
            })
            .collect();
        let before = accounted(&server);
        send_frames(&network, &frames);
        let counted = accounted(&server) - before;
        assert!((5000..5200).contains(&counted), "{mode}: {counted} of 5000 frames were counted");
        assert_eq!(server.client(0).call(["PING"]), Value::Simple("PONG".into()), "{mode}");
    }
}
