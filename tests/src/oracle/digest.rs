//! What a sequence has left behind, as further commands: they are compared like any others, and a difference among
//! them shrinks like any other.

use super::generate::Step;
use super::pair::{Pair, Side};
use super::play::READER;
use super::pools::DATABASES;
use crate::client::encode;
use crate::value::Value;
use std::collections::BTreeSet;

/// The reads: of every key that either server has, in every database that sequences use, its type, encoding, value and
/// time to live.
///
/// # Errors
/// When a server does not answer.
pub fn reads(pair: &mut Pair) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for database in DATABASES {
        let mut keys = keys_of(&mut pair.peer, database)?;
        keys.append(&mut keys_of(&mut pair.boxcar, database)?);
        if keys.is_empty() {
            continue;
        }
        steps.push(Step::words(READER, &["SELECT", database]));
        for key in keys {
            let kind = ask(&mut pair.peer, &[&[b"TYPE".to_vec(), key.clone()]])?.remove(0).to_text();
            let mut read = |words: &[&str]| {
                let word = |word: &&str| if *word == "KEY" { key.clone() } else { word.as_bytes().to_vec() };
                steps.push(Step::new(READER, words.iter().map(word).collect()));
            };
            read(&["TYPE", "KEY"]);
            for words in value_of(&kind) {
                read(words);
            }
            read(&["OBJECT", "ENCODING", "KEY"]);
            read(&["PTTL", "KEY"]);
        }
    }
    for step in steps.iter_mut().skip(1) {
        step.joined = true;
    }
    Ok(steps)
}

/// The commands that read a value of a type whole.
fn value_of(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "string" => &[&["GET", "KEY"]],
        "list" => &[&["LRANGE", "KEY", "0", "-1"]],
        "set" => &[&["SMEMBERS", "KEY"]],
        "hash" => &[&["HGETALL", "KEY"]],
        "zset" => &[&["ZRANGE", "KEY", "0", "-1", "WITHSCORES"]],
        "stream" => &[&["XRANGE", "KEY", "-", "+"], &["XINFO", "STREAM", "KEY"], &["XINFO", "GROUPS", "KEY"]],
        _ => &[],
    }
}

/// Whether a key is, in any database that sequences use, a sorted set whose scores are not all the same.
///
/// # Errors
/// When the server does not answer.
pub fn has_mixed_scores(side: &mut Side, key: &[u8]) -> Result<bool, String> {
    let home = [b"SELECT".to_vec(), b"0".to_vec()];
    let all = [b"ZRANGE".to_vec(), key.to_vec(), b"0".to_vec(), b"-1".to_vec(), b"WITHSCORES".to_vec()];
    let mut mixed = false;
    for database in DATABASES {
        let select = [b"SELECT".to_vec(), database.as_bytes().to_vec()];
        let replies = ask(side, &[&select, &all, &home])?;
        if let Value::Array(members) = &replies[1] {
            let scores: BTreeSet<String> = members.iter().skip(1).step_by(2).map(Value::to_text).collect();
            mixed |= scores.len() > 1;
        }
    }
    Ok(mixed)
}

fn keys_of(side: &mut Side, database: &str) -> Result<BTreeSet<Vec<u8>>, String> {
    let select = [b"SELECT".to_vec(), database.as_bytes().to_vec()];
    let keys = [b"KEYS".to_vec(), b"*".to_vec()];
    let home = [b"SELECT".to_vec(), b"0".to_vec()];
    let replies = ask(side, &[&select, &keys, &home])?;
    Ok(replies[1].elements().iter().filter_map(Value::text).collect())
}

fn ask(side: &mut Side, commands: &[&[Vec<u8>]]) -> Result<Vec<Value>, String> {
    let mut bytes = Vec::new();
    for command in commands {
        encode(&mut bytes, *command);
    }
    side.control.send_raw(&bytes).map_err(|e| e.to_string())?;
    commands.iter().map(|_| side.control.read().map_err(|e| e.to_string())).collect()
}
