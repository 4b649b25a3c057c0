//! The words behind the program's name.

use std::ffi::OsString;

use super::TestDirectory;
use crate::config::command_line::{Invocation, read};
use crate::config::rows::*;
use crate::config::{Config, Directive};

fn config(arguments: &[&str], input: &str) -> Result<Config, String> {
    match read(arguments.iter().map(OsString::from), input.as_bytes()) {
        Ok(Invocation::Serve(config)) => Ok(*config),
        Ok(Invocation::Print(_)) => panic!("{arguments:?} prints"),
        Err(error) => Err(error.to_string()),
    }
}

fn printed(argument: &str) -> String {
    match read([OsString::from(argument)], &b""[..]) {
        Ok(Invocation::Print(text)) => text,
        _ => panic!("{argument} does not print"),
    }
}

#[test]
fn no_arguments_are_the_defaults() {
    let config = config(&[], "port 1").unwrap();
    assert_eq!(config.int(PORT), 6379, "standard input is read only on demand");
    assert_eq!(config.file(), None);
}

#[test]
fn words_up_to_the_next_directive_are_its_values() {
    let config = config(
        &[
            "--port",
            "0",
            "--bind",
            "127.0.0.1",
            "::1",
            "--save",
            "",
            "--client-output-buffer-limit",
            "normal",
            "1",
            "2",
            "3",
            "--loglevel",
            "verbose",
            "--list-max-listpack-size",
            "-5",
            "--requirepass",
            "--dashes",
            "--timeout 7",
            "--daemonize",
            "--appendonly",
            "no",
            "--save",
        ],
        "",
    )
    .unwrap();
    assert_eq!(config.int(PORT), 0);
    assert_eq!(config.list(BIND).join(" "), "127.0.0.1 ::1");
    assert!(config.render(CLIENT_OUTPUT_BUFFER_LIMIT).starts_with("normal 1 2 3 "));
    assert_eq!(config.render(LOGLEVEL), "verbose");
    assert_eq!(config.int(LIST_MAX_LISTPACK_SIZE), -5);
    assert_eq!(&*config.text(REQUIREPASS), "--dashes");
    assert_eq!(config.int(TIMEOUT), 7);
    assert!(config.bool(DAEMONIZE));
}

#[test]
fn arguments_override_standard_input_which_overrides_the_file() {
    let directory = TestDirectory::new();
    let file = directory.file("a.conf", "port 1\nhz 11\ntimeout 1\n").display().to_string();
    let config = config(&[&file, "--port", "3", "-"], "port 2\nhz 12\n").unwrap();
    assert_eq!((config.int(PORT), config.int(HZ), config.int(TIMEOUT)), (3, 12, 1));
    let input_first = self::config(&["-", "--port", "3"], "port 2\nhz 12\n").unwrap();
    assert_eq!((input_first.int(PORT), input_first.int(HZ)), (3, 12));
}

#[test]
fn errors_show_the_line_that_redis_would_show() {
    let text = config(&["--port", "0", "--bogus", "1"], "").err().unwrap();
    assert!(
        text.ends_with("at line 3\n>>> 'bogus \"1\"'\nBad directive or wrong number of arguments"),
        "{text}"
    );
    let text = config(&["--port", "--10"], "").err().unwrap();
    assert!(text.contains(">>> 'port \"--10\"'\nport: argument"), "{text}");
    let text = config(&["--port"], "").err().unwrap();
    assert!(text.ends_with("port: wrong number of arguments"), "{text}");
    assert!(config(&["stray.conf"], "").err().unwrap().contains("can't open config file 'stray.conf'"));
}

#[test]
fn help_and_version() {
    assert_eq!(printed("--version"), printed("-v"));
    assert!(printed("-v").contains(env!("CARGO_PKG_VERSION")));
    let help = printed("--help");
    for row in Directive::all().map(Directive::row).filter(|row| !row.hidden) {
        assert!(help.contains(&format!("--{}", row.name)), "{}", row.name);
    }
    assert!(help.contains("[1 to 4294967295] [default: 10000]"), "{help}");
}
