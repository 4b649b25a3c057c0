//! Every bound this package puts on what it reads or keeps, each with its reason.

/// Longest inline command, and longest `*count` or `$length` line, in bytes without its line end: 64 KiB, as
/// `PROTO_INLINE_MAX_SIZE` of Redis. Bounds what a peer can make us buffer without ever sending a line end.
pub const MAX_INLINE: usize = 64 * 1024;

/// Default for the longest bulk string of a request: 512 MiB, the default of Redis's `proto-max-bulk-len`.
pub const MAX_BULK_LEN: usize = 512 * 1024 * 1024;

/// Largest argument count of a multibulk request (`INT_MAX`, as Redis). The count alone reserves nothing: memory
/// grows only with arguments that have arrived.
pub const MAX_MULTIBULK: i64 = i32::MAX as i64;

/// Largest argument count before authentication, as Redis 6.2.6 and later (CVE-2021-32675).
pub const MAX_MULTIBULK_UNAUTHENTICATED: i64 = 10;

/// Longest bulk string before authentication, in bytes, as Redis 6.2.6 and later (CVE-2021-32675).
pub const MAX_BULK_LEN_UNAUTHENTICATED: usize = 16 * 1024;

/// Most input one parse looks at: offsets are 32 bits wide to keep a batch of commands small in the cache.
pub const MAX_INPUT: usize = u32::MAX as usize;

/// Longest multibulk request in bytes. Below [`MAX_INPUT`] by more than two header lines, so that a command which is
/// still within this bound always completes or fails inside one input window.
pub const MAX_COMMAND_LEN: usize = MAX_INPUT - 4 * MAX_INLINE;

/// Argument positions a reused vector keeps between uses; a rare giant command must not pin its memory for ever.
/// 16 Ki positions are 128 KiB: a batch of a thousand ordinary commands fits several times.
pub const RETAINED_ARGS: usize = 16 * 1024;

/// Argument positions a connection keeps for half-received commands (512 bytes): commands of everyday size resume
/// without allocating, and ten thousand idle connections still hold only 5 MB.
pub const RETAINED_PENDING: usize = 64;

/// Longest simple string, error, number or length line a client accepts, in bytes: 1 MiB. Errors raised by scripts
/// carry their text in such a line, so it is well above [`MAX_INLINE`].
pub const MAX_REPLY_LINE: usize = 1024 * 1024;

/// Longest bulk string a client accepts, in bytes: 4 GiB less one. Values above Redis's default of 512 MiB exist where
/// `proto-max-bulk-len` was raised.
pub const MAX_REPLY_BULK: i64 = u32::MAX as i64;

/// Most elements of one aggregate (pairs for maps) a client accepts (`INT_MAX`, as Redis sends at most).
pub const MAX_REPLY_ELEMENTS: i64 = i32::MAX as i64;

/// Deepest nesting of aggregates a client decodes. COMMAND DOCS, the deepest regular reply, nests about ten levels;
/// Redis lets a script nest 7,999 levels, which a recursive reader could not hold on a small stack.
pub const MAX_REPLY_DEPTH: usize = 128;
