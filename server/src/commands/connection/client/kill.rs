//! CLIENT KILL: closing connections, by address or by filters.

use super::list::ClientType;
use super::{ADMIN_FLAGS, ROW};
use crate::clients::{Client, ClientFlags};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};

/// CLIENT KILL.
pub const KILL: Command = Command {
    name: "kill",
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    summary: "Closes connections, by address or by filters.",
    arguments: &[Argument::one_of(
        "filter",
        &[
            Argument::new("old-format", "string").shown("ip:port"),
            Argument::one_of(
                "new-format",
                &[
                    Argument::new("client-id", "integer").after("ID").optional().since("2.8.12"),
                    Argument::one_of(
                        "client-type",
                        &[
                            Argument::word("normal", "NORMAL"),
                            Argument::word("master", "MASTER").since("3.2.0"),
                            Argument::word("slave", "SLAVE"),
                            Argument::word("replica", "REPLICA").since("5.0.0"),
                            Argument::word("pubsub", "PUBSUB"),
                        ],
                    )
                    .after("TYPE")
                    .optional()
                    .since("2.8.12"),
                    Argument::new("username", "string").after("USER").optional(),
                    Argument::new("addr", "string").after("ADDR").shown("ip:port").optional(),
                    Argument::new("laddr", "string")
                        .after("LADDR")
                        .shown("ip:port")
                        .optional()
                        .since("6.2.0"),
                    Argument::one_of("skipme", &[Argument::word("yes", "YES"), Argument::word("no", "NO")])
                        .after("SKIPME")
                        .optional(),
                    Argument::new("maxage", "integer").after("MAXAGE").optional().since("7.4.0"),
                ],
            )
            .multiple(),
        ],
    )],
    handler: kill,
    ..ROW
};

/// Which connections to close: all conditions that are given must hold.
#[derive(Debug, Default)]
struct Filter<'a> {
    id: Option<u64>,
    client_type: Option<ClientType>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    /// Least age in seconds.
    age: Option<i64>,
    /// Spare the connection that asks.
    spare_self: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Self, Error> {
        let mut filter = Self { spare_self: true, ..Self::default() };
        let mut next = 2;
        while next < args.len() {
            let Some(value) = args.get(next + 1) else { return Err(Error::Syntax) };
            filter.add(args, next, value)?;
            next += 2;
        }
        Ok(filter)
    }

    fn add(&mut self, args: Args<'a>, option: usize, value: &'a [u8]) -> Result<(), Error> {
        if args.is(option, "id") {
            let id = parse_integer(value).and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0);
            self.id = Some(id.ok_or(Error::text("ERR client-id should be greater than 0"))?);
        } else if args.is(option, "type") {
            self.client_type = Some(ClientType::named(value)?);
        } else if args.is(option, "addr") {
            self.address = Some(value);
        } else if args.is(option, "laddr") {
            self.local_address = Some(value);
        } else if args.is(option, "user") {
            // Every connection has the one user there is.
            if value != b"default" {
                return Err(Error::Bytes([b"ERR No such user '", Error::quotable(value), b"'"].concat()));
            }
        } else if args.is(option, "skipme") {
            self.spare_self = match () {
                () if value.eq_ignore_ascii_case(b"yes") => true,
                () if value.eq_ignore_ascii_case(b"no") => false,
                () => return Err(Error::Syntax),
            };
        } else if args.is(option, "maxage") {
            let age =
                parse_integer(value).ok_or(Error::text("ERR maxage is not an integer or out of range"))?;
            if age <= 0 {
                return Err(Error::text("ERR maxage should be greater than 0"));
            }
            self.age = Some(age);
        } else {
            return Err(Error::Syntax);
        }
        Ok(())
    }

    fn matches(&self, client: &Client, asking: &Client, now_ms: i64) -> bool {
        self.id.is_none_or(|id| client.id == id)
            && self.client_type.is_none_or(|wanted| ClientType::of(client) == wanted)
            && self.address.is_none_or(|address| client.address.as_bytes() == address)
            && self.local_address.is_none_or(|address| client.local_address.as_bytes() == address)
            && self.age.is_none_or(|age| now_ms / 1000 - client.created_ms / 1000 >= age)
            && !(self.spare_self && client.id == asking.id)
    }
}

fn kill(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let by_address = args.len() == 3;
    let filter = if by_address {
        Filter { address: Some(args.at(2)), ..Filter::default() }
    } else {
        Filter::parse(args)?
    };
    let killed = kill_matching(cx, &filter);
    match killed {
        0 if by_address => return Err(Error::text("ERR No such client")),
        _ if by_address => cx.reply.ok(),
        _ => cx.reply.integer(killed),
    }
    Ok(())
}

/// Closes the connections and returns their number. The asking one still gets its reply.
fn kill_matching(cx: &mut Cx<'_, '_>, filter: &Filter<'_>) -> i64 {
    let mut killed = 0;
    for client in cx.server.clients.all() {
        if client.is_killed() || !filter.matches(&client, &cx.session.client, cx.keys.now_ms) {
            continue;
        }
        if client.id == cx.session.client.id {
            client.set_flags(ClientFlags::CLOSE_AFTER_REPLY, true);
            cx.session.close_after_reply = true;
        } else {
            client.kill();
        }
        killed += 1;
    }
    killed
}
