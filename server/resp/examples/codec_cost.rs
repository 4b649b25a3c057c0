//! What parsing a command and writing a reply cost, in nanoseconds on one core.
//!
//! `cargo run --release -p boxcar-resp --example codec_cost` prints one line for each case: the best of several
//! rounds, since noise only ever adds. A case's name as argument runs that case alone for a fixed number of rounds, for
//! instruction counts: `valgrind --tool=callgrind --toggle-collect='*measured*' codec_cost parse-get`.

use boxcar_resp::{
    Commands, Limits, Parser, Protocol, Reply, ReplyScanner, decode, encode_command, format_double,
    skip_reply,
};
use std::hint::black_box;
use std::time::Instant;

/// Commands or replies one pass of a case handles.
const BATCH: usize = 64;

/// One thing to measure: a pass handles [`BATCH`] commands or replies.
struct Case {
    name: &'static str,
    pass: Box<dyn FnMut()>,
}

fn main() {
    let wanted = std::env::args().nth(1);
    for case in &mut cases() {
        match &wanted {
            None => println!("{:<24} {:>7.1} ns", case.name, best_of(&mut case.pass)),
            Some(name) if name == case.name => {
                for _ in 0..1000 {
                    measured(&mut case.pass);
                }
            }
            Some(_) => {}
        }
    }
}

/// Runs one pass; a symbol of its own, so that callgrind can count inside it only.
#[inline(never)]
fn measured(pass: &mut dyn FnMut()) {
    pass();
}

/// Nanoseconds per command: the fastest of many short rounds.
fn best_of(pass: &mut dyn FnMut()) -> f64 {
    const ROUNDS: usize = 200;
    const PASSES: usize = 500;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..PASSES {
            measured(pass);
        }
        best = best.min(began.elapsed().as_nanos() as f64 / (PASSES * BATCH) as f64);
    }
    best
}

fn cases() -> Vec<Case> {
    let value = vec![b'v'; 64];
    let key = |index: usize| format!("key:{index:012}").into_bytes();
    let get = stream(|index| vec![b"GET".to_vec(), key(index)]);
    let set = stream(|index| vec![b"SET".to_vec(), key(index), value.clone()]);
    let large = stream(|index| vec![b"SET".to_vec(), key(index), vec![b'v'; 4096]]);
    let mixed = stream(|index| {
        let mut args = vec![b"MSET".to_vec()];
        for step in 0..index % 7 + 1 {
            args.push(key(index)[index % 5..].to_vec());
            args.push(vec![b'v'; (index * 37 + step * 101) % 300]);
        }
        args
    });
    let inline = b"GET key:000000012345\r\n".repeat(BATCH);
    let (replies, statuses) = (bulk_replies(&value), b"+OK\r\n".repeat(BATCH));
    let decoded = replies.clone();
    vec![
        Case { name: "parse-get", pass: parse(get.clone()) },
        Case { name: "parse-get-split", pass: parse_split(get) },
        Case { name: "parse-set-64", pass: parse(set) },
        Case { name: "parse-set-4096", pass: parse(large) },
        Case { name: "parse-mset-mixed", pass: parse(mixed) },
        Case { name: "parse-inline-get", pass: parse(inline) },
        Case { name: "reply-bulk-64", pass: reply(move |reply, _| reply.bulk(black_box(&value))) },
        Case { name: "reply-bulk-16", pass: reply(|reply, _| reply.bulk(black_box(b"0123456789abcdef"))) },
        Case { name: "reply-bulk-512", pass: reply(|reply, _| reply.bulk(black_box(&[b'v'; 512]))) },
        Case { name: "reply-ok", pass: reply(|reply, _| reply.ok()) },
        Case { name: "reply-integer-1", pass: reply(|reply, _| reply.integer(black_box(1))) },
        Case { name: "reply-integer-large", pass: reply(|reply, _| reply.integer(black_box(1_234_567_890))) },
        Case { name: "reply-bulk-integer", pass: reply(|reply, _| reply.bulk_integer(black_box(12_345))) },
        Case { name: "reply-double", pass: reply(|reply, index| reply.double(index as f64 + 0.1)) },
        Case { name: "reply-deferred-array", pass: reply(deferred) },
        Case { name: "format-double", pass: doubles() },
        Case { name: "skip-bulk-64", pass: skip(replies) },
        Case { name: "skip-ok", pass: skip(statuses) },
        Case { name: "decode-bulk-64", pass: decode_all(decoded) },
        Case { name: "encode-get", pass: encode() },
    ]
}

/// The bytes of a batch of commands.
fn stream(args: impl Fn(usize) -> Vec<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in 0..BATCH {
        encode_command(&mut bytes, &args(index));
    }
    bytes
}

fn bulk_replies(value: &[u8]) -> Vec<u8> {
    let mut reply = Reply::new(Protocol::Resp2);
    for _ in 0..BATCH {
        reply.bulk(value);
    }
    reply.take()
}

fn parse(input: Vec<u8>) -> Box<dyn FnMut()> {
    let (mut parser, mut commands) = (Parser::new(), Commands::new());
    let limits = Limits::default();
    Box::new(move || {
        commands.clear();
        let progress = parser.parse(black_box(&input), &limits, 1024, &mut commands);
        assert_eq!((progress.consumed, commands.len()), (input.len(), BATCH));
    })
}

/// As [`parse`], in two pieces that cut a command in the middle.
fn parse_split(input: Vec<u8>) -> Box<dyn FnMut()> {
    let (mut parser, mut commands) = (Parser::new(), Commands::new());
    let limits = Limits::default();
    let cut = input.len() / 2 + 17;
    Box::new(move || {
        commands.clear();
        let first = parser.parse(black_box(&input[..cut]), &limits, 1024, &mut commands);
        let parsed = commands.len();
        commands.clear();
        let rest = black_box(&input[first.consumed..]);
        let second = parser.parse(rest, &limits, 1024, &mut commands);
        assert_eq!((second.consumed, parsed + commands.len()), (rest.len(), BATCH));
    })
}

fn reply(mut write: impl FnMut(&mut Reply, usize) + 'static) -> Box<dyn FnMut()> {
    let mut reply = Reply::new(Protocol::Resp2);
    Box::new(move || {
        reply.clear();
        for index in 0..BATCH {
            write(&mut reply, index);
        }
        black_box(reply.as_bytes());
    })
}

fn deferred(reply: &mut Reply, _index: usize) {
    let mark = reply.deferred_array();
    for _ in 0..10 {
        reply.integer(black_box(7));
    }
    reply.finish(mark, 10);
}

fn doubles() -> Box<dyn FnMut()> {
    Box::new(|| {
        for index in 0..BATCH {
            black_box(format_double(black_box(index as f64 * 0.37 + 0.001), &mut Default::default()));
        }
    })
}

fn skip(input: Vec<u8>) -> Box<dyn FnMut()> {
    Box::new(move || {
        let mut rest = black_box(input.as_slice());
        while let Some(len) = skip_reply(rest).expect("replies are valid") {
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
    })
}

fn decode_all(input: Vec<u8>) -> Box<dyn FnMut()> {
    Box::new(move || {
        let mut rest = black_box(input.as_slice());
        let mut scanner = ReplyScanner::new();
        while let Some(len) = scanner.scan(rest).expect("replies are valid") {
            black_box(decode(&rest[..len]).expect("replies are valid"));
            rest = &rest[len..];
        }
    })
}

fn encode() -> Box<dyn FnMut()> {
    let mut buffer = Vec::new();
    Box::new(move || {
        buffer.clear();
        for _ in 0..BATCH {
            encode_command(&mut buffer, black_box(&[b"GET".as_slice(), b"key:000000012345"]));
        }
        black_box(&buffer);
    })
}
