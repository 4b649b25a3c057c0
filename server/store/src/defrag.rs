//! Moving records together, so that jemalloc can give the slabs back that they leave.
//!
//! jemalloc says of each allocation how full its slab is beside the others of its size. What lies in a slab that is
//! emptier than the average moves to the one that is being filled. Blobs, objects and tables stay where they are: of
//! those, few are small enough to share a slab.

use core::ffi::{c_char, c_void};
use core::ptr::NonNull;
use std::alloc::Layout;
use std::sync::OnceLock;

use smallvec::SmallVec;
use tikv_jemalloc_sys::{
    MALLOCX_ARENA, MALLOCX_TCACHE_NONE, mallctl, mallctlbymib, mallctlnametomib, mallocx, sdallocx,
};

use crate::db::Db;
use crate::record::RawRecord;
use crate::table::CURSOR_BITS;

/// What one call of [`Db::defragment`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defragmented {
    /// The position that goes on; zero at the end.
    pub position: u64,
    /// Records moved.
    pub moved: usize,
    /// Records that lie well.
    pub kept: usize,
}

impl Db<'_> {
    /// Looks at the records of some buckets from `position` on, as for [`Db::scan`], and moves those that lie badly.
    /// Does nothing when the records are not jemalloc's.
    pub fn defragment(&mut self, position: u64, buckets: usize) -> Defragmented {
        let hasher = &self.core.context.hasher;
        let mut done =
            Defragmented { position: position & ((1 << CURSOR_BITS) - 1), ..Defragmented::default() };
        for _ in 0..buckets {
            let mut records = SmallVec::<[RawRecord; 16]>::new();
            // SAFETY: the lock is held, see Core.
            done.position = unsafe {
                self.core.table().walk_bucket(done.position, hasher, &mut |found| records.push(found.record))
            };
            for record in records {
                if lies_badly(record.as_ptr()) {
                    done.moved += 1;
                    self.move_record(record);
                } else {
                    done.kept += 1;
                }
            }
            if done.position == 0 {
                break;
            }
        }
        done
    }

    fn move_record(&mut self, record: RawRecord) {
        // SAFETY: the record is in the table and the lock is held; the database is borrowed mutably, so that nothing
        // of the record is. The table has forgotten the old record when it is freed.
        unsafe {
            let hash = self.core.context.hasher.hash(record.key());
            let at = self.core.find(hash, record.key()).expect("a record of a bucket is found");
            let copy = record.copy_to(|layout| allocate_beside(record.as_ptr(), layout));
            self.core.table().replace(at, copy);
            record.free_moved(|memory, layout| {
                sdallocx(memory.as_ptr().cast(), layout.size(), MALLOCX_TCACHE_NONE);
            });
        }
    }
}

/// What `experimental.utilization.query` writes (jemalloc 5.3, inspect.h).
#[derive(Default)]
#[repr(C)]
struct Utilization {
    slab_being_filled: usize,
    free: usize,
    regions: usize,
    size: usize,
    bin_free: usize,
    bin_regions: usize,
}

/// Bytes that this thread has ever had from jemalloc; `None` when it does not count them.
fn thread_allocated() -> Option<u64> {
    let (mut bytes, mut len) = (0u64, size_of::<u64>());
    // SAFETY: the query writes one 64-bit integer.
    let error = unsafe {
        mallctl(c"thread.allocated".as_ptr(), (&raw mut bytes).cast(), &raw mut len, core::ptr::null_mut(), 0)
    };
    (error == 0).then_some(bytes)
}

/// Whether the program's allocator is jemalloc, and not merely linked: only then may it be asked about an address.
fn is_the_allocator() -> bool {
    let before = thread_allocated();
    let probe = core::hint::black_box(Box::new([0u64; 8]));
    let after = thread_allocated();
    drop(probe);
    before.is_some() && before != after
}

/// The name of the query, translated once; `None` when this jemalloc has none, or is not the program's allocator.
fn query() -> Option<&'static [usize; 3]> {
    static QUERY: OnceLock<Option<[usize; 3]>> = OnceLock::new();
    let translate = || {
        if !is_the_allocator() {
            return None;
        }
        let (mut name, mut len) = ([0; 3], 3);
        // SAFETY: the name ends with a zero, and three words may be written.
        let error = unsafe {
            mallctlnametomib(c"experimental.utilization.query".as_ptr(), name.as_mut_ptr(), &raw mut len)
        };
        (error == 0 && len == 3).then_some(name)
    };
    QUERY.get_or_init(translate).as_ref()
}

/// Whether an allocation lies in a slab that is emptier than the average of its size, and is not being filled.
/// False when jemalloc is not the allocator.
fn lies_badly(address: *const u64) -> bool {
    let Some(query) = query() else { return false };
    let mut found = Utilization::default();
    let (mut len, mut address) = (size_of::<Utilization>(), address);
    // SAFETY: the query reads one pointer to memory of jemalloc's, and writes the words of a Utilization.
    let error = unsafe {
        mallctlbymib(
            query.as_ptr(),
            query.len(),
            (&raw mut found).cast::<c_void>(),
            &raw mut len,
            (&raw mut address).cast::<c_void>(),
            size_of::<*const u64>(),
        )
    };
    let Utilization { slab_being_filled, free, regions, size, bin_free, bin_regions } = found;
    let being_filled = (slab_being_filled..slab_being_filled.saturating_add(size)).contains(&address.addr());
    // Shares of free places, multiplied out.
    error == 0 && regions > 1 && !being_filled && free * bin_regions > bin_free * regions
}

/// Memory from the same arena as `neighbour`, out of the slab that is being filled and not from a thread's cache.
fn allocate_beside(neighbour: *const u64, layout: Layout) -> Option<NonNull<u8>> {
    let (mut arena, mut len, mut neighbour) = (0u32, size_of::<u32>(), neighbour);
    let name: *const c_char = c"arenas.lookup".as_ptr();
    // SAFETY: the query reads one pointer and writes an unsigned int.
    let error = unsafe {
        mallctl(
            name,
            (&raw mut arena).cast(),
            &raw mut len,
            (&raw mut neighbour).cast(),
            size_of::<*const u64>(),
        )
    };
    let arena = if error == 0 { MALLOCX_ARENA(arena as usize) } else { 0 };
    debug_assert!(layout.align() <= 16, "every allocation of this size is aligned so far");
    // SAFETY: the size is not zero, and jemalloc aligns sizes of 16 and more at least to 16.
    NonNull::new(unsafe { mallocx(layout.size(), MALLOCX_TCACHE_NONE | arena) }.cast())
}
