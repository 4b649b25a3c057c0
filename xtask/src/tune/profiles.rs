//! The profiles of `sysctl/profiles`: which knobs there are, what they should be, and why.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// A file of knobs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: that of the file.
    #[serde(skip)]
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its knobs.
    #[serde(rename = "knob")]
    pub knobs: Vec<Knob>,
}

/// A setting of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knob {
    /// Its name, and that of its section in the guide.
    pub name: String,
    /// Its file below the root. `*` stands for any characters within a name, `{interface}` for each network interface that is
    /// hardware, `{irq}` for each interrupt of those.
    pub path: String,
    /// What it should be.
    pub want: Want,
    /// What the kernel has by itself.
    pub default: String,
    /// Why.
    pub why: String,
    /// What it brought here, or that this cannot be measured here.
    pub measured: String,
    /// Who changes it.
    #[serde(default)]
    pub applied: Applied,
}

/// What a knob should be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// This number or more.
    AtLeast(u64),
    /// This number or less.
    AtMost(u64),
    /// Exactly this; `{cpu}` stands for the CPUs in turns, one for each file of the knob.
    Equal(String),
    /// One of these; the first is what `apply` sets.
    OneOf(Vec<String>),
}

/// Who changes a knob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applied {
    /// `tune apply` does.
    #[default]
    Always,
    /// `tune apply --with NAME` does: it has a price.
    Choice,
    /// Nobody: `tune check` tells.
    Never,
}

impl Want {
    /// Whether a value is what is wanted. `index` counts the files of the knob.
    pub fn holds(&self, value: &str, index: usize, cpus: &[usize]) -> bool {
        let number = || value.trim().parse::<u64>().ok();
        match self {
            Want::AtLeast(least) => number().is_some_and(|number| number >= *least),
            Want::AtMost(most) => number().is_some_and(|number| number <= *most),
            Want::Equal(_) => same(value, &self.value(index, cpus)),
            Want::OneOf(values) => values.iter().any(|wanted| same(value, wanted)),
        }
    }

    /// What `apply` writes.
    pub fn value(&self, index: usize, cpus: &[usize]) -> String {
        match self {
            Want::AtLeast(number) | Want::AtMost(number) => number.to_string(),
            Want::Equal(value) => {
                let cpu = cpus.get(index % cpus.len().max(1)).copied().unwrap_or_default();
                value.replace("{cpu}", &cpu.to_string())
            }
            Want::OneOf(values) => values.first().cloned().unwrap_or_default(),
        }
    }

    /// As one says it.
    pub fn words(&self) -> String {
        match self {
            Want::AtLeast(number) => format!("at least {number}"),
            Want::AtMost(number) => format!("at most {number}"),
            Want::Equal(value) if value == "{cpu}" => "one CPU each, in turns".to_owned(),
            Want::Equal(value) => value.clone(),
            Want::OneOf(values) => values.join(" or "),
        }
    }
}

/// Whether two values are the same but for the blanks between their words.
pub fn same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// Reads every profile of a folder, by name.
///
/// # Errors
/// A file cannot be read or is no profile, or two knobs have the same name.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Profile>> {
    let mut profiles = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path)?;
            let mut profile: Profile = toml::from_str(&text).with_context(|| path.display().to_string())?;
            profile.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            profiles.push(profile);
        }
    }
    profiles.sort_by(|a, b| a.name.cmp(&b.name));
    let mut names: Vec<&str> =
        profiles.iter().flat_map(|profile| &profile.knobs).map(|knob| knob.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("two knobs are called {}", pair[0]);
    }
    Ok(profiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_are_compared_as_what_they_are() {
        let cpus = [0, 2];
        assert!(Want::AtLeast(10).holds("10\n", 0, &cpus) && !Want::AtLeast(10).holds("9", 0, &cpus));
        assert!(Want::AtMost(10).holds("3", 0, &cpus) && !Want::AtMost(10).holds("none", 0, &cpus));
        assert!(Want::Equal("1 2".to_owned()).holds("1\t2", 0, &cpus));
        let turns = Want::Equal("{cpu}".to_owned());
        assert_eq!([turns.value(0, &cpus), turns.value(1, &cpus), turns.value(2, &cpus)], ["0", "2", "0"]);
        assert!(turns.holds("2", 1, &cpus) && !turns.holds("0", 1, &cpus));
        assert!(Want::OneOf(vec!["a".to_owned(), "b".to_owned()]).holds("b", 0, &cpus));
    }
}
