//! COMMAND GETKEYS and GETKEYSANDFLAGS: the keys of a call, for clients that route by them.

use super::COMMAND_ROW;
use crate::commands::row::{Argument, Command, Find, Flags, KeyFlags};
use crate::commands::table::Lookup;
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};

const ARGUMENTS: &[Argument] =
    &[Argument::new("command", "string"), Argument::new("arg", "string").optional().multiple()];

/// COMMAND GETKEYS.
pub const GETKEYS: Command = Command {
    name: "getkeys",
    arity: -3,
    complexity: "O(N) where N is the number of arguments to the command",
    summary: "Returns the keys of a complete command.",
    arguments: ARGUMENTS,
    handler: getkeys,
    ..COMMAND_ROW
};

/// COMMAND GETKEYSANDFLAGS.
pub const GETKEYSANDFLAGS: Command = Command {
    name: "getkeysandflags",
    arity: -3,
    since: "7.0.0",
    complexity: "O(N) where N is the number of arguments to the command",
    summary: "Returns the keys of a complete command, and what happens to them.",
    arguments: ARGUMENTS,
    handler: getkeysandflags,
    ..COMMAND_ROW
};

fn getkeys(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let found = find_keys(cx, args)?;
    cx.reply.array(found.len());
    for (key, _) in found {
        cx.reply.bulk(key);
    }
    Ok(())
}

fn getkeysandflags(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let found = find_keys(cx, args)?;
    cx.reply.array(found.len());
    for (key, flags) in found {
        cx.reply.array(2);
        cx.reply.bulk(key);
        write_key_flags(cx, flags);
    }
    Ok(())
}

/// The names of key flags, as a set of status replies.
pub(super) fn write_key_flags(cx: &mut Cx<'_, '_>, flags: KeyFlags) {
    let names: Vec<&str> =
        KeyFlags::SHOWN.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect();
    cx.reply.set(names.len());
    for name in names {
        cx.reply.simple(name);
    }
}

/// The keys of the call that follows, in the order of the key specs.
fn find_keys<'a>(cx: &Cx<'_, '_>, args: Args<'a>) -> Result<Vec<(&'a [u8], KeyFlags)>, Error> {
    let call = Args::new(args.input(), &args.spans()[2..]);
    let Lookup::Found(entry) = cx.server.table.lookup(call) else {
        return Err(Error::text("ERR Invalid command specified"));
    };
    let specs = || entry.keys.iter().filter(|spec| !spec.flags.contains(KeyFlags::NOT_KEY));
    if specs().next().is_none() {
        return Err(Error::text("ERR The command has no key arguments"));
    }
    if !entry.accepts(call.len()) {
        return Err(Error::text("ERR Invalid number of arguments specified for command"));
    }
    let mut found = Vec::new();
    let mut complete = true;
    for spec in specs() {
        // A call too short for one of the specs makes no sense, whatever the others find.
        complete &= !matches!(spec.begin, crate::commands::Begin::Index(at) if at >= call.len());
        let before = found.len();
        spec.positions(call, &mut |position| found.push((call.at(position), spec.flags_of(call))));
        if let (Find::KeyCount { count_at, .. }, crate::commands::Begin::Index(begin)) =
            (spec.find, spec.begin)
        {
            let count = call.get(begin + count_at).and_then(parse_integer);
            complete &= count == i64::try_from(found.len() - before).ok();
        }
    }
    let may_be_empty = entry.flags.contains(Flags::NO_MANDATORY_KEYS);
    if !complete || (found.is_empty() && !may_be_empty) {
        return Err(Error::text("ERR Invalid arguments specified for command"));
    }
    Ok(found)
}
