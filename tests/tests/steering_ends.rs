//! When the kernel-side programs lose their server, their interface, or their patience: nobody else may notice.
#![forbid(unsafe_code)]

use boxcar_tests::network::{Capture, INTERFACE, Network, ON, STEERED, WireServer, succeed};
use boxcar_tests::{Client, Value};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Waits until the server's log has a line with this text.
fn logged(server: &WireServer<'_>, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.log().contains(text) {
        assert!(Instant::now() < deadline, "no {text:?} in the log:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Datagrams that arrive, and words that a TCP connection echoes, while `disturb` runs; both belong to other programs than the
/// server. Gives how many datagrams were sent and how many arrived.
fn others_traffic(network: &Network, disturb: impl FnOnce() + Send) -> (u64, u64) {
    let datagrams = network.as_server(|| UdpSocket::bind("10.77.0.1:0").expect("a socket"));
    datagrams.set_read_timeout(Some(Duration::from_secs(1))).expect("an option");
    // A receiver that has to wait for its turn is no lost packet.
    setsockopt(&datagrams, RcvBufForce, &(8 << 20)).expect("root may have a large buffer");
    let listener = network.as_server(|| TcpListener::bind("10.77.0.1:0").expect("a listener"));
    let (to_udp, to_tcp) = (datagrams.local_addr().expect("one"), listener.local_addr().expect("one"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let received = scope.spawn(|| {
            let mut count = 0;
            // The sender has stopped when none comes for a second.
            while datagrams.recv(&mut [0; 64]).is_ok() {
                count += 1;
            }
            count
        });
        scope.spawn(|| {
            let (mut peer, _) = listener.accept().expect("a connection");
            let mut bytes = [0; 8];
            while let Ok(length @ 1..) = peer.read(&mut bytes) {
                peer.write_all(&bytes[..length]).expect("the peer reads");
            }
        });
        let words = scope.spawn(|| {
            let mut stream = network.as_client(|| TcpStream::connect(to_tcp).expect("a connection"));
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
            let mut count = 0u64;
            while !over.load(Ordering::Relaxed) {
                let mut bytes = [0; 8];
                stream.write_all(&count.to_be_bytes()).expect("the connection lives");
                stream.read_exact(&mut bytes).expect("the connection lives");
                assert_eq!(u64::from_be_bytes(bytes), count);
                count += 1;
                std::thread::sleep(Duration::from_micros(500));
            }
            count
        });
        let sender = network.as_client(|| UdpSocket::bind("10.77.0.2:0").expect("a socket"));
        let sent = scope.spawn({
            let over = &over;
            move || {
                let mut sent = 0;
                while !over.load(Ordering::Relaxed) {
                    sender.send_to(b"datagram", to_udp).expect("it is sent");
                    sent += 1;
                    std::thread::sleep(Duration::from_micros(500));
                }
                sent
            }
        });
        std::thread::sleep(Duration::from_millis(200));
        disturb();
        std::thread::sleep(Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
        assert!(words.join().expect("the words of a connection") > 100);
        (sent.join().expect("a sender"), received.join().expect("a receiver"))
    })
}

#[test]
fn a_server_killed_under_load_takes_no_packet_of_others_with_it() {
    let Some(network) = Network::new() else { return };
    for mode in ["generic", "driver"] {
        let checksums = if mode == "driver" { "off" } else { "on" };
        succeed(network.on_client("ethtool").args(["-K", INTERFACE, "tx", checksums]));
        let flags = [STEERED, &["--xdp-mode", mode]].concat();
        let mut server = network.start(&flags);
        let mut clients: Vec<Client> = (0..20).map(|i| server.client(i % 2)).collect();
        assert_eq!(clients[0].call(["PING"]).to_text(), "PONG");
        let (sent, arrived) = others_traffic(&network, || {
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for client in &mut clients {
                    let over = &over;
                    scope.spawn(move || {
                        while !over.load(Ordering::Relaxed) {
                            if client.try_call(["GET", "k"]).is_err() {
                                break;
                            }
                        }
                    });
                }
                std::thread::sleep(Duration::from_millis(200));
                server.kill();
                std::thread::sleep(Duration::from_millis(200));
                over.store(true, Ordering::Relaxed);
            });
        });
        eprintln!("{mode}: {arrived} of {sent} datagrams of others arrived");
        assert!(sent > 300);
        assert_eq!(arrived, sent, "{mode}");
    }
}

#[test]
fn an_interface_that_vanishes_is_noticed_and_the_server_goes_on() {
    let Some(network) = Network::new() else { return };
    let server = network.start(ON);
    let mut local =
        network.as_server(|| Client::open(([127, 0, 0, 1], server.port).into()).expect("a connection"));
    network.server_ip(&format!("link del {INTERFACE}"));
    logged(&server, "XDP: the interface wire is gone");
    assert_eq!(local.call(["SET", "k", "v"]), Value::ok());
    let text = local.call(["INFO", "ebpf"]).to_text();
    assert!(text.contains("ebpf_interface_wire:gone"), "{text}");
    assert!(matches!(local.call(["LATENCY", "WIRE"]), Value::Array(_) | Value::Map(_)));
}

#[test]
fn rare_events_reach_the_log_at_most_once_a_second() {
    let Some(network) = Network::new() else { return };
    let server = network.start(ON);
    // An IPv4 packet that says it is longer than its frame.
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0x40, 0]);
    frame.resize(60, 0);
    frame[14 + 9] = 6;
    network.as_client(|| {
        let wire = Capture::open();
        for _ in 0..500 {
            wire.send(&frame);
        }
    });
    assert!(server.counter("malformed") >= 500);
    logged(&server, "XDP: a malformed frame of 60 bytes was passed on");
    let mut operator = server.client(1);
    assert_eq!(operator.call(["CONFIG", "SET", "xdp-guard", "deny=10.77.0.0/16"]), Value::ok());
    let address = server.address(0);
    let refused =
        network.as_client(|| TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err());
    assert!(refused);
    logged(&server, "XDP: xdp-guard denies 10.77.0.2");
    let lines = server.log().matches("a malformed frame").count();
    // Once a second and CPU; sending 500 takes much less than ten seconds.
    assert!((1..=20).contains(&lines), "{lines} lines");
}
