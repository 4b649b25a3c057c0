//! COMMAND and COMMAND INFO: arity, flags, positions of keys, ACL categories, tips, key specs.

use super::keys::write_key_flags;
use super::{COMMAND_ROW, find};
use crate::commands::row::{Argument, Begin, Categories, Command, Find, Flags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Entry};

/// COMMAND INFO.
pub const INFO: Command = Command {
    name: "info",
    arity: -2,
    complexity: "O(N) where N is the number of commands to look up",
    summary: "Describes commands, or all of them.",
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::new("command-name", "string").optional().multiple()],
    handler: info,
    ..COMMAND_ROW
};

/// COMMAND without a subcommand.
pub fn command(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let table = &cx.server.table;
    cx.reply.array(table.callable().count());
    for entry in table.callable() {
        write_entry(cx, entry);
    }
    Ok(())
}

fn info(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() == 2 {
        return command(cx, args);
    }
    cx.reply.array(args.len() - 2);
    for name in args.from(2) {
        match find(&cx.server.table, name) {
            Some(entry) => write_entry(cx, entry),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn write_entry(cx: &mut Cx<'_, '_>, entry: &Entry) {
    let (first, last, step) = legacy_range(entry.keys);
    cx.reply.array(10);
    cx.reply.bulk(entry.name.as_bytes());
    cx.reply.integer(i64::from(entry.arity));
    let flags: Vec<&str> =
        Flags::SHOWN.iter().filter(|(flag, _)| entry.flags.contains(*flag)).map(|(_, name)| *name).collect();
    cx.reply.set(flags.len());
    flags.into_iter().for_each(|name| cx.reply.simple(name));
    cx.reply.integer(first);
    cx.reply.integer(last);
    cx.reply.integer(step);
    let categories: Vec<&str> = categories(entry).collect();
    cx.reply.set(categories.len());
    for name in categories {
        cx.reply.simple(&format!("@{name}"));
    }
    cx.reply.set(entry.tips.len());
    for tip in entry.tips {
        cx.reply.bulk(tip.as_bytes());
    }
    cx.reply.set(entry.keys.len());
    for spec in entry.keys {
        write_key_spec(cx, spec);
    }
    write_subcommands(cx, entry);
}

/// An empty set where there are none, as in Redis.
fn write_subcommands(cx: &mut Cx<'_, '_>, entry: &Entry) {
    if entry.subcommands.is_empty() {
        cx.reply.set(0);
        return;
    }
    cx.reply.array(entry.subcommands.len());
    for &id in &entry.subcommands {
        write_entry(cx, cx.server.table.entry(id));
    }
}

/// First key, last key (negative: from the end) and step, as clients knew them before there were key specs: of the
/// only spec, or spanning several single keys that follow one another (`populateCommandLegacyRangeSpec`).
fn legacy_range(specs: &[KeySpec]) -> (i64, i64, i64) {
    let range = |spec: &KeySpec| match (spec.begin, spec.find) {
        (Begin::Index(first), Find::Range { last, step }) => {
            let first = first as i64;
            let last = if last < 0 { i64::from(last) } else { first + i64::from(last) };
            Some((first, last, step as i64))
        }
        _ => None,
    };
    if let [only] = specs {
        return range(only).unwrap_or((0, 0, 0));
    }
    let mut spanned: Option<(i64, i64)> = None;
    for (first, last, step) in specs.iter().filter_map(range) {
        let follows = spanned.is_none_or(|(_, before)| before + 1 == first);
        if step != 1 || !follows {
            return (0, 0, 0);
        }
        spanned = Some((spanned.map_or(first, |(first, _)| first), last));
    }
    spanned.map_or((0, 0, 0), |(first, last)| (first, last, 1))
}

fn write_key_spec(cx: &mut Cx<'_, '_>, spec: &KeySpec) {
    if spec.notes.is_empty() {
        cx.reply.map(3);
    } else {
        cx.reply.map(4);
        cx.reply.bulk(b"notes");
        cx.reply.bulk(spec.notes.as_bytes());
    }
    cx.reply.bulk(b"flags");
    write_key_flags(cx, spec.flags);
    cx.reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Unknown(_) => {
            write_search(cx, "unknown", &[], None);
            cx.reply.bulk(b"find_keys");
            return write_search(cx, "unknown", &[], None);
        }
        Begin::Index(index) => write_search(cx, "index", &[("index", index as i64)], None),
        Begin::Keyword(word, from) | Begin::Option { word, from, .. } => {
            write_search(cx, "keyword", &[("startfrom", i64::from(from))], Some(("keyword", word)));
        }
    }
    cx.reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step } => {
            let fields = [("lastkey", i64::from(last)), ("keystep", step as i64), ("limit", 0)];
            write_search(cx, "range", &fields, None);
        }
        Find::FirstHalf => {
            write_search(cx, "range", &[("lastkey", -1), ("keystep", 1), ("limit", 2)], None);
        }
        Find::KeyCount { count_at, first, step } => {
            let fields =
                [("keynumidx", count_at as i64), ("firstkey", first as i64), ("keystep", step as i64)];
            write_search(cx, "keynum", &fields, None);
        }
    }
}

fn write_search(cx: &mut Cx<'_, '_>, kind: &str, numbers: &[(&str, i64)], text: Option<(&str, &str)>) {
    cx.reply.map(2);
    cx.reply.bulk(b"type");
    cx.reply.bulk(kind.as_bytes());
    cx.reply.bulk(b"spec");
    cx.reply.map(numbers.len() + usize::from(text.is_some()));
    if let Some((field, value)) = text {
        cx.reply.bulk(field.as_bytes());
        cx.reply.bulk(value.as_bytes());
    }
    for (field, value) in numbers {
        cx.reply.bulk(field.as_bytes());
        cx.reply.integer(*value);
    }
}

/// The ACL categories of a command in Redis's order, without the at sign: those of its row and those that follow
/// from its flags.
pub fn categories(entry: &Entry) -> impl Iterator<Item = &'static str> + use<> {
    let (row, flags) = (entry.categories, entry.flags);
    let has = move |category| row.contains(category);
    let admin = flags.contains(Flags::ADMIN);
    let all = [
        ("keyspace", has(Categories::KEYSPACE)),
        ("read", flags.contains(Flags::READONLY) && !has(Categories::SCRIPTING)),
        ("write", flags.contains(Flags::WRITE)),
        ("set", has(Categories::SET)),
        ("sortedset", has(Categories::SORTED_SET)),
        ("list", has(Categories::LIST)),
        ("hash", has(Categories::HASH)),
        ("string", has(Categories::STRING)),
        ("bitmap", has(Categories::BITMAP)),
        ("hyperloglog", has(Categories::HYPERLOGLOG)),
        ("geo", has(Categories::GEO)),
        ("stream", has(Categories::STREAM)),
        ("pubsub", flags.contains(Flags::PUBSUB)),
        ("admin", admin || has(Categories::ADMIN)),
        ("fast", flags.contains(Flags::FAST)),
        ("slow", !flags.contains(Flags::FAST)),
        ("blocking", flags.contains(Flags::BLOCKING)),
        ("dangerous", admin || has(Categories::DANGEROUS)),
        ("connection", has(Categories::CONNECTION)),
        ("transaction", has(Categories::TRANSACTION)),
        ("scripting", has(Categories::SCRIPTING)),
    ];
    all.into_iter().filter(|(_, applies)| *applies).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::KeyFlags;

    #[test]
    fn legacy_ranges() {
        let one = |at| KeySpec::one(at, KeyFlags::RO);
        assert_eq!(legacy_range(&[]), (0, 0, 0));
        assert_eq!(legacy_range(&[one(1)]), (1, 1, 1));
        assert_eq!(legacy_range(&[KeySpec::all_from(1, 2, KeyFlags::OW)]), (1, -1, 2));
        assert_eq!(legacy_range(&[one(1), one(2)]), (1, 2, 1));
        assert_eq!(legacy_range(&[one(1), KeySpec::all_from(2, 1, KeyFlags::RO)]), (1, -1, 1));
        assert_eq!(legacy_range(&[one(1), one(3)]), (0, 0, 0));
        let counted = Find::KeyCount { count_at: 0, first: 1, step: 1 };
        let counted =
            KeySpec { flags: KeyFlags::RO, begin: Begin::Index(2), find: counted, notes: "", refine: None };
        assert_eq!(legacy_range(&[counted]), (0, 0, 0));
        assert_eq!(legacy_range(&[one(1), counted]), (1, 1, 1));
    }
}
