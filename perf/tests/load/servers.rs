//! What the servers of these tests are made of.

use boxcar_perf::load::{Endpoint, Kind, request_len};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Starts a server that gives each connection to `serve`, in a thread of its own.
pub fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || serve(stream));
        }
    });
    endpoint
}

/// Answers every GET with `reply`, after `pause` has had its say.
pub fn answer(mut stream: TcpStream, reply: &[u8], pause: impl Fn()) {
    let request = request_len(Kind::Get, 64);
    let (mut buffer, mut partial) = (vec![0; 64 * 1024], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let whole = (partial + count) / request;
        partial = (partial + count) % request;
        pause();
        if stream.write_all(&reply.repeat(whole)).is_err() {
            return;
        }
    }
}

pub fn value() -> Vec<u8> {
    let mut reply = b"$64\r\n".to_vec();
    reply.extend_from_slice(&[b'v'; 64]);
    reply.extend_from_slice(b"\r\n");
    reply
}

/// A store of strings: GET and SET as the generator sends them. `damage` may change a value before it is sent.
pub fn store(
    stream: impl Read + Write,
    map: &Mutex<HashMap<String, Vec<u8>>>,
    damage: impl Fn(&str, &mut Vec<u8>),
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut arguments = Vec::new();
        let Some(count) = number(&mut stream) else { return };
        for _ in 0..count {
            let Some(size) = number(&mut stream) else { return };
            let mut argument = vec![0; size + 2];
            stream.read_exact(&mut argument).unwrap();
            argument.truncate(size);
            arguments.push(argument);
        }
        let key = String::from_utf8(arguments[1].clone()).unwrap();
        let reply = if arguments[0] == b"SET" {
            map.lock().unwrap().insert(key, arguments.remove(2));
            b"+OK\r\n".to_vec()
        } else {
            match map.lock().unwrap().get(&key) {
                None => b"$-1\r\n".to_vec(),
                Some(value) => {
                    let mut value = value.clone();
                    damage(&key, &mut value);
                    [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
                }
            }
        };
        if stream.get_mut().write_all(&reply).is_err() {
            return;
        }
    }
}

fn number(stream: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    if stream.read_line(&mut line).unwrap_or(0) == 0 {
        return None;
    }
    Some(line[1..].trim_end().parse().unwrap())
}
