//! From parsed commands to executed ones: lock planning, the staged executor, and the rings to the workers.
//!
//! One sentence governs this room: *a command holds the locks of all the shards its keys live in, taken in
//! ascending order, while it executes.*

mod admission;
pub mod batch;
pub mod defragmentation;
pub mod eviction;
pub mod executor;
pub mod expiry;
pub mod housekeeping;
pub mod locking;
pub mod worker;
