//! The hash of a connection: the same for both directions, and the same function in every program.

use crate::layout::Address;

/// A hash of the four numbers that name a connection; swapping the ends does not change it. Use its high bits first, as
/// [`spread`] does.
#[inline(always)]
pub fn hash(one: &Address, other: &Address, one_port: u16, other_port: u16) -> u32 {
    let [a, b] = one.halves();
    let [c, d] = other.halves();
    let ports = u64::from(one_port ^ other_port);
    // Exclusive or makes it symmetric. Both multipliers are odd, so that no bit is lost (2^64 over the golden ratio, and
    // the one of 64-bit murmur's finisher).
    let mut mixed = (a ^ c).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b ^ d) ^ (ports << 16);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

/// Which of `count` equal parts of the hashes' range `hash` lies in: 0 to `count - 1` (0 when `count` is 0).
#[inline(always)]
pub fn spread(hash: u32, count: u32) -> u32 {
    ((u64::from(hash) * u64::from(count)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> Address {
        Address::v4([10, 77, 0, last])
    }

    #[test]
    fn both_directions_hash_alike() {
        let v6 = |last| Address::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 9, 8, 7, 6, 5, 4, 3, last]);
        for port in 1..2000 {
            assert_eq!(hash(&v4(1), &v4(2), port, 6379), hash(&v4(2), &v4(1), 6379, port));
            assert_eq!(hash(&v6(1), &v6(2), port, 6379), hash(&v6(2), &v6(1), 6379, port));
        }
    }

    #[test]
    fn consecutive_ports_and_addresses_spread_evenly() {
        for threads in [2u32, 3, 8, 63] {
            let mut seen = [[0u32; 64]; 2];
            for i in 0..20_000u16 {
                seen[0][spread(hash(&v4(1), &v4(2), 20_000 + i, 6379), threads) as usize] += 1;
                let address = Address::v4([10, 0, (i >> 8) as u8, i as u8]);
                seen[1][spread(hash(&address, &v4(2), 40_000, 6379), threads) as usize] += 1;
            }
            let expected = 20_000 / threads;
            for counts in seen {
                for &count in &counts[..threads as usize] {
                    assert!(count.abs_diff(expected) * 3 < expected, "{threads}: {count} of {expected}");
                }
            }
        }
    }

    #[test]
    fn parts_stay_in_range() {
        assert_eq!(spread(u32::MAX, 3), 2);
        assert_eq!(spread(0, 3), 0);
        assert_eq!(spread(u32::MAX, 0), 0);
        assert_eq!(spread(u32::MAX, 1), 0);
    }
}
