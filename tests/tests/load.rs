//! The load generator against a real server: every row of its table is asked and checked, so that none is broken
//! unnoticed, and the values of a mixed load are verified while many connections write.
#![forbid(unsafe_code)]

use boxcar_perf::load::{
    Distribution, Endpoint, Extent, LoadOptions, LoadReport, Mix, Pace, Protocol, Values, rows, run,
};
use boxcar_tests::server::Options;
use boxcar_tests::{Configuration, Server, in_every_configuration, programs};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicBool;

in_every_configuration!(every_row_is_answered_as_it_must_be, values_are_verified_under_a_mixed_load);

fn options(server: &Server) -> LoadOptions {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    LoadOptions {
        connections: 4,
        threads: 2,
        pipeline: 3,
        keys: 20,
        values: Values::new(8, 120),
        verify: true,
        ..LoadOptions::new(Endpoint::Tcp(address))
    }
}

fn go(options: &LoadOptions) -> LoadReport {
    let report = run(options, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert!(report.clean() && report.unanswered == 0, "{}: {report}", options.mix);
    report
}

/// Each row by itself on loaded keys, over both protocols.
fn every_row(server: &Server) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for row in rows() {
            let mix: Mix = row.name.parse().unwrap();
            let asked = LoadOptions { mix, protocol, extent: Extent::Requests(200), ..options(server) };
            let report = go(&asked);
            assert_eq!((report.requests, report.rows.len()), (200, 1), "{}: {report}", row.name);
            let row_report = &report.rows[0];
            let brought = row_report.requests - row_report.nothing;
            // Popping may empty a list, but no row may find nothing all the time.
            assert!(brought > 0, "{} never brought anything: {report}", row.name);
        }
    }
}

fn every_row_is_answered_as_it_must_be(configuration: Configuration) {
    every_row(&Server::start(configuration));
}

/// The same against a real server: what the rows expect is Redis's behaviour.
#[test]
fn every_row_is_answered_by_redis_as_it_must_be() {
    if let Some(oracle) = programs::oracle() {
        every_row(&Options::program(&oracle).start());
    }
}

fn values_are_verified_under_a_mixed_load(configuration: Configuration) {
    let server = Server::start(configuration);
    // Every row at once, with reopened connections; then strings alone, with one key that everybody wants.
    let names: HashSet<&str> = rows().map(|row| row.name).collect();
    let all = names.into_iter().collect::<Vec<_>>().join(",");
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mixed = LoadOptions {
            mix: all.parse().unwrap(),
            protocol,
            churn: Some(50),
            extent: Extent::Requests(6_000),
            ..options(&server)
        };
        let report = go(&mixed);
        assert!(report.reconnects > 50 && report.rows.iter().all(|row| row.requests > 10), "{report}");
    }
    let hot = LoadOptions {
        mix: "get:5,set:4,mget/3:2,mset/3:1".parse().unwrap(),
        distribution: Distribution::Hot(0.7),
        pipeline: 16,
        values: Values::new(40, 3_000),
        extent: Extent::Requests(20_000),
        ..options(&server)
    };
    let report = go(&hot);
    assert!(report.verified && report.hits > 5_000 && report.misses == 0, "{report}");
    let paced =
        LoadOptions { pace: Pace::Open(5_000.0), auto_batch: true, extent: Extent::Requests(3_000), ..hot };
    assert_eq!(go(&paced).requests, 3_000);
}
