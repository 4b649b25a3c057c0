//! What a run asks for: rows of the table with weights.

use super::requests::{Kind, Shares};
use super::rows::{Row, find, rows};
use std::fmt;
use std::str::FromStr;

/// Most rows in a mix: each row may stand in it several times, with different numbers of elements.
const MAX_SHARES: usize = 256;

/// Most elements that one request names. Enough for what is done; a larger one measures the kernel's buffers.
pub(super) const MAX_ELEMENTS: u32 = 10_000;

/// Rows with weights, as in `get:80,set:20` or `hset/4:1,hget:3`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    shares: Vec<Share>,
}

/// A part of a mix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    pub row: &'static Row,
    pub elements: u32,
    pub weight: u32,
}

impl Share {
    pub fn new(row: &'static Row, elements: Option<u32>, weight: u32) -> Share {
        Share { row, elements: elements.or(row.elements).unwrap_or(1), weight }
    }

    /// Its name, with the number of elements if the row has one.
    pub fn name(&self) -> String {
        match self.row.elements {
            Some(_) => format!("{}/{}", self.row.name, self.elements),
            None => self.row.name.to_owned(),
        }
    }
}

impl Mix {
    /// GET and SET with these weights, one of them above 0.
    pub fn get_set(get: u32, set: u32) -> Mix {
        let rows = [("get", get), ("set", set)];
        let share = |(name, weight)| Share::new(find(name).expect("GET and SET are rows"), None, weight);
        Mix::of(rows.map(share))
    }

    /// Parts of weight 0 are left out.
    pub(super) fn of(shares: impl IntoIterator<Item = Share>) -> Mix {
        Mix { shares: shares.into_iter().filter(|share| share.weight > 0).collect() }
    }

    /// The parts; none has weight 0.
    pub(super) fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Weights of GET and SET, if there is nothing else.
    pub(super) fn plain(&self) -> Option<Shares> {
        let mut plain = Shares { get: 0, set: 0 };
        for share in &self.shares {
            let weight = match share.row.name {
                "get" => &mut plain.get,
                "set" => &mut plain.set,
                _ => return None,
            };
            *weight = weight.checked_add(share.weight)?;
        }
        Some(plain)
    }

    /// A mix of one kind.
    pub fn only(kind: Kind) -> Mix {
        match kind {
            Kind::Get => Mix::get_set(1, 0),
            Kind::Set => Mix::get_set(0, 1),
        }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let shares = text.split(',').map(share).collect::<Result<Vec<_>, String>>()?;
        let mix = Mix::of(shares);
        if mix.shares.is_empty() || mix.shares.len() > MAX_SHARES {
            return Err(format!("a mix has 1 to {MAX_SHARES} commands with a weight above 0"));
        }
        Ok(mix)
    }
}

fn share(text: &str) -> Result<Share, String> {
    let (command, weight) = text.split_once(':').unwrap_or((text, "1"));
    let weight = weight.parse().map_err(|_| format!("{weight:?} is not a weight (a whole number)"))?;
    let (name, elements) = match command.split_once('/') {
        Some((name, elements)) => (name, Some(elements)),
        None => (command, None),
    };
    let row = find(name).ok_or_else(|| {
        let names: Vec<&str> = rows().map(|row| row.name).collect();
        format!("no command {name:?} in the table of: {}", names.join(" "))
    })?;
    let elements = elements
        .map(|elements| {
            let count = elements.parse().ok().filter(|count| (1..=MAX_ELEMENTS).contains(count));
            count.ok_or_else(|| format!("{elements:?} is not a number of elements (1 to {MAX_ELEMENTS})"))
        })
        .transpose()?;
    if elements.is_some() && row.elements.is_none() {
        return Err(format!("{name} takes no number of elements"));
    }
    Ok(Share::new(row, elements, weight))
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, share) in self.shares.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", share.name(), share.weight)?;
        }
        Ok(())
    }
}

/// The table of rows as text, for `--help`.
pub fn table() -> String {
    let mut text =
        String::from("Commands of a mix, as NAME:WEIGHT or NAME/N:WEIGHT where N elements are named:\n");
    for row in rows() {
        let name = row.elements.map_or(row.name.to_owned(), |count| format!("{}/{count}", row.name));
        text.push_str(&format!("  {name:<18}{}\n", row.sends));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_read_and_shown() {
        let mix: Mix = "get:80,set:20".parse().unwrap();
        assert_eq!(mix, Mix::get_set(80, 20));
        assert_eq!(mix.plain(), Some(Shares { get: 80, set: 20 }));
        let mix: Mix = "hset/4:1,hget:3,mget,zadd:0".parse().unwrap();
        assert_eq!(mix.to_string(), "hset/4:1,hget:3,mget/10:1");
        assert_eq!(mix.plain(), None);
        for wrong in ["", "get:0", "got:1", "get:-1", "get/2:1", "mget/0:1", "mget/10001:1", "get:80;set:20"]
        {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_row_is_in_the_table() {
        let table = table();
        assert!(rows().all(|row| table.contains(row.sends)));
    }
}
