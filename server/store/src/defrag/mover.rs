//! Moving single allocations to where jemalloc's memory is fuller.

use core::ffi::{c_char, c_void};
use core::ptr::NonNull;
use std::alloc::{Layout, handle_alloc_error};
use std::sync::OnceLock;

use tikv_jemalloc_sys::{
    MALLOCX_ARENA, MALLOCX_TCACHE_NONE, mallctl, mallctlbymib, mallctlnametomib, mallocx, sdallocx,
};

/// Moves allocations that lie badly, and counts them.
#[derive(Debug, Default)]
pub(crate) struct Mover {
    /// Allocations that were moved.
    pub(crate) moved: usize,
    /// Allocations that lie well.
    pub(crate) kept: usize,
}

impl Mover {
    /// Whether an allocation lies badly. Counts it: who asks moves what does.
    pub(crate) fn wants(&mut self, memory: NonNull<u8>) -> bool {
        let wanted = lies_badly(memory.as_ptr());
        *(if wanted { &mut self.moved } else { &mut self.kept }) += 1;
        wanted
    }

    /// Moves an allocation, and returns its new address.
    ///
    /// # Safety
    /// It is one of the program's allocator, of this layout, and nothing in it is borrowed; the old address is not used
    /// afterwards.
    pub(crate) unsafe fn relocate(&mut self, memory: NonNull<u8>, layout: Layout) -> NonNull<u8> {
        let Some(new) = allocate_beside(memory.as_ptr(), layout) else { handle_alloc_error(layout) };
        // SAFETY: both are of this layout, and the new one is nobody else's. The program's allocator is jemalloc, or the
        // allocation would not lie badly.
        unsafe {
            new.copy_from_nonoverlapping(memory, layout.size());
            sdallocx(memory.as_ptr().cast(), layout.size(), MALLOCX_TCACHE_NONE);
        }
        new
    }

    /// Moves an allocation if it lies badly: `address` is its present and later its new one.
    ///
    /// # Safety
    /// As for [`Mover::relocate`].
    pub(crate) unsafe fn allocation(&mut self, address: &mut NonNull<u8>, layout: Layout) {
        if self.wants(*address) {
            // SAFETY: as the caller vouches.
            *address = unsafe { self.relocate(*address, layout) };
        }
    }

    /// Moves what a box holds.
    pub(crate) fn boxed<T>(&mut self, boxed: &mut Box<T>) {
        let mut address = NonNull::from(&mut **boxed).cast();
        // SAFETY: the box is exclusively borrowed, and its allocation is of this layout; the box that comes back takes the
        // place of the old one, which is not dropped.
        unsafe {
            self.allocation(&mut address, Layout::new::<T>());
            core::ptr::write(boxed, Box::from_raw(address.cast().as_ptr()));
        }
    }

    /// Moves bytes in a box.
    pub(crate) fn bytes(&mut self, boxed: &mut Box<[u8]>) {
        if boxed.is_empty() {
            return;
        }
        let (mut address, len) = (NonNull::from(&mut **boxed).cast(), boxed.len());
        // SAFETY: as for `boxed`.
        unsafe {
            self.allocation(&mut address, Layout::for_value(&**boxed));
            core::ptr::write(
                boxed,
                Box::from_raw(core::ptr::slice_from_raw_parts_mut(address.as_ptr(), len)),
            );
        }
    }

    /// Moves the array of a vector.
    pub(crate) fn vec<T>(&mut self, vec: &mut Vec<T>) {
        let (len, capacity) = (vec.len(), vec.capacity());
        let Ok(layout) = Layout::array::<T>(capacity) else { return };
        if layout.size() == 0 {
            return;
        }
        let mut address = NonNull::from(vec.as_mut_slice()).cast();
        // SAFETY: as for `boxed`; the new vector has the length and the capacity of the old one.
        unsafe {
            self.allocation(&mut address, layout);
            core::ptr::write(vec, Vec::from_raw_parts(address.cast().as_ptr(), len, capacity));
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

/// Whether an allocation lies in a slab that is not much fuller than the average of its size, nor full, nor being filled.
/// False when jemalloc is not the allocator.
fn lies_badly(address: *const u8) -> bool {
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
            size_of::<*const u8>(),
        )
    };
    let Utilization { slab_being_filled, free, regions, size, bin_free, bin_regions } = found;
    let being_filled = (slab_being_filled..slab_being_filled.saturating_add(size)).contains(&address.addr());
    // Shares of used places, multiplied out; with an eighth of slack, or a bin whose slabs are all as empty as each other
    // would stay as it is.
    let (used, bin_used) = (regions.saturating_sub(free), bin_regions.saturating_sub(bin_free));
    error == 0 && regions > 1 && free > 0 && !being_filled && used * bin_regions * 8 <= bin_used * regions * 9
}

/// Memory from the same arena as `neighbour`, out of the slab that is being filled and not from a thread's cache.
fn allocate_beside(neighbour: *const u8, layout: Layout) -> Option<NonNull<u8>> {
    let (mut arena, mut len, mut neighbour) = (0u32, size_of::<u32>(), neighbour);
    let name: *const c_char = c"arenas.lookup".as_ptr();
    // SAFETY: the query reads one pointer and writes an unsigned int.
    let error = unsafe {
        mallctl(
            name,
            (&raw mut arena).cast(),
            &raw mut len,
            (&raw mut neighbour).cast(),
            size_of::<*const u8>(),
        )
    };
    let arena = if error == 0 { MALLOCX_ARENA(arena as usize) } else { 0 };
    debug_assert!(layout.align() <= 16, "every allocation of this size is aligned so far");
    // SAFETY: the size is not zero, and jemalloc aligns sizes of 16 and more at least to 16.
    NonNull::new(unsafe { mallocx(layout.size(), MALLOCX_TCACHE_NONE | arena) }.cast())
}

/// Gives back what jemalloc keeps of freed memory for this thread alone. False when it keeps nothing of the kind.
#[must_use]
pub fn flush_thread_cache() -> bool {
    let name: *const c_char = c"thread.tcache.flush".as_ptr();
    // SAFETY: this control takes and returns nothing.
    unsafe { mallctl(name, core::ptr::null_mut(), core::ptr::null_mut(), core::ptr::null_mut(), 0) == 0 }
}
