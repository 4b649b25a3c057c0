//! Directives with a grammar of their own: each rule turns the words a user gave into the canonical list that
//! is stored and reported. Texts with a restricted alphabet are checked here too.

use std::sync::Arc;

use super::syntax::quote;
use super::value::{one_of, parse_memory, render_memory};

/// From the value so far (empty unless the repetition builds upon it) and the words given to the new value,
/// or Redis's text for what is wrong.
type Parse = fn(current: &[Arc<str>], given: &[&str]) -> Result<Vec<String>, String>;

/// How a directive of several words is read and written.
#[derive(Debug)]
pub struct WordRule {
    /// The form of the value, for `--help` and the reference page.
    pub grammar: &'static str,
    /// What a further line of the same directive does to the value read so far.
    pub(super) repetition: Repetition,
    pub(super) parse: Parse,
    /// Words on one line of a configuration file; 0 = all of them.
    pub(super) words_per_line: usize,
    /// The words of one line as `CONFIG REWRITE` writes them.
    pub(super) line: fn(&[Arc<str>]) -> String,
}

/// What a repeated directive does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repetition {
    /// The last line counts.
    Replaces,
    /// Lines of one configuration add up (`save`); `CONFIG SET` replaces.
    Adds,
    /// Each line, and `CONFIG SET` too, changes only what it names.
    Merges,
}

fn joined(words: &[Arc<str>]) -> String {
    if words.is_empty() {
        return "\"\"".into();
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    let word = |word: &Arc<str>| {
        if !word.is_empty() && word.bytes().all(plain) {
            return word.to_string();
        }
        String::from_utf8(quote(word.as_bytes())).expect("quoting keeps UTF-8")
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A list on one line whose last mention counts.
const fn replacing(grammar: &'static str, parse: Parse) -> WordRule {
    WordRule { grammar, repetition: Repetition::Replaces, parse, words_per_line: 0, line: joined }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// One empty argument stands for an empty list.
fn without_lone_empty<'a, 'b>(given: &'a [&'b str]) -> &'a [&'b str] {
    if given == [""] { &[] } else { given }
}

/// `bind`.
pub(super) static ADDRESSES: WordRule = replacing("<address> ...", |_, given| {
    // Redis's own bound; each address is one listening socket per I/O thread.
    const MAX_ADDRESSES: usize = 16;
    if given.len() > MAX_ADDRESSES {
        return Err("Too many bind addresses specified.".into());
    }
    Ok(owned(without_lone_empty(given)))
});

/// `save`.
pub(super) static SAVE_POINTS: WordRule = WordRule {
    grammar: "<seconds> <changes> ... | \"\"",
    repetition: Repetition::Adds,
    parse: |current, given| {
        const INVALID: &str = "Invalid save parameters";
        if given == [""] {
            return Ok(Vec::new());
        }
        if !given.len().is_multiple_of(2) {
            return Err(INVALID.into());
        }
        let mut words: Vec<String> = current.iter().map(ToString::to_string).collect();
        for (position, word) in given.iter().enumerate() {
            let least = if position % 2 == 0 { 1 } else { 0 };
            match word.parse::<i64>() {
                Ok(number) if number >= least => words.push(number.to_string()),
                _ => return Err(INVALID.into()),
            }
        }
        Ok(words)
    },
    words_per_line: 2,
    line: joined,
};

/// The client classes of `client-output-buffer-limit`, as `CONFIG GET` names them.
pub(super) const LIMIT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// `client-output-buffer-limit`: always three groups of class, hard limit, soft limit, soft seconds.
pub(super) static OUTPUT_LIMITS: WordRule = WordRule {
    grammar: "<class> <hard limit> <soft limit> <soft seconds> ...",
    repetition: Repetition::Merges,
    parse: parse_output_limits,
    words_per_line: 4,
    line: |words| {
        let class = if &*words[0] == "slave" { "replica" } else { &*words[0] };
        let memory = |word: &str| render_memory(parse_memory(word).expect("a stored limit is a number"));
        format!("{class} {} {} {}", memory(&words[1]), memory(&words[2]), words[3])
    },
};

fn parse_output_limits(current: &[Arc<str>], given: &[&str]) -> Result<Vec<String>, String> {
    let given = without_lone_empty(given);
    if !given.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut words: Vec<String> = current.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), 4 * LIMIT_CLASSES.len(), "the stored value always lists all classes");
    for group in given.chunks_exact(4) {
        let name = if group[0].eq_ignore_ascii_case("replica") { "slave" } else { group[0] };
        let class = LIMIT_CLASSES.iter().position(|class| class.eq_ignore_ascii_case(name));
        let class = class.ok_or("Invalid client class specified in buffer limit configuration.")?;
        // Redis holds the seconds in 32 bits.
        let seconds = group[3].parse::<i32>().ok().filter(|seconds| *seconds >= 0);
        let (Some(hard), Some(soft), Some(seconds)) =
            (parse_memory(group[1]), parse_memory(group[2]), seconds)
        else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        words[4 * class + 1] = hard.to_string();
        words[4 * class + 2] = soft.to_string();
        words[4 * class + 3] = seconds.to_string();
    }
    Ok(words)
}

/// `oom-score-adj-values`.
pub(super) static OOM_SCORES: WordRule = replacing("<master> <replica> <background>", |_, given| {
    if given.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    let scores: Option<Vec<String>> = given
        .iter()
        .map(|word| word.parse::<i32>().ok().filter(|n| (-2000..=2000).contains(n)).map(|n| n.to_string()))
        .collect();
    scores.ok_or_else(|| "Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into())
});

/// `latency-tracking-info-percentiles`.
pub(super) static PERCENTILES: WordRule = replacing("<percentile> ... | \"\"", |_, given| {
    let mut words = Vec::new();
    for word in without_lone_empty(given) {
        let percentile: f64 = match word.parse() {
            Ok(percentile) if !f64::is_nan(percentile) => percentile,
            _ => return Err("Invalid latency-tracking-info-percentiles parameters".into()),
        };
        if !(0.0..=100.0).contains(&percentile) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        let text = format!("{percentile:.6}");
        words.push(text.trim_end_matches('0').trim_end_matches('.').to_string());
    }
    Ok(words)
});

/// `replicaof`.
pub(super) static MASTER_ADDRESS: WordRule = replacing("<host> <port> | no one", |_, given| {
    let [host, port] = given else { return Err("wrong number of arguments".into()) };
    if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
        return Ok(Vec::new());
    }
    match port.parse::<u16>() {
        Ok(port) => Ok(vec![host.to_string(), port.to_string()]),
        Err(_) => Err("Invalid master port".into()),
    }
});

/// `shutdown-on-sigint` and `shutdown-on-sigterm`.
pub(super) static SHUTDOWN_FLAGS: WordRule =
    replacing("default | [save | nosave] [now] [force]", |_, given| {
        const NAMES: [&str; 5] = ["default", "save", "nosave", "now", "force"];
        if given.is_empty() {
            return Err("wrong number of arguments".into());
        }
        let mut set = [false; NAMES.len()];
        for word in given {
            let flag = NAMES.iter().position(|name| name.eq_ignore_ascii_case(word));
            set[flag.ok_or_else(|| one_of(&NAMES))?] = true;
        }
        if set[1] && set[2] {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        // `default` is the absence of all flags, so that it counts only alone.
        let flags: Vec<&str> = (1..NAMES.len()).filter(|flag| set[*flag]).map(|flag| NAMES[flag]).collect();
        Ok(if flags.is_empty() { owned(&NAMES[..1]) } else { owned(&flags) })
    });

/// `notify-keyspace-events`: the event classes in Redis's order, all of `A`'s together as `A`.
pub(super) static EVENT_CLASSES: WordRule = replacing("<letters of Ag$lshzxeKEtmdn> | \"\"", |_, given| {
    let [text] = given else { return Err("wrong number of arguments".into()) };
    const ALL: &str = "g$lshzxetd";
    if text.chars().any(|letter| !"AKEmn".contains(letter) && !ALL.contains(letter)) {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
    }
    let given = |letter: char| text.contains(letter) || (ALL.contains(letter) && text.contains('A'));
    let mut canonical = String::new();
    if ALL.chars().all(given) {
        canonical.push('A');
    } else {
        canonical.extend(ALL.chars().filter(|letter| given(*letter)));
    }
    canonical.extend("nKEm".chars().filter(|letter| given(*letter)));
    Ok(if canonical.is_empty() { Vec::new() } else { vec![canonical] })
});

/// `dbfilename`.
pub(super) fn check_dump_file_name(text: &str) -> Result<(), String> {
    if text.contains('/') {
        return Err("dbfilename can't be a path, just a filename".into());
    }
    Ok(())
}

/// `appendfilename`.
pub(super) fn check_log_file_name(text: &str) -> Result<(), String> {
    match text {
        "" => Err("appendfilename can't be empty".into()),
        _ if text.contains('/') => Err("appendfilename can't be a path, just a filename".into()),
        _ => Ok(()),
    }
}

/// `appenddirname`.
pub(super) fn check_log_directory_name(text: &str) -> Result<(), String> {
    match text {
        "" => Err("appenddirname can't be empty".into()),
        _ if text.contains('/') => Err("appenddirname can't be a path, just a dirname".into()),
        _ => Ok(()),
    }
}

/// `cpu-affinity` and its like: `off`, or CPU numbers and ranges such as `0-3,6`; empty means off too.
pub(super) fn check_cpu_list(text: &str) -> Result<(), String> {
    // The kernel's own ceiling (CONFIG_NR_CPUS of distribution kernels).
    const MAX_CPU: u32 = 8191;
    let cpu = |word: &str| word.trim().parse::<u32>().ok().filter(|cpu| *cpu <= MAX_CPU);
    let in_order = |range: &str| match range.split_once('-') {
        Some((first, last)) => matches!((cpu(first), cpu(last)), (Some(first), Some(last)) if first <= last),
        None => cpu(range).is_some(),
    };
    if text.is_empty() || text.eq_ignore_ascii_case("off") || text.split(',').all(in_order) {
        return Ok(());
    }
    Err(format!("argument must be 'off' or a list of CPUs such as 0-3,6, each at most {MAX_CPU}"))
}

/// `cluster-announce-hostname`.
pub(super) fn check_host_name(text: &str) -> Result<(), String> {
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        return Ok(());
    }
    Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into())
}

/// `proc-title-template`: text with the variables Redis knows in braces.
pub(super) fn check_title_template(text: &str) -> Result<(), String> {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let inside = &rest[open + 1..];
        match inside.find('}') {
            Some(close) if VARIABLES.contains(&&inside[..close]) => rest = &inside[close + 1..],
            _ => return Err("template format is invalid or contains unknown variables".into()),
        }
    }
    Ok(())
}
