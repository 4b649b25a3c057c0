//! PFDEBUG, PFSELFTEST.

use super::{KEY, ROW, Sketch};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec, Locks};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::Entry;
use boxcar_store::hyperloglog::sparse::{self, Opcode};
use boxcar_store::hyperloglog::{self, HEADER_LEN, Layout, REGISTERS, dense};
use std::fmt::Write as _;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "pfdebug",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::ADMIN, Flags::SYSTEM]),
        keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::ACCESS))],
        complexity: "N/A",
        summary: "Shows the inside of a HyperLogLog.",
        arguments: &[Argument::new("subcommand", "string"), KEY],
        handler: pfdebug,
        ..ROW
    },
    Command {
        name: "pfselftest",
        arity: 1,
        flags: Flags::of(&[Flags::ADMIN, Flags::SYSTEM]),
        locks: Locks::Nothing,
        complexity: "N/A",
        summary: "Tests whether HyperLogLogs work on this machine.",
        handler: pfselftest,
        ..ROW
    },
];

fn pfdebug(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(2);
    let Entry::Occupied(entry) = cx.keys.write(key) else {
        return Err(const { Error::text("ERR The specified key does not exist") });
    };
    let mut sketch = Sketch::open(entry, cx.server)?;
    let layout = sketch.layout;
    let is = |name| args.is(1, name);
    if !["getreg", "decode", "encoding", "todense"].into_iter().any(is) {
        let name = Error::quotable(args.at(1));
        return Err(Error::Bytes([b"ERR Unknown PFDEBUG subcommand '", name, b"'"].concat()));
    }
    if is("decode") {
        if layout == Layout::Dense {
            return Err(const { Error::text("ERR HLL encoding is not sparse") });
        }
        cx.reply.bulk(decode(sketch.image())?.as_bytes());
        return Ok(());
    }
    if is("encoding") {
        cx.reply.simple(if layout == Layout::Dense { "dense" } else { "sparse" });
        return Ok(());
    }
    sketch.make_dense()?;
    if is("getreg") {
        let packed = sketch.packed_mut();
        cx.reply.array(REGISTERS);
        (0..REGISTERS).for_each(|index| cx.reply.integer(i64::from(dense::get(packed, index))));
    } else {
        cx.reply.integer(i64::from(layout == Layout::Sparse));
    }
    // What a watcher sees is the same in either layout.
    if layout == Layout::Sparse {
        cx.keys.counted();
    }
    Ok(())
}

/// The opcodes: `z:`, `Z:` and a run of zeros, or `v:`, a rank and its run.
fn decode(image: &[u8]) -> Result<String, Error> {
    let mut text = String::new();
    for opcode in sparse::opcodes(&image[HEADER_LEN..]) {
        let separator = if text.is_empty() { "" } else { " " };
        let written = match opcode? {
            Opcode::Zeros(run) => write!(text, "{separator}z:{run}"),
            Opcode::LongZeros(run) => write!(text, "{separator}Z:{run}"),
            Opcode::Ranked { rank, run } => write!(text, "{separator}v:{rank},{run}"),
        };
        written.expect("writing to a String does not fail");
    }
    Ok(text)
}

fn pfselftest(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    hyperloglog::self_test(rand::random())?;
    cx.reply.ok();
    Ok(())
}
