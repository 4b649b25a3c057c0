//! Clients that wait for lists: served in turn and once, whatever else happens meanwhile.
#![forbid(unsafe_code)]

use boxcar_tests::client::encode;
use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Server, Value, in_every_configuration};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

in_every_configuration!(
    who_waits_longest_is_served_first,
    nothing_is_lost_or_given_twice,
    who_leaves_takes_nothing_along,
    time_is_up_when_it_is,
    unblocking_ends_one_wait,
    what_follows_a_blocking_command_waits,
    a_pause_holds_up_who_would_be_served,
    places_of_clients_who_wait_are_taken,
);

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until so many clients wait.
fn await_blocked(server: &Server, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    let mut client = server.client();
    let wanted = format!("\nblocked_clients:{count}\r\n");
    while !client.call(["INFO", "clients"]).to_text().contains(&wanted) {
        assert!(Instant::now() < deadline, "not {count} clients wait");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Nobody waits, and nobody stands in a queue.
fn assert_all_quiet(server: &Server) {
    await_blocked(server, 0);
    let deadline = Instant::now() + PATIENCE;
    while server.info("total_blocking_keys") != "0" {
        assert!(Instant::now() < deadline, "somebody is left in a queue");
    }
    assert_eq!(server.info("clients_in_timeout_table"), "0");
}

fn popped(key: &str, element: &str) -> Value {
    Value::Array(vec![Value::bulk(key), Value::bulk(element)])
}

fn who_waits_longest_is_served_first(configuration: Configuration) {
    const CLIENTS: usize = 40;
    let server = Server::start(configuration);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let mut pusher = server.client();
    for round in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(["BLPOP", "first", "queue", "0"]);
            await_blocked(&server, number + 1);
        }
        let elements: Vec<String> = (0..CLIENTS).map(|number| format!("{round}-{number}")).collect();
        let push = ["RPUSH".to_owned(), "queue".to_owned()];
        // All at once, and one by one.
        if round == 0 {
            assert_eq!(pusher.call(push.iter().chain(&elements)), Value::Integer(CLIENTS as i64));
        } else {
            let mut pipeline = Vec::new();
            elements.iter().for_each(|element| encode(&mut pipeline, push.iter().chain([element])));
            pusher.send_raw(&pipeline).expect("the server reads");
            elements.iter().for_each(|_| assert_eq!(pusher.read().expect("a reply"), Value::Integer(1)));
        }
        for (client, element) in clients.iter_mut().zip(&elements) {
            assert_eq!(client.read().expect("a reply"), popped("queue", element));
        }
        assert_eq!(pusher.call(["EXISTS", "queue"]), Value::Integer(0));
    }
    assert_all_quiet(&server);
}

/// Many wait for several keys while several push, with dispatch as configured and switched to and fro.
fn nothing_is_lost_or_given_twice(configuration: Configuration) {
    let server = Server::start(configuration);
    stress(&server, 3000, None);
    let flips = AtomicUsize::new(0);
    stress(&server, 6000, Some(&flips));
    assert!(flips.into_inner() >= 10, "dispatch was hardly switched");
    assert_all_quiet(&server);
}

const KEYS: [&str; 5] = ["a", "b", "{a}c", "d", "e"];
const PUSHERS: usize = 3;

/// Each pusher numbers its elements for each key. Whoever takes them notes them in the key's order of taking, so far as
/// one client can know it: its own elements of a key and a pusher grow.
fn stress(server: &Server, pushes: usize, flips: Option<&AtomicUsize>) {
    const POPPERS: usize = 24;
    let over = AtomicBool::new(false);
    let taken: Mutex<BTreeMap<String, usize>> = Mutex::default();
    thread::scope(|scope| {
        let poppers: Vec<_> = (0..POPPERS)
            .map(|number| {
                let taken = &taken;
                scope.spawn(move || take_until_the_end(server, number, taken))
            })
            .collect();
        if let Some(flips) = flips {
            let over = &over;
            scope.spawn(move || {
                let mut client = server.client();
                while !over.load(Ordering::Relaxed) {
                    for mode in ["inline", "rings"] {
                        assert_eq!(client.call(["CONFIG", "SET", "dispatch", mode]), Value::ok());
                        flips.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(3));
                    }
                }
            });
        }
        let pushers: Vec<_> =
            (0..PUSHERS).map(|number| scope.spawn(move || push_numbered(server, number, pushes))).collect();
        let pushed: Result<Vec<()>, _> = pushers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // Whoever takes an end goes, so each gets one; they come behind all elements of their key.
        let mut client = server.client();
        for _ in 0..POPPERS {
            client.call(["RPUSH", "end", "end"]);
        }
        let popped: Result<Vec<()>, _> = poppers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        assert!(pushed.is_ok() && popped.is_ok(), "a client has failed");
    });
    let mut client = server.client();
    let taken = taken.into_inner().expect("nobody has failed");
    for pusher in 0..PUSHERS {
        for element in 0..pushes {
            let count = taken.get(&format!("{pusher}:{element}")).copied().unwrap_or(0);
            assert_eq!(count, 1, "element {element} of pusher {pusher}");
        }
    }
    assert_eq!(taken.len(), PUSHERS * pushes, "elements that nobody has pushed");
    assert_eq!(client.call(["DBSIZE"]), Value::Integer(0));
}

fn take_until_the_end(server: &Server, number: usize, taken: &Mutex<BTreeMap<String, usize>>) {
    let mut client = server.client();
    let mut mine = Vec::new();
    // The largest element of each key and pusher so far: no element overtakes another one.
    let mut last: BTreeMap<(String, String), usize> = BTreeMap::new();
    // Different ways to wait for the same keys, all of them from the left.
    let keys = (0..KEYS.len()).map(|at| KEYS[(at + number) % KEYS.len()]).chain(["end"]);
    let mut command: Vec<&str> = keys.collect();
    match number % 2 {
        0 => {
            command.insert(0, "BLPOP");
            command.push("0");
        }
        _ => {
            command.splice(0..0, ["BLMPOP", "0", "6"]);
            command.push("LEFT");
        }
    }
    loop {
        let reply = client.call(&command);
        let [key, element] = reply.elements() else { panic!("{reply}") };
        let element = match element {
            Value::Array(elements) => elements[0].to_text(),
            element => element.to_text(),
        };
        if key.to_text() == "end" {
            break;
        }
        let (pusher, place) = element.split_once(':').expect("a pusher and a number");
        let place: usize = place.parse().expect("a number");
        let before = last.insert((key.to_text(), pusher.to_owned()), place);
        assert!(before.is_none_or(|before| before < place), "{element} of {key} after {before:?}");
        mine.push(element);
    }
    let mut taken = taken.lock().expect("nobody has failed");
    for element in mine {
        *taken.entry(element).or_default() += 1;
    }
}

/// Pushes in all the ways there are: one element, several, in a transaction, from another list, in a pipeline.
fn push_numbered(server: &Server, pusher: usize, pushes: usize) {
    let mut client = server.client();
    let mut number = 0;
    while number < pushes {
        let key = KEYS[(number / 3 + pusher) % KEYS.len()];
        let several: Vec<String> =
            (number..pushes.min(number + 3)).map(|element| format!("{pusher}:{element}")).collect();
        let aside = format!("aside:{pusher}");
        let push = |element: &String| vec!["RPUSH".to_owned(), key.to_owned(), element.clone()];
        let mut commands: Vec<Vec<String>> = Vec::new();
        match number / 3 % 4 {
            0 => {
                commands.push(["RPUSH", key].map(str::to_owned).into_iter().chain(several.clone()).collect());
            }
            1 => commands.extend(several.iter().map(push)),
            2 => {
                commands.push(vec!["MULTI".to_owned()]);
                commands.extend(several.iter().map(push));
                commands.push(vec!["EXEC".to_owned()]);
            }
            _ => {
                for element in &several {
                    commands.push(vec!["RPUSH".to_owned(), aside.clone(), element.clone()]);
                    let transfer = ["LMOVE", &aside, key, "LEFT", "RIGHT"];
                    commands.push(transfer.map(str::to_owned).into());
                }
            }
        }
        let mut pipeline = Vec::new();
        commands.iter().for_each(|command| encode(&mut pipeline, command));
        client.send_raw(&pipeline).expect("the server reads");
        for command in &commands {
            let reply = client.read().expect("a reply");
            assert!(!reply.is_error() && !reply.is_null(), "{command:?}: {reply}");
        }
        number += several.len();
    }
}

/// Some who wait vanish, some are killed, while others push: what is not answered stays or goes to somebody else.
fn who_leaves_takes_nothing_along(configuration: Configuration) {
    const ROUNDS: usize = 20;
    let server = Server::start(configuration);
    let mut operator = server.client();
    for round in 0..ROUNDS {
        let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
        let ids: Vec<i64> =
            clients.iter_mut().map(|client| client.call(["CLIENT", "ID"]).integer()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(["BLPOP", "k", "l", "0"]);
            await_blocked(&server, number + 1);
        }
        // The second and the fourth go; the last one stays to the end.
        let mut vanishing = clients.remove(3);
        drop(clients.remove(1));
        if round % 2 == 0 {
            vanishing.shutdown_write().expect("an open socket");
        } else {
            assert_eq!(operator.call(["CLIENT", "KILL", "ID", &ids[3].to_string()]), Value::Integer(1));
        }
        assert!(vanishing.wait_closed(PATIENCE));
        await_blocked(&server, clients.len());
        for (number, client) in clients.iter_mut().enumerate() {
            operator.call(["RPUSH", "l", &number.to_string()]);
            assert_eq!(client.read().expect("a reply"), popped("l", &number.to_string()));
        }
        assert_eq!(operator.call(["LLEN", "l"]), Value::Integer(0));
    }
    // And at the same time: an element is with a client or in the list, unless it was sent to one who had left.
    for round in 0..ROUNDS {
        let mut client = server.client();
        let id = client.call(["CLIENT", "ID"]).integer().to_string();
        client.send(["BLPOP", "k", "0"]);
        await_blocked(&server, 1);
        let mut pusher = server.client();
        let (mut kill, mut push) = (Vec::new(), Vec::new());
        encode(&mut kill, ["CLIENT", "KILL", "ID", &id]);
        encode(&mut push, ["RPUSH", "k", "x"]);
        let order = if round % 2 == 0 { [&kill, &push] } else { [&push, &kill] };
        operator.send_raw(order[0]).expect("the server reads");
        pusher.send_raw(order[1]).expect("the server reads");
        assert!(operator.read().is_ok() && pusher.read().is_ok());
        let answered = client.read().is_ok();
        let left = operator.call(["DEL", "k"]).integer();
        assert!(!(answered && left == 1), "the element was given out and is still there");
    }
    assert_all_quiet(&server);
}

fn time_is_up_when_it_is(configuration: Configuration) {
    let server = Server::start(configuration);
    let waits = [("0.001", 1), ("0.05", 50), ("0.3", 300), ("0.12", 120)];
    thread::scope(|scope| {
        for (text, millis) in waits {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for command in
                    [["BLPOP", "k", "l", text].as_slice(), &["BLMOVE", "k", "l", "LEFT", "LEFT", text]]
                {
                    let begin = Instant::now();
                    assert!(client.call(command).is_null());
                    let waited = begin.elapsed();
                    assert!(waited >= Duration::from_millis(millis), "{text}: {waited:?}");
                    assert!(waited < Duration::from_millis(millis + 1500), "{text}: {waited:?}");
                }
            });
        }
    });
    assert_all_quiet(&server);
    let mut client = server.client();
    client.call(["RPUSH", "k", "still here"]);
    assert_eq!(client.call(["LLEN", "k"]), Value::Integer(1));
}

fn unblocking_ends_one_wait(configuration: Configuration) {
    let server = Server::start(configuration);
    let (mut client, mut operator) = (server.client(), server.client());
    let id = client.call(["CLIENT", "ID"]).integer().to_string();
    assert_eq!(operator.call(["CLIENT", "UNBLOCK", &id]), Value::Integer(0));
    for round in 0..30 {
        client.send(["BLPOP", "k", if round % 2 == 0 { "0" } else { "100" }]);
        await_blocked(&server, 1);
        let reason = ["TIMEOUT", "ERROR"][round % 2];
        // Somebody pushes at the same time: the client has either the element or the end of its wait, not both.
        let mut pusher = (round % 3 == 0).then(|| server.client());
        if let Some(pusher) = &mut pusher {
            pusher.send(["RPUSH", "k", "x"]);
        }
        let unblocked = operator.call(["CLIENT", "UNBLOCK", &id, reason]).integer();
        let reply = client.read().expect("a reply");
        if let Some(pusher) = &mut pusher {
            pusher.read().expect("a reply");
        }
        let left = operator.call(["DEL", "k"]).integer();
        match (round % 2, &reply) {
            (_, Value::Array(_)) => assert_eq!((reply.clone(), left), (popped("k", "x"), 0)),
            (0, _) => assert!(reply.is_null() && unblocked == 1),
            _ => assert_eq!(reply.to_text(), "UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        }
        if !matches!(reply, Value::Array(_)) {
            assert_eq!((unblocked, left), (1, i64::from(pusher.is_some())));
        }
    }
    assert_all_quiet(&server);
}

fn what_follows_a_blocking_command_waits(configuration: Configuration) {
    let server = Server::start(configuration);
    let (mut client, mut other) = (server.client(), server.client());
    let mut pipeline = Vec::new();
    for command in [
        &["SET", "n", "1"][..],
        &["BLPOP", "k", "0"],
        &["SET", "n", "2"],
        &["BLPOP", "k", "0"],
        &["INCR", "n"],
        &["BLPOP", "k", "0.05"],
        &["PING"],
    ] {
        encode(&mut pipeline, command);
    }
    client.send_raw(&pipeline).expect("the server reads");
    assert_eq!(client.read().expect("a reply"), Value::ok());
    await_blocked(&server, 1);
    assert_eq!(other.call(["GET", "n"]).to_text(), "1", "a later command was executed");
    // One of the two goes to the client's next wait, which comes after what it has sent between.
    other.call(["RPUSH", "k", "x", "y"]);
    let expected = [popped("k", "x"), Value::ok(), popped("k", "y"), Value::Integer(3)];
    for reply in expected {
        assert_eq!(client.read().expect("a reply"), reply);
    }
    assert!(client.read().expect("a reply").is_null());
    assert_eq!(client.read().expect("a reply").to_text(), "PONG");
    // What a client that waits sends meanwhile is read, and answered afterwards.
    client.send(["BLPOP", "k", "0"]);
    await_blocked(&server, 1);
    for number in 0..100 {
        client.send(["ECHO", &number.to_string()]);
    }
    // RESET is such a command, too: it does not end the wait.
    client.send(["RESET"]);
    assert!(client.read_within(Duration::from_millis(50)).is_err(), "a reply before that of BLPOP");
    other.call(["RPUSH", "k", "z"]);
    assert_eq!(client.read().expect("a reply"), popped("k", "z"));
    for number in 0..100 {
        assert_eq!(client.read().expect("a reply").to_text(), number.to_string());
    }
    assert_eq!(client.read().expect("a reply").to_text(), "RESET");
    assert_all_quiet(&server);
}

fn a_pause_holds_up_who_would_be_served(configuration: Configuration) {
    let server = Server::start(configuration);
    let (mut client, mut pusher, mut operator) = (server.client(), server.client(), server.client());
    client.send(["BLPOP", "k", "0"]);
    await_blocked(&server, 1);
    assert_eq!(operator.call(["CLIENT", "PAUSE", "60000", "WRITE"]), Value::ok());
    pusher.send(["RPUSH", "k", "x"]);
    assert!(client.read_within(Duration::from_millis(60)).is_err(), "served during the pause");
    assert_eq!(operator.call(["EXISTS", "k"]), Value::Integer(0));
    assert_eq!(operator.call(["CLIENT", "UNPAUSE"]), Value::ok());
    assert_eq!(client.read().expect("a reply"), popped("k", "x"));
    assert_eq!(pusher.read().expect("a reply"), Value::Integer(1));
    assert_all_quiet(&server);
}

/// Clients that wait count as connected; who is killed makes room.
fn places_of_clients_who_wait_are_taken(configuration: Configuration) {
    let flags = ["--maxclients", "4", "--admin-connections", "1"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    let ids: Vec<i64> = clients.iter_mut().map(|client| client.call(["CLIENT", "ID"]).integer()).collect();
    clients.iter_mut().for_each(|client| client.send(["BRPOP", "k", "0"]));
    let mut operator = server.client();
    let deadline = Instant::now() + PATIENCE;
    while !operator.call(["INFO", "clients"]).to_text().contains("\nblocked_clients:4\r\n") {
        assert!(Instant::now() < deadline, "not all wait");
    }
    let mut refused = server.client();
    assert!(refused.wait_closed(PATIENCE), "let in beyond the limit");
    // The operator has a place as well, so that two have to go.
    for id in &ids[..2] {
        assert_eq!(operator.call(["CLIENT", "KILL", "ID", &id.to_string()]), Value::Integer(1));
        assert!(clients.remove(0).wait_closed(PATIENCE));
    }
    let pushed = loop {
        let reply = server.try_client().ok().and_then(|mut new| new.try_call(["RPUSH", "k", "1", "2"]).ok());
        match reply {
            Some(reply) if !reply.is_error() => break reply,
            _ => assert!(Instant::now() < deadline, "no room after one has left"),
        }
    };
    assert_eq!(pushed, Value::Integer(2));
    let mut elements: Vec<Value> =
        clients.iter_mut().map(|client| client.read().expect("a reply").elements()[1].clone()).collect();
    elements.sort_by_key(Value::to_text);
    assert_eq!(elements, ["1", "2"].map(Value::bulk));
}
