//! What jemalloc is told when the process starts, before any code of ours runs.

use core::ffi::{CStr, c_char};

/// - `thp:always`: ask the kernel for huge pages behind everything (`madvise(2)`, `MADV_HUGEPAGE`). Whether it may give them is
///   decided by the system (`/sys/kernel/mm/transparent_hugepage/enabled`) and, at run time, by `prctl(2)`,
///   `PR_SET_THP_DISABLE`.
/// - `slab_sizes`: eight allocations of 8 KiB, the size of a list's nodes, share a slab of 16 pages. With one in each slab,
///   which is jemalloc's own choice, what jemalloc knows of a slab takes 1.6 % on top.
const OPTIONS: &CStr = c"thp:always,slab_sizes:8192-8192:16";

/// A `const char *` that may lie in a `static`.
#[repr(transparent)]
pub struct Options(*const c_char);

// SAFETY: it points at a constant that nobody changes.
unsafe impl Sync for Options {}

/// Read by jemalloc under this name (jemalloc(3), "Tuning": `malloc_conf`, with the prefix of the Rust packages); the
/// environment variable `_RJEM_MALLOC_CONF` comes after it and wins. Without jemalloc nobody reads it.
// SAFETY: no other symbol has this name but jemalloc's own weak one, whose type this is.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static JEMALLOC_OPTIONS: Options = Options(OPTIONS.as_ptr());
