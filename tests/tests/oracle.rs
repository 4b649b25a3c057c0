//! Random command sequences, the same ones every time, to Boxcar and to real servers: no reply differs, and every command
//! has been hit.
#![forbid(unsafe_code)]

use boxcar_tests::oracle::campaign::{Plan, run};
use boxcar_tests::programs;

/// So many commands for each real server; with the reads at the end of each sequence it is twice as many replies.
const COMMANDS: u64 = 60_000;

#[test]
fn no_reply_differs_from_the_real_server() {
    let Some(peer) = programs::oracle() else {
        assert!(programs::stands_down("redis-tools"), "there is no server to compare with: BOXCAR_ORACLE");
        return;
    };
    hold(peer);
}

#[test]
fn no_reply_differs_from_a_newer_server() {
    match programs::newer_oracle() {
        Some(peer) => hold(peer),
        None => eprintln!("not run: no newer server is given by BOXCAR_NEWER_ORACLE"),
    }
}

fn hold(peer: std::path::PathBuf) {
    let plan =
        Plan { peer, families: Vec::new(), commands: COMMANDS, seed: 1, most_failures: 10, tell: false };
    let report = run(&plan);
    println!("{}", report.text());
    assert!(report.holds(), "the two servers differ, or a command was never hit");
}
