//! Any bytes: skipper, scanner and decoder must agree on where a reply ends.
#![no_main]

use boxcar_resp::{DoubleText, ReplyScanner, Value, decode, format_double, skip_reply};
use libfuzzer_sys::fuzz_target;

/// Scans a reply that arrives in pieces of `size` bytes.
fn scan(input: &[u8], size: usize) -> Result<Option<usize>, boxcar_resp::DecodeError> {
    let mut scanner = ReplyScanner::new();
    for end in (0..input.len()).step_by(size) {
        match scanner.scan(&input[..end]) {
            Ok(None) => {}
            done => return done,
        }
    }
    scanner.scan(input)
}

fn check_doubles(value: &Value) {
    match value {
        Value::Double(number) if !number.is_nan() => {
            let mut text = DoubleText::new();
            assert_eq!(format_double(*number, &mut text).parse(), Ok(*number));
        }
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            values.iter().for_each(check_doubles)
        }
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            check_doubles(key);
            check_doubles(value);
        }),
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let [size, input @ ..] = data else { return };
    let mut input = input;
    while !input.is_empty() {
        let skipped = skip_reply(input);
        assert_eq!(scan(input, usize::from(*size) + 1), skipped);
        match decode(input) {
            Ok(Some((value, len))) => {
                assert_eq!(skipped, Ok(Some(len)));
                assert!(len > 0 && len <= input.len());
                check_doubles(&value);
                input = &input[len..];
            }
            Ok(None) => {
                assert_eq!(skipped, Ok(None));
                return;
            }
            // The skipper does not look into values.
            Err(error) => {
                assert!(matches!(skipped, Ok(Some(_))) || skipped == Err(error));
                return;
            }
        }
    }
});
