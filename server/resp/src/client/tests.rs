//! The client's codec against the server's writer, under any cut of the input, and against garbage.

use super::{DecodeError, ReplyScanner, Value, decode, encode_command, skip_reply};
use crate::limits;
use crate::{Protocol, Reply};
use proptest::prelude::*;

/// Decodes one whole reply.
fn read(input: impl AsRef<[u8]>) -> Result<Option<Value>, DecodeError> {
    let input = input.as_ref();
    let decoded = decode(input)?;
    Ok(decoded.map(|(value, len)| {
        assert_eq!(len, input.len());
        value
    }))
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn every_type_decodes() {
    for (input, value) in [
        ("+OK\r\n", Value::Simple(text("OK"))),
        ("+\r\n", Value::Simple(text(""))),
        ("-ERR no\r\n", Value::Error(text("ERR no"))),
        (":-7\r\n", Value::Integer(-7)),
        (":+7\r\n", Value::Integer(7)),
        ("$0\r\n\r\n", Value::Bulk(text(""))),
        ("$4\r\na\r\nb\r\n", Value::Bulk(text("a\r\nb"))),
        ("$-1\r\n", Value::Null),
        ("*-1\r\n", Value::Null),
        ("_\r\n", Value::Null),
        ("*0\r\n", Value::Array(vec![])),
        ("*2\r\n:1\r\n*1\r\n_\r\n", Value::Array(vec![Value::Integer(1), Value::Array(vec![Value::Null])])),
        (",1.5e3\r\n", Value::Double(1500.0)),
        (",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
        (",inf\r\n", Value::Double(f64::INFINITY)),
        ("#t\r\n", Value::Boolean(true)),
        ("#f\r\n", Value::Boolean(false)),
        ("(-123456789012345678901234567890\r\n", Value::BigNumber(text("-123456789012345678901234567890"))),
        ("!5\r\nERR x\r\n", Value::Error(text("ERR x"))),
        ("=6\r\ntxt:hi\r\n", Value::Verbatim { extension: *b"txt", text: text("hi") }),
        ("%1\r\n+k\r\n:1\r\n", Value::Map(vec![(Value::Simple(text("k")), Value::Integer(1))])),
        ("~1\r\n#t\r\n", Value::Set(vec![Value::Boolean(true)])),
        (">2\r\n+a\r\n+b\r\n", Value::Push(vec![Value::Simple(text("a")), Value::Simple(text("b"))])),
        (
            "|1\r\n+ttl\r\n:9\r\n*1\r\n:1\r\n",
            Value::Attributed {
                attributes: vec![(Value::Simple(text("ttl")), Value::Integer(9))],
                value: Box::new(Value::Array(vec![Value::Integer(1)])),
            },
        ),
    ] {
        assert_eq!(read(input), Ok(Some(value)), "{input:?}");
        for len in 0..input.len() {
            assert_eq!(decode(&input.as_bytes()[..len]), Ok(None), "{len} bytes of {input:?}");
        }
    }
    assert!(matches!(read(",nan\r\n"), Ok(Some(Value::Double(nan))) if nan.is_nan()));
}

#[test]
fn malformed_replies_are_refused() {
    for (input, error) in [
        ("x\r\n", DecodeError::UnknownType(b'x')),
        ("*1\r\n\r\n", DecodeError::UnknownType(b'\r')),
        ("$x\r\n", DecodeError::InvalidLength),
        ("$-2\r\n", DecodeError::InvalidLength),
        ("!-1\r\n", DecodeError::InvalidLength),
        ("%-1\r\n", DecodeError::InvalidLength),
        ("*\r\n", DecodeError::InvalidLength),
        ("$4294967296\r\n", DecodeError::BulkTooLong),
        ("*2147483648\r\n", DecodeError::TooManyElements),
        ("+OK\rx", DecodeError::MissingLineEnd),
        ("$1\r\nabc", DecodeError::MissingLineEnd),
        ("$1\rxa\r\n1234567", DecodeError::MissingLineEnd),
        (":\r\n", DecodeError::Malformed(b':')),
        (":+-1\r\n", DecodeError::Malformed(b':')),
        (":1.5\r\n", DecodeError::Malformed(b':')),
        ("#x\r\n", DecodeError::Malformed(b'#')),
        ("_x\r\n", DecodeError::Malformed(b'_')),
        (",\r\n", DecodeError::Malformed(b',')),
        (",infinity\r\n", DecodeError::Malformed(b',')),
        (",1_0\r\n", DecodeError::Malformed(b',')),
        ("(\r\n", DecodeError::Malformed(b'(')),
        ("(-\r\n", DecodeError::Malformed(b'(')),
        ("(1a\r\n", DecodeError::Malformed(b'(')),
        ("=3\r\ntxt\r\n", DecodeError::Malformed(b'=')),
        ("=4\r\ntxt;\r\n", DecodeError::Malformed(b'=')),
    ] {
        assert_eq!(read(input), Err(error), "{input:?}");
    }
}

#[test]
fn lines_and_nesting_are_bounded() {
    let mut line = b"+".to_vec();
    line.resize(1 + limits::MAX_REPLY_LINE, b'x');
    assert_eq!(read(&line), Ok(None));
    assert_eq!(read([&line, &b"\r\n"[..]].concat()).map(|value| value.is_some()), Ok(true));
    line.push(b'x');
    assert_eq!(read(&line), Err(DecodeError::LineTooLong));

    let nested = |depth: usize| ["*1\r\n".repeat(depth), ":1\r\n".to_owned()].concat();
    assert!(matches!(read(nested(limits::MAX_REPLY_DEPTH)), Ok(Some(Value::Array(_)))));
    assert_eq!(read(nested(limits::MAX_REPLY_DEPTH + 1)), Err(DecodeError::TooDeep));
    // Skipping needs no stack.
    let deep = nested(1_000_000);
    assert_eq!(skip_reply(deep.as_bytes()), Ok(Some(deep.len())));
}

#[test]
fn a_scanner_serves_one_reply_after_another() {
    let mut scanner = ReplyScanner::new();
    let input = b"*2\r\n$1\r\na\r\n%1\r\n:1\r\n|1\r\n+x\r\n+y\r\n:2\r\n+OK\r\n";
    let end = input.len() - 5;
    for len in 0..end {
        assert_eq!(scanner.scan(&input[..len]), Ok(None));
    }
    assert_eq!(scanner.scan(input), Ok(Some(end)));
    assert_eq!(scanner.scan(&input[end..]), Ok(Some(5)));
    assert_eq!(scanner.scan(b"*1\r\n?"), Err(DecodeError::UnknownType(b'?')));
    assert_eq!(scanner.scan(b"+OK\r\n"), Ok(Some(5)));
}

#[test]
fn more_values_announced_than_can_be_counted_is_an_error() {
    // Each header announces 2^32 - 2 values in place of one; 2^64 are reached after about 2^32 headers, so start close to it.
    let mut scanner = ReplyScanner { offset: 0, outstanding: u64::MAX - 1 };
    assert_eq!(scanner.scan(b"%2147483647\r\n"), Err(DecodeError::TooManyElements));
}

#[test]
fn values_answer_for_what_they_hold() {
    let attributed =
        |value| Value::Attributed { attributes: vec![(Value::Null, Value::Null)], value: Box::new(value) };
    assert_eq!(attributed(Value::Bulk(text("a"))).as_bytes(), Some(&b"a"[..]));
    assert_eq!(Value::Verbatim { extension: *b"txt", text: text("a") }.as_bytes(), Some(&b"a"[..]));
    assert_eq!(Value::Integer(1).as_bytes(), None);
    assert_eq!(attributed(Value::Integer(1)).as_integer(), Some(1));
    assert_eq!(Value::Null.as_integer(), None);
    assert!(attributed(Value::Error(text("ERR"))).is_error());
    assert!(!Value::Simple(text("ERR")).is_error());
}

#[test]
fn a_command_of_no_arguments_is_none() {
    let mut buffer = b"x".to_vec();
    encode_command::<&[u8]>(&mut buffer, &[]);
    assert_eq!(buffer, b"x");
    encode_command(&mut buffer, &["GET", ""]);
    assert_eq!(buffer, b"x*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
}

/// Writes a value as a server speaking RESP3 does.
fn write(reply: &mut Reply, value: &Value) {
    let write_all = |reply: &mut Reply, values: &[Value]| values.iter().for_each(|value| write(reply, value));
    let write_pairs = |reply: &mut Reply, pairs: &[(Value, Value)]| {
        for (key, value) in pairs {
            write(reply, key);
            write(reply, value);
        }
    };
    match value {
        Value::Simple(text) => reply.simple(std::str::from_utf8(text).expect("tests write text")),
        Value::Error(text) => reply.error(text),
        Value::Integer(number) => reply.integer(*number),
        Value::Bulk(bytes) => reply.bulk(bytes),
        Value::Null => reply.null(),
        Value::Array(values) => {
            reply.array(values.len());
            write_all(reply, values);
        }
        Value::Double(number) => reply.double(*number),
        Value::Boolean(truth) => reply.boolean(*truth),
        Value::BigNumber(digits) => reply.big_number(std::str::from_utf8(digits).expect("digits")),
        Value::Verbatim { extension, text } => {
            reply.verbatim(std::str::from_utf8(extension).expect("tests write text"), text);
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            write_pairs(reply, pairs);
        }
        Value::Set(values) => {
            let mark = reply.deferred_set();
            write_all(reply, values);
            reply.finish(mark, values.len());
        }
        Value::Push(values) => {
            reply.push(values.len());
            write_all(reply, values);
        }
        Value::Attributed { attributes, value } => {
            reply.attribute(attributes.len());
            write_pairs(reply, attributes);
            write(reply, value);
        }
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ -~]{0,12}".prop_map(|text| Value::Simple(text.into_bytes())),
        "[A-Z]{1,9} [ -~]{0,12}".prop_map(|text| Value::Error(text.into_bytes())),
        any::<i64>().prop_map(Value::Integer),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bulk),
        Just(Value::Null),
        any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
        ("[a-z]{3}", prop::collection::vec(any::<u8>(), 0..120)).prop_map(|(extension, text)| {
            Value::Verbatim { extension: extension.as_bytes().try_into().expect("three letters"), text }
        }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 12, |inner| {
        let values = prop::collection::vec(inner.clone(), 0..12);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..6);
        prop_oneof![
            values.clone().prop_map(Value::Array),
            values.clone().prop_map(Value::Set),
            values.prop_map(Value::Push),
            pairs.clone().prop_map(Value::Map),
            (pairs, inner)
                .prop_map(|(attributes, value)| Value::Attributed { attributes, value: Box::new(value) }),
        ]
    })
}

/// Bytes that look like replies, most of them broken somewhere.
fn nearly_replies() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[*%~>|$=!]-?[0-9]{1,3}\r\n".prop_map(String::into_bytes),
        "[*%~>|][0-3]\r\n".prop_map(String::into_bytes),
        "[+\\-:_,#(][a-z0-9.-]{0,6}\r?\n".prop_map(String::into_bytes),
        "\\$3\r\nabc\r\n".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_the_server_writes_is_read(values in prop::collection::vec(value(), 1..4)) {
        let mut reply = Reply::new(Protocol::Resp3);
        values.iter().for_each(|value| write(&mut reply, value));
        let mut rest = reply.as_bytes();
        for value in &values {
            let (decoded, len) = decode(rest).unwrap().unwrap();
            prop_assert_eq!(&decoded, value);
            prop_assert_eq!(skip_reply(rest), Ok(Some(len)));
            rest = &rest[len..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn no_cut_changes_where_a_reply_ends(input in nearly_replies()) {
        let whole = skip_reply(&input);
        let mut scanner = ReplyScanner::new();
        let mut scanned = Ok(None);
        for len in 0..=input.len() {
            scanned = scanner.scan(&input[..len]);
            if scanned != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(scanned, whole);
        match (whole, decode(&input)) {
            (Ok(Some(end)), Ok(Some((_, len)))) => prop_assert_eq!(len, end),
            (Ok(Some(_)), Err(DecodeError::Malformed(_))) => {}
            (whole, decoded) => prop_assert_eq!(whole.map(|_| ()), decoded.map(|_| ())),
        }
    }

    #[test]
    fn garbage_never_panics(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let ends = [skip_reply(&input).ok().flatten(), decode(&input).ok().flatten().map(|(_, len)| len)];
        prop_assert!(ends.into_iter().flatten().all(|end| end > 0 && end <= input.len()));
    }
}
