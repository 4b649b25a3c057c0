//! Replies byte by byte, in both protocols.

use super::{DoubleText, Protocol, Reply, format_double};
use proptest::prelude::*;

/// What `write` appends in RESP2 and in RESP3, behind something that must stay as it is.
fn both(write: impl Fn(&mut Reply)) -> (String, String) {
    let in_protocol = |protocol| {
        let mut reply = Reply::new(protocol);
        reply.raw(b"before");
        write(&mut reply);
        let bytes = reply.take();
        assert!(reply.is_empty());
        let text = String::from_utf8(bytes).expect("tests write text");
        text.strip_prefix("before").expect("what was written before stays").to_owned()
    };
    (in_protocol(Protocol::Resp2), in_protocol(Protocol::Resp3))
}

/// Asserts that `write` appends the same in both protocols.
#[track_caller]
fn assert_same(write: impl Fn(&mut Reply), expected: &str) {
    assert_eq!(both(write), (expected.to_owned(), expected.to_owned()));
}

/// Asserts what `write` appends in RESP2 and in RESP3.
#[track_caller]
fn assert_each(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
    assert_eq!(both(write), (resp2.to_owned(), resp3.to_owned()));
}

#[test]
fn scalars() {
    assert_same(Reply::ok, "+OK\r\n");
    assert_same(|reply| reply.simple("PONG"), "+PONG\r\n");
    assert_same(|reply| reply.bulk(b""), "$0\r\n\r\n");
    assert_same(|reply| reply.bulk_integer(-42), "$3\r\n-42\r\n");
    assert_each(Reply::null, "$-1\r\n", "_\r\n");
    assert_each(Reply::null_array, "*-1\r\n", "_\r\n");
    assert_each(|reply| reply.boolean(true), ":1\r\n", "#t\r\n");
    assert_each(|reply| reply.boolean(false), ":0\r\n", "#f\r\n");
    assert_each(|reply| reply.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    assert_each(|reply| reply.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    assert_each(|reply| reply.big_number("123"), "$3\r\n123\r\n", "(123\r\n");
    assert_each(|reply| reply.verbatim("txt", b"a\r\nb"), "$4\r\na\r\nb\r\n", "=8\r\ntxt:a\r\nb\r\n");
}

#[test]
fn lines_cannot_be_broken_by_what_they_hold() {
    assert_same(|reply| reply.error("WRONGTYPE no"), "-WRONGTYPE no\r\n");
    assert_same(|reply| reply.error(b"\r\nERR a\r\nb\nc\n\r\n"), "-ERR a  b c\r\n");
    assert_same(|reply| reply.error("\r\n\n"), "-\r\n");
    assert_same(|reply| reply.simple("a\r\nb"), "+a  b\r\n");
    assert_each(|reply| reply.big_number("1\r\n2"), "$4\r\n1\r\n2\r\n", "(1  2\r\n");
}

#[test]
fn aggregates() {
    assert_same(|reply| reply.array(0), "*0\r\n");
    assert_same(|reply| reply.array(123), "*123\r\n");
    assert_each(|reply| reply.map(12), "*24\r\n", "%12\r\n");
    assert_each(|reply| reply.set(2), "*2\r\n", "~2\r\n");
    assert_each(|reply| reply.push(3), "*3\r\n", ">3\r\n");
    let mut reply = Reply::new(Protocol::Resp3);
    reply.attribute(1);
    assert_eq!(reply.as_bytes(), b"|1\r\n");
}

#[test]
#[should_panic(expected = "RESP2 has no attributes")]
fn attributes_need_resp3() {
    Reply::new(Protocol::Resp2).attribute(1);
}

#[test]
fn deferred_aggregates_nest() {
    let write = |reply: &mut Reply| {
        let outer = reply.deferred_map();
        for _ in 0..6 {
            reply.bulk(b"k");
            let inner = reply.deferred_set();
            for value in 0..12 {
                reply.integer(value);
            }
            reply.finish(inner, 12);
        }
        let empty = reply.deferred_array();
        reply.finish(empty, 0);
        reply.ok();
        reply.finish(outer, 7);
    };
    let members: String = (0..12).map(|value| format!(":{value}\r\n")).collect();
    let body = |marker: &str| format!("$1\r\nk\r\n{marker}12\r\n{members}").repeat(6) + "*0\r\n+OK\r\n";
    assert_each(write, &format!("*14\r\n{}", body("*")), &format!("%7\r\n{}", body("~")));
}

#[test]
fn a_deferred_aggregate_of_any_count_equals_a_plain_one() {
    for count in [0, 1, 9, 10, 99, 100, 1000, 123_456_789, usize::MAX] {
        assert_eq!(
            both(|reply| {
                let mark = reply.deferred_array();
                reply.bulk(b"body");
                reply.finish(mark, count);
            }),
            both(|reply| {
                reply.array(count);
                reply.bulk(b"body");
            })
        );
    }
}

#[test]
#[should_panic(expected = "from the inside out")]
fn an_outer_aggregate_cannot_be_finished_first() {
    let mut reply = Reply::new(Protocol::Resp2);
    let outer = reply.deferred_array();
    let inner = reply.deferred_array();
    reply.finish(outer, 10);
    reply.finish(inner, 1);
}

#[test]
#[should_panic(expected = "finished once")]
fn a_truncated_aggregate_cannot_be_finished() {
    let mut reply = Reply::new(Protocol::Resp2);
    let mark = reply.deferred_array();
    reply.truncate(0);
    reply.finish(mark, 0);
}

#[test]
fn the_protocol_changes_between_replies() {
    let mut reply = Reply::with_buffer(Protocol::Resp2, b"+OK\r\n".to_vec());
    reply.null();
    reply.set_protocol(Protocol::Resp3);
    assert_eq!(reply.protocol(), Protocol::Resp3);
    reply.null();
    assert_eq!(reply.as_bytes(), b"+OK\r\n$-1\r\n_\r\n");
    reply.truncate(5);
    assert_eq!((reply.len(), reply.is_empty()), (5, false));
    reply.buffer_mut().push(b'x');
    assert_eq!(reply.as_bytes(), b"+OK\r\nx");
    reply.clear();
    assert!(reply.is_empty());
}

/// Pairs of a double and its text, each seen from redis-server 8.0 (ZADD, then ZSCORE).
const DOUBLES: &[(f64, &str)] = &[
    (0.0, "0"),
    (-0.0, "-0"),
    (1.0, "1"),
    (-1.0, "-1"),
    (0.1, "0.1"),
    (0.30000000000000004, "0.30000000000000004"),
    (3.589793238462643, "3.589793238462643"),
    (-2.5, "-2.5"),
    (100.5, "100.5"),
    (1e15, "1000000000000000"),
    (4611686018427387904.0, "4611686018427387904"),
    (4611686018427388928.0, "4611686018427389000"),
    (9007199254740993.0, "9007199254740992"),
    (1e19, "1e+19"),
    (1e21, "1e+21"),
    (1e22, "1e+22"),
    (1.5e22, "1.5e+22"),
    (1.2345678901234567e19, "12345678901234567000"),
    (1.2345678901234567e23, "123456789012345670000000"),
    (1.2345678901234567e24, "1.2345678901234568e+24"),
    (1e100, "1e+100"),
    (f64::MAX, "1.7976931348623157e+308"),
    (f64::MIN, "-1.7976931348623157e+308"),
    (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
    (5e-324, "5e-324"),
    (0.001, "0.001"),
    (0.0001, "0.0001"),
    (0.00001, "0.00001"),
    (0.000001, "0.000001"),
    (0.0000001, "1e-7"),
    (0.00000123, "1.23e-6"),
    (0.00012345, "1.2345e-4"),
    (0.0012345678, "0.0012345678"),
    (0.00012345678, "1.2345678e-4"),
    (1.25e-10, "1.25e-10"),
    (1234567.125, "1234567.125"),
    (f64::INFINITY, "inf"),
    (f64::NEG_INFINITY, "-inf"),
];

#[test]
fn doubles_are_spelled_as_redis_spells_them() {
    let mut text = DoubleText::new();
    for (value, expected) in DOUBLES {
        assert_eq!(format_double(*value, &mut text), *expected);
    }
    assert_eq!(format_double(f64::NAN, &mut text), "nan");
    assert_eq!(format_double(-f64::NAN, &mut text), "nan");
}

proptest! {
    #[test]
    fn integers_print_as_the_standard_library_prints_them(value: i64, shift in 0u32..64) {
        let value = value >> shift;
        let (written, _) = both(|reply| reply.integer(value));
        prop_assert_eq!(written, format!(":{}\r\n", value));
        let (written, _) = both(|reply| reply.array(value.unsigned_abs() as usize));
        prop_assert_eq!(written, format!("*{}\r\n", value.unsigned_abs()));
    }

    #[test]
    fn bulk_strings_of_any_length(len in prop_oneof![0usize..2000, Just(9_999), Just(10_000), Just(1_000_000)]) {
        let bytes = vec![b'x'; len];
        let (written, _) = both(|reply| reply.bulk(&bytes));
        prop_assert_eq!(written, format!("${}\r\n{}\r\n", len, "x".repeat(len)));
    }

    #[test]
    fn doubles_read_back_as_the_same_number(bits: u64) {
        let value = f64::from_bits(bits);
        let mut text = DoubleText::new();
        let text = format_double(value, &mut text);
        prop_assert!(text.len() <= 25);
        if value.is_nan() {
            prop_assert_eq!(text, "nan");
        } else {
            prop_assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(bits));
        }
    }

    #[test]
    fn short_decimals_are_spelled_as_they_were_written(whole in 0u32..1_000_000, thousandths in 1u32..1000) {
        let written = format!("{whole}.{thousandths:03}");
        let written = written.trim_end_matches('0');
        let mut text = DoubleText::new();
        prop_assert_eq!(format_double(written.parse().unwrap(), &mut text), written);
    }
}
