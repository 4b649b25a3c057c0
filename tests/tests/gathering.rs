//! Single commands of many connections that arrive in one turn are executed together: each is answered as if it had
//! come alone, whatever the others are.
#![forbid(unsafe_code)]

use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Server, in_every_configuration};
use std::thread::sleep;
use std::time::Duration;

in_every_configuration!(everybody_gets_the_own_reply, what_one_does_to_another_holds_at_once);

/// More than are executed together, and no multiple of that.
const CLIENTS: usize = 53;
/// Long enough for all requests to be sent while the server sleeps.
const ASLEEP: &str = "0.3";
const PATIENCE: Duration = Duration::from_secs(10);

fn start(configuration: Configuration) -> Server {
    Options::boxcar(configuration).flags(["--io-threads", "1", "--enable-debug-command", "yes"]).start()
}

/// Has the server's thread sleep while `send` sends, so that one turn receives everything. What it sends may close the
/// connection that put the thread to sleep, too.
fn while_asleep(server: &Server, send: impl FnOnce()) {
    let mut sleeper = server.client();
    sleeper.send(["DEBUG", "SLEEP", ASLEEP]);
    sleep(Duration::from_millis(50));
    send();
    if let Ok(reply) = sleeper.read_within(PATIENCE) {
        assert_eq!(reply.to_text(), "OK");
    }
}

fn gathered(server: &Server) -> u64 {
    server.info("requests_gathered").parse().expect("a number")
}

fn everybody_gets_the_own_reply(configuration: Configuration) {
    let server = start(configuration);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let before = gathered(&server);
    while_asleep(&server, || {
        for (i, client) in clients.iter_mut().enumerate() {
            let key = format!("key:{i}");
            match i % 8 {
                0 => client.send(["SET", &key, "a * in the value"]),
                1 => client.send(["GET", &key]),
                2 => client.send(["APPEND", "shared", "x"]),
                3 => client.send_raw(b"SET quoted \"a b\"\r\n").expect("it is read"),
                4 => client.send_raw(b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n").expect("it is read"),
                5 => client.send_raw(b"*2\r\n$4\r\nECHO\r\n$6\r\nfir").expect("it is read"),
                6 => client.send(["NOSUCH"]),
                _ => client.send_raw(b"*1\r\n!\r\n").expect("it is read"),
            }
        }
    });
    for (i, client) in clients.iter_mut().enumerate() {
        if i % 8 == 5 {
            client.send_raw(b"st1\r\n").expect("it is read");
        }
        let reply = client.read_within(PATIENCE).expect("a reply");
        let text = reply.to_text();
        match i % 8 {
            0 | 3 => assert_eq!(text, "OK"),
            1 => assert!(reply.is_null(), "{text}"),
            2 => assert!((1..=CLIENTS as i64).contains(&reply.integer()), "{text}"),
            4 => {
                assert_eq!(text, "PONG");
                assert_eq!(client.read_within(PATIENCE).expect("a second").to_text(), "PONG");
            }
            5 => assert_eq!(text, "first1"),
            6 => assert!(text.contains("unknown command 'NOSUCH'"), "{text}"),
            _ => {
                assert!(text.contains("Protocol error: expected '$', got '!'"), "{text}");
                assert!(client.wait_closed(PATIENCE), "as after any protocol error");
            }
        }
    }
    let appended = clients.iter().enumerate().filter(|(i, _)| i % 8 == 2).count();
    let mut client = server.client();
    assert_eq!(client.call(["STRLEN", "shared"]).integer(), appended as i64);
    assert_eq!(client.call(["GET", "key:0"]).to_text(), "a * in the value");
    let together = gathered(&server) - before;
    let expected = if configuration.dispatch == "inline" { CLIENTS as u64 / 2 } else { 0 };
    assert!(together >= expected, "only {together} requests were gathered");
}

fn what_one_does_to_another_holds_at_once(configuration: Configuration) {
    let server = start(configuration);
    let mut killer = server.client();
    let mut victims: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    for victim in &mut victims {
        victim.call(["CLIENT", "SETNAME", "victim"]);
    }
    let mut bystander = server.client();
    while_asleep(&server, || {
        killer.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        for victim in &mut victims {
            victim.send(["INCR", "executed"]);
        }
        bystander.send(["INCR", "executed"]);
    });
    let killed = killer.read_within(PATIENCE).expect("the killer lives").integer();
    assert!(killed > CLIENTS as i64, "{killed} were killed");
    for victim in &mut victims {
        assert!(victim.wait_closed(PATIENCE));
    }
    assert!(bystander.wait_closed(PATIENCE));
    // Connections that are gone have left nothing behind, and those that come are served.
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let executed = clients[0].call(["GET", "executed"]);
    let before = if executed.is_null() { 0 } else { executed.to_text().parse().expect("a number") };
    while_asleep(&server, || clients.iter_mut().for_each(|client| client.send(["INCR", "executed"])));
    let mut replies: Vec<i64> =
        clients.iter_mut().map(|client| client.read_within(PATIENCE).expect("a reply").integer()).collect();
    replies.sort_unstable();
    let expected: Vec<i64> = (before + 1..=before + CLIENTS as i64).collect();
    assert_eq!(replies, expected);
}
