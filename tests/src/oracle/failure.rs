//! What a failed sequence says of itself.

use super::generate::Step;
use crate::value::Value;

/// What a client receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// A reply or message, and its bytes.
    Reply(Value, Vec<u8>),
    /// The end of the connection.
    Closed,
    /// Nothing: the client waits in a blocking command.
    Nothing,
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reply(value, _) => value.fmt(f),
            Self::Closed => f.write_str("closed"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// Something that a client received from the real server.
#[derive(Debug, Clone)]
pub struct Received {
    /// The step after which it came.
    pub step: usize,
    /// Who.
    pub client: u8,
    /// What.
    pub came: Came,
}

/// What went wrong.
#[derive(Debug, Clone)]
pub enum Problem {
    /// They answer differently.
    Different {
        /// The real server.
        peer: Came,
        /// The one under test.
        boxcar: Came,
    },
    /// They differ in something that is no reply.
    Otherwise(String),
    /// One of them does not answer at all.
    Broken(String),
}

/// A sequence that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was played, up to the failed step and what was sent together with it.
    pub steps: Vec<Step>,
    /// What came from the real server.
    pub received: Vec<Received>,
    /// The full name of the command that failed.
    pub command: String,
    /// What happened there.
    pub problem: Problem,
}

impl Failure {
    /// Whether a server has crashed or hangs.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.problem, Problem::Broken(_))
    }

    /// Whether it is the same failure for somebody who makes a sequence shorter: at the same command, or again the end
    /// of a server.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.is_broken() == other.is_broken() && (self.is_broken() || self.command == other.command)
    }

    /// What tells one failure from another: the command and the kinds of the two replies, or where a server panicked.
    #[must_use]
    pub fn signature(&self) -> String {
        let kind = |came: &Came| match came {
            Came::Reply(Value::Error(text), _) => String::from_utf8_lossy(text).chars().take(24).collect(),
            Came::Reply(value, _) => format!("{:?}", std::mem::discriminant(value)),
            other => other.to_string(),
        };
        match &self.problem {
            Problem::Different { peer, boxcar } => {
                format!("{} {} {}", self.command, kind(peer), kind(boxcar))
            }
            Problem::Otherwise(what) => format!("{} {what}", self.command),
            Problem::Broken(what) => {
                let place = what.lines().find(|line| line.contains("panicked at"));
                place.or(what.lines().next()).unwrap_or_default().to_owned()
            }
        }
    }
}
