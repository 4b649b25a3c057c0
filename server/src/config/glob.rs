//! Redis's glob patterns, for `CONFIG GET`, `KEYS`, `SCAN MATCH`, `PSUBSCRIBE` and their like.
//!
//! `*` any bytes, `?` any byte, `[abc]`, `[a-z]` and `[^a]` one byte of (or not of) a set, `\` takes the next
//! byte as it is. The semantics are Redis's to the corner: an unclosed set ends with the pattern, the empty
//! text is matched by the empty pattern alone.

/// Sections between stars beyond which a pattern matches nothing; Redis's bound on recursion.
const MAX_STARS: usize = 1000;

/// Whether letter case counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Case {
    /// `a` is not `A`.
    Sensitive,
    /// `a` is `A`, for ASCII letters.
    Ignored,
}

/// Whether `text` matches `pattern`. Takes at most time proportional to the product of both lengths, never
/// exponential: of several stars only the last one reached is ever tried again.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let (mut pattern_at, mut text_at) = (0, 0);
    // Where to go on when the section after the latest star does not match: behind the star, one byte later.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    while text_at < text.len() {
        let step = match pattern.get(pattern_at) {
            Some(b'*') => {
                while pattern.get(pattern_at) == Some(&b'*') {
                    pattern_at += 1;
                }
                if pattern_at == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > MAX_STARS {
                    return false;
                }
                retry = Some((pattern_at, text_at));
                continue;
            }
            Some(_) => match_one(&pattern[pattern_at..], text[text_at], case),
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => {
                pattern_at += length;
                text_at += 1;
            }
            (None, Some((behind_star, tried))) => {
                pattern_at = behind_star;
                text_at = tried + 1;
                retry = Some((behind_star, text_at));
            }
            (None, None) => return false,
        }
    }
    // Stars at the end match the empty rest, but only behind something that matched.
    let rest = &pattern[pattern_at..];
    rest.is_empty() || (!text.is_empty() && rest.iter().all(|byte| *byte == b'*'))
}

/// Matches the element at the head of `pattern`, which is not a star, against one byte; on success says how
/// many bytes of the pattern it took.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            let (found, length) = match_set(set, byte, case);
            found.then_some(1 + length)
        }
        [b'\\', escaped, ..] => equal(*escaped, byte, case).then_some(2),
        [literal, ..] => equal(*literal, byte, case).then_some(1),
        [] => None,
    }
}

/// Whether `byte` is in the set behind an opening bracket, and how long the set is with its closing bracket.
fn match_set(set: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let negated = set.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &set[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                // An escaped member is compared with its letter case even where case is ignored: Redis does.
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                let fold = |byte: u8| if case == Case::Ignored { byte.to_ascii_lowercase() } else { byte };
                let (low, high) = (fold(*first.min(last)), fold(*first.max(last)));
                found |= (low..=high).contains(&fold(byte));
                at += 3;
            }
            [member, ..] => {
                found |= equal(*member, byte, case);
                at += 1;
            }
        }
    }
    (found != negated, at)
}

fn equal(a: u8, b: u8, case: Case) -> bool {
    if case == Case::Ignored { a.eq_ignore_ascii_case(&b) } else { a == b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for text in matching {
            assert!(matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), "{pattern:?} {text:?}");
        }
        for text in others {
            assert!(!matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn stars_and_single_bytes() {
        check("*", &["a", "abc"], &[""]);
        check("", &[""], &["a"]);
        check("a*", &["a", "ab"], &["", "b"]);
        check("a**", &["a", "ab"], &["b"]);
        check("*a*b", &["ab", "aab", "xaxb", "abab"], &["a", "ba", "abx"]);
        check("h?llo", &["hello", "hallo"], &["hllo", "heello"]);
        check("*?", &["a", "ab"], &[""]);
        check("a*?", &["ab"], &["a"]);
    }

    #[test]
    fn sets_as_redis_reads_them() {
        check("h[ae]llo", &["hello", "hallo"], &["hillo"]);
        check("h[^e]llo", &["hallo"], &["hello"]);
        check("[a-c]x", &["ax", "bx", "cx"], &["dx", "-x"]);
        check("[c-a]", &["b"], &["d"]);
        check("[a", &["a"], &["b"]);
        check("[a-", &["a", "-"], &["b"]);
        check("[", &[], &["", "["]);
        check("[^", &["x"], &[""]);
        check("[]a]", &[], &["a", "]", "a]"]);
        check("[^]", &["a"], &[""]);
        check("[\\]]", &["]"], &["\\"]);
        // A range may end with the bracket itself, and then the set goes on to the end of the pattern.
        check("[a-]b", &["]", "^", "a", "b"], &["c"]);
    }

    #[test]
    fn escapes() {
        check("h\\?llo", &["h?llo"], &["hello"]);
        check("\\*", &["*"], &["a"]);
        check("\\", &["\\"], &["a"]);
        check("a\\", &["a\\"], &["a"]);
    }

    #[test]
    fn letter_case() {
        assert!(matches(b"MaX*", b"maxclients", Case::Ignored));
        assert!(matches(b"[A-C]", b"b", Case::Ignored));
        assert!(!matches(b"[\\A]", b"a", Case::Ignored));
        assert!(!matches(b"MAX*", b"maxclients", Case::Sensitive));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let text = vec![b'a'; 5000];
        let mut pattern = b"a*".repeat(900);
        pattern.push(b'b');
        assert!(!matches(&pattern, &text, Case::Sensitive));
    }

    #[test]
    fn more_stars_than_redis_follows_match_nothing() {
        let text = vec![b'a'; 2000];
        let of_stars = |stars| [b"*a".repeat(stars), b"*".to_vec()].concat();
        assert!(matches(&of_stars(MAX_STARS), &text, Case::Sensitive));
        assert!(!matches(&of_stars(MAX_STARS + 1), &text, Case::Sensitive));
    }
}
