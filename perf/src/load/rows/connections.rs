//! Commands without keys, and publishing.

use super::checks::{natural, unexpected};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use boxcar_resp::client::Value;

pub(super) const ROWS: &[Row] = &[
    row("ping", "PING", Family::Connections, ping, check_ping),
    row("echo", "ECHO value", Family::Connections, echo, check_echo),
    row("publish", "PUBLISH channel value", Family::Channels, publish, natural),
];

fn ping(command: &mut Command<'_>, _asked: &Asked) {
    command.begin("PING", 0);
}

fn echo(command: &mut Command<'_>, asked: &Asked) {
    command.begin("ECHO", 1);
    command.value(asked.key(), 0);
}

fn publish(command: &mut Command<'_>, asked: &Asked) {
    command.begin("PUBLISH", 2);
    command.key(Family::Channels, asked.key());
    command.value(asked.key(), 0);
}

fn check_ping(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    match value {
        Value::Simple(text) if text == b"PONG" => Ok(Found::Something),
        other => Err(unexpected(other)),
    }
}

fn check_echo(world: &World, asked: &Asked, value: &Value) -> Checked {
    match value {
        Value::Bulk(bytes) => world.values.check(asked.key(), bytes).map(|_version| Found::Something),
        other => Err(unexpected(other)),
    }
}
