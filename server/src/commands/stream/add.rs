//! Adding and trimming: XADD, XTRIM.

use super::id::{self, NewId};
use super::{KEY, ROW, stream_mut};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use crate::config::rows;
use boxcar_store::stream::{AppendError, NodeLimits, StreamId, Trim};
use boxcar_store::{Entry, Stream};

const TRIM: Argument = Argument::block(
    "trim",
    &[
        Argument::one_of(
            "strategy",
            &[Argument::word("maxlen", "MAXLEN"), Argument::word("minid", "MINID").since("6.2.0")],
        ),
        Argument::one_of("operator", &[Argument::word("equal", "="), Argument::word("approximately", "~")])
            .optional(),
        Argument::new("threshold", "string"),
        Argument::new("count", "integer").after("LIMIT").since("6.2.0").optional(),
    ],
);

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xadd",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec {
            notes: "UPDATE instead of INSERT because of the optional trimming feature",
            ..KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))
        }],
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
        summary: "Adds an entry to a stream, which is made when it is missing.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            Argument::word("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            TRIM.optional(),
            Argument::one_of("id-selector", &[Argument::word("auto-id", "*"), Argument::new("id", "string")]),
            Argument::block("data", &[Argument::new("field", "string"), Argument::new("value", "string")])
                .multiple(),
        ],
        handler: xadd,
        ..ROW
    },
    Command {
        name: "xtrim",
        arity: -4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, since \
            entries are organized in macro nodes containing multiple entries that can be released with a single \
            deallocation.",
        summary: "Removes the oldest entries of a stream.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY, TRIM],
        handler: xtrim,
        ..ROW
    },
];

/// How a stream is to be trimmed.
#[derive(Clone, Copy)]
struct Trimming {
    trim: Trim,
    approximate: bool,
    limit: Option<u64>,
}

impl Trimming {
    fn apply(self, stream: &mut Stream) -> u64 {
        stream.trim(self.trim, self.approximate, self.limit)
    }
}

/// What stands before XADD's fields.
struct Options {
    trimming: Option<Trimming>,
    make: bool,
    /// The ID, and where its argument is; `None` when the arguments end before.
    id: Option<(NewId, usize)>,
}

/// The options of XADD up to the ID, or those of XTRIM.
fn parse(cx: &Cx<'_, '_>, args: Args<'_>, xadd: bool) -> Result<Options, Error> {
    const ONE_STRATEGY: Error =
        Error::text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    let mut options = Options { trimming: None, make: true, id: None };
    let (mut trim, mut approximate, mut limit) = (None, false, None);
    let mut i = 2;
    while i < args.len() {
        let more = args.len() - 1 - i;
        let (maxlen, minid) = (args.is(i, "maxlen"), args.is(i, "minid"));
        if xadd && args.at(i) == b"*" {
            options.id = Some((NewId::Auto, i));
            break;
        } else if (maxlen || minid) && more >= 1 {
            if trim.is_some() {
                return Err(ONE_STRATEGY);
            }
            approximate = more >= 2 && args.at(i + 1) == b"~";
            i += 1 + usize::from(more >= 2 && matches!(args.at(i + 1), b"~" | b"="));
            trim = Some(if maxlen {
                Trim::ToLength(length(args, i)?)
            } else {
                Trim::From(id::parse(args.at(i), 0)?)
            });
        } else if args.is(i, "limit") && more >= 1 {
            let refused = const { Error::text("ERR The LIMIT argument must be >= 0.") };
            limit = Some(u64::try_from(args.integer(i + 1)?).map_err(|_| refused)?);
            i += 1;
        } else if xadd && args.is(i, "nomkstream") {
            options.make = false;
        } else if xadd {
            options.id = Some((id::parse_new(args.at(i))?, i));
            break;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    let Some(trim) = trim else {
        return match limit {
            Some(1..) => Err(const {
                Error::text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
            }),
            _ if !xadd => {
                Err(const { Error::text("ERR syntax error, XTRIM must be called with a trimming strategy") })
            }
            Some(0) => Err(LIMIT_NEEDS_APPROXIMATION),
            None => Ok(options),
        };
    };
    let limit = match (limit, approximate) {
        (Some(_), false) => return Err(LIMIT_NEEDS_APPROXIMATION),
        (Some(limit), true) => limit,
        (None, true) => default_limit(cx),
        (None, false) => 0,
    };
    options.trimming = Some(Trimming { trim, approximate, limit: (limit > 0).then_some(limit) });
    Ok(options)
}

const LIMIT_NEEDS_APPROXIMATION: Error =
    Error::text("ERR syntax error, LIMIT cannot be used without the special ~ option");

fn length(args: Args<'_>, i: usize) -> Result<u64, Error> {
    let refused = const { Error::text("ERR The MAXLEN argument must be >= 0.") };
    u64::try_from(args.integer(i)?).map_err(|_| refused)
}

/// What approximate trimming removes at most when no limit is given: a hundred nodes of entries.
fn default_limit(cx: &Cx<'_, '_>) -> u64 {
    match cx.server.config.int(rows::STREAM_NODE_MAX_ENTRIES).unsigned_abs().saturating_mul(100) {
        0 => 10_000,
        limit => limit.min(1_000_000),
    }
}

fn xadd(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = parse(cx, args, true)?;
    let arity = || Error::WrongArity(cx.command.name.clone());
    let Some((new_id, at)) = options.id else { return Err(arity()) };
    let first = at + 1;
    let fields = args.len() - first;
    if fields < 2 || fields % 2 == 1 {
        return Err(arity());
    }
    if new_id == NewId::Given(StreamId::MIN) {
        return Err(const { Error::text("ERR The ID specified in XADD must be greater than 0-0") });
    }
    let limits = NodeLimits {
        bytes: cx.server.config.bytes(rows::STREAM_NODE_MAX_BYTES),
        entries: cx.server.config.int(rows::STREAM_NODE_MAX_ENTRIES).unsigned_abs(),
    };
    let fields = (0..fields / 2).map(|i| (args.at(first + 2 * i), args.at(first + 2 * i + 1)));
    let now_ms = cx.keys.now_ms;
    let add = |stream: &mut Stream| {
        let id = choose_id(stream, new_id, now_ms)?;
        stream.append(id, fields, limits)?;
        let trimmed = options.trimming.map_or(0, |trimming| trimming.apply(stream));
        Ok::<_, Error>((id, trimmed))
    };
    let (key, clock) = (args.at(1), cx.keys.access_clock());
    let (id, trimmed) = match cx.keys.write(key) {
        Entry::Occupied(mut entry) => add(&mut *stream_mut(&mut entry)?)?,
        Entry::Vacant(_) if !options.make => {
            cx.reply.null();
            return Ok(());
        }
        Entry::Vacant(entry) => {
            let mut stream = Stream::new();
            let added = add(&mut stream)?;
            entry.insert_object(stream, None, clock);
            added
        }
    };
    id::write(cx.reply, id);
    cx.keys.changed(key);
    cx.keys.event(EventClass::STREAM, "xadd", key);
    if trimmed > 0 {
        cx.keys.event(EventClass::STREAM, "xtrim", key);
    }
    Ok(())
}

const NOT_ABOVE: Error =
    Error::text("ERR The ID specified in XADD is equal or smaller than the target stream top item");

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NotAbove => NOT_ABOVE,
            AppendError::TooLarge => const { Error::text("ERR Elements are too large to be stored") },
        }
    }
}

/// The ID of a new entry.
fn choose_id(stream: &Stream, new_id: NewId, now_ms: i64) -> Result<StreamId, Error> {
    let last = stream.last_id();
    let Some(next) = last.next() else {
        return Err(const {
            Error::text("ERR The stream has exhausted the last possible ID, unable to add more items")
        });
    };
    Ok(match new_id {
        NewId::Given(id) => id,
        NewId::AutoSeq(ms) if ms == last.ms => {
            StreamId { ms, seq: last.seq.checked_add(1).ok_or(NOT_ABOVE)? }
        }
        NewId::AutoSeq(ms) => StreamId { ms, seq: 0 },
        NewId::Auto => next.max(StreamId { ms: u64::try_from(now_ms).unwrap_or(0), seq: 0 }),
    })
}

fn xtrim(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = parse(cx, args, false)?;
    let trimming = options.trimming.expect("XTRIM is refused without a strategy");
    let key = args.at(1);
    let trimmed = match cx.keys.write(key) {
        Entry::Occupied(mut entry) => trimming.apply(&mut *stream_mut(&mut entry)?),
        Entry::Vacant(_) => 0,
    };
    if trimmed > 0 {
        cx.keys.event(EventClass::STREAM, "xtrim", key);
        cx.keys.touched(key);
        cx.stats.metrics.changes.add(trimmed);
    }
    cx.reply.integer(trimmed as i64);
    Ok(())
}
