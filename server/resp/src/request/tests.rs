//! The parser against the protocol's corners, against itself under any cut of the input, and against garbage.

use super::{Commands, Limits, Parser, Progress, ProtocolError, Status};
use crate::encode_command;
use crate::limits;
use proptest::prelude::*;

/// What a connection's input amounts to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    commands: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    /// Bytes never consumed.
    left: usize,
}

/// Parses as a server would: bytes arrive in `chunks`, what is not consumed stays in the buffer.
fn hear<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limits: &Limits, max_commands: usize) -> Heard {
    let (mut parser, mut out) = (Parser::new(), Commands::new());
    let mut heard = Heard::default();
    let mut buffer: Vec<u8> = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            out.clear();
            let Progress { mut consumed, status } = parser.parse(&buffer, limits, max_commands, &mut out);
            check_positions(&out, consumed);
            for index in 0..out.len() {
                heard.commands.push(out.argv(index).iter().map(|arg| arg.of(&buffer).to_vec()).collect());
            }
            let again = match status {
                Status::NeedMore { missing } => {
                    assert!(missing <= limits.max_bulk_len.saturating_add(2));
                    false
                }
                Status::Full => {
                    assert_eq!(out.len(), max_commands);
                    assert!(consumed < buffer.len());
                    true
                }
                Status::Quoted { line_len, argv } => {
                    assert!(line_len > 0 && !argv.is_empty());
                    consumed += line_len;
                    heard.commands.push(argv);
                    true
                }
                Status::Error(error) => {
                    heard.error = Some(error);
                    heard.left = buffer.len() - consumed;
                    return heard;
                }
            };
            buffer.drain(..consumed);
            if !again {
                break;
            }
        }
    }
    heard.left = buffer.len();
    heard
}

/// Commands stand one behind the other, each around its arguments, all within what was consumed.
fn check_positions(out: &Commands, consumed: usize) {
    let mut end = 0;
    for (index, command) in out.iter().enumerate() {
        assert!(command.start >= end && command.end > command.start && command.argc > 0);
        end = command.end;
        let mut inside = command.start;
        for arg in out.argv(index) {
            assert!(arg.start >= inside);
            inside = arg.start + arg.len;
        }
        assert!(inside <= end);
    }
    assert!(end as usize <= consumed);
}

fn hear_whole(input: &[u8]) -> Heard {
    hear([input], &Limits::default(), usize::MAX)
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn unauthenticated() -> Limits {
    Limits { authenticated: false, ..Limits::default() }
}

#[test]
fn invalid_requests_fail_with_the_words_of_redis() {
    for (input, text) in [
        ("*abc\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*-0\r\n", "invalid multibulk length"),
        ("*1\0\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*1\r\nfoo\r\n", "expected '$', got 'f'"),
        ("*1\r\n\r\n", "expected '$', got '\r'"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$00\r\n\r\n1234567", "invalid bulk length"),
        ("*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$ 4\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$4a\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        ("*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
        ("ECHO \"a\"b\r\n", "unbalanced quotes in request"),
        ("ECHO \"a\r\n", "unbalanced quotes in request"),
        ("ECHO 'a\\'\r\n", "unbalanced quotes in request"),
        ("ECHO \"\\\r\n", "unbalanced quotes in request"),
    ] {
        let heard = hear_whole(input.as_bytes());
        assert_eq!(heard.error.map(|error| error.to_string()).as_deref(), Some(text), "{input:?}");
        // Good commands before it are heard, and its own bytes are not consumed beyond its start.
        let after_good = hear_whole(format!("PING\r\n*1\r\n$4\r\nPING\r\n{input}").as_bytes());
        assert_eq!(after_good.commands, [words("PING"), words("PING")], "{input:?}");
        assert_eq!((after_good.error, after_good.left), (heard.error, input.len()), "{input:?}");
    }
}

#[test]
fn valid_requests_read_as_redis_reads_them() {
    for (input, lines) in [
        ("*-1\r\nPING\r\n", &["PING"][..]),
        ("*-99\r\nPING\r\n", &["PING"]),
        ("*0\r\nPING\r\n", &["PING"]),
        // The byte behind a CR and the two behind an argument are not looked at.
        ("*1\r\n$4\rxPINGyy*1\rx$4\r\nPING\r\n", &["PING", "PING"]),
        ("*1\r\n$0\r\n\r\n", &[""]),
        (
            "*10\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$2\r\n10\r\n",
            &["1 2 3 4 5 6 7 8 9 10"],
        ),
        ("   \r\nPING\r\n", &["PING"]),
        ("\r\n\nPING\n", &["PING"]),
        ("  SET  k\tv \r\n", &["SET k v"]),
        ("\u{b}\u{c}ECHO a\r\n", &["ECHO a"]),
        ("ECHO a\u{b}b\r\n", &["ECHO a\u{b}b"]),
        ("ECHO a\rb\r\n", &["ECHO a b"]),
        ("ECHO a\r\r\n", &["ECHO a"]),
        ("ECHO \"a\"\u{b}\r\n", &["ECHO a"]),
        ("ECHO a\"b\"\r\n", &["ECHO ab"]),
        ("ECHO 'a\\'b'\n", &["ECHO a'b"]),
        ("ECHO 'a\\nb'\n", &["ECHO a\\nb"]),
        ("ECHO a\\b\n", &["ECHO a\\b"]),
        ("ECHO \"\\x41\\n\\q\\\"\"\r\n", &["ECHO A\nq\""]),
        ("ECHO \"\\xZZ\\x4\"\r\n", &["ECHO xZZx4"]),
        ("ECHO \"\\r\\t\\b\\a\\x7E\\xe\"\r\n", &["ECHO \r\t\u{8}\u{7}~xe"]),
        ("\"\"\r\nPING\r\n", &["", "PING"]),
    ] {
        let heard = hear_whole(input.as_bytes());
        let expected: Vec<_> = lines.iter().map(|line| words(line)).collect();
        assert_eq!((heard.commands, heard.error, heard.left), (expected, None, 0), "{input:?}");
    }
}

#[test]
fn lines_without_an_end_fail_just_beyond_64_kib() {
    for (head, error) in [
        (&b"*"[..], ProtocolError::TooBigMultibulkCount),
        (b"*1\r\n$", ProtocolError::TooBigBulkCount),
        (b"a", ProtocolError::TooBigInline),
    ] {
        let line = head.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut input = head.to_vec();
        input.resize(line + limits::MAX_INLINE, b'1');
        assert_eq!(hear_whole(&input).error, None);
        input.push(b'1');
        assert_eq!(hear_whole(&input).error, Some(error));
        // The end comes too late, whether or not it has arrived already.
        input.extend_from_slice(b"\r\n");
        assert_eq!(hear_whole(&input).error, Some(error));
    }
    let mut longest = vec![b'a'; limits::MAX_INLINE];
    longest.push(b'\n');
    assert_eq!(hear_whole(&longest).commands, [vec![vec![b'a'; limits::MAX_INLINE]]]);
}

#[test]
fn before_authentication_requests_must_be_small() {
    let limits = unauthenticated();
    let hear = |input: &[u8]| hear([input], &limits, usize::MAX).error;
    assert_eq!(hear(b"*10\r\n"), None);
    assert_eq!(hear(b"*11\r\n"), Some(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(hear(b"*1\r\n$16384\r\n"), None);
    assert_eq!(hear(b"*1\r\n$16385\r\n"), Some(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(hear(b"*1\r\n$16385\r\nxx"), Some(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(hear(b"*1\r\n$536870913\r\n"), Some(ProtocolError::InvalidBulkLength));
}

#[test]
fn one_command_at_a_time_lets_authentication_lift_the_limits() {
    let mut input = Vec::new();
    encode_command(&mut input, &["AUTH", "secret"]);
    let big = vec![b'v'; 20_000];
    encode_command(&mut input, &[b"SET", b"k".as_slice(), &big]);
    let (mut parser, mut out) = (Parser::new(), Commands::new());
    let progress = parser.parse(&input, &unauthenticated(), 1, &mut out);
    assert_eq!(progress, Progress { consumed: 26, status: Status::Full });
    let progress = parser.parse(&input[26..], &Limits::default(), 1, &mut out);
    assert_eq!(progress, Progress { consumed: input.len() - 26, status: Status::NeedMore { missing: 0 } });
    // Both are recorded: parse() appends.
    assert_eq!((out.len(), out.argv(1)[2].len), (2, 20_000));
}

#[test]
fn a_bulk_string_says_what_it_lacks() {
    let (mut parser, mut out) = (Parser::new(), Commands::new());
    for (input, missing) in [
        (&b"*2\r\n"[..], 0),
        (b"*2\r\n$3", 0),
        (b"*2\r\n$3\r\n", 5),
        (b"*2\r\n$3\r\nGE", 3),
        (b"*2\r\n$3\r\nGET\r\n$100000\r\n12", 100_000),
    ] {
        let progress = parser.parse(input, &Limits::default(), 9, &mut out);
        assert_eq!(progress, Progress { consumed: 0, status: Status::NeedMore { missing } });
        assert!(parser.is_midway());
    }
    assert!(out.is_empty());
}

#[test]
fn a_search_for_a_line_end_is_not_continued_in_a_later_line() {
    let (first, rest) = (&b"*2\r\n$100"[..], &b"0\r\n"[..]);
    let rest = [rest, &vec![b'v'; 1000], b"\r\n$\r"].concat();
    let heard = hear([first, &rest, b"\n"], &Limits::default(), 1);
    assert_eq!(heard.error, Some(ProtocolError::InvalidBulkLength));
}

#[test]
fn a_raised_bulk_limit_stops_at_what_offsets_can_hold() {
    let limits = Limits { max_bulk_len: usize::MAX, ..Limits::default() };
    let hear = |input: String| hear([input.as_bytes()], &limits, 1).error;
    // The other bytes of the command count, too.
    let most = limits::MAX_COMMAND_LEN - "*1\r\n$4294967295\r\n\r\n".len();
    assert_eq!(hear(format!("*1\r\n${most}\r\n")), None);
    assert_eq!(hear(format!("*1\r\n${}\r\n", most + 1)), Some(ProtocolError::InvalidBulkLength));
    assert_eq!(hear(format!("PING\r\n*1\r\n${most}\r\n")), None);
    assert_eq!(hear(format!("*1\r\n${}\r\n", i64::MAX)), Some(ProtocolError::InvalidBulkLength));
}

#[test]
fn no_more_commands_than_asked_for() {
    let input = b"PING\r\n".repeat(5);
    let (mut parser, mut out) = (Parser::new(), Commands::new());
    let progress = parser.parse(&input, &Limits::default(), 2, &mut out);
    assert_eq!((progress, out.len()), (Progress { consumed: 12, status: Status::Full }, 2));
    let progress = parser.parse(&input[12..], &Limits::default(), 0, &mut out);
    assert_eq!((progress, out.len()), (Progress { consumed: 0, status: Status::Full }, 2));
    // Exactly as many as there are: nothing is left that would be worth a call.
    let progress = parser.parse(&input[12..], &Limits::default(), 3, &mut out);
    let done = Progress { consumed: 18, status: Status::NeedMore { missing: 0 } };
    assert_eq!((progress, out.len()), (done, 5));
}

#[test]
fn memory_follows_what_has_arrived_and_is_given_back() {
    let (mut parser, mut out) = (Parser::new(), Commands::new());
    let mut input = b"*2147483647\r\n".to_vec();
    assert!(matches!(
        parser.parse(&input, &Limits::default(), 1, &mut out).status,
        Status::NeedMore { missing: 0 }
    ));
    assert_eq!((out.args.capacity(), parser.pending.capacity()), (0, 0));

    let args = vec!["x"; 100_000];
    input.clear();
    encode_command(&mut input, &args);
    let mut parser = Parser::new();
    let almost = &input[..input.len() - 1];
    let _ = parser.parse(almost, &Limits::default(), 1, &mut out);
    assert_eq!(parser.pending.len(), args.len() - 1);
    let _ = parser.parse(&input, &Limits::default(), 1, &mut out);
    assert_eq!(out.argv(0).len(), args.len());
    assert!(parser.pending.capacity() <= limits::RETAINED_PENDING);
    out.clear();
    assert!(out.args.capacity() <= limits::RETAINED_ARGS);
}

#[test]
#[should_panic(expected = "must start at the first unconsumed byte")]
fn a_shrunken_input_is_our_own_bug() {
    let (mut parser, mut out) = (Parser::new(), Commands::new());
    let _ = parser.parse(b"*2\r\n$4\r\nECHO\r\n$1\r\n", &Limits::default(), 1, &mut out);
    let _ = parser.parse(b"*2\r\n", &Limits::default(), 1, &mut out);
}

/// Splits `input` at the given fractions of its length.
fn cut<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

/// Arguments of all the lengths that take different paths.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..12),
        3 => prop::collection::vec(any::<u8>(), 12..130),
        1 => prop::collection::vec(any::<u8>(), 900..1200),
        1 => (9_000usize..11_000).prop_map(|len| vec![b'v'; len]),
        1 => (99_990usize..100_010).prop_map(|len| vec![b'v'; len]),
    ]
}

fn commands() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    prop::collection::vec(prop::collection::vec(argument(), 1..14), 0..12)
}

/// Bytes that look like requests, most of them broken somewhere.
fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[*$]-?[0-9]{1,4}\r\n".prop_map(String::into_bytes),
        "[*$][0-3]\r\n".prop_map(String::into_bytes),
        "\\*2\r\n\\$3\r\nGET\r\n\\$1\r\nk\r\n".prop_map(String::into_bytes),
        "[ \"'a-c\\\\x0-9]{0,12}\r?\n".prop_map(String::into_bytes),
        Just(b"\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_a_client_encodes_is_heard(commands in commands(), cuts: [prop::sample::Index; 6], max in 1usize..5) {
        let mut input = Vec::new();
        for command in &commands {
            encode_command(&mut input, command);
        }
        let heard = hear(cut(&input, &cuts), &Limits::default(), max);
        prop_assert_eq!(heard, Heard { commands, error: None, left: 0 });
    }

    #[test]
    fn no_cut_changes_what_is_heard(input in nearly_requests(), cuts: [prop::sample::Index; 8], max in 1usize..5,
                                    authenticated: bool, max_bulk_len in 0usize..2000, max_inline in 4usize..40) {
        let limits = Limits { max_bulk_len, authenticated, max_inline };
        let whole = hear([input.as_slice()], &limits, usize::MAX);
        let bytewise = hear(input.chunks(1), &limits, max);
        prop_assert_eq!(&bytewise.commands, &whole.commands);
        prop_assert_eq!(bytewise.error, whole.error);
        let pieces = hear(cut(&input, &cuts), &limits, max);
        prop_assert_eq!(&pieces.commands, &whole.commands);
        prop_assert_eq!(pieces.error, whole.error);
        if whole.error.is_none() {
            prop_assert_eq!((bytewise.left, pieces.left), (whole.left, whole.left));
        }
    }

    #[test]
    fn garbage_never_panics(input in prop::collection::vec(any::<u8>(), 0..300), cuts: [prop::sample::Index; 4]) {
        let heard = hear(cut(&input, &cuts), &Limits::default(), 3);
        prop_assert!(heard.left <= input.len());
    }
}
