//! Any bytes in any pieces: the parser must hear the same commands as from one piece.
#![no_main]

use boxcar_resp::{Commands, Limits, Parser, ProtocolError, Status, encode_command};
use libfuzzer_sys::fuzz_target;

/// What a connection's input amounts to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    commands: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
}

/// Parses bytes that arrive in pieces of the given sizes, over and over.
fn hear(input: &[u8], piece_sizes: &[usize], limits: &Limits, max_commands: usize) -> Heard {
    let (mut parser, mut out, mut heard) = (Parser::new(), Commands::new(), Heard::default());
    let (mut start, mut end) = (0, 0);
    for size in piece_sizes.iter().cycle() {
        end = input.len().min(end + size);
        loop {
            out.clear();
            let buffer = &input[start..end];
            let progress = parser.parse(buffer, limits, max_commands, &mut out);
            let mut behind = 0;
            for (index, command) in out.iter().enumerate() {
                assert!(command.start >= behind && command.start < command.end && command.argc > 0);
                let args = out.argv(index);
                let last = args.last().expect("a command has a name").range();
                assert!(args[0].start >= command.start && last.end <= command.end as usize);
                behind = command.end;
                heard.commands.push(args.iter().map(|arg| arg.of(buffer).to_vec()).collect());
            }
            assert!(behind as usize <= progress.consumed && progress.consumed <= buffer.len());
            start += progress.consumed;
            match progress.status {
                Status::NeedMore { missing } => {
                    assert!(missing <= limits.max_bulk_len + 2);
                    break;
                }
                Status::Full => assert_eq!(out.len(), max_commands),
                Status::Quoted { line_len, argv } => {
                    assert!(line_len > 0 && start + line_len <= end && !argv.is_empty());
                    start += line_len;
                    heard.commands.push(argv);
                }
                Status::Error(error) => {
                    heard.error = Some(error);
                    return heard;
                }
            }
        }
        if end == input.len() {
            break;
        }
    }
    heard
}

fuzz_target!(|data: &[u8]| {
    // The first bytes choose how the rest is cut and what is allowed.
    let [first, second, choice, input @ ..] = data else { return };
    let sizes = [usize::from(*first % 64) + 1, usize::from(*second) * 4 + 1];
    let limits = Limits {
        authenticated: choice & 1 == 0,
        max_bulk_len: if choice & 2 == 0 { Limits::default().max_bulk_len } else { 100 },
        max_inline: if choice & 4 == 0 { Limits::default().max_inline } else { 24 },
    };
    let whole = hear(input, &[input.len() + 1], &limits, 1 << 20);
    let pieces = hear(input, &sizes, &limits, usize::from(choice >> 4) + 1);
    assert_eq!(whole, pieces);

    // Heard again from its plain form, a command is the same.
    let mut encoded = Vec::new();
    whole.commands.iter().for_each(|args| encode_command(&mut encoded, args));
    let again = hear(&encoded, &sizes, &Limits::default(), 8);
    assert_eq!(again, Heard { commands: whole.commands, error: None });
});
