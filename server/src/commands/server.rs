//! Placeholder family.

use super::row::Command;

/// The rows.
pub const COMMANDS: &[Command] = &[];
