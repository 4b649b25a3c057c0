//! AUTH and HELLO: who is there, and in which protocol.

use super::ROW;
use super::client::identity::{NAME_ERROR, is_label};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::server::REDIS_VERSION;
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};
use boxcar_resp::Protocol;
use std::sync::atomic::Ordering::Relaxed;

const FLAGS: Flags = Flags::of(&[
    Flags::NOSCRIPT,
    Flags::LOADING,
    Flags::STALE,
    Flags::FAST,
    Flags::NO_AUTH,
    Flags::ALLOW_BUSY,
]);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "auth",
        arity: -2,
        flags: FLAGS,
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Authenticates the connection.",
        arguments: &[
            Argument::new("username", "string").optional().since("6.0.0"),
            Argument::new("password", "string"),
        ],
        secret: |_, argument| argument > 0,
        handler: auth,
        ..ROW
    },
    Command {
        name: "hello",
        arity: -1,
        flags: FLAGS.union(Flags::HOME),
        since: "6.0.0",
        summary: "Agrees on the protocol version, and may authenticate and name the connection.",
        arguments: &[Argument::block(
            "arguments",
            &[
                Argument::new("protover", "integer"),
                Argument::block(
                    "auth",
                    &[Argument::new("username", "string"), Argument::new("password", "string")],
                )
                .after("AUTH")
                .optional(),
                Argument::new("clientname", "string").after("SETNAME").optional(),
            ],
        )
        .optional()],
        secret: |args, argument| (1..=2).any(|back| argument > back && args.is(argument - back, "auth")),
        handler: hello,
        ..ROW
    },
];

const WRONG_PASSWORD: Error = Error::text("WRONGPASS invalid username-password pair or user is disabled.");

fn auth(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (user, password): (&[u8], &[u8]) = match args.len() {
        2 if !cx.server.access.password_required() => {
            return Err(Error::text(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (b"default", args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return Err(Error::Syntax),
    };
    authenticate(cx, user, password)?;
    cx.reply.ok();
    Ok(())
}

/// A failed attempt leaves an already authenticated connection as it was.
fn authenticate(cx: &mut Cx<'_, '_>, user: &[u8], password: &[u8]) -> Result<(), Error> {
    if !cx.server.access.authenticate(user, password) {
        cx.stats.metrics.auth_failures.add(1);
        return Err(WRONG_PASSWORD);
    }
    cx.session.authenticated = true;
    Ok(())
}

/// What HELLO asks for.
#[derive(Default)]
struct Greeting<'a> {
    protocol: Option<Protocol>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Greeting<'a> {
    fn parse(args: Args<'a>) -> Result<Self, Error> {
        let mut greeting = Self::default();
        if let Some(version) = args.get(1) {
            greeting.protocol = Some(match parse_integer(version) {
                Some(2) => Protocol::Resp2,
                Some(3) => Protocol::Resp3,
                Some(_) => return Err(Error::text("NOPROTO unsupported protocol version")),
                None => return Err(Error::text("ERR Protocol version is not an integer or out of range")),
            });
        }
        let mut next = 2;
        while let Some(option) = args.get(next) {
            if args.is(next, "auth") && args.len() > next + 2 {
                greeting.credentials = Some((args.at(next + 1), args.at(next + 2)));
                next += 3;
            } else if args.is(next, "setname") && args.len() > next + 1 {
                let name = args.at(next + 1);
                if !is_label(name) {
                    return Err(NAME_ERROR);
                }
                greeting.name = Some(name);
                next += 2;
            } else {
                let text = [b"ERR Syntax error in HELLO option '", Error::quotable(option), b"'"].concat();
                return Err(Error::Bytes(text));
            }
        }
        Ok(greeting)
    }
}

fn hello(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let greeting = Greeting::parse(args)?;
    if let Some((user, password)) = greeting.credentials {
        authenticate(cx, user, password)?;
    }
    if !cx.session.authenticated {
        return Err(Error::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = greeting.name {
        name.clone_into(&mut cx.session.client.labels().name);
    }
    if let Some(protocol) = greeting.protocol {
        cx.session.protocol = protocol;
        cx.reply.set_protocol(protocol);
    }
    let version: u8 = if cx.session.protocol == Protocol::Resp3 { 3 } else { 2 };
    cx.session.client.protocol.store(version, Relaxed);
    introduce(cx, version);
    Ok(())
}

/// Clients take `server` and `version` for the dialect that is spoken, which is Redis's.
fn introduce(cx: &mut Cx<'_, '_>, protocol: u8) {
    let (reply, id) = (&mut *cx.reply, cx.session.client.id);
    let text = |reply: &mut boxcar_resp::Reply, field: &str, value: &str| {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    };
    reply.map(7);
    text(reply, "server", "redis");
    text(reply, "version", REDIS_VERSION);
    reply.bulk(b"proto");
    reply.integer(i64::from(protocol));
    reply.bulk(b"id");
    reply.integer(id as i64);
    text(reply, "mode", "standalone");
    text(reply, "role", "master");
    reply.bulk(b"modules");
    reply.array(0);
}
