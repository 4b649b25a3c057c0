//! The rows: complete, unique, each default within its own bounds, each value back from its text.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use crate::config::load::refusal;
use crate::config::row::{Directive, Kind, Row};
use crate::config::rows::*;
use crate::config::set::names;
use crate::config::value::Value;
use crate::config::{ClientClass, Config, MemoryShare, OutputLimit, reference};

/// Names, aliases and defaults as `CONFIG GET *` of Redis 7.2 reports them.
const REDIS_DEFAULTS: &str = include_str!("redis-defaults.txt");

/// Defaults that are not Redis's: no snapshots exist, and I/O threads follow the cores.
const DIFFERENT: [&str; 3] = ["save", "io-threads", "disable-thp"];

#[test]
fn every_directive_of_redis_is_here_with_its_default() {
    let config = Config::default();
    let mut ours: HashMap<String, String> = config.get(&[b"*"]).into_iter().collect();
    for line in REDIS_DEFAULTS.lines() {
        let (name, default) = line.split_once(' ').unwrap_or((line, ""));
        let value = ours.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
        if !DIFFERENT.contains(&name) {
            assert_eq!(value, default, "{name}");
        }
    }
    let boxcar_only = |name: &String| Directive::named(name.as_bytes()).unwrap().row().boxcar_only;
    let surplus: Vec<&String> = ours.keys().filter(|name| !boxcar_only(name) && *name != "dir").collect();
    assert_eq!(surplus, Vec::<&String>::new(), "neither Redis's nor marked as Boxcar's own");
}

#[test]
fn names_are_unique_and_lower_case() {
    let mut seen = HashSet::new();
    for directive in Directive::all() {
        for name in names(directive) {
            assert!(seen.insert(name), "{name} stands twice");
            assert_eq!(name, name.to_lowercase());
            assert_eq!(Directive::named(name.to_uppercase().as_bytes()), Some(directive));
        }
    }
}

#[test]
fn constants_point_at_their_rows() {
    for (directive, name) in [
        (BIND.directive(), "bind"),
        (PROTECTED_MODE.directive(), "protected-mode"),
        (NETWORK.directive(), "network"),
        (HZ.directive(), "hz"),
        (REQUIREPASS.directive(), "requirepass"),
        (MAXMEMORY.directive(), "maxmemory"),
        (SLOWLOG_MAX_LEN.directive(), "slowlog-max-len"),
        (STREAM_NODE_MAX_ENTRIES.directive(), "stream-node-max-entries"),
        (SAVE.directive(), "save"),
        (MIN_REPLICAS_MAX_LAG.directive(), "min-replicas-max-lag"),
        (CLUSTER_PREFERRED_ENDPOINT_TYPE.directive(), "cluster-preferred-endpoint-type"),
    ] {
        assert_eq!(directive.row().name, name);
    }
}

/// What a user gives to get this value.
fn words_of(row: &Row, value: &Value) -> Vec<String> {
    match (row.kind, value) {
        (Kind::Words(_), Value::Words(words)) if words.is_empty() => vec![String::new()],
        (Kind::Words(_), Value::Words(words)) => words.iter().map(ToString::to_string).collect(),
        _ => vec![value.render(row)],
    }
}

#[track_caller]
fn parse(config: &Config, directive: Directive, words: &[String]) -> Result<Value, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    config.parse(directive, &words, false)
}

#[test]
fn every_default_is_within_its_own_bounds() {
    let config = Config::default();
    for directive in Directive::all().filter(|directive| *directive != DIR.directive()) {
        let row = directive.row();
        let default = Value::default_of(row);
        // `replicaof` has no word for none; it can only be left out.
        if directive != REPLICAOF.directive() {
            assert_eq!(
                parse(&config, directive, &words_of(row, &default)),
                Ok(default.clone()),
                "{}",
                row.name
            );
        }
        assert_eq!(refusal(row, &default), None, "{}", row.name);
    }
}

#[test]
fn every_row_says_what_it_does() {
    let page = reference::markdown();
    for row in Directive::all().map(Directive::row) {
        assert!(row.help.trim().ends_with(['.', ')']), "{}: {:?}", row.name, row.help);
        assert_eq!(page.contains(&format!("| `{}`", row.name)), !row.hidden, "{}", row.name);
    }
}

/// A word that some list takes.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "normal|replica|pubsub|default|nosave|now|force|::1|no|one",
        "-?[0-9]{1,4}",
        "[0-9]{1,2}\\.[0-9]{1,3}",
        "[AKEg$lshzxetdmn]{1,8}",
    ]
}

/// Any text that might be given for the row, right or wrong, with a bias to right.
fn given(row: &'static Row) -> BoxedStrategy<Vec<String>> {
    let one = |strategy: BoxedStrategy<String>| strategy.prop_map(|word| vec![word]).boxed();
    let right = match row.kind {
        Kind::Number { min, max } => one((min..=max).prop_map(|n| n.to_string()).boxed()),
        Kind::Hint { .. } => one((0..=i32::MAX).prop_map(|n| n.to_string()).boxed()),
        Kind::PowerOfTwo { .. } => one((0..=20_u32).prop_map(|n| (1_u64 << n).to_string()).boxed()),
        Kind::Octal { max } => one((0..=max).prop_map(|n| format!("{n:o}")).boxed()),
        Kind::Memory { .. } | Kind::MemoryOrPercent => one("[0-9]{1,12}(b|[kKmMgG]b?)?|[0-9]{1,2}%".boxed()),
        Kind::Switch => one("yes|no|YES|nO".boxed()),
        Kind::Choice(names) => {
            one(prop::sample::select(names).prop_map(|(name, _)| name.to_string()).boxed())
        }
        Kind::Text(_) => one(any::<String>().boxed()),
        Kind::Words(_) => prop::collection::vec(word(), 1..=4).boxed(),
    };
    prop_oneof![4 => right, 1 => prop::collection::vec(any::<String>(), 0..4)].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_value_comes_back_from_its_text(
        (directive, words) in (0..COUNT).prop_flat_map(|index| {
            let directive = Directive::at(index);
            (Just(directive), given(directive.row()))
        }),
    ) {
        let config = Config::default();
        if let Ok(value) = parse(&config, directive, &words)
            && !(directive == REPLICAOF.directive() && value == Value::default_of(directive.row()))
        {
            let row = directive.row();
            prop_assert_eq!(parse(&config, directive, &words_of(row, &value)), Ok(value), "{}", row.name);
        }
    }
}

#[test]
fn values_are_read_as_their_types() {
    let config = Config::from_text(
        "maxclients 5\nproto-max-bulk-len 2mb\ndaemonize yes\ndispatch RINGS\nloglevel verbose\noom-score-adj no\n\
         unixsocketperm 700\nclient-output-buffer-limit replica 1mb 2k 3\nbind 127.0.0.1 ::1\nhz 100000",
    )
    .unwrap();
    assert_eq!(config.int(MAXCLIENTS), 5);
    assert_eq!(config.bytes(PROTO_MAX_BULK_LEN), 2 << 20);
    assert!(config.bool(DAEMONIZE));
    assert_eq!(config.choice(DISPATCH), crate::config::choices::Dispatch::Rings);
    assert_eq!(config.choice(LOGLEVEL), crate::config::choices::LogLevel::Verbose);
    assert_eq!(config.int(UNIXSOCKETPERM), 0o700);
    assert_eq!(config.int(HZ), 500);
    assert_eq!(config.memory_share(MAXMEMORY_CLIENTS), MemoryShare::Bytes(0));
    assert_eq!(config.list(BIND).join(","), "127.0.0.1,::1");
    let replica = OutputLimit { hard: 1 << 20, soft: 2000, soft_seconds: 3 };
    assert_eq!(config.output_limit(ClientClass::Replica), replica);
    let pubsub = OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 };
    assert_eq!(config.output_limit(ClientClass::Pubsub), pubsub);
}
