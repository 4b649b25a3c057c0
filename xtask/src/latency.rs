//! `cargo xtask latency`: draws the latency that a running server's probe measures on the wire, live.

use anyhow::{Context, bail};
use boxcar_resp::client::{Value, decode, encode_command};
use std::fmt::Write as _;
use std::io::{IsTerminal, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What `cargo xtask latency` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The server's host
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The server's port
    #[arg(long, default_value_t = 6379)]
    port: u16,
    /// The password of the default user
    #[arg(long)]
    password: Option<String>,
    /// Seconds between two drawings
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// Draw this many times; 0 = until interrupted
    #[arg(long, default_value_t = 0)]
    count: u64,
}

/// Width of the longest bar.
const BAR: usize = 50;

/// Asks the server again and again and draws what has come since the last time.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut connection = Connection::open(&arguments.host, arguments.port)?;
    if let Some(password) = &arguments.password {
        connection.call(&["AUTH", password])?;
    }
    let mut before = classes(&connection.call(&["LATENCY", "WIRE"])?)?;
    let mut drawn = 0;
    while arguments.count == 0 || drawn < arguments.count {
        std::thread::sleep(Duration::from_secs(arguments.interval));
        let now = classes(&connection.call(&["LATENCY", "WIRE"])?)?;
        if std::io::stdout().is_terminal() {
            // To the upper left corner, and nothing below it.
            print!("\x1b[H\x1b[J");
        }
        print!("{}", draw(&now, &before, arguments.interval));
        std::io::stdout().flush()?;
        before = now;
        drawn += 1;
    }
    Ok(())
}

struct Connection(TcpStream);

impl Connection {
    fn open(host: &str, port: u16) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect((host, port)).with_context(|| format!("no server at {host}:{port}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self(stream))
    }

    fn call(&mut self, command: &[&str]) -> anyhow::Result<Value> {
        let mut bytes = Vec::new();
        encode_command(&mut bytes, command);
        self.0.write_all(&bytes)?;
        let mut reply = Vec::new();
        loop {
            if let Some((value, _)) = decode(&reply)? {
                if value.is_error() {
                    bail!("{}", String::from_utf8_lossy(value.as_bytes().unwrap_or_default()));
                }
                return Ok(value);
            }
            let mut more = [0; 16 << 10];
            let read = self.0.read(&mut more)?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            reply.extend_from_slice(&more[..read]);
        }
    }
}

/// One size class: microseconds, and the replies that took at most as long as that and longer than the row before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Class {
    name: String,
    rows: Vec<(i64, i64)>,
}

/// Reads the reply of LATENCY WIRE.
fn classes(reply: &Value) -> anyhow::Result<Vec<Class>> {
    let pairs = |value: &Value| -> anyhow::Result<Vec<(Value, Value)>> {
        let Value::Array(elements) = value else { bail!("LATENCY WIRE answers something else") };
        Ok(elements.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    };
    let text = |value: &Value| String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned();
    let mut found = Vec::new();
    for (name, figures) in pairs(reply)? {
        let figures = pairs(&figures)?;
        let histogram = figures.iter().find(|(key, _)| text(key) == "histogram_usec");
        let mut rows = Vec::new();
        let mut below = 0;
        for (micros, up_to) in pairs(&histogram.context("LATENCY WIRE has no histogram")?.1)? {
            let up_to = up_to.as_integer().unwrap_or(0);
            rows.push((micros.as_integer().unwrap_or(0), up_to - below));
            below = up_to;
        }
        found.push(Class { name: text(&name), rows });
    }
    Ok(found)
}

/// The replies since `before`. A row that holds fewer than before was reset: then all it holds is new.
fn draw(now: &[Class], before: &[Class], seconds: u64) -> String {
    let mut text = String::new();
    for class in now {
        let old = before.iter().find(|old| old.name == class.name);
        let old = |micros: i64| {
            old.and_then(|old| old.rows.iter().find(|row| row.0 == micros)).map_or(0, |row| row.1)
        };
        let rows = class.rows.iter().map(|&(micros, count)| {
            let old = old(micros);
            (micros, if old > count { count } else { count - old })
        });
        let rows: Vec<(i64, i64)> = rows.collect();
        let total: i64 = rows.iter().map(|row| row.1).sum();
        let most = rows.iter().map(|row| row.1).max().unwrap_or(0).max(1);
        let per_second = total / seconds.max(1).cast_signed();
        writeln!(text, "replies {} bytes: {per_second} a second", class.name.replace('_', " "))
            .expect("writing to a String does not fail");
        for (micros, count) in rows {
            let bar = "#".repeat((count as usize * BAR).div_ceil(most as usize));
            writeln!(text, "{:>9} us {count:>9} {bar}", format!("<= {micros}"))
                .expect("writing to a String does not fail");
        }
    }
    if text.is_empty() {
        text.push_str("no reply was measured yet\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(second: i64) -> Value {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let numbers = [8, 10, 16, second].map(Value::Integer).to_vec();
        let figures =
            vec![bulk("calls"), Value::Integer(second), bulk("histogram_usec"), Value::Array(numbers)];
        Value::Array(vec![bulk("up_to_64"), Value::Array(figures)])
    }

    #[test]
    fn what_is_new_is_drawn() {
        let (before, now) = (classes(&reply(30)).unwrap(), classes(&reply(130)).unwrap());
        assert_eq!(now[0].rows, [(8, 10), (16, 120)]);
        let text = draw(&now, &before, 2);
        assert_eq!(text.lines().next(), Some("replies up to 64 bytes: 50 a second"));
        assert_eq!(text.lines().nth(1), Some("     <= 8 us         0 "));
        assert!(text.lines().nth(2).unwrap().ends_with(&format!("      100 {}", "#".repeat(BAR))));
        assert_eq!(draw(&[], &[], 1), "no reply was measured yet\n");
    }

    #[test]
    fn after_a_reset_everything_is_new() {
        let (before, now) = (classes(&reply(130)).unwrap(), classes(&reply(30)).unwrap());
        assert!(draw(&now, &before, 1).contains("20 a second"));
    }
}
