//! `CONFIG GET` and `CONFIG SET`, held against the replies of Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

use crate::config::rows::*;
use crate::config::set::is_sensitive;
use crate::config::{Config, MemoryShare};

fn set(config: &Config, arguments: &[&str]) -> Result<(), String> {
    let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    config.set(&arguments, true).map_err(|error| error.to_string())
}

fn get(config: &Config, patterns: &[&str]) -> Vec<String> {
    let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    config.get(&patterns).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn get_matches_names_and_aliases_once() {
    let config = Config::default();
    assert_eq!(get(&config, &["MaxClients", "maxc*", "maxclients"]), ["MaxClients=10000"]);
    assert_eq!(get(&config, &["MAXC*"]), ["maxclients=10000"]);
    assert_eq!(get(&config, &["slaveof", "replicao?"]), ["slaveof=", "replicaof="]);
    assert_eq!(get(&config, &["h[z]", "port"]), ["hz=10", "port=6379"]);
    assert_eq!(get(&config, &["nothing"]), [""; 0]);
    assert_eq!(get(&config, &["watchdog*"]), [""; 0]);
    assert_eq!(get(&config, &["watchdog-period"]), ["watchdog-period=0"]);
}

/// What is given, and the argument blamed with Redis's reason, or the whole text.
const ERRORS: &[(&[&str], &str)] = &[
    (&["a", "b", "c"], "syntax error"),
    (&["foo", "bar", "maxclients", "0"], "Unknown option or number of arguments for CONFIG SET - 'foo'"),
    (&["databases", "5"], "databases - can't set immutable config"),
    (&["dir", "/tmp"], "dir - can't set protected config"),
    (&["maxclients", "5", "maxclients", "6"], "maxclients - duplicate parameter"),
    (&["min-slaves-max-lag", "5", "min-replicas-max-lag", "5"], "min-replicas-max-lag - duplicate parameter"),
    (&["MAXCLIENTS", "0"], "maxclients - argument must be between 1 and 4294967295 inclusive"),
    (&["port", "-1"], "port - argument must be between 0 and 65535 inclusive"),
    (&["slave-priority", "-1"], "slave-priority - argument must be between 0 and 2147483647 inclusive"),
    (&["timeout", "99999999999999999999"], "timeout - argument couldn't be parsed into an integer"),
    (
        &["list-max-listpack-size", "+5"],
        "list-max-listpack-size - argument couldn't be parsed into an integer",
    ),
    (
        &["list-max-listpack-size", "05"],
        "list-max-listpack-size - argument couldn't be parsed into an integer",
    ),
    (&["maxmemory", "-1"], "maxmemory - argument must be a memory value"),
    (&["maxmemory", "1kk"], "maxmemory - argument must be a memory value"),
    (&["maxmemory-clients", "101%"], "maxmemory-clients - percentage argument must be less or equal to 100"),
    (&["maxmemory-clients", "-5"], "maxmemory-clients - argument must be a memory or percent value"),
    (
        &["client-query-buffer-limit", "1"],
        "client-query-buffer-limit - argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    (&["protected-mode", "maybe"], "protected-mode - argument must be 'yes' or 'no'"),
    (
        &["loglevel", "x"],
        "loglevel - argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
    ),
    (
        &["shutdown-on-sigint", "save nosave"],
        "shutdown-on-sigint - shutdown options SAVE and NOSAVE can't be used simultaneously",
    ),
    (
        &["shutdown-on-sigint", ""],
        "shutdown-on-sigint - argument(s) must be one of the following: default, save, nosave, now, force",
    ),
    (
        &["notify-keyspace-events", "Q"],
        "notify-keyspace-events - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ),
    (&["save", "1 2 3"], "save - Invalid save parameters"),
    (&["save", "10 5  20 6"], "save - Invalid save parameters"),
    (
        &["latency-tracking-info-percentiles", "50 a"],
        "latency-tracking-info-percentiles - Invalid latency-tracking-info-percentiles parameters",
    ),
    (
        &["latency-tracking-info-percentiles", "50 101"],
        "latency-tracking-info-percentiles - latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    ),
    (&["oom-score-adj-values", "1 2"], "oom-score-adj-values - wrong number of arguments"),
    (
        &["oom-score-adj-values", "1 2 99999"],
        "oom-score-adj-values - Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
    ),
    (
        &["client-output-buffer-limit", "normal 1 2"],
        "client-output-buffer-limit - Wrong number of arguments in buffer limit configuration.",
    ),
    (
        &["client-output-buffer-limit", "master 1 2 3"],
        "client-output-buffer-limit - Invalid client class specified in buffer limit configuration.",
    ),
    (
        &["client-output-buffer-limit", "normal 1 2 -3"],
        "client-output-buffer-limit - Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    ),
    (
        &["proc-title-template", "{foo}"],
        "proc-title-template - template format is invalid or contains unknown variables",
    ),
    (
        &["cluster-announce-hostname", "x y"],
        "cluster-announce-hostname - Hostnames may only contain alphanumeric characters, hyphens or dots",
    ),
];

#[test]
fn errors_are_redis_texts() {
    let config = Config::default();
    for (arguments, text) in ERRORS {
        let expected = match text.split_once(" - ") {
            Some((name, reason)) if !text.starts_with("Unknown") => {
                format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}")
            }
            _ => text.to_string(),
        };
        assert_eq!(set(&config, arguments), Err(expected), "{arguments:?}");
    }
    assert_eq!(get(&config, &["*"]), get(&Config::default(), &["*"]), "errors change nothing");
}

#[test]
fn values_are_reported_in_redis_form() {
    let config = Config::default();
    for (name, given, reported) in [
        ("maxmemory", "1B", "1"),
        ("maxmemory", "2kb", "2048"),
        ("maxmemory", "k", "0"),
        ("maxmemory", "", "0"),
        ("shutdown-on-sigint", "now SAVE", "save now"),
        ("shutdown-on-sigint", "default force", "force"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "KEg$lshzxet", "g$lshzxetKE"),
        ("notify-keyspace-events", "mnd", "dnm"),
        ("notify-keyspace-events", "", ""),
        ("latency-tracking-info-percentiles", "50.0 99.90 1e1 0.1234567", "50 99.9 10 0.123457"),
        ("hz", "0", "1"),
        ("hz", "100000", "500"),
        (
            "client-output-buffer-limit",
            "replica 1mb 2gb 3 pubsub 1 1 1",
            "normal 0 0 0 slave 1048576 2147483648 3 pubsub 1 1 1",
        ),
    ] {
        set(&config, &[name, given]).unwrap();
        assert_eq!(get(&config, &[name]), [format!("{name}={reported}")]);
    }
}

#[test]
fn all_pairs_are_set_or_none() {
    let config = Config::default();
    let error = set(&config, &["maxclients", "5", "port", "x"]).unwrap_err();
    assert!(error.contains("'port'"), "{error}");
    assert_eq!(config.int(MAXCLIENTS), 10_000);
    set(&config, &["maxclients", "5", "timeout", "7"]).unwrap();
    assert_eq!((config.int(MAXCLIENTS), config.int(TIMEOUT)), (5, 7));
}

#[test]
fn hooks_apply_changes_and_are_taken_back_together() {
    let config = Config::default();
    let listening = Arc::new(AtomicI64::new(config.int(PORT)));
    let calls = Arc::new(AtomicU32::new(0));
    let (seen, called) = (listening.clone(), calls.clone());
    config.on_any_change(&[PORT.directive(), BIND.directive()], move |config| {
        called.fetch_add(1, Relaxed);
        seen.store(config.int(PORT), Relaxed);
        Ok(())
    });
    config.on_change(MAXCLIENTS, |config| match config.int(MAXCLIENTS) {
        1_000_000.. => Err("The operating system is not able to handle that many".into()),
        _ => Ok(()),
    });

    set(&config, &["port", "7000", "bind", "127.0.0.1"]).unwrap();
    assert_eq!((listening.load(Relaxed), calls.load(Relaxed)), (7000, 1), "one call for both");
    set(&config, &["port", "7000", "timeout", "5"]).unwrap();
    assert_eq!(calls.load(Relaxed), 1, "an unchanged value is not applied again");

    let error = set(&config, &["port", "7001", "timeout", "9", "maxclients", "1000000"]).unwrap_err();
    assert_eq!(
        error,
        "CONFIG SET failed (possibly related to argument 'maxclients') - \
         The operating system is not able to handle that many"
    );
    assert_eq!((config.int(PORT), config.int(TIMEOUT), config.int(MAXCLIENTS)), (7000, 5, 10_000));
    assert_eq!(listening.load(Relaxed), 7000, "the hook was called again with the old value");
}

#[test]
fn what_would_deceive_is_refused_by_name() {
    let config = Config::default();
    for (name, value) in [
        ("appendonly", "yes"),
        ("save", "900 1"),
        ("tls-port", "6380"),
        ("maxmemory-clients", "5%"),
        ("min-replicas-to-write", "1"),
    ] {
        let error = set(&config, &[name, value]).unwrap_err();
        let start =
            format!("CONFIG SET failed (possibly related to argument '{name}') - '{value}' is refused: ");
        assert!(error.starts_with(&start), "{error}");
    }
    set(&config, &["appendonly", "no", "save", ""]).unwrap();
    assert_eq!(config.memory_share(MAXMEMORY_CLIENTS), MemoryShare::Bytes(0));
}

#[test]
fn protected_directives_follow_enable_protected_configs() {
    let local = Config::from_text("enable-protected-configs local").unwrap();
    assert!(local.set(&[b"dbfilename", b"x.rdb"], false).is_err());
    local.set(&[b"dbfilename", b"x.rdb"], true).unwrap();
    let error = local.set(&[b"dir", b"/nowhere"], true).unwrap_err().to_string();
    assert!(error.ends_with("'dir') - No such file or directory"), "{error}");
    local.set(&[b"dir", b"/"], true).unwrap();
    assert_eq!(&*local.text(DIR), "/");
}

#[test]
fn secrets_are_known_and_binary_values_refused() {
    assert!(is_sensitive(b"RequirePass") && is_sensitive(b"masterauth"));
    assert!(!is_sensitive(b"maxclients") && !is_sensitive(b"nothing"));
    let config = Config::default();
    assert!(config.set(&[b"requirepass", b"\xff"], true).is_err());
    assert!(config.set(&[b"\xff", b"1"], true).is_err());
}
