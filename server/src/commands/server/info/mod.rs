//! INFO: figures about the server, by sections. A section is a row that writes its lines; the rooms above add theirs.
//!
//! - `general`: server, clients, replication, modules, cluster, keyspace, and Boxcar's own section.
//! - `figures`: memory, persistence, stats, cpu.
//! - `statistics`: commandstats, errorstats, latencystats.

mod figures;
mod general;
mod statistics;

pub(super) use figures::{difference, human_bytes, ratio};

use super::ROW;
use crate::commands::row::{Argument, Categories, Command, Flags};
use crate::commands::server_state::InfoSection;
use crate::commands::{Args, CommandResult, Cx};

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "info",
    arity: -1,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    categories: Categories::DANGEROUS,
    summary: "Returns figures about the server, by sections.",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    arguments: &[Argument::new("section", "string").optional().multiple()],
    handler: info,
    ..ROW
}];

/// The sections of this room, in Redis's order.
pub const SECTIONS: &[InfoSection] = &[
    InfoSection { name: "server", title: "Server", default: true, write: general::server },
    InfoSection { name: "boxcar", title: "Boxcar", default: true, write: general::boxcar },
    InfoSection { name: "ebpf", title: "Ebpf", default: false, write: general::ebpf },
    InfoSection { name: "clients", title: "Clients", default: true, write: general::clients },
    InfoSection { name: "memory", title: "Memory", default: true, write: figures::memory },
    InfoSection { name: "persistence", title: "Persistence", default: true, write: figures::persistence },
    InfoSection { name: "stats", title: "Stats", default: true, write: figures::stats },
    InfoSection { name: "replication", title: "Replication", default: true, write: general::replication },
    InfoSection { name: "cpu", title: "CPU", default: true, write: figures::cpu },
    InfoSection { name: "modules", title: "Modules", default: true, write: general::modules },
    InfoSection { name: "network", title: "Network", default: false, write: general::network },
    InfoSection {
        name: "commandstats",
        title: "Commandstats",
        default: false,
        write: statistics::commandstats,
    },
    InfoSection { name: "errorstats", title: "Errorstats", default: true, write: statistics::errorstats },
    InfoSection {
        name: "latencystats",
        title: "Latencystats",
        default: false,
        write: statistics::latencystats,
    },
    InfoSection { name: "cluster", title: "Cluster", default: true, write: general::cluster },
    InfoSection { name: "keyspace", title: "Keyspace", default: true, write: general::keyspace },
];

fn info(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let wanted = |section: &InfoSection| {
        let mut words = args.from(1);
        if words.len() == 0 {
            return section.default;
        }
        words.any(|word| {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            is(section.name) || is("all") || is("everything") || (is("default") && section.default)
        })
    };
    let mut text = String::new();
    for section in cx.server.info.iter().filter(|section| wanted(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# ");
        text.push_str(section.title);
        text.push_str("\r\n");
        (section.write)(cx.server, &mut text);
    }
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Appends `field:value` lines, the values formatted as `{}` does.
macro_rules! lines {
    ($text:expr; $($field:literal: $value:expr),* $(,)?) => {{
        use std::fmt::Write as _;
        $( write!($text, concat!($field, ":{}\r\n"), $value).expect("writing to a String does not fail"); )*
    }};
}
use lines;
