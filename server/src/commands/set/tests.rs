//! Each command's effects beyond its reply, and random choices. Replies are in the transcripts.

use crate::commands::testing::Fixture;
use std::collections::BTreeSet;

/// The strings of a reply that is an array of them.
fn strings(reply: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(reply).into_owned();
    text.split("\r\n").skip(2).step_by(2).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

fn numbered(server: &mut Fixture, key: &str, count: usize, prefix: &str) {
    for index in 0..count {
        server.run(&["SADD", key, &format!("{prefix}{index}")]);
    }
}

#[test]
fn random_members_are_members_and_distinct() {
    for (count, prefix) in [(50, ""), (50, "m"), (1000, "m")] {
        let mut server = Fixture::new();
        numbered(&mut server, "s", count, prefix);
        for wanted in [1, 5, 20, count - 1] {
            let picked = strings(&server.run(&["SRANDMEMBER", "s", &wanted.to_string()]));
            assert_eq!(picked.len(), wanted);
            assert_eq!(picked.iter().collect::<BTreeSet<_>>().len(), wanted);
        }
        assert_eq!(strings(&server.run(&["SRANDMEMBER", "s", "-2000"])).len(), 2000);
        let mut popped = BTreeSet::new();
        for wanted in [1, 7, count / 2] {
            let picked = strings(&server.run(&["SPOP", "s", &wanted.to_string()]));
            assert_eq!(picked.len(), wanted);
            assert!(picked.into_iter().all(|member| popped.insert(member)));
        }
        server.check("SCARD s", &format!(":{}", count - 8 - count / 2));
        for member in &popped {
            server.check(&format!("SISMEMBER s {member}"), ":0");
        }
        server.run(&["SPOP", "s", "5000"]);
        server.check("EXISTS s", ":0");
    }
}

#[test]
fn spop_takes_the_last_member_s_key_along() {
    let mut server = Fixture::new();
    server.check("SADD s a", ":1");
    server.check("SPOP s", "$1|a");
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn both_ways_of_subtracting_agree() {
    let mut server = Fixture::new();
    // One large set of the members and several more: removing is less work; against a single small one: asking is.
    numbered(&mut server, "large", 400, "m");
    numbered(&mut server, "half", 200, "m");
    for index in 0..8 {
        numbered(&mut server, &format!("other{index}"), 3 + index, "m");
    }
    server.check("SDIFFSTORE d large half", ":200");
    let many = "SDIFFSTORE d large half other0 other1 other2 other3 other4 other5 other6 other7";
    server.check(many, ":200");
    server.check("SISMEMBER d m200", ":1");
    server.check("SISMEMBER d m199", ":0");
    server.check("SDIFF large large", "*0");
}

#[test]
fn a_set_walks_on_while_it_grows() {
    let mut server = Fixture::new();
    numbered(&mut server, "s", 500, "m");
    let mut seen = BTreeSet::new();
    let mut cursor = "0".to_owned();
    let mut more = 500;
    loop {
        let reply = String::from_utf8(server.run(&["SSCAN", "s", &cursor, "COUNT", "20"])).unwrap();
        let lines: Vec<&str> = reply.split("\r\n").collect();
        seen.extend(lines.iter().skip(5).step_by(2).map(|&member| member.to_owned()));
        cursor = lines[2].to_owned();
        if cursor == "0" {
            break;
        }
        server.run(&["SADD", "s", &format!("m{more}")]);
        more += 1;
    }
    assert!((0..500).all(|index| seen.contains(&format!("m{index}"))));
}
