//! SORT and SORT_RO.
//!
//! BY and GET read keys whose names are made of the elements, so that nobody knows beforehand which shards they are in.
//! That SORT is atomic over them all the same, the row's `derived` says what has to be locked: where a pattern has a
//! hash tag before its star (`{user}:weight_*`), all its keys are in the shard of that tag, and no others are stopped;
//! otherwise every shard is locked, as for other commands over the whole keyspace. To look first and lock then would take
//! locks out of order, or begin again whenever the elements have changed meanwhile.

use super::{KEY, ROW};
use crate::commands::events::EventClass;
use crate::commands::float::parse_decimal;
use crate::commands::row::{Argument, Begin, Command, Flags, KeyFlags, KeySpec};
use crate::commands::sampling::check_size;
use crate::commands::{Args, Categories, CommandResult, Cx, Error, Keys, list};
use boxcar_store::{Composite, Entry, Hash, IntegerText, List, ObjectRef, Side, SortedSet, Value, hash_tag};
use std::cmp::Ordering;
use std::ops::Range;

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number \
    of returned elements. When the elements are not sorted, complexity is O(N).";
const CATEGORIES: Categories =
    Categories::SET.union(Categories::SORTED_SET).union(Categories::LIST).union(Categories::DANGEROUS);

const READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const SORTED: KeySpec = KeySpec::one(1, READ);
const PATTERNS: KeySpec = KeySpec { begin: Begin::Unknown(|_| None), ..KeySpec::one(0, READ) }.noted(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key \
     we sort",
);
const STORED: KeySpec = KeySpec {
    begin: Begin::Unknown(|args| Options::parse(args, true).store),
    ..KeySpec::one(0, KeyFlags::OW.union(KeyFlags::UPDATE))
}
.noted("For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array");

const ARGUMENTS: [Argument; 6] = [
    KEY,
    Argument::new("by-pattern", "pattern").shown("pattern").after("BY").optional(),
    Argument::block("limit", &[Argument::new("offset", "integer"), Argument::new("count", "integer")])
        .after("LIMIT")
        .optional(),
    Argument::new("get-pattern", "pattern").shown("pattern").after("GET").optional().multiple_token(),
    Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")]).optional(),
    Argument::word("sorting", "ALPHA").optional(),
];

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sort",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::MOVABLEKEYS]),
        keys: &[SORTED, PATTERNS, STORED],
        derived: |args, visit| Options::parse(args, true).derived(args, visit),
        categories: CATEGORIES,
        complexity: COMPLEXITY,
        summary: "Sorts the elements of a list, a set or a sorted set, and may store what comes out.",
        arguments: &[
            ARGUMENTS[0],
            ARGUMENTS[1],
            ARGUMENTS[2],
            ARGUMENTS[3],
            ARGUMENTS[4],
            ARGUMENTS[5],
            Argument::new("destination", "key").after("STORE").optional(),
        ],
        handler: |cx, args| sort(cx, args, true),
        ..ROW
    },
    Command {
        name: "sort_ro",
        arity: -2,
        flags: Flags::of(&[Flags::READONLY, Flags::MOVABLEKEYS]),
        keys: &[SORTED, PATTERNS],
        derived: |args, visit| Options::parse(args, false).derived(args, visit),
        categories: CATEGORIES,
        since: "7.0.0",
        complexity: COMPLEXITY,
        summary: "Returns the elements of a list, a set or a sorted set in order.",
        arguments: &ARGUMENTS,
        handler: |cx, args| sort(cx, args, false),
        ..ROW
    },
];

/// What a call asks for, with the positions of its arguments.
#[derive(Default)]
struct Options {
    by: Option<usize>,
    get: Vec<usize>,
    store: Option<usize>,
    descending: bool,
    alpha: bool,
    /// Offset and count.
    limit: Option<(i64, i64)>,
    /// Where reading the arguments has ended early, and why.
    refused: Option<Error>,
}

impl Options {
    /// Never fails: what is wrong is in the result, since the keys up to there have to be found all the same.
    fn parse(args: Args<'_>, may_store: bool) -> Self {
        let mut options = Self::default();
        let mut i = 2;
        while i < args.len() && options.refused.is_none() {
            let left = args.len() - i - 1;
            if args.is(i, "ASC") {
                options.descending = false;
            } else if args.is(i, "DESC") {
                options.descending = true;
            } else if args.is(i, "ALPHA") {
                options.alpha = true;
            } else if args.is(i, "LIMIT") && left >= 2 {
                match (args.integer(i + 1), args.integer(i + 2)) {
                    (Ok(offset), Ok(count)) => options.limit = Some((offset, count)),
                    (Err(error), _) | (_, Err(error)) => options.refused = Some(error),
                }
                i += 2;
            } else if may_store && args.is(i, "STORE") && left >= 1 {
                i += 1;
                options.store = Some(i);
            } else if args.is(i, "BY") && left >= 1 {
                i += 1;
                options.by = Some(i);
            } else if args.is(i, "GET") && left >= 1 {
                i += 1;
                options.get.push(i);
            } else {
                options.refused = Some(Error::Syntax);
            }
            i += 1;
        }
        options
    }

    /// See [`Command::derived`].
    fn derived(&self, args: Args<'_>, visit: &mut dyn FnMut(usize)) -> bool {
        let patterns = self.by.iter().chain(&self.get);
        let mut anywhere = false;
        for &at in patterns {
            let Some(star) = star(args.at(at)) else { continue };
            let prefix = &args.at(at)[..star];
            // Without a tag, it is the whole.
            if hash_tag(prefix).len() < prefix.len() {
                visit(at);
            } else {
                anywhere = true;
            }
        }
        anywhere
    }
}

/// Where the star of a pattern is. Redis looks no further than a NUL byte.
fn star(pattern: &[u8]) -> Option<usize> {
    Error::quotable(pattern).iter().position(|&byte| byte == b'*')
}

/// Texts one behind the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, value: Value<'_>) {
        self.bytes.extend_from_slice(value.as_bytes(&mut IntegerText::default()));
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

/// How elements are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order<'a> {
    /// Not at all.
    None,
    /// By numbers: the elements' own, or those of keys named by the pattern.
    Numeric(Option<&'a [u8]>),
    /// By bytes, likewise.
    Alpha(Option<&'a [u8]>),
}

fn sort(cx: &mut Cx<'_, '_>, args: Args<'_>, may_store: bool) -> CommandResult {
    let mut options = Options::parse(args, may_store);
    if let Some(error) = options.refused.take() {
        return Err(error);
    }
    let key = args.at(1);
    let kind = kind_of(cx.keys, key)?;
    let order = match options.by.map(|at| args.at(at)) {
        // What is stored has to be in some order.
        Some(by) if star(by).is_none() && kind == Some(Sortable::Set) && options.store.is_some() => {
            Order::Alpha(None)
        }
        Some(by) if star(by).is_none() => Order::None,
        by if options.alpha => Order::Alpha(by),
        by => Order::Numeric(by),
    };
    let (elements, window) = load(cx.keys, key, order, &options);
    let sorted = arrange(cx.keys, &elements, window, order, &options)?;
    match options.store {
        None => reply(cx, args, &options.get, &elements, &sorted),
        Some(store) => {
            let stored = store_result(cx, args, &options.get, &elements, &sorted, args.at(store));
            cx.reply.integer(stored as i64);
            Ok(())
        }
    }
}

/// What can be sorted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sortable {
    List,
    Set,
    SortedSet,
}

/// The type of what is sorted; `None` when there is nothing. As in Redis, a small sorted set becomes a large one: it does
/// so for the order of its elements, and OBJECT ENCODING shows it.
fn kind_of(keys: &mut Keys<'_>, key: &[u8]) -> Result<Option<Sortable>, Error> {
    let Some(record) = keys.read(key) else { return Ok(None) };
    match record.any_object() {
        Some(ObjectRef::List(_)) => Ok(Some(Sortable::List)),
        Some(ObjectRef::Set(_)) => Ok(Some(Sortable::Set)),
        Some(ObjectRef::SortedSet(_)) => {
            if let Entry::Occupied(mut entry) = keys.entry(key)
                && let Some(mut set) = entry.object_mut::<SortedSet>()
            {
                set.become_indexed();
            }
            Ok(Some(Sortable::SortedSet))
        }
        _ => Err(Error::WrongType),
    }
}

/// The elements, and which of them are wanted once they are in order. Where nothing is compared, of a list or a sorted set
/// only those are loaded.
fn load(keys: &mut Keys<'_>, key: &[u8], order: Order<'_>, options: &Options) -> (Texts, Range<usize>) {
    let mut elements = Texts::default();
    let Some(record) = keys.peek(key) else { return (elements, 0..0) };
    let object = record.any_object().expect("what can be sorted is an object");
    let window = window(object.len(), options.limit);
    let (all, wanted) = (order != Order::None, window.len());
    match object {
        ObjectRef::List(list) if all => list.walk(0).for_each(|element| elements.push(element)),
        ObjectRef::List(list) if options.descending => {
            list.walk_back(window.start).take(wanted).for_each(|element| elements.push(element));
        }
        ObjectRef::List(list) => {
            list.walk(window.start).take(wanted).for_each(|element| elements.push(element));
        }
        ObjectRef::SortedSet(set) if all => set.iter().for_each(|(member, _)| elements.push(member)),
        ObjectRef::SortedSet(set) if options.descending => {
            let len = set.len();
            let members = set.range(len - window.end..len - window.start).rev();
            members.for_each(|(member, _)| elements.push(member));
        }
        ObjectRef::SortedSet(set) => {
            set.range(window.clone()).for_each(|(member, _)| elements.push(member));
        }
        ObjectRef::Set(set) => {
            set.iter().for_each(|member| elements.push(member));
            return (elements, window);
        }
        ObjectRef::Hash(_) | ObjectRef::Stream(_) => unreachable!("its type was looked at"),
    }
    (elements, if all { window } else { 0..wanted })
}

/// Which of `len` elements LIMIT leaves: a negative offset is the first element, a negative count all that follow.
fn window(len: usize, limit: Option<(i64, i64)>) -> Range<usize> {
    let (offset, count) = limit.unwrap_or((0, -1));
    let start = usize::try_from(offset).unwrap_or(0).min(len);
    let count = usize::try_from(count).unwrap_or(len);
    start..start.saturating_add(count).min(len)
}

/// Indexes of the wanted elements in order. Only as much is sorted as is wanted.
fn arrange(
    keys: &mut Keys<'_>,
    elements: &Texts,
    window: Range<usize>,
    order: Order<'_>,
    options: &Options,
) -> Result<Vec<usize>, Error> {
    let mut indexes: Vec<usize> = (0..elements.len()).collect();
    // What is stored is compared as bytes, what is answered as C strings, which end at a NUL byte.
    let stored = options.store.is_some();
    let text = |bytes| if stored { bytes } else { Error::quotable(bytes) };
    match order {
        Order::None => {}
        Order::Numeric(by) => {
            let scores = scores(keys, elements, by)?;
            let compare = |&a: &usize, &b: &usize| {
                let by_score = scores[a].partial_cmp(&scores[b]).expect("scores are numbers");
                by_score.then_with(|| elements.get(a).cmp(elements.get(b)))
            };
            pick(&mut indexes, &window, options.descending, compare);
        }
        Order::Alpha(None) => {
            pick(&mut indexes, &window, options.descending, |&a, &b| {
                text(elements.get(a)).cmp(text(elements.get(b)))
            });
        }
        Order::Alpha(Some(by)) => {
            let mut found = Texts::default();
            let mut there = Vec::with_capacity(elements.len());
            for index in 0..elements.len() {
                let before = found.len();
                look_up(keys, by, elements.get(index), |value| found.push(value));
                there.push(found.len() > before);
                if found.len() == before {
                    found.push(Value::Bytes(b""));
                }
            }
            // What is missing comes first.
            let weight = |index: usize| there[index].then(|| text(found.get(index)));
            pick(&mut indexes, &window, options.descending, |&a, &b| weight(a).cmp(&weight(b)));
        }
    }
    Ok(indexes.drain(window).collect())
}

/// Brings those of a window into their places. Equal ones keep their order.
fn pick(
    indexes: &mut [usize],
    window: &Range<usize>,
    descending: bool,
    compare: impl Fn(&usize, &usize) -> Ordering,
) {
    let compare = |a: &usize, b: &usize| {
        let order = compare(a, b);
        (if descending { order.reverse() } else { order }).then(a.cmp(b))
    };
    if window.is_empty() {
        return;
    }
    let mut part = &mut indexes[..];
    if window.end < part.len() {
        part.select_nth_unstable_by(window.end, compare);
        part = &mut part[..window.end];
    }
    if window.start > 0 {
        part.select_nth_unstable_by(window.start, compare);
        part = &mut part[window.start..];
    }
    part.sort_unstable_by(compare);
}

/// The numbers that elements are sorted by; 0 where there is no key.
fn scores(keys: &mut Keys<'_>, elements: &Texts, by: Option<&[u8]>) -> Result<Vec<f64>, Error> {
    let mut sound = true;
    let mut score = |text: &[u8]| {
        let number = parse_decimal(text);
        sound &= number.is_some();
        number.unwrap_or_default()
    };
    let mut scores = Vec::with_capacity(elements.len());
    for index in 0..elements.len() {
        let element = elements.get(index);
        let mut found = 0.0;
        match by {
            None => found = score(element),
            Some(by) => look_up(keys, by, element, |value| {
                found = score(value.as_bytes(&mut IntegerText::default()));
            }),
        }
        scores.push(found);
    }
    let refused = Error::text("ERR One or more scores can't be converted into double");
    if sound { Ok(scores) } else { Err(refused) }
}

/// Shows the value that a pattern names for an element, if there is one: the element itself for `#`; else the string of the
/// key with the element in the place of the star, or the field behind `->` of the hash there.
fn look_up(keys: &mut Keys<'_>, pattern: &[u8], element: &[u8], show: impl FnOnce(Value<'_>)) {
    if Error::quotable(pattern) == b"#" {
        return show(Value::Bytes(element));
    }
    let Some(star) = star(pattern) else { return };
    let behind = &pattern[star + 1..];
    let arrow = Error::quotable(behind).windows(2).position(|pair| pair == b"->");
    // An arrow with nothing behind it is part of the name.
    let arrow = arrow.filter(|at| behind.get(at + 2).is_some_and(|&byte| byte != 0));
    let (postfix, field) = match arrow {
        Some(at) => (&behind[..at], Some(&behind[at + 2..])),
        None => (behind, None),
    };
    let key = [&pattern[..star], element, postfix].concat();
    let now_ms = keys.now_ms;
    let Some(record) = keys.read(&key) else { return };
    match field {
        None => {
            record.string().map(show);
        }
        Some(field) => {
            let field = record.object::<Hash>().and_then(|hash| hash.get(field));
            if let Some(field) = field.filter(|field| !field.is_due(now_ms)) {
                show(field.value);
            }
        }
    }
}

fn reply(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    get: &[usize],
    elements: &Texts,
    sorted: &[usize],
) -> CommandResult {
    let begin = cx.reply.len();
    cx.reply.array(sorted.len() * get.len().max(1));
    for &index in sorted {
        let element = elements.get(index);
        if get.is_empty() {
            cx.reply.bulk(element);
        }
        for &at in get {
            let mut found = false;
            let reply = &mut *cx.reply;
            look_up(cx.keys, args.at(at), element, |value| {
                found = true;
                reply.bulk(value.as_bytes(&mut IntegerText::default()));
            });
            if !found {
                cx.reply.null();
            }
        }
        check_size(cx.reply, begin)?;
    }
    Ok(())
}

/// Stores the result as a list, or removes the key when there is none; how many elements it has.
fn store_result(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    get: &[usize],
    elements: &Texts,
    sorted: &[usize],
    key: &[u8],
) -> usize {
    let fill = list::fill(cx.server);
    let mut list = List::new();
    let mut push = |value: Value<'_>| {
        list.grow(value.len(), 1, fill);
        list.push(Side::Right, value, fill);
    };
    for &index in sorted {
        let element = elements.get(index);
        if get.is_empty() {
            push(Value::Bytes(element));
        }
        for &at in get {
            let mut found = false;
            look_up(cx.keys, args.at(at), element, |value| {
                found = true;
                push(value);
            });
            if !found {
                push(Value::Bytes(b""));
            }
        }
    }
    let len = list.len();
    if len > 0 {
        cx.keys.set_object(key, list);
        cx.keys.event(EventClass::LIST, "sortstore", key);
    } else if cx.keys.remove(key) {
        cx.keys.event(EventClass::GENERIC, "del", key);
    }
    len
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::Fixture;

    #[test]
    fn sorting_by_keys_in_any_shard() {
        let mut server = Fixture::new();
        server.check("RPUSH list 3 1 2", ":3");
        server.check("MSET w_1 30 w_2 20 w_3 10 {t}w_1 1 {t}w_2 3 {t}w_3 2", "+OK");
        server.check("SORT list", "*3|$1|1|$1|2|$1|3");
        server.check("SORT list BY w_* GET w_* GET #", "*6|$2|10|$1|3|$2|20|$1|2|$2|30|$1|1");
        server.check("SORT list BY {t}w_* LIMIT 1 1 GET {t}w_*", "*1|$1|2");
        server.check("SORT_RO list BY w_* DESC LIMIT 0 1", "*1|$1|1");
        server.check("SORT list BY w_* STORE far", ":3");
        server.check("LRANGE far 0 -1", "*3|$1|3|$1|2|$1|1");
        // The last one counts, whatever the first one is called.
        server.check("SORT list STORE GET STORE other", ":3");
        server.check("EXISTS GET other", ":1");
        server.check("SORT missing STORE far", ":0");
        server.check("EXISTS far", ":0");
        server.check("SORT_RO list STORE far", "-ERR syntax error");
        server.check("SORT w_1", "-WRONGTYPE Operation against a key holding the wrong kind of value");
        server.check("RPUSH texts a", ":1");
        server.check("SORT texts", "-ERR One or more scores can't be converted into double");
    }
}
