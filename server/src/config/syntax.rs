//! The syntax of one configuration line: words, quotes and escapes as in Redis's `sdssplitargs`, and the way
//! back.

/// Splits a line into words. Words may stand in double quotes, with the escapes `\n \r \t \b \a \xHH` and a
/// backslash before any other byte standing for that byte, or in single quotes, where only `\'` is an escape.
/// A closing quote must end the word. `None` = unbalanced quotes.
pub(super) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        // C's isspace, unlike Rust's, counts the vertical tab.
        while let [0x0b, tail @ ..] = rest {
            rest = tail.trim_ascii_start();
        }
        // A NUL ends a C string, and so Redis's line.
        if rest.is_empty() || rest[0] == 0 {
            return Some(words);
        }
        let (word, tail) = take_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Takes the word at the head of `rest`; a quote may open in its middle, but what follows the closing one
/// must be a space or the end.
fn take_word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] | [0, ..] => return Some((word, rest)),
            [space, ..] if is_space(*space) => return Some((word, rest)),
            [quote @ (b'"' | b'\''), tail @ ..] => {
                let tail =
                    if *quote == b'"' { take_double(tail, &mut word) } else { take_single(tail, &mut word) };
                let tail = tail?;
                return tail.first().is_none_or(|byte| is_space(*byte) || *byte == 0).then_some((word, tail));
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

fn take_double<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] if *escaped != 0 => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn take_single<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

/// The value of a digit that was checked to be hexadecimal.
fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).expect("a hexadecimal digit") as u8
}

/// A word in double quotes, so that [`split`] gives it back. As Redis's `sdscatrepr`, except that bytes above
/// 127 are left alone, which keeps UTF-8 readable.
pub(super) fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'"');
    for byte in word {
        match byte {
            b'\\' | b'"' => quoted.extend([b'\\', *byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            0x07 => quoted.extend(b"\\a"),
            0x08 => quoted.extend(b"\\b"),
            0x00..0x20 | 0x7f => quoted.extend(format!("\\x{byte:02x}").bytes()),
            plain => quoted.push(*plain),
        }
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, words: &[&str]) {
        let split = split(line.as_bytes()).expect("balanced quotes");
        let split: Vec<_> = split.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        assert_eq!(split, words, "{line:?}");
    }

    #[test]
    fn words_quotes_and_escapes() {
        check("port 6379", &["port", "6379"]);
        check("  a\t b \x0b c ", &["a", "b", "c"]);
        check(r#"requirepass "foo bar\x21\n\"""#, &["requirepass", "foo bar!\n\""]);
        check(r"a 'it\'s \n'", &["a", r"it's \n"]);
        check(r#"save """#, &["save", ""]);
        check(r#"ab"cd" e"#, &["abcd", "e"]);
        check(r#""\xzz\q""#, &["xzzq"]);
        check("", &[]);
    }

    #[test]
    fn unbalanced_quotes() {
        for line in [r#"port "1"#, r#"port "1"x"#, "a 'b", "a 'b'c", r#"a "\"#] {
            assert_eq!(split(line.as_bytes()), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn splitting_is_total(line in prop::collection::vec(any::<u8>(), 0..200)) {
            split(&line);
        }

        #[test]
        fn splitting_gives_back_what_was_quoted(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
        ) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split(&line), Some(words));
        }
    }
}
