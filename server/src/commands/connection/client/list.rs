//! CLIENT LIST and INFO: connections as lines of `field=value`.

use super::{ADMIN_FLAGS, FLAGS, ROW};
use crate::clients::pubsub::TopicKind;
use crate::clients::{Client, ClientFlags};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error, Server, args::parse_integer};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

/// CLIENT INFO.
pub const INFO: Command = Command {
    name: "info",
    arity: 2,
    flags: FLAGS,
    since: "6.2.0",
    summary: "Returns the CLIENT LIST line of this connection.",
    tips: &["nondeterministic_output"],
    handler: info,
    ..ROW
};

/// CLIENT LIST.
pub const LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: ADMIN_FLAGS,
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    summary: "Lists the open connections, one a line.",
    tips: &["nondeterministic_output"],
    arguments: &[
        Argument::one_of(
            "client-type",
            &[
                Argument::word("normal", "NORMAL"),
                Argument::word("master", "MASTER"),
                Argument::word("replica", "REPLICA"),
                Argument::word("pubsub", "PUBSUB"),
            ],
        )
        .after("TYPE")
        .optional()
        .since("5.0.0"),
        Argument::new("client-id", "integer").after("ID").optional().multiple().since("6.2.0"),
    ],
    handler: list,
    ..ROW
};

/// The kinds of connections that Redis tells apart. MONITOR connections count as normal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientType {
    /// Ordinary clients.
    Normal,
    /// Replicas of this server.
    Replica,
    /// Clients with subscriptions.
    Pubsub,
    /// The connection to this server's master.
    Master,
}

impl ClientType {
    /// The type with this name, in any case.
    ///
    /// # Errors
    /// `ERR Unknown client type '...'`.
    pub fn named(name: &[u8]) -> Result<Self, Error> {
        const NAMES: &[(&str, ClientType)] = &[
            ("normal", ClientType::Normal),
            ("slave", ClientType::Replica),
            ("replica", ClientType::Replica),
            ("pubsub", ClientType::Pubsub),
            ("master", ClientType::Master),
        ];
        let found = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        found
            .map(|found| found.1)
            .ok_or_else(|| Error::Bytes([b"ERR Unknown client type '", Error::quotable(name), b"'"].concat()))
    }

    /// The type of a connection. There is no replication yet.
    pub fn of(client: &Client) -> Self {
        if client.flags().contains(ClientFlags::PUBSUB) { Self::Pubsub } else { Self::Normal }
    }
}

fn info(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let mut text = Vec::new();
    write_line(&mut text, cx, &cx.session.client);
    cx.reply.verbatim("txt", &text);
    Ok(())
}

fn list(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let clients = match args.len() {
        2 => cx.server.clients.all(),
        4 if args.is(2, "type") => {
            let wanted = ClientType::named(args.at(3))?;
            let mut clients = cx.server.clients.all();
            clients.retain(|client| ClientType::of(client) == wanted);
            clients
        }
        4.. if args.is(2, "id") => {
            let ids: Option<Vec<i64>> = args.from(3).map(parse_integer).collect();
            let ids = ids.ok_or(Error::text("ERR Invalid client ID"))?;
            ids.into_iter().filter_map(|id| cx.server.clients.find(u64::try_from(id).ok()?)).collect()
        }
        _ => return Err(Error::Syntax),
    };
    let mut text = Vec::new();
    for client in clients {
        write_line(&mut text, cx, &client);
    }
    cx.reply.verbatim("txt", &text);
    Ok(())
}

/// The letters of a connection's state, in Redis's order (`catClientInfoString`).
fn flag_letters(flags: ClientFlags) -> String {
    const LETTERS: &[(ClientFlags, char)] = &[
        (ClientFlags::MONITOR, 'O'),
        (ClientFlags::PUBSUB, 'P'),
        (ClientFlags::MULTI, 'x'),
        (ClientFlags::BLOCKED, 'b'),
        (ClientFlags::TRACKING, 't'),
        (ClientFlags::BROKEN_REDIRECT, 'R'),
        (ClientFlags::BROADCAST, 'B'),
        (ClientFlags::DIRTY, 'd'),
        (ClientFlags::CLOSE_AFTER_REPLY, 'c'),
        (ClientFlags::CLOSE_ASAP, 'A'),
        (ClientFlags::UNIX_SOCKET, 'U'),
        (ClientFlags::NO_EVICT, 'e'),
        (ClientFlags::NO_TOUCH, 'T'),
    ];
    let set = LETTERS.iter().filter(|(flag, _)| flags.contains(*flag));
    let letters: String = set.map(|(_, letter)| letter).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}

/// Appends a connection's line with Redis 7.2's fields and the I/O thread of 8.0, in Redis's order. Figures of buffers that do not exist
/// here (spare room, argument copies, reply blocks) are zero.
fn write_line(out: &mut Vec<u8>, cx: &Cx<'_, '_>, client: &Client) {
    let labels = client.labels().clone();
    let now_ms = cx.keys.now_ms;
    let seconds_since = |moment_ms: i64| (now_ms - moment_ms).max(0) / 1000;
    let mut text = format!(
        "id={} addr={} laddr={} fd={} name=",
        client.id, client.address, client.local_address, client.fd
    );
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&labels.name);
    text.clear();
    let (query, output) = (client.query_bytes.load(Relaxed), client.output_bytes.load(Relaxed));
    let total = size_of::<Client>() + query + output;
    let tracking = client.flags().contains(ClientFlags::TRACKING);
    let redirect = if tracking { client.redirect.load(Relaxed) as i64 } else { -1 };
    let subscriptions = |kind: TopicKind| client.subscriptions[kind as usize].load(Relaxed);
    let written = write!(
        text,
        " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} qbuf={query} qbuf-free=0 argv-mem=0 \
         multi-mem=0 rbs=0 rbp=0 obl={output} oll=0 omem=0 tot-mem={total} events={} cmd={} user=default \
         redir={redirect} resp={} lib-name=",
        seconds_since(client.created_ms),
        seconds_since(client.active_ms.load(Relaxed)),
        flag_letters(client.flags()),
        client.db.load(Relaxed),
        subscriptions(TopicKind::Channel),
        subscriptions(TopicKind::Pattern),
        subscriptions(TopicKind::ShardChannel),
        client.queued.load(Relaxed),
        if output == 0 { "r" } else { "rw" },
        last_command(cx, client),
        client.protocol.load(Relaxed),
    );
    written.expect("writing to a String does not fail");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&labels.library_name);
    out.extend_from_slice(b" lib-ver=");
    out.extend_from_slice(&labels.library_version);
    text.clear();
    writeln!(text, " io-thread={}", client.wake_target().0.index())
        .expect("writing to a String does not fail");
    out.extend_from_slice(text.as_bytes());
}

/// The command a connection executes, or executed last. For the asking connection that is this very one,
/// which its thread has not noted yet.
fn last_command<'s>(cx: &Cx<'_, 's>, client: &Client) -> &'s str {
    let server: &'s Server = cx.server;
    if client.id == cx.session.client.id {
        return &cx.command.name;
    }
    match client.last_command.load(Relaxed) {
        u16::MAX => "NULL",
        id => &server.table.entry(id).name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_redis_order() {
        assert_eq!(flag_letters(ClientFlags::empty()), "N");
        assert_eq!(flag_letters(ClientFlags::ADMIN), "N");
        let several = ClientFlags::NO_TOUCH | ClientFlags::MULTI | ClientFlags::UNIX_SOCKET;
        assert_eq!(flag_letters(several), "xUT");
    }

    #[test]
    fn type_names() {
        assert_eq!(ClientType::named(b"SLAVE"), Ok(ClientType::Replica));
        assert!(ClientType::named(b"monitor").is_err());
    }
}
