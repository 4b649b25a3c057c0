//! What HRANDFIELD and SRANDMEMBER have in common: choosing elements at random.

use super::{Args, CommandResult, Error};
use boxcar_resp::Reply;
use std::collections::HashSet;

/// How many elements are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// So many, none of them twice (a positive count).
    Distinct(u64),
    /// So many, each drawn anew (a negative count).
    Repeated(u64),
}

impl Sample {
    /// The number without what it means.
    pub fn count(self) -> u64 {
        match self {
            Self::Distinct(count) | Self::Repeated(count) => count,
        }
    }
}

/// Bytes of a reply with repeated elements: a count costs nothing to write, its reply may take all memory.
const REPLY_MAX: usize = 512 << 20;

/// Reads the count in argument `at`.
///
/// # Errors
/// When it is no integer, or the smallest one.
pub fn parse_count(args: Args<'_>, at: usize) -> Result<Sample, Error> {
    match args.integer(at)? {
        i64::MIN => {
            Err(format!("ERR value is out of range, value must between {} and {}", -i64::MAX, i64::MAX)
                .into())
        }
        count @ 0.. => Ok(Sample::Distinct(count.unsigned_abs())),
        count => Ok(Sample::Repeated(count.unsigned_abs())),
    }
}

/// Refuses to go on when the reply that began at `begin` has become too long.
///
/// # Errors
/// Says so.
pub fn check_size(reply: &Reply, begin: usize) -> CommandResult {
    if reply.len() - begin <= REPLY_MAX {
        return Ok(());
    }
    Err(Error::text("ERR the reply exceeds the maximum size of 512 MB"))
}

/// Whether so few of `len` elements are wanted that drawing them one by one is cheaper than passing over all.
pub fn is_few(count: u64, len: usize) -> bool {
    count.saturating_mul(3) < len as u64
}

/// Shows `count` different elements of those that `draw` draws; there are more of them.
///
/// # Errors
/// Those of `show`.
pub fn draw_distinct<T>(
    count: u64,
    mut draw: impl FnMut() -> T,
    address: impl Fn(&T) -> *const u8,
    show: &mut dyn FnMut(T) -> CommandResult,
) -> CommandResult {
    let mut drawn = HashSet::with_capacity(count as usize);
    while (drawn.len() as u64) < count {
        let element = draw();
        if drawn.insert(address(&element)) {
            show(element)?;
        }
    }
    Ok(())
}

/// Shows `count` of `len` elements, all if there are no more, in their order: any choice has the same chance.
///
/// # Errors
/// Those of `show`.
pub fn choose_in_order<T>(
    count: u64,
    len: usize,
    elements: impl Iterator<Item = T>,
    show: &mut dyn FnMut(T) -> CommandResult,
) -> CommandResult {
    let mut wanted = count.min(len as u64) as usize;
    for (passed, element) in elements.enumerate() {
        let left = len.saturating_sub(passed);
        if wanted == 0 || left == 0 {
            break;
        }
        if wanted == left || rand::random_range(0..left) < wanted {
            show(element)?;
            wanted -= 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_fair_and_in_order() {
        let mut chosen = [0u32; 10];
        for _ in 0..6000 {
            let mut last = None;
            let mut show = |n: usize| {
                assert!(last.is_none_or(|last| last < n));
                last = Some(n);
                chosen[n] += 1;
                Ok(())
            };
            choose_in_order(3, 10, 0..10, &mut show).unwrap();
        }
        assert_eq!(chosen.iter().sum::<u32>(), 18_000);
        assert!(chosen.iter().all(|&times| (1500..2100).contains(&times)), "{chosen:?}");
        let mut all = Vec::new();
        choose_in_order(u64::MAX, 4, 0..4, &mut |n| {
            all.push(n);
            Ok(())
        })
        .unwrap();
        assert_eq!(all, [0, 1, 2, 3]);
    }

    #[test]
    fn draws_do_not_repeat() {
        let elements = [1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let mut shown = HashSet::new();
        let draw = || &elements[rand::random_range(0..elements.len())];
        draw_distinct(9, draw, |element| std::ptr::from_ref(*element), &mut |element| {
            assert!(shown.insert(*element));
            Ok(())
        })
        .unwrap();
        assert_eq!(shown.len(), 9);
    }
}
