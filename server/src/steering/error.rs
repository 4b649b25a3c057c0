//! Why the kernel-side programs do not run.

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use std::io;

/// Each says what is missing, and what to do about it where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum SteeringError {
    /// Built without the object.
    #[error("this server was built without the kernel-side programs (`cargo xtask ebpf` builds them)")]
    NoObject,
    /// Not allowed to load programs.
    #[error(
        "it takes root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; this process lacks {0}"
    )]
    Privileges(&'static str),
    /// The directives contradict each other, or the machine.
    #[error("{0}")]
    Directives(String),
    /// No interface to attach to.
    #[error("interface {name}: {reason}")]
    Interface {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Loading the object.
    #[error("the kernel refuses the programs: {0}")]
    Load(#[from] EbpfError),
    /// Loading or attaching a program.
    #[error("program {name}: {}", described(source))]
    Program {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: ProgramError,
    },
    /// Filling or reading a map.
    #[error("map {name}: {}", described(source))]
    Map {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: MapError,
    },
    /// The object has no such part: it belongs to another version of the server.
    #[error("the embedded object has no {0}: `cargo xtask ebpf` builds the one that fits")]
    Unfit(&'static str),
    /// The place for pinned maps.
    #[error("pinning maps in {path}: {reason}")]
    Pin {
        /// The folder.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The system refuses something else.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// An error with its causes, outermost first.
pub(super) fn described(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
