//! The loads that are profiled.

/// A load and the server that gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Arguments of boxcar-load.
    pub load: &'static [&'static str],
    /// Arguments of the server, behind those that every profile has.
    pub server: &'static [&'static str],
}

/// One scenario.
const fn scenario(name: &'static str, about: &'static str, load: &'static [&'static str]) -> Scenario {
    Scenario { name, about, load, server: &[] }
}

/// The table of scenarios.
pub const SCENARIOS: &[Scenario] = &[
    scenario("get", "GET, one at a time on 50 connections", &["--ratio", "1:0"]),
    scenario("set", "SET, one at a time on 50 connections", &["--ratio", "0:1"]),
    scenario("get-16", "GET, 16 in a pipeline", &["--ratio", "1:0", "--pipeline", "16"]),
    scenario("set-16", "SET, 16 in a pipeline", &["--ratio", "0:1", "--pipeline", "16"]),
    scenario("get-64", "GET, 64 in a pipeline", &["--ratio", "1:0", "--pipeline", "64"]),
    scenario("set-64", "SET, 64 in a pipeline", &["--ratio", "0:1", "--pipeline", "64"]),
    scenario(
        "mixed",
        "nine GETs to a SET, 16 in a pipeline, keys by Zipf's law",
        &["--ratio", "9:1", "--pipeline", "16", "--distribution", "zipf"],
    ),
    scenario(
        "large",
        "GET of values of 64 KiB, one at a time",
        &["--ratio", "1:0", "--value-size", "65536", "--keys", "2000"],
    ),
    Scenario {
        name: "rings",
        about: "nine GETs to a SET, 16 in a pipeline, executed by workers",
        load: &["--ratio", "9:1", "--pipeline", "16"],
        server: &["--dispatch", "rings", "--worker-threads", "1"],
    },
    Scenario {
        name: "epoll",
        about: "GET, one at a time, over epoll",
        load: &["--ratio", "1:0"],
        server: &["--network", "epoll"],
    },
];

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
