//! COMMAND DOCS: summary, history and arguments, from which clients complete and explain commands.

use super::{COMMAND_ROW, find};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx, Entry};

/// COMMAND DOCS.
pub const DOCS: Command = Command {
    name: "docs",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands to look up",
    summary: "Returns the documentation of commands.",
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::new("command-name", "string").optional().multiple()],
    handler: docs,
    ..COMMAND_ROW
};

fn docs(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let table = &cx.server.table;
    let entries: Vec<&Entry> = if args.len() == 2 {
        table.callable().collect()
    } else {
        args.from(2).filter_map(|name| find(table, name)).collect()
    };
    cx.reply.map(entries.len());
    for entry in entries {
        write_entry(cx, entry);
    }
    Ok(())
}

/// The full name and what there is to say about it.
fn write_entry(cx: &mut Cx<'_, '_>, entry: &Entry) {
    cx.reply.bulk(entry.name.as_bytes());
    let flags = [(entry.deprecated.is_some(), "deprecated"), (entry.flags.contains(Flags::SYSTEM), "syscmd")];
    let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    let optional = [
        !entry.complexity.is_empty(),
        !flags.is_empty(),
        !entry.arguments.is_empty(),
        !entry.subcommands.is_empty(),
    ];
    let present = optional.iter().filter(|there| **there).count();
    cx.reply.map(3 + present + if entry.deprecated.is_some() { 2 } else { 0 });
    write_text(cx, "summary", entry.summary);
    write_text(cx, "since", entry.since);
    write_text(cx, "group", entry.group.name());
    if !entry.complexity.is_empty() {
        write_text(cx, "complexity", entry.complexity);
    }
    if !flags.is_empty() {
        cx.reply.bulk(b"doc_flags");
        cx.reply.set(flags.len());
        flags.into_iter().for_each(|name| cx.reply.simple(name));
    }
    if let Some((since, replacement)) = entry.deprecated {
        write_text(cx, "deprecated_since", since);
        write_text(cx, "replaced_by", replacement);
    }
    if !entry.arguments.is_empty() {
        cx.reply.bulk(b"arguments");
        write_arguments(cx, entry.arguments, &mut KeySpecs { next: 0, count: entry.keys.len() });
    }
    if !entry.subcommands.is_empty() {
        cx.reply.bulk(b"subcommands");
        cx.reply.map(entry.subcommands.len());
        for &id in &entry.subcommands {
            write_entry(cx, cx.server.table.entry(id));
        }
    }
}

fn write_text(cx: &mut Cx<'_, '_>, field: &str, value: &str) {
    cx.reply.bulk(field.as_bytes());
    cx.reply.bulk(value.as_bytes());
}

/// Which key spec the next key argument belongs to: rows list both in the same order, and an argument beyond the
/// last spec belongs to that one.
struct KeySpecs {
    next: usize,
    count: usize,
}

impl KeySpecs {
    fn take(&mut self) -> Option<usize> {
        let index = self.next.min(self.count.checked_sub(1)?);
        self.next += 1;
        Some(index)
    }
}

fn write_arguments(cx: &mut Cx<'_, '_>, arguments: &[Argument], specs: &mut KeySpecs) {
    cx.reply.array(arguments.len());
    for argument in arguments {
        write_argument(cx, argument, specs);
    }
}

fn write_argument(cx: &mut Cx<'_, '_>, argument: &Argument, specs: &mut KeySpecs) {
    let is_group = matches!(argument.kind, "oneof" | "block");
    let spec = if argument.kind == "key" { specs.take() } else { None };
    let flags = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    let optional = [spec.is_some(), argument.token.is_some(), argument.since.is_some(), !flags.is_empty()];
    // Beside name and type: the parts of a group, or the display text of anything else.
    cx.reply.map(3 + optional.iter().filter(|there| **there).count());
    write_text(cx, "name", argument.name);
    write_text(cx, "type", argument.kind);
    if !is_group {
        write_text(cx, "display_text", argument.display.unwrap_or(argument.name));
    }
    if let Some(spec) = spec {
        cx.reply.bulk(b"key_spec_index");
        cx.reply.integer(spec as i64);
    }
    if let Some(token) = argument.token {
        write_text(cx, "token", token);
    }
    if let Some(since) = argument.since {
        write_text(cx, "since", since);
    }
    if !flags.is_empty() {
        cx.reply.bulk(b"flags");
        cx.reply.set(flags.len());
        flags.into_iter().for_each(|name| cx.reply.simple(name));
    }
    if is_group {
        cx.reply.bulk(b"arguments");
        write_arguments(cx, argument.parts, specs);
    }
}
