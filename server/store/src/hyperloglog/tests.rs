//! Both layouts against a plain array of registers, and the vector forms against the scalar ones.

use super::element::murmur_64a;
use super::selftest::{Random, raise};
use super::sparse::{Opcode, Raise};
use super::*;

const SPARSE_MAX: u64 = 3000;

fn packed(random: &mut Random) -> dense::Packed {
    std::array::from_fn(|_| random.next() as u8)
}

#[test]
fn hashes_are_murmurs() {
    // From the reference implementation.
    assert_eq!(murmur_64a(b"", 0), 0);
    for len in 0..32 {
        let bytes: Vec<u8> = (0..len).collect();
        let mut longer = bytes.clone();
        longer.push(0);
        assert_ne!(murmur_64a(&bytes, 1), murmur_64a(&longer, 1), "the length counts");
    }
}

#[test]
fn vector_and_scalar_forms_agree() {
    let mut random = Random(1);
    for _ in 0..20 {
        let packed = packed(&mut random);
        let before: Registers = std::array::from_fn(|_| random.next() as u8 & 63);
        let mut expected = before;
        for (index, register) in expected.iter_mut().enumerate() {
            *register = dense::get(&packed, index).max(*register);
        }
        let mut scalar = before;
        dense::merge_scalar(&mut scalar, &packed);
        assert!(scalar == expected);
        let mut dispatched = before;
        dense::merge(&mut dispatched, &packed);
        assert!(dispatched == expected);

        let mut plain = [0; 64];
        (0..REGISTERS).for_each(|index| plain[usize::from(dense::get(&packed, index))] += 1);
        assert_eq!(dense::histogram_scalar(&packed), plain);
        assert_eq!(dense::histogram(&packed), plain);

        let (mut scalar, mut dispatched) = (packed, packed);
        dense::pack_scalar(&mut scalar, &before);
        dense::pack(&mut dispatched, &before);
        assert!(scalar == dispatched);
        assert!((0..REGISTERS).all(|index| dense::get(&scalar, index) == before[index]));
    }
}

#[test]
fn setting_a_register_leaves_its_neighbours_alone() {
    let mut random = Random(2);
    let mut packed = packed(&mut random);
    for index in (1..REGISTERS - 1).step_by(7) {
        let around = [index - 1, index + 1];
        let before = around.map(|index| dense::get(&packed, index));
        let rank = random.next() as u8 & 63;
        dense::set(&mut packed, index, rank);
        assert_eq!(dense::get(&packed, index), rank);
        assert_eq!(around.map(|index| dense::get(&packed, index)), before);
        assert!(!dense::raise(&mut packed, index, rank));
    }
}

/// Follows a sparse one through random changes, with a plain array beside it.
#[test]
fn sparse_ones_hold_what_they_were_told() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut image = EMPTY.to_vec();
        let mut expected = [0; REGISTERS];
        // Some crowd together, so that runs meet.
        let spread = if seed % 2 == 0 { REGISTERS } else { 300 };
        for _ in 0..3000 {
            let index = random.next() as usize % spread;
            let rank = (random.next() % 5 + 1) as u8;
            let lower = expected[index] < rank;
            expected[index] = rank.max(expected[index]);
            assert_eq!(raise(&mut image, Observation { index, rank }, SPARSE_MAX), Ok(lower));
        }
        let mut merged = [0; REGISTERS];
        merge(&mut merged, &image).unwrap();
        assert!(merged == expected);
        assert_eq!(estimate(&image), Ok(estimate_merged(&expected)));
        if layout(&image) == Some(Layout::Sparse) {
            let dense = to_dense(&image).unwrap();
            let mut merged = [0; REGISTERS];
            merge(&mut merged, &dense[..]).unwrap();
            assert!(merged == expected);
        }
    }
}

#[test]
fn opcodes_of_neighbours_are_joined() {
    let mut image = EMPTY.to_vec();
    let mut opcodes_after = |index, rank| {
        raise(&mut image, Observation { index, rank }, SPARSE_MAX).unwrap();
        let all: Result<Vec<Opcode>, Corrupt> = sparse::opcodes(&image[HEADER_LEN..]).collect();
        all.unwrap()
    };
    let ranked = |rank, run| Opcode::Ranked { rank, run };
    use Opcode::{LongZeros, Zeros};
    assert_eq!(opcodes_after(10, 2), [Zeros(10), ranked(2, 1), LongZeros(16373)]);
    assert_eq!(opcodes_after(11, 2), [Zeros(10), ranked(2, 2), LongZeros(16372)]);
    assert_eq!(opcodes_after(9, 2), [Zeros(9), ranked(2, 3), LongZeros(16372)]);
    assert_eq!(opcodes_after(10, 1), [Zeros(9), ranked(2, 3), LongZeros(16372)]);
    assert_eq!(opcodes_after(10, 3), [Zeros(9), ranked(2, 1), ranked(3, 1), ranked(2, 1), LongZeros(16372)]);
    let last = opcodes_after(16383, 1);
    assert_eq!(last[4..], [LongZeros(16371), ranked(1, 1)]);
}

#[test]
fn a_sparse_one_becomes_dense_when_it_must() {
    let high = Observation { index: 5, rank: 33 };
    assert_eq!(sparse::raise(&EMPTY, high, SPARSE_MAX), Ok(Raise::Dense));
    let low = Observation { index: 5, rank: 1 };
    assert_eq!(sparse::raise(&EMPTY, low, 19), Ok(Raise::Dense));
    assert!(matches!(sparse::raise(&EMPTY, low, 20), Ok(Raise::Splice(_))));
}

#[test]
fn anything_may_call_itself_a_hyperloglog() {
    assert_eq!(layout(b""), None);
    assert_eq!(layout(&EMPTY[..15]), None);
    assert_eq!(layout(&EMPTY), Some(Layout::Sparse));
    let mut other = EMPTY;
    other[LAYOUT_AT] = 2;
    assert_eq!(layout(&other), None);
    other[LAYOUT_AT] = 0;
    assert_eq!(layout(&other), None, "too short for a dense one");
    let mut random = Random(3);
    for round in 0..2000 {
        let mut image = EMPTY[..HEADER_LEN].to_vec();
        image.extend((0..round % 40).map(|_| random.next() as u8));
        let observation = Observation { index: random.next() as usize % REGISTERS, rank: 1 };
        if let Ok(Raise::Splice(splice)) = sparse::raise(&image, observation, u64::MAX) {
            image.splice(splice.old.clone(), splice.replacement().iter().copied());
        }
        let dense = to_dense(&image);
        assert_eq!(estimate(&image).is_ok(), dense.is_ok());
        assert_eq!(merge(&mut [0; REGISTERS], &image).is_ok(), dense.is_ok());
    }
}

#[test]
fn estimates_are_kept_until_they_are_out_of_date() {
    let mut image = EMPTY;
    assert_eq!(kept_estimate(&image), Some(0));
    outdate_estimate(&mut image);
    assert_eq!(kept_estimate(&image), None);
    keep_estimate(&mut image, 123_456);
    assert_eq!(kept_estimate(&image), Some(123_456));
}

#[test]
fn estimates_of_impossible_registers() {
    assert_eq!(estimate_merged(&[0; REGISTERS]), 0);
    assert_eq!(estimate_merged(&[63; REGISTERS]), 1 << 63);
}

#[test]
fn the_self_test_passes() {
    assert_eq!(self_test(7), Ok(()));
}
