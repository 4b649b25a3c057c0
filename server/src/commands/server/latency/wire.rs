//! LATENCY WIRE: how long the host takes to answer, from a request's first frame in to its reply's first frame out.

use crate::commands::wire::WireLatency;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::Reply;

/// A map of size classes, each with the figures of LATENCY HISTOGRAM and three percentiles; or, with RESET, OK.
pub fn wire(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let Some(wire) = cx.server.wire.get() else { return Err(unavailable("there is no probe")) };
    match args.len() {
        2 => {}
        3 if args.at(2).eq_ignore_ascii_case(b"reset") => {
            wire.reset().map_err(|reason| unavailable(&reason))?;
            cx.reply.ok();
            return Ok(());
        }
        _ => return Err(Error::Syntax),
    }
    let classes = wire.latency().map_err(|reason| unavailable(&reason))?;
    cx.reply.map(classes.len());
    for class in classes {
        cx.reply.bulk(class.class.as_bytes());
        write(cx.reply, &class);
    }
    Ok(())
}

/// The figures of one distribution.
pub fn write(reply: &mut Reply, found: &WireLatency) {
    reply.map(5);
    reply.bulk(b"calls");
    reply.integer(found.replies as i64);
    for (name, micros) in ["p50_usec", "p99_usec", "p99.9_usec"].into_iter().zip(found.percentiles_us) {
        reply.bulk(name.as_bytes());
        reply.integer(micros as i64);
    }
    reply.bulk(b"histogram_usec");
    reply.map(found.cumulative_us.len());
    for &(micros, count) in &found.cumulative_us {
        reply.integer(micros as i64);
        reply.integer(count as i64);
    }
}

fn unavailable(reason: &str) -> Error {
    Error::Bytes(format!("ERR nothing is measured on the wire: {reason}").into_bytes())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::Fixture;
    use crate::commands::wire::{Wire, WireLatency};
    use std::sync::Arc;

    struct Fixed;

    impl Wire for Fixed {
        fn info(&self, _: &mut String) {}

        fn latency(&self) -> Result<Vec<WireLatency>, String> {
            Ok(vec![WireLatency {
                class: "up_to_64".to_owned(),
                replies: 3,
                percentiles_us: [8, 16, 16],
                cumulative_us: vec![(8, 2), (16, 3)],
            }])
        }

        fn total(&self) -> Result<Option<WireLatency>, String> {
            Ok(None)
        }

        fn reset(&self) -> Result<(), String> {
            Err("xdp is off".to_owned())
        }
    }

    #[test]
    fn figures_and_errors() {
        let mut fixture = Fixture::new();
        fixture.check("LATENCY WIRE", "-ERR nothing is measured on the wire: there is no probe");
        assert!(fixture.server.wire.set(Arc::new(Fixed)).is_ok());
        fixture.check(
            "LATENCY WIRE",
            "*2|$8|up_to_64|*10|$5|calls|:3|$8|p50_usec|:8|$8|p99_usec|:16|$10|p99.9_usec|:16|$14|histogram_usec|\
             *4|:8|:2|:16|:3",
        );
        fixture.check("LATENCY WIRE RESET", "-ERR nothing is measured on the wire: xdp is off");
        fixture.check("LATENCY WIRE OTHER", "-ERR syntax error");
    }
}
