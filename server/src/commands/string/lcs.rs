//! LCS: the longest common subsequence of two strings, by the table of all pairs of prefixes.

use super::{ROW, string_value};
use crate::commands::row::{Argument, Begin, Command, Find, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use crate::config::rows;
use boxcar_resp::Reply;
use boxcar_store::IntegerText;

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec {
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
        begin: Begin::Index(1),
        find: Find::Range { last: 1, step: 1 },
        notes: "",
        refine: None,
    }],
    since: "7.0.0",
    complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    summary: "Finds the longest common subsequence of two strings.",
    arguments: &[
        Argument::new("key1", "key"),
        Argument::new("key2", "key"),
        Argument::word("len", "LEN").optional(),
        Argument::word("idx", "IDX").optional(),
        Argument::new("min-match-len", "integer").after("MINMATCHLEN").optional(),
        Argument::word("withmatchlen", "WITHMATCHLEN").optional(),
    ],
    handler: lcs,
    ..ROW
}];

/// What to reply with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Subsequence,
    /// LEN
    Length,
    /// IDX
    Ranges {
        min_len: u64,
        with_len: bool,
    },
}

fn lcs(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (a, b) = (copy_of(cx, args.at(1)), copy_of(cx, args.at(2)));
    let (Some(a), Some(b)) = (a, b) else {
        return Err(Error::text("ERR The specified keys must contain string values"));
    };
    let wanted = parse_options(args)?;
    if !cx.in_transaction {
        // The table takes time in proportion to the product of the lengths: others need not wait for it.
        cx.keys.release();
    }
    let table = Table::build(&a, &b, cx.server.config.bytes(rows::PROTO_MAX_BULK_LEN))?;
    match wanted {
        Wanted::Length => cx.reply.integer(i64::from(table.at(a.len(), b.len()))),
        Wanted::Subsequence => cx.reply.bulk(&table.subsequence(&a, &b)),
        Wanted::Ranges { min_len, with_len } => write_ranges(cx.reply, &table, (&a, &b), min_len, with_len),
    }
    Ok(())
}

/// The string's bytes, none for a missing key; `None` for another type.
fn copy_of(cx: &mut Cx<'_, '_>, key: &[u8]) -> Option<Vec<u8>> {
    let Some(record) = cx.keys.read(key) else { return Some(Vec::new()) };
    let mut text = IntegerText::default();
    string_value(record).ok().map(|value| value.as_bytes(&mut text).to_vec())
}

fn parse_options(args: Args<'_>) -> Result<Wanted, Error> {
    let (mut len, mut idx, mut with_len, mut min_len) = (false, false, false, 0);
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "IDX") {
            idx = true;
        } else if args.is(i, "LEN") {
            len = true;
        } else if args.is(i, "WITHMATCHLEN") {
            with_len = true;
        } else if args.is(i, "MINMATCHLEN") && i + 1 < args.len() {
            i += 1;
            min_len = u64::try_from(args.integer(i)?).unwrap_or(0);
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    match (len, idx) {
        (true, true) => Err(Error::text("ERR If you want both the length and indexes, please just use IDX.")),
        (true, false) => Ok(Wanted::Length),
        (false, true) => Ok(Wanted::Ranges { min_len, with_len }),
        (false, false) => Ok(Wanted::Subsequence),
    }
}

/// Entry `(i, j)` is the length of the longest common subsequence of the first `i` bytes of one string and the first
/// `j` bytes of the other.
struct Table {
    cells: Vec<u32>,
    width: usize,
}

/// A range common to both strings, by the positions of its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

impl Table {
    /// # Errors
    /// When the table would take more than `limit` bytes, or more than there is.
    fn build(a: &[u8], b: &[u8], limit: u64) -> Result<Self, Error> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(Error::text("ERR String too long for LCS"));
        }
        let width = b.len() + 1;
        // Below 2^64: both factors are below 2^32.
        let size = (a.len() as u128 + 1) * width as u128;
        if size * size_of::<u32>() as u128 > u128::from(limit) {
            return Err(Error::text(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut cells = Vec::new();
        cells.try_reserve_exact(size as usize).map_err(|_| {
            const { Error::text("ERR Insufficient memory, failed allocating transient memory for LCS") }
        })?;
        cells.resize(width, 0);
        for &byte in a {
            let above = cells.len() - width;
            cells.push(0);
            for (j, &other) in b.iter().enumerate() {
                let longest = if byte == other {
                    cells[above + j] + 1
                } else {
                    cells[above + j + 1].max(cells[cells.len() - 1])
                };
                cells.push(longest);
            }
        }
        Ok(Self { cells, width })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }

    /// Walks from the ends of both strings to a start and calls `visit` with the positions of each common byte.
    /// Where two ways are equally long, it is Redis's.
    fn walk(&self, a: &[u8], b: &[u8], mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                i -= 1;
                j -= 1;
                visit(i, j);
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    fn subsequence(&self, a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.at(a.len(), b.len()) as usize);
        self.walk(a, b, |i, _| bytes.push(a[i]));
        bytes.reverse();
        bytes
    }

    /// The common ranges, the last one first.
    fn matches(&self, a: &[u8], b: &[u8]) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        self.walk(a, b, |i, j| match matches.last_mut() {
            Some(last) if last.a == i + 1 && last.b == j + 1 => {
                *last = Match { a: i, b: j, len: last.len + 1 }
            }
            _ => matches.push(Match { a: i, b: j, len: 1 }),
        });
        matches
    }
}

fn write_ranges(reply: &mut Reply, table: &Table, (a, b): (&[u8], &[u8]), min_len: u64, with_len: bool) {
    let mut matches = table.matches(a, b);
    matches.retain(|found| found.len as u64 >= min_len);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.len());
    for found in matches {
        reply.array(2 + usize::from(with_len));
        for start in [found.a, found.b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + found.len - 1) as i64);
        }
        if with_len {
            reply.integer(found.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(i64::from(table.at(a.len(), b.len())));
}
