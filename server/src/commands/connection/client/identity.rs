//! CLIENT ID, GETNAME, SETNAME, SETINFO: who a connection is.

use super::{FLAGS, ROW};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error};

/// CLIENT ID.
pub const ID: Command = Command {
    name: "id",
    arity: 2,
    flags: FLAGS,
    since: "5.0.0",
    summary: "Returns the id of the connection.",
    handler: id,
    ..ROW
};

/// CLIENT GETNAME.
pub const GETNAME: Command = Command {
    name: "getname",
    arity: 2,
    flags: FLAGS,
    since: "2.6.9",
    summary: "Returns the name of the connection.",
    handler: getname,
    ..ROW
};

/// CLIENT SETNAME.
pub const SETNAME: Command = Command {
    name: "setname",
    arity: 3,
    flags: FLAGS,
    since: "2.6.9",
    summary: "Names the connection.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new("connection-name", "string")],
    handler: setname,
    ..ROW
};

/// CLIENT SETINFO.
pub const SETINFO: Command = Command {
    name: "setinfo",
    arity: 4,
    flags: FLAGS,
    since: "7.2.0",
    summary: "Sets the name or version of the client library.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::one_of(
        "attr",
        &[
            Argument::new("libname", "string").after("LIB-NAME"),
            Argument::new("libver", "string").after("LIB-VER"),
        ],
    )],
    handler: setinfo,
    ..ROW
};

/// What is wrong with a connection's name.
pub const NAME_ERROR: Error =
    Error::text("ERR Client names cannot contain spaces, newlines or special characters.");

/// Whether `text` may stand in a CLIENT LIST line, whose fields are separated by spaces.
pub fn is_label(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn id(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(cx.session.client.id as i64);
    Ok(())
}

fn getname(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let labels = cx.session.client.labels();
    if labels.name.is_empty() {
        cx.reply.null();
    } else {
        cx.reply.bulk(&labels.name);
    }
    Ok(())
}

fn setname(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let name = args.at(2);
    if !is_label(name) {
        return Err(NAME_ERROR);
    }
    name.clone_into(&mut cx.session.client.labels().name);
    cx.reply.ok();
    Ok(())
}

fn setinfo(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (attribute, value) = (args.at(2), args.at(3));
    let mut labels = cx.session.client.labels();
    let label = if args.is(2, "lib-name") {
        &mut labels.library_name
    } else if args.is(2, "lib-ver") {
        &mut labels.library_version
    } else {
        return Err(Error::Bytes([b"ERR Unrecognized option '", Error::quotable(attribute), b"'"].concat()));
    };
    if !is_label(value) {
        let text = [b"ERR ", attribute, b" cannot contain spaces, newlines or special characters."].concat();
        return Err(Error::Bytes(text));
    }
    value.clone_into(label);
    cx.reply.ok();
    Ok(())
}
