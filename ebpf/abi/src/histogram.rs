//! The log-linear buckets of the latency probe: 32 to a power of two, about 3 % apart, from 1 us to 17 s.

/// Sub-buckets of a power of two, as bits.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
/// Below 2^10 ns, buckets are linear, 32 ns each.
const LINEAR_BITS: u32 = 10;
/// Values end below 2^34 ns; longer ones count as the longest.
const MAX_BITS: u32 = 34;

/// Number of buckets.
pub const BUCKETS: usize = SUB + (MAX_BITS - LINEAR_BITS) as usize * SUB;
/// Number of [`octave`]s.
pub const OCTAVES: usize = (MAX_BITS - LINEAR_BITS) as usize + 1;

/// One histogram.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Buckets {
    /// Values in each bucket; see [`bucket`].
    pub counts: [u64; BUCKETS],
}

/// The power of two that holds `nanos`: 0 is everything below 2^10 ns, 1 up to 2^11, and so on, below [`OCTAVES`].
#[inline(always)]
pub const fn octave(nanos: u64) -> usize {
    // Without branches, which latencies would make the processor guess wrong. The kernel's machine cannot count zeros: the highest
    // bit is copied into all below it, and those are counted.
    const LAST: u64 = (1 << (MAX_BITS - LINEAR_BITS)) - 1;
    let units = nanos >> LINEAR_BITS;
    let mut bits = if units < LAST { units as u32 } else { LAST as u32 };
    bits |= bits >> 1;
    bits |= bits >> 2;
    bits |= bits >> 4;
    bits |= bits >> 8;
    bits |= bits >> 16;
    bits.count_ones() as usize
}

/// The bucket that holds `nanos`; below [`BUCKETS`].
#[inline(always)]
pub const fn bucket(nanos: u64) -> usize {
    const LAST: u64 = (1 << MAX_BITS) - 1;
    let nanos = if nanos > LAST { LAST } else { nanos };
    let octave = octave(nanos);
    // 0 for the first octave, which is as wide as the second, and 1 for all others.
    let above = (octave + 31) >> 5;
    let sub = (nanos >> (octave - above + SUB_BITS as usize)) as usize & (SUB - 1);
    octave * SUB + sub
}

/// The [`octave`] of the values in `bucket`; below [`OCTAVES`].
#[inline(always)]
pub const fn octave_of(bucket: usize) -> usize {
    let octave = bucket / SUB;
    if octave >= OCTAVES { OCTAVES - 1 } else { octave }
}

/// The largest value of `bucket`, in nanoseconds.
pub const fn upper_bound(bucket: usize) -> u64 {
    let (octave, sub) = (bucket / SUB, (bucket % SUB) as u64);
    if octave == 0 {
        return (sub + 1) * SUB as u64 - 1;
    }
    let step = octave as u32 - 1 + SUB_BITS;
    ((SUB as u64 + sub + 1) << step) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_ordered_and_tight() {
        let values =
            (0..300_000u64).chain((10..34).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 77]));
        for value in values {
            let found = bucket(value);
            assert!(found < BUCKETS && octave(value) == octave_of(found), "{value}");
            assert!(upper_bound(found) >= value, "{value} lies above {}", upper_bound(found));
            assert!(found == 0 || upper_bound(found - 1) < value, "{value} lies in the bucket before");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(octave(u64::MAX), OCTAVES - 1);
        assert_eq!(octave(1023), 0);
        assert_eq!(octave(1024), 1);
    }

    #[test]
    fn resolution_is_three_percent_from_one_microsecond_on() {
        for bucket in SUB..BUCKETS {
            let (below, here) = (upper_bound(bucket - 1) as f64, upper_bound(bucket) as f64);
            assert!(here / below < 1.0 + 1.0 / 31.0, "{below} to {here}");
        }
    }
}
