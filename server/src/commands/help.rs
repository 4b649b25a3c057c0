//! `HELP` of the commands that have subcommands: written from the register, in Redis's layout.

use super::row::{Argument, Command};
use super::{Args, CommandResult, Cx, Error};
use std::fmt::Write as _;

/// Redis quotes at most this many bytes of a subcommand's name.
pub(super) const QUOTED_MAX: usize = 128;

/// The handler of every `HELP` subcommand: one line with the syntax and one with the summary for each of its
/// siblings.
pub fn help(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let table = &cx.server.table;
    let parent = cx.command.parent.expect("HELP is a subcommand");
    let container = table.entry(parent);
    let siblings = || {
        let entries = container.subcommands.iter().map(|&id| table.entry(id));
        entries.filter(|entry| entry.id != cx.command.id)
    };
    let heading = heading(container.command.name);
    cx.reply.array(1 + 2 * siblings().count() + 2);
    cx.reply.simple(&heading);
    for entry in siblings() {
        cx.reply.simple(&syntax(entry.command));
        cx.reply.simple(&format!("    {}", entry.command.summary));
    }
    cx.reply.simple("HELP");
    cx.reply.simple("    Print this help.");
    Ok(())
}

/// Writes a help text whose lines are not rows of the register: `lines` comes between heading and `HELP`.
pub fn write_help(cx: &mut Cx<'_, '_>, lines: &[&str]) {
    cx.reply.array(1 + lines.len() + 2);
    cx.reply.simple(&heading(cx.command.command.name));
    for line in lines {
        cx.reply.simple(line);
    }
    cx.reply.simple("HELP");
    cx.reply.simple("    Print this help.");
}

fn heading(container: &str) -> String {
    let name = container.to_ascii_uppercase();
    format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
}

/// The error for a known subcommand whose arguments fit none of its forms (`addReplySubcommandSyntaxError`).
pub fn subcommand_syntax(args: Args<'_>) -> Error {
    let subcommand = Error::quotable(args.get(1).unwrap_or_default());
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(&subcommand[..subcommand.len().min(QUOTED_MAX)]);
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(&args.at(0).to_ascii_uppercase());
    text.extend_from_slice(b" HELP.");
    Error::Bytes(text)
}

/// The name and the arguments as people write them: `KILL <id> [TYPE (NORMAL|PUBSUB)]`.
pub(super) fn syntax(command: &Command) -> String {
    let mut text = command.name.to_ascii_uppercase();
    for argument in command.arguments {
        text.push(' ');
        write_argument(&mut text, argument);
    }
    text
}

fn write_argument(text: &mut String, argument: &Argument) {
    if argument.optional {
        text.push('[');
    }
    write_required(text, argument);
    if argument.optional {
        text.push(']');
    }
}

/// The same as if it could not be left out.
fn write_required(text: &mut String, argument: &Argument) {
    let value = value_of(argument);
    match (argument.token, value.is_empty()) {
        (Some(token), true) => text.push_str(token),
        (Some(token), false) => write_infallibly(text, format_args!("{token} {value}")),
        (None, _) => text.push_str(&value),
    }
    if argument.multiple {
        match argument.token.filter(|_| argument.multiple_token) {
            Some(token) => write_infallibly(text, format_args!(" [{token} {value} ...]")),
            // Groups are too long to be written twice.
            None if !argument.parts.is_empty() => text.push_str(" [...]"),
            None => write_infallibly(text, format_args!(" [{value} ...]")),
        }
    }
}

/// What stands for the argument's value, without its literal word; empty for a mere word.
fn value_of(argument: &Argument) -> String {
    match argument.kind {
        "pure-token" => String::new(),
        "oneof" => {
            let parts = joined(argument.parts, "|", write_required);
            let bracketed = argument.optional && argument.token.is_none() && !argument.multiple;
            if bracketed { parts } else { format!("({parts})") }
        }
        "block" => joined(argument.parts, " ", write_argument),
        _ => format!("<{}>", argument.display.unwrap_or(argument.name)),
    }
}

fn joined(parts: &[Argument], separator: &str, write: fn(&mut String, &Argument)) -> String {
    let mut text = String::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            text.push_str(separator);
        }
        write(&mut text, part);
    }
    text
}

fn write_infallibly(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_of_every_form() {
        const KINDS: &[Argument] = &[Argument::word("normal", "NORMAL"), Argument::word("pubsub", "PUBSUB")];
        const ROW: Command = Command {
            name: "kill",
            arguments: &[
                Argument::new("id", "integer").shown("client-id").multiple(),
                Argument::one_of("type", KINDS).after("TYPE").optional(),
                Argument::one_of("kind", KINDS).optional(),
                Argument::new("prefix", "string").after("PREFIX").optional().multiple_token(),
                Argument::block("pair", &[Argument::new("a", "string"), Argument::new("b", "string")])
                    .multiple(),
            ],
            ..Command::DEFAULT
        };
        assert_eq!(
            syntax(&ROW),
            "KILL <client-id> [<client-id> ...] [TYPE (NORMAL|PUBSUB)] [NORMAL|PUBSUB] \
             [PREFIX <prefix> [PREFIX <prefix> ...]] <a> <b> [...]"
        );
    }
}
