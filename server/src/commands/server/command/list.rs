//! COMMAND COUNT and COMMAND LIST.

use super::COMMAND_ROW;
use super::describe::categories;
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Entry, Error};
use crate::config::glob::{Case, matches};

/// COMMAND COUNT.
pub const COUNT: Command = Command {
    name: "count",
    arity: 2,
    summary: "Returns the number of commands.",
    handler: count,
    ..COMMAND_ROW
};

/// COMMAND LIST.
pub const LIST: Command = Command {
    name: "list",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N) where N is the total number of Redis commands",
    summary: "Lists the names of commands.",
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::one_of(
        "filterby",
        &[
            Argument::new("module-name", "string").after("MODULE"),
            Argument::new("category", "string").after("ACLCAT"),
            Argument::new("pattern", "pattern").after("PATTERN"),
        ],
    )
    .after("FILTERBY")
    .optional()],
    handler: list,
    ..COMMAND_ROW
};

fn count(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(cx.server.table.callable().count() as i64);
    Ok(())
}

/// Subcommands are listed, too, by their full names.
fn list(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let wanted = |entry: &Entry| match args.get(3) {
        None => true,
        Some(_) if args.is(3, "module") => false,
        Some(_) if args.is(3, "aclcat") => {
            let category = args.at(4);
            let mut all = categories(entry);
            all.any(|name| category.eq_ignore_ascii_case(name.as_bytes()))
        }
        Some(_) => matches(args.at(4), entry.name.as_bytes(), Case::Ignored),
    };
    let filters = ["module", "aclcat", "pattern"];
    let is_filter = args.len() == 5 && args.is(2, "filterby") && filters.iter().any(|word| args.is(3, word));
    if args.len() != 2 && !is_filter {
        return Err(Error::Syntax);
    }
    let table = &cx.server.table;
    let mut found: Vec<&Entry> = Vec::new();
    for entry in table.callable() {
        let children = entry.subcommands.iter().map(|&id| table.entry(id));
        found.extend(std::iter::once(entry).chain(children).filter(|entry| wanted(entry)));
    }
    cx.reply.array(found.len());
    for entry in found {
        cx.reply.bulk(entry.name.as_bytes());
    }
    Ok(())
}
