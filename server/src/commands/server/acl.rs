//! ACL CAT, USERS and WHOAMI: what there is to say while `default` is the only user.

use super::command::describe::categories;
use super::{ADMIN_FLAGS, HELP, ROW};
use crate::commands::help::{QUOTED_MAX, subcommand_syntax};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx, Entry, Error};

const ACL_ROW: Command =
    Command { flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]), since: "6.0.0", ..ROW };

const CAT: Command = Command {
    name: "cat",
    arity: -2,
    complexity: "O(1) since the categories and commands are a fixed set.",
    summary: "Lists the categories of commands, or the commands of a category.",
    arguments: &[Argument::new("category", "string").optional()],
    handler: cat,
    ..ACL_ROW
};

const USERS: Command = Command {
    name: "users",
    arity: 2,
    flags: ADMIN_FLAGS,
    complexity: "O(N). Where N is the number of configured users.",
    summary: "Lists the users.",
    handler: users,
    ..ACL_ROW
};

const WHOAMI: Command = Command {
    name: "whoami",
    arity: 2,
    summary: "Returns the user of the connection.",
    handler: whoami,
    ..ACL_ROW
};

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "acl",
    arity: -2,
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    summary: "Commands about users and their rights.",
    subcommands: &[CAT, Command { since: "6.0.0", ..HELP }, USERS, WHOAMI],
    ..ROW
}];

/// Redis's categories in its order, those without a command here included.
const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

fn cat(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(subcommand_syntax(args));
    }
    let Some(wanted) = args.get(2) else {
        write_names(cx, &CATEGORIES);
        return Ok(());
    };
    let known = CATEGORIES.iter().find(|name| wanted.eq_ignore_ascii_case(name.as_bytes()));
    let Some(wanted) = known else {
        let wanted = Error::quotable(wanted);
        let wanted = &wanted[..wanted.len().min(QUOTED_MAX)];
        return Err(Error::Bytes([b"ERR Unknown category '", wanted, b"'"].concat()));
    };
    let belongs = |entry: &&Entry| categories(entry).any(|name| name == *wanted);
    let entries = cx.server.table.callable_with_subcommands();
    let names: Vec<&str> = entries.filter(belongs).map(|entry| entry.name.as_str()).collect();
    write_names(cx, &names);
    Ok(())
}

fn write_names(cx: &mut Cx<'_, '_>, names: &[&str]) {
    cx.reply.array(names.len());
    for name in names {
        cx.reply.bulk(name.as_bytes());
    }
}

fn users(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    write_names(cx, &["default"]);
    Ok(())
}

fn whoami(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.bulk(b"default");
    Ok(())
}
