//! The family's handlers, on a small server.

use crate::commands::testing::Fixture;
use boxcar_resp::Protocol;

#[test]
fn zadd_and_its_conditions() {
    let mut server = Fixture::new();
    server.check("ZADD z 1 a 2 b", ":2");
    server.check("ZADD z 3 a 4 c", ":1");
    server.check("ZADD z CH 5 a 4 c", ":1");
    server.check("ZADD z NX 9 a 1 d", ":1");
    server.check("ZADD z XX 9 a 1 e", ":0");
    server.check("ZADD z GT CH 8 a", ":0");
    server.check("ZADD z LT CH 8 a", ":1");
    server.check("ZADD z GT 7 f", ":1");
    server.check("ZADD z INCR 2.5 a", "$4|10.5");
    server.check("ZADD z NX INCR 1 a", "$-1");
    server.check("ZADD z XX INCR 1 nobody", "$-1");
    server.check("ZADD none XX 1 a", ":0");
    server.check("EXISTS none", ":0");
    server.check("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible");
    server.check("ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible");
    server.check("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair");
    server.check("ZADD z 1 a 2", "-ERR syntax error");
    server.check("ZADD z x a", "-ERR value is not a valid float");
    server.check("ZADD z nan a", "-ERR value is not a valid float");
    server.check("SET string value", "+OK");
    server.check("ZADD string 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#[test]
fn infinities_do_not_become_nan() {
    let mut server = Fixture::new();
    server.check("ZINCRBY z inf a", "$3|inf");
    server.check("ZINCRBY z -inf a", "-ERR resulting score is not a number (NaN)");
    server.check("ZSCORE z a", "$3|inf");
    server.check("ZADD y -inf a", ":1");
    server.check("ZUNIONSTORE u 2 z y", ":1");
    server.check("ZSCORE u a", "$1|0");
    server.check("ZUNION 1 z WEIGHTS 0 WITHSCORES", "*2|$1|a|$1|0");
}

#[test]
fn members_are_known_by_score_and_rank() {
    let mut server = Fixture::new();
    server.check("ZADD z 1 a 2 b 2 c", ":3");
    server.check("ZCARD z", ":3");
    server.check("ZSCORE z b", "$1|2");
    server.check("ZSCORE z x", "$-1");
    server.check("ZMSCORE z a x c", "*3|$1|1|$-1|$1|2");
    server.check("ZRANK z c", ":2");
    server.check("ZREVRANK z c WITHSCORE", "*2|:0|$1|2");
    server.check("ZRANK z x", "$-1");
    server.check("ZRANK z x WITHSCORE", "*-1");
    server.check("ZRANK z a b c", "-ERR wrong number of arguments for 'zrank' command");
    server.check("ZCOUNT z (1 2", ":2");
    server.check("ZCOUNT z 3 1", ":0");
    server.check("ZCOUNT z a 1", "-ERR min or max is not a float");
    server.check("ZLEXCOUNT z - +", ":3");
    server.check("ZLEXCOUNT z a +", "-ERR min or max not valid string range item");
    server.session.protocol = Protocol::Resp3;
    server.check("ZSCORE z b", ",2");
    server.check("ZRANK z a WITHSCORE", "*2|:0|,1");
    server.check("ZRANK z x WITHSCORE", "_");
}

#[test]
fn ranges_by_rank_score_and_member() {
    let mut server = Fixture::new();
    server.check("ZADD z 1 a 2 b 3 c 4 d", ":4");
    server.check("ZRANGE z 1 -2", "*2|$1|b|$1|c");
    server.check("ZRANGE z 0 1 REV WITHSCORES", "*4|$1|d|$1|4|$1|c|$1|3");
    server.check("ZREVRANGE z 0 0", "*1|$1|d");
    server.check("ZRANGE z (1 3 BYSCORE", "*2|$1|b|$1|c");
    server.check("ZRANGE z +inf 2 BYSCORE REV LIMIT 1 1", "*1|$1|c");
    server.check("ZRANGEBYSCORE z -inf +inf LIMIT 3 -1", "*1|$1|d");
    server.check("ZRANGEBYSCORE z -inf +inf LIMIT -1 2", "*0");
    server.check("ZREVRANGEBYSCORE z 2 1 WITHSCORES", "*4|$1|b|$1|2|$1|a|$1|1");
    server.check(
        "ZRANGE z 0 1 LIMIT 0 1",
        "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    );
    server.check("ZADD l 0 a 0 b 0 c", ":3");
    server.check("ZRANGEBYLEX l [a (c", "*2|$1|a|$1|b");
    server.check("ZREVRANGEBYLEX l + (a LIMIT 0 1", "*1|$1|c");
    server.check(
        "ZRANGE l - + BYLEX WITHSCORES",
        "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
    );
    server.check("ZRANGESTORE to z 1 2", ":2");
    server.check("ZRANGE to 0 -1 WITHSCORES", "*4|$1|b|$1|2|$1|c|$1|3");
    server.check("ZRANGESTORE to z 9 9", ":0");
    server.check("EXISTS to", ":0");
    server.session.protocol = Protocol::Resp3;
    server.check("ZRANGE z 0 0 WITHSCORES", "*1|*2|$1|a|,1");
}

#[test]
fn removing_the_last_member_removes_the_key() {
    let mut server = Fixture::new();
    for removal in
        ["ZREM z a b c", "ZREMRANGEBYRANK z 0 -1", "ZREMRANGEBYSCORE z 0 0", "ZREMRANGEBYLEX z - +"]
    {
        server.check("ZADD z 0 a 0 b 0 c", ":3");
        server.check(removal, ":3");
        server.check("EXISTS z", ":0");
        server.check(removal, ":0");
    }
    server.check("ZADD z 1 a 2 b 3 c", ":3");
    server.check("ZREMRANGEBYSCORE z (1 2", ":1");
    server.check("ZREM z a x", ":1");
    server.check("ZREMRANGEBYRANK z 5 9", ":0");
    server.check("ZREMRANGEBYRANK z x 9", "-ERR value is not an integer or out of range");
    server.check("ZPOPMIN z", "*2|$1|c|$1|3");
    server.check("EXISTS z", ":0");
}

#[test]
fn pops_take_from_either_end() {
    let mut server = Fixture::new();
    server.check("ZADD z 1 a 2 b 3 c 4 d", ":4");
    server.check("ZPOPMIN z", "*2|$1|a|$1|1");
    server.check("ZPOPMAX z 2", "*4|$1|d|$1|4|$1|c|$1|3");
    server.check("ZPOPMIN z 0", "*0");
    server.check("ZPOPMIN z -1", "-ERR value is out of range, must be positive");
    server.check("ZMPOP 2 none z MAX COUNT 5", "*2|$1|z|*1|*2|$1|b|$1|2");
    server.check("ZMPOP 1 z MIN", "*-1");
    server.check("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0");
    server.check("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0");
    server.check("ZMPOP 2 z MIN", "-ERR syntax error");
    server.session.protocol = Protocol::Resp3;
    server.check("ZADD z 1 a 2 b", ":2");
    server.check("ZPOPMIN z", "*2|$1|a|,1");
    server.check("ZPOPMIN z 1", "*1|*2|$1|b|,2");
}

#[test]
fn pops_that_may_wait() {
    let mut server = Fixture::new();
    server.check("ZADD z 1 a 2 b 3 c 4 d", ":4");
    server.check("BZPOPMIN none z 0", "*3|$1|z|$1|a|$1|1");
    server.check("BZPOPMAX z none 0", "*3|$1|z|$1|d|$1|4");
    server.check("BZMPOP 0 2 none z MAX COUNT 1", "*2|$1|z|*1|*2|$1|c|$1|3");
    server.session.protocol = Protocol::Resp3;
    server.check("BZPOPMIN z 0", "*3|$1|z|$1|b|,2");
    server.session.protocol = Protocol::Resp2;
    server.check("MULTI", "+OK");
    for pop in ["BZPOPMIN z 0", "BZPOPMAX z 0", "BZMPOP 0 1 z MIN"] {
        server.check(pop, "+QUEUED");
    }
    server.check("EXEC", "*3|*-1|*-1|*-1");
    server.check("BZPOPMIN z soon", "-ERR timeout is not a float or out of range");
    server.check("BZMPOP -1 1 z MIN", "-ERR timeout is negative");
    server.check("BZMPOP -1 0 z MIN", "-ERR numkeys should be greater than 0");
    assert_eq!(server.run_freely(&["BZMPOP", "0", "2", "x", "y", "MAX"]), b"");
    let waiter = server.session.client.waiter().expect("the client waits");
    let keys: Vec<&[u8]> = waiter.keys().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"x", b"y"]);
}

#[test]
fn sets_are_combined_with_weights() {
    let mut server = Fixture::new();
    server.check("ZADD a 1 x 2 y", ":2");
    server.check("ZADD b 10 y 20 z", ":2");
    server.check("SADD s x z", ":2");
    server.check("ZUNION 2 a b WITHSCORES", "*6|$1|x|$1|1|$1|y|$2|12|$1|z|$2|20");
    server.check("ZUNION 3 a b s AGGREGATE MAX WITHSCORES", "*6|$1|x|$1|1|$1|y|$2|10|$1|z|$2|20");
    server.check("ZINTER 2 a b WEIGHTS 2 1 WITHSCORES", "*2|$1|y|$2|14");
    server.check("ZINTER 2 b s", "*1|$1|z");
    server.check("ZDIFF 2 a b WITHSCORES", "*2|$1|x|$1|1");
    server.check("ZDIFF 3 a s none", "*1|$1|y");
    server.check("ZINTERCARD 2 a b", ":1");
    server.check("ZINTERCARD 2 a a LIMIT 1", ":1");
    server.check("ZUNIONSTORE to 2 a b AGGREGATE MIN", ":3");
    server.check("ZRANGE to 0 -1 WITHSCORES", "*6|$1|x|$1|1|$1|y|$1|2|$1|z|$2|20");
    server.check("ZINTERSTORE to 2 to a", ":2");
    server.check("ZDIFFSTORE to 2 to a", ":0");
    server.check("EXISTS to", ":0");
    server.check("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command");
    server.check("ZUNION 2 a", "-ERR syntax error");
    server.check("ZUNION 1 a WEIGHTS x", "-ERR weight value is not a float");
    server.check("ZINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative");
    server.check("SET string value", "+OK");
    server.check("ZUNION 2 a string", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#[test]
fn a_difference_with_many_small_sets_collects_their_members() {
    let mut server = Fixture::new();
    let mut add: Vec<String> = ["ZADD", "z"].map(str::to_owned).to_vec();
    (0..200).for_each(|n| add.extend([n.to_string(), format!("m{n}")]));
    server.run(&add);
    server.check("ZADD y 1 m3", ":1");
    let mut diff: Vec<String> = ["ZDIFFSTORE", "to", "21", "z"].map(str::to_owned).to_vec();
    diff.extend((0..20).map(|_| "y".to_owned()));
    assert_eq!(server.run(&diff), b":199\r\n");
    server.check("ZSCORE to m3", "$-1");
    server.check("OBJECT ENCODING to", "$8|skiplist");
}

#[test]
fn random_members_and_scans() {
    let mut server = Fixture::new();
    server.check("ZRANDMEMBER none", "$-1");
    server.check("ZRANDMEMBER none 3", "*0");
    server.check("ZADD z 1.5 a", ":1");
    server.check("ZRANDMEMBER z", "$1|a");
    server.check("ZRANDMEMBER z -2 WITHSCORES", "*4|$1|a|$3|1.5|$1|a|$3|1.5");
    server.check("ZRANDMEMBER z 2", "*1|$1|a");
    server.check("ZRANDMEMBER z 0", "*0");
    server.check("ZSCAN z 0", "*2|$1|0|*2|$1|a|$3|1.5");
    server.check("ZSCAN z 0 MATCH b*", "*2|$1|0|*0");
    server.check("ZSCAN none 0 COUNT x", "*2|$1|0|*0");
    server.check("ZSCAN z 0 COUNT 0", "-ERR syntax error");
    server.check("ZSCAN z x", "-ERR invalid cursor");
    let mut add: Vec<String> = ["ZADD", "big"].map(str::to_owned).to_vec();
    (0..300).for_each(|n| add.extend(["0.1".to_owned(), format!("m{n}")]));
    server.run(&add);
    let reply = String::from_utf8(server.run(&["ZSCAN", "big", "0", "COUNT", "1000"])).unwrap();
    assert_eq!(reply.matches("0.10000000000000001").count(), 300);
    let some = String::from_utf8(server.run(&["ZRANDMEMBER", "big", "50"])).unwrap();
    let distinct: std::collections::HashSet<&str> =
        some.lines().filter(|line| line.starts_with('m')).collect();
    assert_eq!(distinct.len(), 50);
}

#[test]
fn thresholds_follow_the_configuration() {
    let mut server = Fixture::with_config("zset-max-listpack-entries 2\nzset-max-listpack-value 4\n");
    server.check("ZADD z 1 a 2 b", ":2");
    server.check("OBJECT ENCODING z", "$8|listpack");
    server.check("ZADD z 3 c", ":1");
    server.check("OBJECT ENCODING z", "$8|skiplist");
    server.check("ZADD y 1 12345", ":1");
    server.check("OBJECT ENCODING y", "$8|skiplist");
    server.check("ZRANGESTORE to z 0 1", ":2");
    server.check("OBJECT ENCODING to", "$8|listpack");
}
