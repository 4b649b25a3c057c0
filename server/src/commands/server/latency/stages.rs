//! LATENCY STAGES: where the time of sampled requests goes, from the I/O thread's wake-up to the end of the send.

use super::wire;
use crate::commands::wire::WireLatency;
use crate::commands::{Args, CommandResult, Cx, Error};
use crate::observability::histogram::Snapshot;
use crate::observability::stages::NAMES;

/// A map of the stages in their order, each as LATENCY WIRE shows a class; before them `wire`, where the probe runs: the whole
/// way of all requests. With RESET, OK: the stages are forgotten, the wire is not.
pub fn stages(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match args.len() {
        2 => {}
        3 if args.at(2).eq_ignore_ascii_case(b"reset") => {
            cx.server.stats.reset_stages();
            cx.reply.ok();
            return Ok(());
        }
        _ => return Err(Error::Syntax),
    }
    let on_wire = match cx.server.wire.get() {
        None => None,
        Some(probe) => probe
            .total()
            .map_err(|reason| Error::Bytes(format!("ERR the wire's latencies: {reason}").into_bytes()))?,
    };
    let stages = cx.server.stats.stages();
    cx.reply.map(stages.len() + usize::from(on_wire.is_some()));
    if let Some(on_wire) = on_wire {
        cx.reply.bulk(b"wire");
        wire::write(cx.reply, &on_wire);
    }
    for (name, stage) in NAMES.iter().zip(&stages) {
        cx.reply.bulk(name.as_bytes());
        wire::write(cx.reply, &figures(stage));
    }
    Ok(())
}

fn figures(stage: &Snapshot) -> WireLatency {
    WireLatency {
        class: String::new(),
        replies: stage.count(),
        percentiles_us: [50.0, 99.0, 99.9].map(|percent| stage.percentile(percent).div_ceil(1000)),
        cumulative_us: stage.powers_of_two(),
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::Fixture;

    #[test]
    fn five_stages_and_errors() {
        let mut fixture = Fixture::new();
        let empty = "*10|$5|calls|:0|$8|p50_usec|:0|$8|p99_usec|:0|$10|p99.9_usec|:0|$14|histogram_usec|*0";
        let stages = ["parsed", "queued", "executed", "written", "sent"];
        let all = stages.map(|name| format!("|${}|{name}|{empty}", name.len())).concat();
        fixture.check("LATENCY STAGES", &format!("*10{all}"));
        fixture.check("LATENCY STAGES RESET", "+OK");
        fixture.check("LATENCY STAGES OTHER", "-ERR syntax error");
    }
}
