//! The handlers of the family, against the answers of a real server (Redis 7.2's dialect).

use crate::clients::pause::PauseMode;
use crate::clients::{ClientFlags, ReplyMode};
use crate::commands::testing::{Fixture, START_MS, legible};
use boxcar_resp::Protocol;

#[test]
fn ping_echo_select() {
    let mut server = Fixture::new();
    server.check("PING", "+PONG");
    server.check("PING hello", "$5|hello");
    server.check("PING a b", "-ERR wrong number of arguments for 'ping' command");
    server.check("ECHO hello", "$5|hello");
    server.check("SET key zero", "+OK");
    server.check("SELECT 15", "+OK");
    server.check("GET key", "$-1");
    server.check("SELECT 16", "-ERR DB index is out of range");
    server.check("SELECT -1", "-ERR DB index is out of range");
    server.check("SELECT abc", "-ERR value is not an integer or out of range");
    server.check(
        "SELECT 99999999999",
        "-ERR value is out of range, value must between -2147483648 and 2147483647",
    );
    assert_eq!(server.session.db, 15);
    server.check("SELECT 0", "+OK");
    server.check("GET key", "$4|zero");
}

#[test]
fn quit_closes_after_its_reply() {
    let mut server = Fixture::new();
    server.check("QUIT now", "+OK");
    assert!(server.session.close_after_reply);
    assert!(server.session.client.flags().contains(ClientFlags::CLOSE_AFTER_REPLY));
}

#[test]
fn reset_forgets_everything_but_the_library() {
    let mut server = Fixture::new();
    server.check("HELLO 3 SETNAME me", &hello_map(3, 1));
    server.check("CLIENT SETINFO lib-name lib", "+OK");
    server.check("CLIENT NO-TOUCH on", "+OK");
    server.check("CLIENT NO-EVICT on", "+OK");
    server.check("SELECT 3", "+OK");
    server.check("WATCH key", "+OK");
    server.check("MONITOR", "+OK");
    server.check("MULTI", "+OK");
    server.check("RESET", "+RESET");
    let session = &server.session;
    assert_eq!((session.db, session.protocol, session.no_touch), (0, Protocol::Resp2, false));
    assert!(session.transaction.is_none() && session.watched.is_empty() && !session.monitor);
    assert_eq!(session.client.flags(), ClientFlags::empty());
    assert!(!server.server.monitors.any());
    server.check("CLIENT GETNAME", "$-1");
    assert_eq!(server.session.client.labels().library_name, b"lib");
}

#[test]
fn reset_asks_for_the_password_again() {
    let mut server = Fixture::new();
    server.server.access.set_password(b"secret");
    server.check("RESET", "+RESET");
    assert!(!server.session.authenticated);
    server.check("AUTH secret", "+OK");
    assert!(server.session.authenticated);
}

#[test]
fn auth() {
    let mut server = Fixture::new();
    server.check(
        "AUTH x",
        "-ERR AUTH <password> called without any password configured for the default user. \
         Are you sure your configuration is correct?",
    );
    server.check("AUTH default x", "+OK");
    const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.";
    server.check("AUTH foo x", WRONG);
    server.check("AUTH a b c", "-ERR syntax error");
    server.server.access.set_password(b"secret");
    server.session.authenticated = false;
    server.check("AUTH wrong", WRONG);
    server.check("AUTH default wrong", WRONG);
    assert!(!server.session.authenticated);
    server.check("AUTH default secret", "+OK");
    assert!(server.session.authenticated);
    assert_eq!(server.server.stats.totals().auth_failures, 3);
}

fn hello_map(protocol: u8, id: u64) -> String {
    let map = if protocol == 3 { "%7" } else { "*14" };
    format!(
        "{map}|$6|server|$5|redis|$7|version|$5|7.4.2|$5|proto|:{protocol}|$2|id|:{id}|$4|mode|\
         $10|standalone|$4|role|$6|master|$7|modules|*0"
    )
}

#[test]
fn hello() {
    let mut server = Fixture::new();
    server.check("HELLO", &hello_map(2, 1));
    server.check("HELLO 3", &hello_map(3, 1));
    server.check("HELLO", &hello_map(3, 1));
    server.check("HELLO 2 AUTH default x SETNAME me", &hello_map(2, 1));
    server.check("CLIENT GETNAME", "$2|me");
    server.check("HELLO 4", "-NOPROTO unsupported protocol version");
    server.check("HELLO x", "-ERR Protocol version is not an integer or out of range");
    server.check("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'");
    server.check("HELLO 3 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'");
    assert_eq!(
        legible(&server.run(&["HELLO", "3", "SETNAME", "a b"])),
        "-ERR Client names cannot contain spaces, newlines or special characters."
    );
    server.check("HELLO 3 AUTH foo x", "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(server.session.protocol, Protocol::Resp2);
    server.session.authenticated = false;
    server.server.access.set_password(b"secret");
    let refused = legible(&server.run(&["HELLO", "3"]));
    assert!(refused.starts_with("-NOAUTH HELLO must be called with the client already authenticated"));
    server.check("HELLO 3 AUTH default secret", &hello_map(3, 1));
}

#[test]
fn secrets_are_not_shown() {
    let mut server = Fixture::new();
    server.server.config.set(&[b"slowlog-log-slower-than", b"0"], true).unwrap();
    server.check("AUTH default x", "+OK");
    server.check("HELLO 2 AUTH default x SETNAME me", &hello_map(2, 1));
    let shown: Vec<String> = server
        .server
        .slowlog
        .newest(2)
        .iter()
        .map(|entry| entry.arguments.iter().map(|word| String::from_utf8_lossy(word) + " ").collect())
        .collect();
    assert_eq!(shown, ["HELLO 2 AUTH (redacted) (redacted) SETNAME me ", "AUTH (redacted) (redacted) "]);
}

#[test]
fn client_names() {
    let mut server = Fixture::new();
    server.check("CLIENT ID", ":1");
    server.check("CLIENT GETNAME", "$-1");
    server.check("CLIENT SETNAME me", "+OK");
    server.check("CLIENT GETNAME", "$2|me");
    server.check("CLIENT SETNAME ''", "+OK");
    server.check("CLIENT GETNAME", "$-1");
    assert_eq!(
        legible(&server.run(&["CLIENT", "SETNAME", "a\nb"])),
        "-ERR Client names cannot contain spaces, newlines or special characters."
    );
    server.check("CLIENT SETINFO LIB-NAME redis-py", "+OK");
    server.check("CLIENT SETINFO lib-ver 1.2.3", "+OK");
    server.check("CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'");
    assert_eq!(
        legible(&server.run(&["CLIENT", "SETINFO", "LIB-VER", "a b"])),
        "-ERR LIB-VER cannot contain spaces, newlines or special characters."
    );
}

#[test]
fn client_list() {
    let mut server = Fixture::new();
    let mut other = server.connect();
    server.check("CLIENT SETNAME me", "+OK");
    server.check("CLIENT SETINFO lib-name lib", "+OK");
    server.check("CLIENT SETINFO lib-ver 7", "+OK");
    server.run_for(&mut other, &["SELECT", "2"]);
    server.advance_ms(5000);
    let size = size_of::<crate::clients::Client>();
    let mine = format!(
        "id=1 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=8 name=me age=5 idle=5 flags=N db=0 sub=0 psub=0 \
         ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 \
         tot-mem={size} events=r cmd=client|info user=default redir=-1 resp=2 lib-name=lib lib-ver=7 io-thread=0\n"
    );
    server.check("CLIENT INFO", &format!("${}|{mine}", mine.len()));
    let all = legible(&server.run(&["CLIENT", "LIST"]));
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[0].ends_with(&mine.trim_end().replace("client|info", "client|list")), "{all}");
    assert!(lines[1].starts_with("id=2 ") && lines[1].contains(" db=2 ") && lines[1].contains(" cmd=NULL "));
    assert_eq!(legible(&server.run(&["CLIENT", "LIST", "TYPE", "normal"])), all);
    server.check("CLIENT LIST TYPE replica", "$0|");
    server.check("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'");
    let one = legible(&server.run(&["CLIENT", "LIST", "ID", "2", "77"]));
    assert_eq!(one.split_once('|').unwrap().1.lines().count(), 1);
    server.check("CLIENT LIST ID a", "-ERR Invalid client ID");
    for line in ["CLIENT LIST ID", "CLIENT LIST foo", "CLIENT LIST TYPE normal x"] {
        server.check(line, "-ERR syntax error");
    }
    server.session.protocol = Protocol::Resp3;
    assert!(server.run(&["CLIENT", "INFO"]).starts_with(b"="));
}

#[test]
fn client_kill() {
    let mut server = Fixture::new();
    let others: Vec<_> = (0..3).map(|_| server.connect()).collect();
    server.check("CLIENT KILL 1.2.3.4:5", "-ERR No such client");
    server.check("CLIENT KILL ID 99999", ":0");
    server.check("CLIENT KILL ID 2", ":1");
    assert!(others[0].client.is_killed() && !others[1].client.is_killed());
    server.check("CLIENT KILL ID 2", ":0");
    server.check("CLIENT KILL MAXAGE 10", ":0");
    server.check("CLIENT KILL ADDR 127.0.0.1:1 TYPE normal", ":0");
    server.check("CLIENT KILL LADDR 127.0.0.1:6379 USER default", ":2");
    assert!(!server.session.close_after_reply);
    server.advance_ms(20_000);
    server.check("CLIENT KILL MAXAGE 10 SKIPME no", ":1");
    assert!(server.session.close_after_reply);
}

#[test]
fn client_kill_errors_and_old_form() {
    let mut server = Fixture::new();
    for id in ["abc", "0", "-1"] {
        server.check(&format!("CLIENT KILL ID {id}"), "-ERR client-id should be greater than 0");
    }
    server.check("CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'");
    server.check("CLIENT KILL USER foo", "-ERR No such user 'foo'");
    server.check("CLIENT KILL MAXAGE 0", "-ERR maxage should be greater than 0");
    server.check("CLIENT KILL MAXAGE x", "-ERR maxage is not an integer or out of range");
    for line in ["CLIENT KILL SKIPME foo", "CLIENT KILL FOO bar", "CLIENT KILL ADDR 1.2.3.4:1 LADDR"] {
        server.check(line, "-ERR syntax error");
    }
    // The old form spares nobody.
    server.check("CLIENT KILL 127.0.0.1:50000", "+OK");
    assert!(server.session.close_after_reply);
}

#[test]
fn client_pause() {
    let mut server = Fixture::new();
    let mode = |server: &Fixture| server.server.pause.mode(server.now_ms);
    server.check("CLIENT PAUSE abc", "-ERR timeout is not an integer or out of range");
    server.check("CLIENT PAUSE -1", "-ERR timeout is negative");
    server.check("CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range");
    server.check("CLIENT PAUSE 1 foo", "-ERR CLIENT PAUSE mode must be WRITE or ALL");
    server.check(
        "CLIENT PAUSE 1 write x",
        "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
    );
    assert_eq!(mode(&server), PauseMode::None);
    server.check("CLIENT PAUSE 100 WRITE", "+OK");
    assert_eq!(mode(&server), PauseMode::Write);
    server.check("CLIENT PAUSE 200", "+OK");
    assert_eq!(server.server.pause.ends_at(server.now_ms), Some(START_MS + 200));
    assert_eq!(mode(&server), PauseMode::All);
    server.check("CLIENT UNPAUSE", "+OK");
    assert_eq!(mode(&server), PauseMode::None);
}

#[test]
fn client_reply() {
    let mut server = Fixture::new();
    assert_eq!(server.run_freely(&["CLIENT", "REPLY", "OFF"]), b"");
    assert_eq!(server.session.reply_mode, ReplyMode::Off);
    assert_eq!(server.run_freely(&["CLIENT", "REPLY", "SKIP"]), b"");
    assert_eq!(server.session.reply_mode, ReplyMode::Off);
    server.check("CLIENT REPLY ON", "+OK");
    assert_eq!(server.run_freely(&["CLIENT", "REPLY", "skip"]), b"");
    assert_eq!(server.session.reply_mode, ReplyMode::SkipNext);
    server.check("CLIENT REPLY foo", "-ERR syntax error");
}

#[test]
fn client_switches() {
    let mut server = Fixture::new();
    for name in ["NO-EVICT", "NO-TOUCH"] {
        server.check(&format!("CLIENT {name} foo"), "-ERR syntax error");
        server.check(&format!("CLIENT {name} on"), "+OK");
    }
    let line = legible(&server.run(&["CLIENT", "INFO"]));
    assert!(line.contains(" flags=eT "), "{line}");
    assert!(server.session.no_touch);
    server.check("CLIENT NO-TOUCH off", "+OK");
    assert!(!server.session.no_touch);
}

#[test]
fn client_unblock_finds_nobody() {
    let mut server = Fixture::new();
    server.check("CLIENT UNBLOCK 1", ":0");
    server.check("CLIENT UNBLOCK 1 TIMEOUT", ":0");
    server.check("CLIENT UNBLOCK 1 error", ":0");
    server.check("CLIENT UNBLOCK abc", "-ERR value is not an integer or out of range");
    server.check("CLIENT UNBLOCK 99 foo", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    server.check(
        "CLIENT UNBLOCK 99 timeout x",
        "-ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
    );
}

#[test]
fn tracking() {
    let mut server = Fixture::new();
    server.check("CLIENT GETREDIR", ":-1");
    server.check("CLIENT TRACKINGINFO", "*6|$5|flags|*1|$3|off|$8|redirect|:-1|$8|prefixes|*0");
    server.check("CLIENT TRACKING off", "+OK");
    server.check("CLIENT TRACKING off bcast prefix a", "+OK");
    server.check("CLIENT TRACKING foo", "-ERR syntax error");
    server.check("CLIENT TRACKING off foo", "-ERR syntax error");
    server.check("CLIENT TRACKING on redirect", "-ERR syntax error");
    server.check("CLIENT TRACKING on redirect 99", "-ERR The client ID you want redirect to does not exist");
    let refused = legible(&server.run(&["CLIENT", "CACHING", "yes"]));
    assert!(
        refused.starts_with("-ERR CLIENT CACHING can be called only when the client is in tracking mode")
    );
    server.session.protocol = Protocol::Resp3;
    server.check("CLIENT TRACKINGINFO", "%3|$5|flags|~1|$3|off|$8|redirect|:-1|$8|prefixes|*0");
    server.check("CLIENT TRACKING on optin", "+OK");
    server.check("CLIENT CACHING yes", "+OK");
    let on = "%3|$5|flags|~3|$2|on|$5|optin|$11|caching-yes|$8|redirect|:0|$8|prefixes|*0";
    server.check("CLIENT TRACKINGINFO", on);
    assert!(server.session.client.flags().contains(ClientFlags::TRACKING));
    assert_eq!(server.server.tracking.clients(), 1);
    server.check("RESET", "+RESET");
    assert!(!server.session.client.flags().contains(ClientFlags::TRACKING));
    assert_eq!(server.server.tracking.clients(), 0);
}

#[test]
fn client_help() {
    let mut server = Fixture::new();
    let help = legible(&server.run(&["CLIENT", "HELP"]));
    let lines: Vec<&str> = help.split('|').collect();
    // Heading, two lines for each of the 17 other subcommands, two for HELP.
    assert_eq!(lines[0], "*37");
    assert_eq!(lines[1], "+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    assert!(help.contains("|+SETNAME <connection-name>|+    Names the connection.|"));
    assert!(help.ends_with("|+HELP|+    Print this help."));
}
