//! What the tests of defragmentation share: jemalloc, its figures, and passes.

use boxcar_store::{Keyspace, ValuePosition};
use std::ffi::CStr;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A figure of jemalloc's, as it is now.
pub fn figure(name: &CStr) -> usize {
    let (mut epoch, mut value, mut len) = (1u64, 0usize, size_of::<usize>());
    // SAFETY: the epoch is a u64 that is read; the figure is a word that is written.
    let errors = unsafe {
        let write = (&raw mut epoch).cast();
        [
            tikv_jemalloc_sys::mallctl(
                c"epoch".as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                write,
                size_of::<u64>(),
            ),
            tikv_jemalloc_sys::mallctl(
                name.as_ptr(),
                (&raw mut value).cast(),
                &raw mut len,
                std::ptr::null_mut(),
                0,
            ),
        ]
    };
    assert_eq!(errors, [0, 0]);
    value
}

/// One pass; how many allocations were moved.
pub fn pass(keyspace: &Keyspace<()>) -> usize {
    let mut moved = 0;
    for shard in 0..keyspace.shards() as u32 {
        let mut position = 0;
        loop {
            let step = keyspace.lock(shard).db(0).defragment(position, 8);
            moved += step.moved;
            for key in step.large {
                let (hash, mut at) = (keyspace.locate(&key).hash, Some(ValuePosition::default()));
                while let Some(position) = at {
                    let step = keyspace.lock(shard).db(0).defragment_value(hash, &key, position, 16);
                    moved += step.moved;
                    at = step.position;
                }
            }
            position = step.position;
            if position == 0 {
                break;
            }
        }
    }
    moved
}

/// Whether this one of many is left when most are removed: three of sixteen.
pub fn stays(number: u32) -> bool {
    number.wrapping_mul(2_654_435_761) >> 24 < 48
}
