//! The differential oracle: random command sequences, played to Boxcar and to a real server, must be answered with the
//! same bytes.
//!
//! - [`rows`]: what there is to play, from COMMAND and COMMAND DOCS of the server under test.
//! - [`pools`]: the values that arguments are drawn from, and the hints where the documentation does not say enough.
//! - [`choice`]: which commands are played in company, alone, or not at all.
//! - [`generate`]: sequences, each from a seed.
//! - [`tolerance`]: the table of what may differ, each row with its reason.
//! - [`pair`]: the two servers. [`play`]: one sequence to both, reply by reply. [`failure`]: what differed.
//! - [`digest`]: the reads that compare what a sequence has left behind.
//! - [`shrink`]: a short sequence that still fails, as a transcript.
//! - [`campaign`]: many sequences, progress, and the check that every command was hit.

pub mod campaign;
pub mod choice;
pub mod digest;
pub mod failure;
pub mod generate;
pub mod pair;
pub mod play;
pub mod pools;
pub mod rows;
pub mod shrink;
pub mod tolerance;
