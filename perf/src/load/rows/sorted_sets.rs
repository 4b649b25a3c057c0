//! Sorted sets: with scores that belong to key and member, and boards whose scores are counted up.

use super::checks::{
    at_most, double, found, integer, items, member, pairs, some_of_the_members, some_of_the_named,
};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use crate::load::sizes::{below, scramble};
use boxcar_resp::client::Value;

const ZSETS: Family = Family::SortedSets;
const BOARDS: Family = Family::Boards;

/// Scores are whole numbers below this.
const SCORES: u64 = 1_000_000;

pub(super) const ROWS: &[Row] = &[
    row("zadd", "ZADD key score member ... (n members)", ZSETS, zadd, some_of_the_named).of(1),
    row("zrem", "ZREM key member ... (n members)", ZSETS, zrem, some_of_the_named).of(1),
    row("zscore", "ZSCORE key member", ZSETS, zscore, check_zscore),
    row("zrank", "ZRANK key member", ZSETS, zrank, check_zrank),
    row("zrange", "ZRANGE key start stop WITHSCORES (n members)", ZSETS, zrange, check_zrange).of(10),
    row("zrangebyscore", "ZRANGE key min max BYSCORE LIMIT 0 n", ZSETS, zrangebyscore, check_by_score).of(10),
    row("zcount", "ZCOUNT key min max", ZSETS, zcount, some_of_the_members),
    row("zcard", "ZCARD key", ZSETS, zcard, some_of_the_members),
    row("zpopmin", "ZPOPMIN key", ZSETS, zpopmin, check_zpopmin),
    row("zincrby", "ZINCRBY board 1 member", BOARDS, zincrby, check_zincrby),
    row("ztop", "ZRANGE board 0 n-1 REV WITHSCORES", BOARDS, ztop, check_ztop).of(10),
];

fn score(world: &World, key: u64, member: u64) -> u64 {
    below(scramble(world.identity(key, member)), SCORES)
}

/// A tenth of all scores, from somewhere.
fn scores(asked: &Asked) -> (u64, u64) {
    let low = below(scramble(asked.detail), SCORES);
    (low, low + SCORES / 10)
}

fn zadd(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ZADD", 1 + 2 * asked.elements as usize);
    command.key(ZSETS, asked.key());
    for index in 0..asked.elements {
        let member = asked.member(command.world, index);
        command.number(score(command.world, asked.key(), member));
        command.member(member);
    }
}

fn zrem(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ZREM", 1 + asked.elements as usize);
    command.key(ZSETS, asked.key());
    for index in 0..asked.elements {
        command.member(asked.member(command.world, index));
    }
}

fn one_member(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 2);
    command.key(ZSETS, asked.key());
    command.member(asked.member(command.world, 0));
}

fn zscore(command: &mut Command<'_>, asked: &Asked) {
    one_member(command, "ZSCORE", asked);
}

fn zrank(command: &mut Command<'_>, asked: &Asked) {
    one_member(command, "ZRANK", asked);
}

fn zrange(command: &mut Command<'_>, asked: &Asked) {
    let start = asked.member(command.world, 0);
    command.begin("ZRANGE", 4);
    command.key(ZSETS, asked.key());
    command.number(start);
    command.number(start + u64::from(asked.elements) - 1);
    command.text(b"WITHSCORES");
}

fn zrangebyscore(command: &mut Command<'_>, asked: &Asked) {
    let (low, high) = scores(asked);
    command.begin("ZRANGE", 7);
    command.key(ZSETS, asked.key());
    command.number(low);
    command.number(high);
    command.text(b"BYSCORE");
    command.text(b"LIMIT");
    command.number(0);
    command.number(asked.elements);
}

fn zcount(command: &mut Command<'_>, asked: &Asked) {
    let (low, high) = scores(asked);
    command.begin("ZCOUNT", 3);
    command.key(ZSETS, asked.key());
    command.number(low);
    command.number(high);
}

fn zcard(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ZCARD", 1);
    command.key(ZSETS, asked.key());
}

fn zpopmin(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ZPOPMIN", 1);
    command.key(ZSETS, asked.key());
}

fn zincrby(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ZINCRBY", 3);
    command.key(BOARDS, asked.key());
    command.number(1);
    command.member(asked.member(command.world, 0));
}

fn ztop(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ZRANGE", 5);
    command.key(BOARDS, asked.key());
    command.number(0);
    command.number(asked.elements - 1);
    command.text(b"REV");
    command.text(b"WITHSCORES");
}

/// `value` is the score of `member`.
fn is_score_of(world: &World, key: u64, member: u64, value: &Value) -> Result<f64, String> {
    let (shown, expected) = (double(value)?, score(world, key, member) as f64);
    if shown == expected {
        Ok(shown)
    } else {
        Err(format!("score {shown} instead of {expected} of member {member}"))
    }
}

fn check_zscore(world: &World, asked: &Asked, value: &Value) -> Checked {
    if *value == Value::Null {
        return Ok(Found::Nothing);
    }
    is_score_of(world, asked.key(), asked.member(world, 0), value).map(|_score| Found::Something)
}

fn check_zrank(world: &World, _asked: &Asked, value: &Value) -> Checked {
    if *value == Value::Null {
        return Ok(Found::Nothing);
    }
    integer(value, 0, world.members as i64 - 1)
}

/// Members with their own scores, in order.
fn check_zrange(world: &World, asked: &Asked, value: &Value) -> Checked {
    let pairs = pairs(value)?;
    if pairs.len() > asked.elements as usize {
        return Err(format!("{} members instead of at most {}", pairs.len(), asked.elements));
    }
    let mut last = f64::NEG_INFINITY;
    for &(name, score) in &pairs {
        let score = is_score_of(world, asked.key(), member(world, name)?, score)?;
        if score < last {
            return Err(format!("score {score} behind {last}"));
        }
        last = score;
    }
    Ok(found(&pairs))
}

fn check_by_score(world: &World, asked: &Asked, value: &Value) -> Checked {
    let (low, high) = scores(asked);
    let items = at_most(value, u64::from(asked.elements))?;
    for item in items {
        let member = member(world, item)?;
        let score = score(world, asked.key(), member);
        if !(low..=high).contains(&score) {
            return Err(format!("member {member} with score {score} is not in {low} to {high}"));
        }
    }
    Ok(found(items))
}

/// A member and its score, flat in either protocol, or nothing.
fn check_zpopmin(world: &World, asked: &Asked, value: &Value) -> Checked {
    match items(value)? {
        [] => Ok(Found::Nothing),
        [name, score] => {
            is_score_of(world, asked.key(), member(world, name)?, score).map(|_score| Found::Something)
        }
        other => Err(format!("{} items instead of none or two", other.len())),
    }
}

fn check_zincrby(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    match double(value)? {
        score if score >= 1.0 && score.fract() == 0.0 => Ok(Found::Something),
        score => Err(format!("score {score} of a member that was counted up from nothing by ones")),
    }
}

/// Members whose scores fall.
fn check_ztop(world: &World, asked: &Asked, value: &Value) -> Checked {
    let pairs = pairs(value)?;
    if pairs.len() > asked.elements as usize {
        return Err(format!("{} members instead of at most {}", pairs.len(), asked.elements));
    }
    let mut last = f64::INFINITY;
    for &(name, score) in &pairs {
        member(world, name)?;
        let score = double(score)?;
        if score > last {
            return Err(format!("score {score} behind {last}"));
        }
        last = score;
    }
    Ok(found(&pairs))
}
