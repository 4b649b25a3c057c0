//! The dense layout with AVX2: 32 registers, 24 packed bytes, at a time.

use super::dense::{self, Packed};
use super::estimate::{Histogram, Tally};
use super::{REGISTERS, Registers};
use core::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_max_epu8, _mm256_or_si256, _mm256_set_m128i,
    _mm256_set1_epi32, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_storeu_si256,
};

/// Registers in one step.
const STEP: usize = 32;
/// Their packed bytes.
const STEP_BYTES: usize = STEP / dense::GROUP * dense::GROUP_BYTES;
/// Bytes that half a vector stands for.
const HALF_BYTES: usize = STEP_BYTES / 2;
/// Steps in vectors. Reading and writing reach up to four bytes beyond a step, so the last one is left to the
/// scalar form.
const STEPS: usize = REGISTERS / STEP - 1;

/// See [`dense::merge_scalar`].
#[target_feature(enable = "avx2")]
pub(super) fn merge(registers: &mut Registers, packed: &Packed) {
    for step in 0..STEPS {
        let target: &mut [u8; STEP] =
            registers[step * STEP..].first_chunk_mut().expect("steps end before the registers do");
        let raised = _mm256_max_epu8(load(target), unpack(packed, step * STEP_BYTES));
        store(target, raised);
    }
    dense::merge_scalar(&mut registers[STEPS * STEP..], &packed[STEPS * STEP_BYTES..]);
}

/// See [`dense::histogram_scalar`].
#[target_feature(enable = "avx2")]
pub(super) fn histogram(packed: &Packed) -> Histogram {
    let mut tally = Tally::default();
    let mut ranks = [0; STEP];
    for step in 0..STEPS {
        store(&mut ranks, unpack(packed, step * STEP_BYTES));
        tally.add(&ranks);
    }
    let mut rest = [0; STEP];
    dense::merge_scalar(&mut rest, &packed[STEPS * STEP_BYTES..]);
    tally.add(&rest);
    tally.finish()
}

/// See [`dense::pack_scalar`].
#[target_feature(enable = "avx2")]
pub(super) fn pack(packed: &mut Packed, registers: &Registers) {
    // Three bytes of every four.
    let gather = _mm256_setr_epi8(
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, //
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
    );
    for step in 0..STEPS {
        let ranks = load(registers[step * STEP..].first_chunk().expect("steps end before the registers do"));
        let part = |mask: i32| _mm256_and_si256(ranks, _mm256_set1_epi32(mask));
        let low = _mm256_or_si256(part(0x3f), _mm256_srli_epi32::<2>(part(0x3f00)));
        let high = _mm256_or_si256(
            _mm256_srli_epi32::<4>(part(0x003f_0000)),
            _mm256_srli_epi32::<6>(part(0x3f00_0000)),
        );
        let bytes = _mm256_shuffle_epi8(_mm256_or_si256(low, high), gather);
        let at = step * STEP_BYTES;
        // The four bytes too many are zeros that the next half or step overwrites.
        store_half(packed, at, _mm256_castsi256_si128(bytes));
        store_half(packed, at + HALF_BYTES, _mm256_extracti128_si256::<1>(bytes));
    }
    dense::pack_scalar(&mut packed[STEPS * STEP_BYTES..], &registers[STEPS * STEP..]);
}

/// The 32 registers whose packed bytes begin at `at`.
#[target_feature(enable = "avx2")]
fn unpack(packed: &Packed, at: usize) -> __m256i {
    let bytes = _mm256_set_m128i(load_half(packed, at + HALF_BYTES), load_half(packed, at));
    // Every three bytes to a lane of four.
    let spread = _mm256_setr_epi8(
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, //
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
    );
    let groups = _mm256_shuffle_epi8(bytes, spread);
    let part = |shifted: __m256i, mask: i32| _mm256_and_si256(shifted, _mm256_set1_epi32(mask));
    let low = _mm256_or_si256(part(groups, 0x3f), part(_mm256_slli_epi32::<2>(groups), 0x3f00));
    let high = _mm256_or_si256(
        part(_mm256_slli_epi32::<4>(groups), 0x003f_0000),
        part(_mm256_slli_epi32::<6>(groups), 0x3f00_0000),
    );
    _mm256_or_si256(low, high)
}

#[target_feature(enable = "avx2")]
fn load(registers: &[u8; STEP]) -> __m256i {
    // SAFETY: the array is as long as the vector, and no alignment is needed.
    unsafe { _mm256_loadu_si256(registers.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store(registers: &mut [u8; STEP], value: __m256i) {
    // SAFETY: the array is as long as the vector, and no alignment is needed.
    unsafe { _mm256_storeu_si256(registers.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "avx2")]
fn load_half(packed: &Packed, at: usize) -> __m128i {
    let bytes: &[u8; 16] = packed[at..].first_chunk().expect("the last step is scalar");
    // SAFETY: the array is as long as the vector, and no alignment is needed.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store_half(packed: &mut Packed, at: usize, value: __m128i) {
    let bytes: &mut [u8; 16] = packed[at..].first_chunk_mut().expect("the last step is scalar");
    // SAFETY: the array is as long as the vector, and no alignment is needed.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), value) }
}
