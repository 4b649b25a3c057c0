//! The switches of the matrix.

/// One way of running Boxcar that differs from the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Toggle {
    /// Its name in the report.
    pub name: &'static str,
    /// Which of the server's properties it turns.
    pub factor: &'static str,
    /// Flags of the server, split at blanks.
    pub flags: &'static str,
    /// Environment variables.
    pub environment: &'static [(&'static str, &'static str)],
    /// Another build of the server, by the name that `--build` gives it.
    pub build: Option<&'static str>,
    /// May use all CPUs, the generator's too; else only the servers'.
    pub unconfined: bool,
}

/// What a toggle is unless it says otherwise.
const PLAIN: Toggle =
    Toggle { name: "", factor: "", flags: "", environment: &[], build: None, unconfined: false };

/// Flags that switch one property.
const fn flags(factor: &'static str, name: &'static str, flags: &'static str) -> Toggle {
    Toggle { name, factor, flags, ..PLAIN }
}

/// One factor at a time.
pub(super) const TOGGLES: &[Toggle] = &[
    flags("network", "epoll", "--network epoll"),
    flags("network", "io_uring without multishot receive", "--uring-multishot-recv no"),
    flags("network", "io_uring without buffer ring", "--uring-buffer-ring no --uring-multishot-recv no"),
    flags("network", "io_uring without deferred task work", "--uring-defer-taskrun no"),
    flags("network", "receive buffers of 4 KiB", "--receive-buffer-size 4096"),
    flags("network", "receive buffers of 64 KiB", "--receive-buffer-size 65536"),
    flags("dispatch", "rings", "--dispatch rings --worker-threads 1"),
    flags("dispatch", "auto", "--dispatch auto"),
    flags("threads", "two I/O threads on the one CPU", "--io-threads 2"),
    Toggle { unconfined: true, ..flags("pinning", "not confined to a CPU", "") },
    Toggle {
        unconfined: true,
        ..flags("pinning", "not confined, I/O thread pinned to CPU 0", "--cpu-affinity 0")
    },
    flags("busy poll", "busy-poll-us 50", "--busy-poll-us 50"),
    Toggle { build: Some("mimalloc"), ..flags("allocator", "mimalloc", "") },
    Toggle { build: Some("system"), ..flags("allocator", "the system's allocator", "") },
    flags("allocator", "jemalloc without background thread", "--jemalloc-bg-thread no"),
    Toggle {
        environment: &[("_RJEM_MALLOC_CONF", "narenas:1")],
        ..flags("allocator", "jemalloc with one arena", "")
    },
    flags("huge pages", "no huge pages", "--disable-thp yes"),
    flags("prefetch", "prefetch off", "--prefetch no"),
    flags("batching", "batches of 16 commands", "--batch-commands 16"),
    flags("probes", "command timing off", "--command-timing no"),
    flags("probes", "XDP: probe on the wire", "--xdp on --xdp-probe yes"),
    // A server that refuses these is left out, and the page has the reason in the server's words.
    flags("persistence", "append-only file", "--appendonly yes"),
    flags("persistence", "append-only file, fsync always", "--appendonly yes --appendfsync always"),
    flags("persistence", "snapshots", "--save 60 1000"),
];

/// Two at once, where one may need the other.
pub(super) const PAIRS: &[Toggle] = &[
    flags("pair", "epoll and rings", "--network epoll --dispatch rings --worker-threads 1"),
    flags("pair", "epoll and busy poll", "--network epoll --busy-poll-us 50"),
    flags("pair", "rings and prefetch off", "--dispatch rings --worker-threads 1 --prefetch no"),
];

/// Switches that were asked for and that the server does not have.
pub(super) const ABSENT: &[&str] =
    &["zero-copy threshold: the server copies every reply and has no switch for it yet"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_factor_has_a_switch_or_a_reason() {
        for factor in [
            "network",
            "dispatch",
            "threads",
            "pinning",
            "busy poll",
            "allocator",
            "huge pages",
            "zero-copy threshold",
            "prefetch",
            "probes",
            "persistence",
        ] {
            let switch = TOGGLES.iter().any(|toggle| toggle.factor == factor);
            let reason = ABSENT.iter().any(|absent| absent.split(':').next() == Some(factor));
            assert!(switch != reason, "{factor}");
        }
    }

    #[test]
    fn names_are_different_and_every_switch_switches() {
        let all = || TOGGLES.iter().chain(PAIRS);
        let names: HashSet<&str> = all().map(|toggle| toggle.name).collect();
        assert_eq!(names.len(), TOGGLES.len() + PAIRS.len());
        for toggle in all() {
            let turns = !toggle.flags.is_empty()
                || !toggle.environment.is_empty()
                || toggle.build.is_some()
                || toggle.unconfined;
            assert!(turns && !toggle.factor.is_empty(), "{}", toggle.name);
            let begins = |word: &str| word.starts_with("--");
            let words: Vec<&str> = toggle.flags.split_whitespace().collect();
            let named = words.first().is_none_or(|word| begins(word))
                && words.last().is_none_or(|word| !begins(word));
            assert!(
                named && words.windows(2).all(|pair| !(begins(pair[0]) && begins(pair[1]))),
                "{}: --name value",
                toggle.name
            );
        }
    }
}
