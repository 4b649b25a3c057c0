//! The rows of commands as a server describes them itself.

use crate::client::Client;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A command or subcommand.
#[derive(Debug, Clone)]
pub struct Row {
    /// Full name in lower case: `get`, `client|id`.
    pub name: String,
    /// The family, as COMMAND DOCS names it.
    pub group: String,
    /// What it takes.
    pub arguments: Vec<Argument>,
    /// The flags of COMMAND INFO.
    pub flags: BTreeSet<String>,
    /// Whether it only holds subcommands and answers nothing itself.
    pub container: bool,
}

impl Row {
    /// The words that call it.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.name.split('|')
    }
}

/// An argument, as COMMAND DOCS describes it.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Name in lower case.
    pub name: String,
    /// `string`, `integer`, `key`, `oneof`, ...
    pub kind: String,
    /// The literal word before it, or the word itself.
    pub token: Option<String>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// The token is repeated with the value.
    pub multiple_token: bool,
    /// Parts of a block, alternatives of a oneof.
    pub parts: Vec<Argument>,
    /// The version of Redis that it came with, when later than the command; otherwise 0.0.
    pub since: (u32, u32),
}

/// The major and minor version in a text such as `7.0.15`; 0.0 when there is none.
#[must_use]
pub fn version_of(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// All rows of a server, by name.
#[derive(Debug, Clone, Default)]
pub struct Rows(BTreeMap<String, Row>);

impl Rows {
    /// Reads them over a connection that speaks RESP3.
    ///
    /// # Panics
    /// When what comes is not COMMAND's or COMMAND DOCS' reply.
    #[must_use]
    pub fn read(client: &mut Client) -> Self {
        let mut rows = BTreeMap::new();
        let docs = client.call(["COMMAND", "DOCS"]);
        for (name, doc) in pairs(&docs) {
            add_docs(&mut rows, &name.to_text(), doc);
        }
        for info in client.call(["COMMAND"]).elements() {
            add_info(&mut rows, info);
        }
        Self(rows)
    }

    #[cfg(test)]
    pub(super) fn of(rows: Vec<Row>) -> Self {
        Self(rows.into_iter().map(|row| (row.name.clone(), row)).collect())
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.0.values()
    }

    /// Leaves out the arguments that a Redis of this version does not know.
    pub fn keep_until(&mut self, version: (u32, u32)) {
        for row in self.0.values_mut() {
            keep_until(&mut row.arguments, version);
        }
    }

    /// The row of this full name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Row> {
        self.0.get(name)
    }

    /// The row that a call reaches: that of the subcommand if it names one.
    #[must_use]
    pub fn called(&self, arguments: &[Vec<u8>]) -> Option<&Row> {
        let word = |at: usize| {
            arguments.get(at).map(|word| String::from_utf8_lossy(word).to_lowercase()).unwrap_or_default()
        };
        let name = word(0);
        self.0.get(&format!("{name}|{}", word(1))).or_else(|| self.0.get(&name))
    }
}

fn keep_until(arguments: &mut Vec<Argument>, version: (u32, u32)) {
    arguments.retain(|argument| argument.since <= version);
    for argument in arguments {
        keep_until(&mut argument.parts, version);
    }
}

fn add_docs(rows: &mut BTreeMap<String, Row>, name: &str, doc: &Value) {
    let arguments = field(doc, "arguments").map(arguments_of).unwrap_or_default();
    let subcommands = field(doc, "subcommands");
    let row = Row {
        name: name.to_owned(),
        group: field(doc, "group").map(Value::to_text).unwrap_or_default(),
        arguments,
        flags: BTreeSet::new(),
        container: false,
    };
    rows.insert(name.to_owned(), row);
    for (name, doc) in subcommands.map(pairs).unwrap_or_default() {
        add_docs(rows, &name.to_text(), doc);
    }
}

/// One element of COMMAND's reply: name, arity, flags, three key positions, categories, tips, key specs, subcommands.
fn add_info(rows: &mut BTreeMap<String, Row>, info: &Value) {
    let fields = info.elements();
    let subcommands = fields[9].elements();
    if let Some(row) = rows.get_mut(&fields[0].to_text()) {
        row.flags = fields[2].elements().iter().map(Value::to_text).collect();
        row.container = !subcommands.is_empty() && fields[1].integer() < -1;
    }
    for subcommand in subcommands {
        add_info(rows, subcommand);
    }
}

fn arguments_of(list: &Value) -> Vec<Argument> {
    list.elements().iter().map(argument_of).collect()
}

fn argument_of(doc: &Value) -> Argument {
    let flags: Vec<String> = field(doc, "flags")
        .map(|flags| flags.elements().iter().map(Value::to_text).collect())
        .unwrap_or_default();
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    Argument {
        name: field(doc, "name").map(Value::to_text).unwrap_or_default().to_lowercase(),
        kind: field(doc, "type").map(Value::to_text).unwrap_or_default(),
        token: field(doc, "token").map(Value::to_text),
        optional: has("optional"),
        multiple: has("multiple"),
        multiple_token: has("multiple_token"),
        since: field(doc, "since").map(|text| version_of(&text.to_text())).unwrap_or_default(),
        parts: field(doc, "arguments").map(arguments_of).unwrap_or_default(),
    }
}

fn pairs(map: &Value) -> Vec<(&Value, &Value)> {
    match map {
        Value::Map(pairs) => pairs.iter().map(|(key, value)| (key, value)).collect(),
        other => panic!("a map was expected, not {other}"),
    }
}

fn field<'v>(map: &'v Value, name: &str) -> Option<&'v Value> {
    pairs(map).into_iter().find(|(key, _)| key.to_text() == name).map(|(_, value)| value)
}
