//! Reading what is new: XREAD, XREADGROUP.

use super::{
    CONSUMER, COUNT, GROUP, ID, KEY, ROW, at_most, consumer_made, id, meet_consumer, no_key_or_group,
    read_stream, stream_mut, write_entries, write_entry,
};
use crate::commands::blocking::{Timeout, Wait};
use crate::commands::row::{Argument, Begin, Command, Find, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::{Protocol, Reply, Span};
use boxcar_store::stream::{ConsumerId, Group, GroupMut, Log, Pending, StreamId};
use boxcar_store::{Entry, Kind};
use smallvec::SmallVec;

const BLOCK: Argument = Argument::new("milliseconds", "integer").after("BLOCK").optional();
const STREAMS: Argument = Argument::block("streams", &[KEY.multiple(), ID.multiple()]).after("STREAMS");

/// The options before STREAMS, each with its number of values.
const OPTIONS: &[(&str, usize)] = &[("block", 1), ("count", 1), ("group", 2), ("noack", 0)];

/// The keys of a call: half of what stands behind STREAMS.
const fn streams(from: i32) -> KeySpec {
    KeySpec {
        begin: Begin::Option { word: "STREAMS", from, before: OPTIONS },
        find: Find::FirstHalf,
        ..KeySpec::one(0, KeyFlags::RO.union(KeyFlags::ACCESS))
    }
}

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xread",
        arity: -4,
        flags: Flags::of(&[Flags::READONLY, Flags::BLOCKING, Flags::MOVABLEKEYS]),
        keys: &[streams(1)],
        complexity: "",
        summary: "Returns the entries of several streams behind given IDs, and waits for some when there are none.",
        arguments: &[COUNT, BLOCK, STREAMS],
        handler: xread,
        ..ROW
    },
    Command {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING, Flags::MOVABLEKEYS]),
        keys: &[streams(4)],
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant \
            (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side \
            when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the \
            stream getting new data.",
        summary: "Gives entries of several streams to a consumer of a group: new ones, or again those it has not \
            acknowledged.",
        arguments: &[
            Argument::block("group-block", &[GROUP, CONSUMER]).after("GROUP"),
            COUNT,
            BLOCK,
            Argument::word("noack", "NOACK").optional(),
            STREAMS,
        ],
        handler: xreadgroup,
        ..ROW
    },
];

/// Where a stream is read from.
#[derive(Clone, Copy)]
enum From {
    /// Behind this ID; in a group, what is pending with the consumer.
    Behind(StreamId),
    /// What the group has not given to anybody.
    New,
    /// Not at all: see [`passes_over`].
    Nowhere,
}

/// A call's options.
#[derive(Default)]
struct Options<'a> {
    count: u64,
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    noack: bool,
    /// How long to wait when there is nothing.
    block: Option<Timeout>,
    /// Where the keys begin, and how many there are.
    first: usize,
    streams: usize,
}

fn parse<'a>(cx: &Cx<'_, '_>, args: Args<'a>, grouped: bool) -> Result<Options<'a>, Error> {
    let mut options = Options::default();
    let mut i = 1;
    while i < args.len() {
        let more = args.len() - i - 1;
        if args.is(i, "block") && more >= 1 {
            options.block = Some(Timeout::milliseconds(args, i + 1)?);
            i += 1;
        } else if args.is(i, "count") && more >= 1 {
            options.count = u64::try_from(args.integer(i + 1)?).unwrap_or(0);
            i += 1;
        } else if args.is(i, "streams") && more >= 1 {
            options.first = i + 1;
            break;
        } else if args.is(i, "group") && more >= 2 {
            if !grouped {
                return Err(only_in_group("GROUP"));
            }
            options.group = Some((args.at(i + 1), args.at(i + 2)));
            i += 2;
        } else if args.is(i, "noack") {
            if !grouped {
                return Err(only_in_group("NOACK"));
            }
            options.noack = true;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    if options.first == 0 {
        return Err(Error::Syntax);
    }
    let left = args.len() - options.first;
    if left % 2 == 1 {
        let choices = if grouped { "an ID or '>'" } else { "an ID, '+', or '$'" };
        let text = format!(
            "ERR Unbalanced '{}' list of streams: for each stream key {choices} must be specified.",
            cx.command.name
        );
        return Err(text.into());
    }
    options.streams = left / 2;
    if grouped && options.group.is_none() {
        return Err(const { Error::text("ERR Missing GROUP option for XREADGROUP") });
    }
    Ok(options)
}

fn only_in_group(option: &str) -> Error {
    format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.").into()
}

/// Where each stream is read from. Types and groups are looked at, too, before anything is read.
fn resolve(cx: &mut Cx<'_, '_>, args: Args<'_>, options: &Options<'_>) -> Result<SmallVec<[From; 4]>, Error> {
    let mut from = SmallVec::new();
    for i in options.first..options.first + options.streams {
        let (key, text) = (args.at(i), args.at(i + options.streams));
        if cx.serving && passes_over(cx, key, options) {
            from.push(From::Nowhere);
            continue;
        }
        let stream = read_stream(cx.keys, key)?;
        if let Some((group, _)) = options.group
            && stream.is_none_or(|stream| stream.group(group).is_none())
        {
            return Err(no_key_or_group(key, group, " in XREADGROUP with GROUP option"));
        }
        from.push(match (text, options.group) {
            (b"$" | b"+", Some(_)) => return Err(meaningless(text[0].into())),
            (b"$", None) => From::Behind(stream.map_or(StreamId::MIN, |stream| stream.last_id())),
            (b"+", None) => {
                let last = stream.map_or(StreamId::MIN, |stream| stream.tail_id());
                From::Behind(last.prev().unwrap_or(StreamId::MIN))
            }
            (b">", Some(_)) => From::New,
            (b">", None) => {
                return Err(const {
                    Error::text(
                        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                         <consumer> option.",
                    )
                });
            }
            (text, group) => match id::parse(text, 0)? {
                // What Redis writes for `>`.
                StreamId::MAX if group.is_some() => From::New,
                id => From::Behind(id),
            },
        });
    }
    Ok(from)
}

/// Whether the command of a client that waits leaves a key alone. Those that are not locked have nothing to say, or it
/// would have been served. XREAD goes on waiting when a key is gone or has become something else; XREADGROUP does not.
fn passes_over(cx: &mut Cx<'_, '_>, key: &[u8], options: &Options<'_>) -> bool {
    match options.group {
        Some(_) => !cx.keys.holds(key),
        None => !cx.keys.holds_kind(key, Kind::Stream),
    }
}

fn meaningless(id: char) -> Error {
    format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the > ID to get new messages. The {id} ID would just return an empty result \
         set."
    )
    .into()
}

/// The reply to a call: streams with their entries, a map in RESP3.
struct Served {
    before: usize,
    mark: boxcar_resp::Deferred,
    count: usize,
}

impl Served {
    fn begin(reply: &mut Reply) -> Self {
        let before = reply.len();
        let mark = match reply.protocol() {
            Protocol::Resp2 => reply.deferred_array(),
            Protocol::Resp3 => reply.deferred_map(),
        };
        Self { before, mark, count: 0 }
    }

    /// One more stream, whose entries follow.
    fn stream(&mut self, reply: &mut Reply, key: &[u8]) {
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
        self.count += 1;
    }

    /// Ends the reply; when no stream had anything, there is none, and the client waits if it wants to.
    fn finish(
        self,
        cx: &mut Cx<'_, '_>,
        args: Args<'_>,
        options: &Options<'_>,
        from: &[From],
    ) -> CommandResult {
        if self.count > 0 {
            cx.reply.finish(self.mark, self.count);
            return Ok(());
        }
        cx.reply.truncate(self.before);
        match options.block {
            Some(timeout) => wait(cx, args, options, from, timeout),
            None => {
                cx.reply.null_array();
                Ok(())
            }
        }
    }
}

/// Waits for entries. What `$` stands for is settled now: later it would be another entry.
fn wait(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    options: &Options<'_>,
    from: &[From],
    timeout: Timeout,
) -> CommandResult {
    let keys = options.first..options.first + options.streams;
    // A group that is gone is an answer, too.
    let even_missing = options.group.is_some();
    let wait = Wait { even_missing, ..Wait::new(keys, Kind::Stream, timeout) };
    let ids = options.first + options.streams;
    if !args.from(ids).any(|id| id == b"$") {
        return cx.block(args, wait);
    }
    let (mut input, mut spans) = (Vec::new(), Vec::with_capacity(args.len()));
    for (i, arg) in args.from(0).enumerate() {
        let start = input.len() as u32;
        match i.checked_sub(ids).map(|nth| from[nth]) {
            Some(From::Behind(last)) if arg == b"$" => {
                let (text, len) = id::text(last);
                input.extend_from_slice(&text[..len]);
            }
            _ => input.extend_from_slice(arg),
        }
        spans.push(Span { start, len: input.len() as u32 - start });
    }
    cx.block(Args::new(&input, &spans), wait)
}

fn xread(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = parse(cx, args, false)?;
    let from = resolve(cx, args, &options)?;
    let mut served = Served::begin(cx.reply);
    for (key, &from) in args.from(options.first).zip(&from) {
        let From::Behind(last) = from else { continue };
        let Some(stream) = read_stream(cx.keys, key)? else { continue };
        let Some(start) = last.next().filter(|_| stream.length() > 0 && stream.tail_id() > last) else {
            continue;
        };
        served.stream(cx.reply, key);
        write_entries(cx.reply, stream.range(start).take(at_most(options.count)));
    }
    served.finish(cx, args, &options, &from)
}

fn xreadgroup(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = parse(cx, args, true)?;
    let from = resolve(cx, args, &options)?;
    let (group_name, consumer_name) = options.group.expect("XREADGROUP is refused without a group");
    let (now_ms, count) = (cx.keys.now_ms, at_most(options.count));
    let mut served = Served::begin(cx.reply);
    for (key, &from) in args.from(options.first).zip(&from) {
        if matches!(from, From::Nowhere) {
            continue;
        }
        let Entry::Occupied(mut entry) = cx.keys.write(key) else { continue };
        let mut stream = stream_mut(&mut entry)?;
        let Some((log, mut group)) = stream.group_mut(group_name) else { continue };
        let (consumer, made) = meet_consumer(&mut group, consumer_name, now_ms);
        let mut changed = false;
        match from {
            From::Behind(last) => {
                served.stream(cx.reply, key);
                write_history(cx.reply, log, &mut group, consumer, last, count, now_ms);
            }
            From::New if log.length() > 0 && log.tail_id() > group.last_id => {
                served.stream(cx.reply, key);
                let pending =
                    (!options.noack).then_some(Pending { consumer, delivered_ms: now_ms, deliveries: 1 });
                give_new(cx.reply, log, &mut group, pending, count);
                changed = true;
            }
            From::New | From::Nowhere => {}
        }
        drop(group);
        drop(stream);
        if made {
            consumer_made(cx, key);
        }
        if changed {
            cx.stats.metrics.changes.add(1);
        }
    }
    served.finish(cx, args, &options, &from)
}

/// Replies with what the group has not given to anybody and notes that it has now, and to whom, if it is to be acknowledged.
fn give_new(reply: &mut Reply, log: &Log, group: &mut GroupMut<'_>, pending: Option<Pending>, count: usize) {
    let Some(start) = group.last_id.next() else { return reply.array(0) };
    let (mark, mut written) = (reply.deferred_array(), 0);
    for entry in log.range(start).take(count) {
        let group: &mut Group = group;
        group.entries_read = log.entries_read_after(group.entries_read, group.last_id, entry.id);
        group.last_id = entry.id;
        write_entry(reply, &entry);
        if let Some(pending) = pending {
            group.give(entry.id, pending);
            group.consumer_mut(pending.consumer).active_ms = Some(pending.delivered_ms);
        }
        written += 1;
    }
    reply.finish(mark, written);
}

/// Replies with what is pending with a consumer behind `last`, which counts as one more delivery. Of an entry that is gone,
/// only the ID is left.
fn write_history(
    reply: &mut Reply,
    log: &Log,
    group: &mut GroupMut<'_>,
    consumer: ConsumerId,
    last: StreamId,
    count: usize,
    now_ms: i64,
) {
    let Some(start) = last.next() else { return reply.array(0) };
    let pending = group.consumer(consumer).pending().range(start..).take(count);
    let ids: SmallVec<[StreamId; 8]> = pending.copied().collect();
    reply.array(ids.len());
    for id in ids {
        match log.get(id) {
            Some(entry) => {
                write_entry(reply, &entry);
                group.redeliver(id, now_ms);
            }
            None => {
                reply.array(2);
                id::write(reply, id);
                reply.null_array();
            }
        }
    }
}
