//! The reference page of all directives, and the words for bounds and defaults that it shares with `--help`.

use std::fmt::Write as _;

use super::row::{Directive, Group, Kind, Mutability, Row, State};
use super::value::Value;

/// The chapters, in the order of `--help` and of the page.
const GROUPS: [Group; 11] = [
    Group::Network,
    Group::Engine,
    Group::Steering,
    Group::General,
    Group::Security,
    Group::Memory,
    Group::Observability,
    Group::Data,
    Group::Persistence,
    Group::Replication,
    Group::Cluster,
];

/// What a value may be, in a few words: `0 to 65535`, `yes or no`.
pub fn bounds(row: &Row) -> String {
    let range = |min: i64, max: i64| match (min, max) {
        (i64::MIN, i64::MAX) => "any number".into(),
        (min, i64::MAX) => format!("{min} or more"),
        (min, max) => format!("{min} to {max}"),
    };
    match row.kind {
        Kind::Number { min, max } | Kind::Hint { min, max } => range(min, max),
        Kind::PowerOfTwo { min, max } => format!("a power of two, {min} to {max}"),
        Kind::Octal { max } => format!("0 to {max:o}, octal"),
        Kind::Memory { min, max } => format!("bytes, {}; units k kb m mb g gb", range(min, max)),
        Kind::MemoryOrPercent => "bytes, with units k kb m mb g gb, or 0% to 100%".into(),
        Kind::Switch => "yes or no".into(),
        Kind::Choice(names) => names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        Kind::Text(_) => "text".into(),
        Kind::Words(rule) => rule.grammar.into(),
    }
}

/// The default as `CONFIG GET` reports it; `""` when it is empty.
pub fn default_text(row: &Row) -> String {
    let text = Value::default_of(row).render(row);
    if text.is_empty() { "\"\"".into() } else { text }
}

/// Whether and why a directive does less than its help says.
pub fn remark(row: &Row) -> Option<String> {
    match row.state {
        State::Active => None,
        State::Kept => Some("accepted, without effect".into()),
        State::Refused { reason, harmless } => {
            let allowed: Vec<String> =
                std::iter::once(default_text(row)).chain(harmless.iter().map(ToString::to_string)).collect();
            Some(format!("only {} is accepted: {reason}", allowed.join(" or ")))
        }
    }
}

/// The documented directives by chapter.
pub fn chapters() -> impl Iterator<Item = (Group, Vec<&'static Row>)> {
    GROUPS.into_iter().map(|group| {
        let rows = Directive::all().map(Directive::row);
        (group, rows.filter(|row| row.group == group && !row.hidden).collect())
    })
}

/// The reference page, in Markdown.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Directives stand in a configuration file in Redis's syntax (`maxclients 5000`), or behind the\n\
         program's name (`--maxclients 5000`), where they override the file. *set* says whether\n\
         `CONFIG SET` may change one while the server runs; names marked * are Boxcar's own.\n",
    );
    for (group, rows) in chapters() {
        write!(
            page,
            "\n## {}\n\n| name | values | default | set | meaning |\n|---|---|---|---|---|\n",
            group.title()
        )
        .expect("writing to a String does not fail");
        for row in rows {
            let star = if row.boxcar_only { "*" } else { "" };
            let alias = row.alias.map(|alias| format!(" (`{alias}`)")).unwrap_or_default();
            let set = if row.mutability == Mutability::Runtime { "yes" } else { "no" };
            let remark = remark(row).map(|remark| format!(" **{remark}**")).unwrap_or_default();
            let (values, default) = (cell(&bounds(row)), cell(&default_text(row)));
            let help = cell(row.help.trim());
            writeln!(
                page,
                "| `{}`{star}{alias} | {values} | `{default}` | {set} | {help}{remark} |",
                row.name
            )
            .expect("writing to a String does not fail");
        }
    }
    page
}

/// A text as a table's cell: bars and angle brackets would be read as markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('>', "&gt;")
}
