//! Reading: LLEN, LINDEX, LRANGE, LPOS.

use super::{ELEMENT, KEY, ROW, at_least, list};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Composite, List, Value};

const READ: Command =
    Command { flags: Flags::READONLY, keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))], ..ROW };

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "llen",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        summary: "Returns the number of elements of a list.",
        arguments: &[KEY],
        handler: llen,
        ..READ
    },
    Command {
        name: "lindex",
        arity: 3,
        complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes \
                     asking for the first or the last element of the list O(1).",
        summary: "Returns the element of a list at an index.",
        arguments: &[KEY, Argument::new("index", "integer")],
        handler: lindex,
        ..READ
    },
    Command {
        name: "lrange",
        arity: 4,
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD \
                     or TAIL) for large lists; and N is the number of elements in the specified range.",
        summary: "Returns the elements of a list between two indexes.",
        arguments: &[KEY, Argument::new("start", "integer"), Argument::new("stop", "integer")],
        handler: lrange,
        ..READ
    },
    Command {
        name: "lpos",
        arity: -3,
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for \
                     elements near the head or the tail of the list, or when the MAXLEN option is provided, the \
                     command may run in constant time.",
        summary: "Returns where an element stands in a list.",
        arguments: &[
            KEY,
            ELEMENT,
            Argument::new("rank", "integer").after("RANK").optional(),
            Argument::new("num-matches", "integer").after("COUNT").optional(),
            Argument::new("len", "integer").after("MAXLEN").optional(),
        ],
        handler: lpos,
        ..READ
    },
];

fn llen(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let len = list(cx.keys, args.at(1))?.map_or(0, List::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn lindex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let element = match list(cx.keys, args.at(1))? {
        Some(list) => list.get(args.integer(2)?),
        None => None,
    };
    match element {
        Some(element) => write_value(cx.reply, element),
        None => cx.reply.null(),
    }
    Ok(())
}

/// The elements between two indexes, which may be negative and beyond the ends, of so many: the first one and their
/// number.
pub(super) fn range(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let from_head = |index: i64| if index < 0 { len.saturating_add(index) } else { index };
    let (start, stop) = (from_head(start).max(0), from_head(stop).min(len - 1));
    if start > stop { (0, 0) } else { (start as usize, (stop - start) as usize + 1) }
}

fn lrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    let Some(list) = list(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let (first, count) = range(start, stop, list.len());
    cx.reply.array(count);
    if count > 0 {
        list.walk(first).take(count).for_each(|element| write_value(cx.reply, element));
    }
    Ok(())
}

/// The options of LPOS.
struct Options {
    /// The first match that counts, from 1 on; from the tail when negative.
    rank: i64,
    /// How many matches to return; all for 0.
    count: Option<usize>,
    /// How many elements to compare; all for 0.
    max_len: usize,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self { rank: 1, count: None, max_len: 0 };
        for option in (3..args.len()).step_by(2) {
            if option + 1 == args.len() {
                return Err(Error::Syntax);
            }
            if args.is(option, "rank") {
                options.rank = args.integer(option + 1)?;
                match options.rank {
                    0 => return Err(RANK_ZERO),
                    i64::MIN => return Err(RANK_RANGE),
                    _ => {}
                }
            } else if args.is(option, "count") {
                options.count = Some(at_least(0, args, option + 1, "ERR COUNT can't be negative")?);
            } else if args.is(option, "maxlen") {
                options.max_len = at_least(0, args, option + 1, "ERR MAXLEN can't be negative")?;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(options)
    }

    /// The places of the wanted elements.
    fn places(&self, list: &List, wanted: Value<'_>) -> impl Iterator<Item = usize> {
        let (len, from_tail) = (list.len(), self.rank < 0);
        let elements = if from_tail { list.walk_back(0) } else { list.walk(0) };
        let compared = if self.max_len == 0 { len } else { self.max_len };
        let equal = elements.take(compared).enumerate().filter(move |(_, element)| *element == wanted);
        let matches = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        equal
            .skip(self.rank.unsigned_abs() as usize - 1)
            .take(matches)
            .map(move |(at, _)| if from_tail { len - 1 - at } else { at })
    }
}

const RANK_ZERO: Error = Error::text(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from \
     the end of the list",
);
const RANK_RANGE: Error =
    Error::text("ERR value is out of range, must between -9223372036854775807 and 9223372036854775807");

fn lpos(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = Options::parse(args)?;
    let found = list(cx.keys, args.at(1))?;
    let places = found.into_iter().flat_map(|list| options.places(list, Value::encode(args.at(2))));
    if options.count.is_none() {
        match places.into_iter().next() {
            Some(place) => cx.reply.integer(place as i64),
            None => cx.reply.null(),
        }
        return Ok(());
    }
    let array = cx.reply.deferred_array();
    let mut count = 0;
    for place in places {
        cx.reply.integer(place as i64);
        count += 1;
    }
    cx.reply.finish(array, count);
    Ok(())
}
