//! Configuration files: syntax, `include`, repeated lines, errors with their place.

use proptest::prelude::*;

use super::TestDirectory;
use crate::config::Config;
use crate::config::load::{LoadError, Sources};
use crate::config::rows::*;

fn load_file(path: std::path::PathBuf) -> Result<Config, LoadError> {
    Config::load(&Sources { file: Some(path), ..Sources::default() })
}

#[track_caller]
fn error(text: &str) -> String {
    match Config::from_text(text) {
        Ok(_) => panic!("{text:?} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn comments_case_quotes_and_repeated_lines() {
    let config = Config::from_text(
        "# a comment\r\n\r\n  PoRt 7000  \r\nrequirepass \"two words\\x21\"\nsave \"\"\n\
         client-output-buffer-limit normal 1 2 3\nclient-output-buffer-limit pubsub 4 5 6\n\
         bind 127.0.0.1\nbind 127.0.0.1 -::1\nslave-priority 50\nlist-max-ziplist-entries 5\n\
         rename-command KEYS \"\"\nrename-command CONFIG secret",
    )
    .unwrap();
    assert_eq!(config.int(PORT), 7000);
    assert_eq!(&*config.text(REQUIREPASS), "two words!");
    assert_eq!(
        config.render(CLIENT_OUTPUT_BUFFER_LIMIT),
        "normal 1 2 3 slave 268435456 67108864 60 pubsub 4 5 6"
    );
    assert_eq!(config.list(BIND).join(" "), "127.0.0.1 -::1");
    assert_eq!(config.int(REPLICA_PRIORITY), 50);
    let renamed: Vec<_> = config.renamed_commands().iter().map(|r| (&*r.name, &*r.new_name)).collect();
    assert_eq!(renamed, [("KEYS", ""), ("CONFIG", "secret")]);
    let without_effect: Vec<_> = config.without_effect().iter().map(|row| row.name).collect();
    assert_eq!(without_effect, ["replica-priority"]);
}

#[test]
fn a_later_line_overrides_what_alone_would_be_refused() {
    assert!(error("appendonly yes").contains("appendonly: 'yes' is refused: "));
    assert!(!Config::from_text("appendonly yes\nappendonly no").unwrap().bool(APPENDONLY));
    // Lines of `save` add up; an empty one starts over.
    assert!(error("save 900 1\nsave 300 10").contains("save: '900 1 300 10' is refused: "));
    assert!(Config::from_text("save 900 1\nsave \"\"").unwrap().list(SAVE).is_empty());
    assert!(Config::from_text("supervised auto").is_ok());
}

#[test]
fn errors_name_line_text_directive_and_bounds() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        error("port 1\n\n  maxclients 0 "),
        format!(
            "\n*** FATAL CONFIG FILE ERROR (Boxcar {version}) ***\nReading the configuration file, at line 3\n\
             >>> 'maxclients 0'\nmaxclients: argument must be between 1 and 4294967295 inclusive"
        )
    );
    for (line, reason) in [
        ("port", "port: wrong number of arguments"),
        ("port 1 2", "port: wrong number of arguments"),
        ("port \"\"", "port: argument couldn't be parsed into an integer"),
        ("port \"1\"x", "Unbalanced quotes in configuration line"),
        ("bogus 1", "Bad directive or wrong number of arguments"),
        ("include", "Bad directive or wrong number of arguments"),
        ("rename-command get", "Bad directive or wrong number of arguments"),
        ("list-max-ziplist-value 1 2", "Bad directive or wrong number of arguments"),
        ("sentinel monitor", "sentinel directive while not in sentinel mode"),
        ("dir /nowhere", "dir: No such file or directory"),
        ("dir /dev/null", "dir: Not a directory"),
        ("replicaof a", "replicaof: wrong number of arguments"),
        ("replicaof a b", "replicaof: Invalid master port"),
        ("loadmodule x.so", "loadmodule: modules are not loaded"),
        ("shards 3", "shards: argument must be a power of two"),
        ("unixsocketperm 1000", "unixsocketperm: argument must be between 0 and 777 inclusive"),
        (
            "cpu-affinity 3-1",
            "cpu-affinity: argument must be 'off' or a list of CPUs such as 0-3,6, each at most 8191",
        ),
    ] {
        let text = error(line);
        assert!(text.ends_with(&format!("\n>>> '{line}'\n{reason}")), "{text}");
    }
}

#[test]
fn included_files_are_found_from_the_working_directory_of_the_line() {
    let directory = TestDirectory::new();
    let at = directory.path().display().to_string();
    directory.file("one.conf", "timeout 5");
    directory.file("conf-b.inc", "hz 20");
    directory.file("conf-a.inc", "hz 30\nport 1");
    directory.file(".conf-hidden.inc", "port 2");
    let main = directory
        .file("main.conf", &format!("dir {at}\ninclude one.conf\ninclude *.inc\ninclude none*.conf"));
    let config = load_file(main.clone()).unwrap();
    assert_eq!((config.int(TIMEOUT), config.int(HZ), config.int(PORT)), (5, 20, 1));
    assert_eq!(&*config.text(DIR), at);
    assert_eq!(config.file(), Some(&*main));

    directory.file("one.conf", "timeout 5\ntimeout x");
    let text = load_file(main).err().expect("a wrong line").to_string();
    assert!(text.contains(&format!("at line 2 of {at}/one.conf\n>>> 'timeout x'")), "{text}");
}

#[test]
fn missing_files_and_cycles_are_errors() {
    let directory = TestDirectory::new();
    let missing = directory.path().join("missing.conf");
    let text = load_file(missing.clone()).err().expect("no file").to_string();
    let expected =
        format!("Fatal error, can't open config file '{}': No such file or directory", missing.display());
    assert_eq!(text, expected);
    let circular = directory.path().join("circular.conf");
    directory.file("circular.conf", &format!("include {}", circular.display()));
    let text = load_file(circular).err().expect("a cycle").to_string();
    assert!(text.ends_with("include: files are included more than 16 deep"), "{text}");
}

proptest! {
    #[test]
    fn reading_is_total(content in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Config::load(&Sources { standard_input: content, ..Sources::default() });
    }

    #[test]
    fn reading_anything_like_a_configuration_is_total(
        lines in prop::collection::vec(
            (0..COUNT, "[ -~]{0,30}").prop_map(|(index, rest)| {
                format!("{} {rest}", crate::config::Directive::at(index).row().name)
            }),
            0..5,
        ),
    ) {
        let _ = Config::from_text(&lines.join("\n"));
    }
}
