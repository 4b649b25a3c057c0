//! CPU time by part: the table of `profile::parts` against a profile of the server as it runs.
#![forbid(unsafe_code)]

use boxcar_perf::load::{Endpoint, Extent, LoadOptions, Pace, run};
use boxcar_perf::profile::parts::{Part, ROWS, Seen, sample};
use boxcar_tests::programs::stands_down;
use boxcar_tests::server::{Options, Server};
use boxcar_tests::{Configuration, in_every_configuration};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

in_every_configuration!(every_row_is_found_in_a_profile_and_little_is_left);

/// Largest share of user space that may have no row. Builds without link-time optimisation call more of the standard library.
const UNCLASSIFIED: f64 = 0.05;

/// Samples the server under a load.
fn profile(server: &Server, mix: &str, pipeline: usize) -> Seen {
    let length = Duration::from_millis(1000);
    let load = LoadOptions {
        pipeline,
        mix: mix.parse().unwrap(),
        keys: 2_000,
        preload: true,
        pace: Pace::Closed,
        warmup: Duration::ZERO,
        extent: Extent::Time(length * 2),
        ..LoadOptions::new(Endpoint::Tcp(server.address()))
    };
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            sample(server.pid(), length, server.folder()).unwrap()
        });
        let report = run(&load, &AtomicBool::new(false), &mut |_| {}).unwrap();
        assert!(report.clean(), "{report}");
        sampler.join().unwrap()
    })
}

fn every_row_is_found_in_a_profile_and_little_is_left(configuration: Configuration) {
    if stands_down("perf") {
        return;
    }
    let server = Options::boxcar(configuration).start();
    let mut rows = BTreeSet::new();
    for (mix, pipeline) in [("get", 1), ("get,set", 64), ("hgetall,lrange/10,zrange/10,sadd,mget/3", 16)] {
        let seen = profile(&server, mix, pipeline);
        let of = |part: Part| seen.samples.get(&part).copied().unwrap_or_default();
        let user: u64 = Part::ALL.into_iter().filter(|&part| part != Part::Kernel).map(of).sum();
        // Others than root may not look into the kernel.
        let kernel = of(Part::Kernel) > 0 || !nix::unistd::geteuid().is_root();
        assert!(kernel && user > 0, "{mix}: {:?}", seen.samples);
        let mut worst: Vec<_> = seen.unclassified.iter().collect();
        worst.sort_by_key(|(_, samples)| std::cmp::Reverse(**samples));
        worst.truncate(10);
        let share = of(Part::Unclassified) as f64 / user as f64;
        assert!(share <= UNCLASSIFIED, "{mix}: {:.1} % have no row: {worst:?}", share * 100.0);
        rows.extend(seen.rows);
    }
    for (index, row) in ROWS.iter().enumerate() {
        assert!(rows.contains(&index), "{} was not seen", row.source);
    }
}
