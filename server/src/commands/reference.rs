//! The reference page of all commands: what there is, and where it differs from Redis.

use super::help::syntax;
use super::row::{Command, Group};
use super::{Entry, Table};
use std::fmt::Write as _;

/// The page, in Markdown. `differences` is the text of DIFFERENCES.md, whose rows are quoted beside the commands that
/// their first cells name.
///
/// # Panics
/// When a row of DIFFERENCES.md names a command in its first cell and has not three cells.
pub fn markdown(table: &Table, differences: &str) -> String {
    let entries: Vec<&Entry> = table.callable_with_subcommands().collect();
    let differences = by_command(&entries, differences);
    let mut groups: Vec<Group> = Vec::new();
    for entry in &entries {
        if !groups.contains(&entry.group) {
            groups.push(entry.group);
        }
    }
    let mut page = String::from(
        "# Commands\n\n\
         Made from the register by `cargo xtask reference`. *Since* is the version of Redis that has the command; below\n\
         each table stands what answers differently there on purpose, quoted from [DIFFERENCES.md](DIFFERENCES.md).\n",
    );
    for group in groups {
        write(&mut page, format_args!("\n## {}\n\n", title(group)));
        page.push_str("| Command | Since | Cost | What it does |\n|---|---|---|---|\n");
        let members = || entries.iter().filter(|entry| entry.group == group);
        for entry in members().filter(|entry| entry.subcommands.is_empty() || entry.arity == -1) {
            write_row(&mut page, entry);
        }
        let differing: Vec<&String> = members()
            .flat_map(|entry| differences.iter().filter(|(name, _)| *name == entry.name))
            .map(|(_, text)| text)
            .collect();
        if !differing.is_empty() {
            page.push_str("\nDifferences:\n\n");
            for text in differing {
                write(&mut page, format_args!("- {text}\n"));
            }
        }
    }
    page
}

fn title(group: Group) -> String {
    let name = group.name();
    name[..1].to_ascii_uppercase() + &name[1..]
}

fn write_row(page: &mut String, entry: &Entry) {
    let container =
        entry.name.split_once('|').map(|(container, _)| format!("{} ", container.to_ascii_uppercase()));
    let call = format!("{}{}", container.unwrap_or_default(), syntax(entry.command));
    let cost = if entry.complexity.is_empty() { "" } else { entry.complexity };
    let summary = format!("{}{}", entry.summary, replaced(entry.command));
    let cells = [cell(&call), entry.since.to_owned(), cell(cost), cell(&summary)];
    write(page, format_args!("| `{}` | {} | {} | {} |\n", cells[0], cells[1], cells[2], cells[3]));
}

fn replaced(command: &Command) -> String {
    match command.deprecated {
        Some((since, by)) => format!(" Deprecated since {since}: {by}."),
        None => String::new(),
    }
}

/// The differences that name a command, with that command's full name. A first cell names commands in capitals; of
/// several that fit the longest is meant.
fn by_command(entries: &[&Entry], differences: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in differences.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        for words in runs_of_capitals(cells[0]) {
            let fits = |entry: &&&Entry| {
                let name = entry.name.to_ascii_uppercase().replace('|', " ");
                words.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            };
            let Some(entry) = entries.iter().filter(fits).max_by_key(|entry| entry.name.len()) else {
                continue;
            };
            assert!(cells.len() >= 2, "a difference says what is different: {line}");
            let why =
                cells.get(2).filter(|why| !why.is_empty() && **why != "|").map(|why| format!(" ({why})"));
            let text = format!("{}: {}{}", cells[0], cells[1], why.unwrap_or_default());
            if !found.iter().any(|(_, known)| *known == text) {
                found.push((entry.name.clone(), text));
            }
        }
    }
    found
}

/// `KEYS, SCAN` gives both names, `DEBUG SLEEP` one of two words.
fn runs_of_capitals(cell: &str) -> Vec<String> {
    let is_name = |word: &str| {
        word.len() > 1
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '-')
    };
    let mut runs = vec![String::new()];
    for word in cell.split(' ') {
        let bare = word.trim_end_matches(',');
        let last = runs.last_mut().expect("there is always one");
        match is_name(bare) {
            true if last.is_empty() => bare.clone_into(last),
            true => write(last, format_args!(" {bare}")),
            false => runs.push(String::new()),
        }
        if bare != word {
            runs.push(String::new());
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// A text as a table's cell: bars end cells, in code, too.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        markdown(&Table::new(&[]).expect("a register"), include_str!("../../DIFFERENCES.md"))
    }

    #[test]
    fn the_committed_page_is_up_to_date() {
        let same = page() == include_str!("../../COMMANDS.md");
        assert!(same, "server/COMMANDS.md is not what the register says: `cargo xtask reference` writes it");
    }

    #[test]
    fn every_command_is_on_the_page() {
        let (page, table) = (page(), Table::new(&[]).expect("a register"));
        for entry in table.callable_with_subcommands().filter(|entry| entry.subcommands.is_empty()) {
            let name = entry.name.to_ascii_uppercase().replace('|', " ");
            let there = ["`", " "].iter().any(|end| page.contains(&format!("| `{name}{end}")));
            assert!(there, "{name}");
        }
    }

    #[test]
    fn differences_stand_with_the_commands_they_name() {
        assert_eq!(runs_of_capitals("KEYS, RANDOMKEY and DEBUG SLEEP"), ["KEYS", "RANDOMKEY", "DEBUG SLEEP"]);
        assert!(runs_of_capitals("A key's name").is_empty());
        assert!(page().contains("\n- DEBUG SLEEP: "));
    }
}
