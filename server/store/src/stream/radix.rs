//! The size of the radix tree that Redis would have for the same nodes, which XINFO STREAM tells.

/// Number of nodes of a path-compressed radix tree over these keys, which come in order: one for each key's end, one for
/// each place where paths part, and one for each stretch between two of those.
pub(super) fn tree_nodes(keys: impl Iterator<Item = [u8; 16]>) -> usize {
    let mut count = 0;
    // Depths at which the path to the last key parts from other ones, ascending.
    let mut forks: Vec<usize> = Vec::new();
    let mut last: Option<[u8; 16]> = None;
    for key in keys {
        if let Some(last) = last {
            let common = last.iter().zip(&key).take_while(|(a, b)| a == b).count();
            count += close(&mut forks, Some(common), last.len());
        }
        last = Some(key);
    }
    match last {
        Some(last) => count + close(&mut forks, None, last.len()),
        // The root.
        None => 1,
    }
}

/// Counts what ends when the path leaves a key (at depth `end`) for the next one, which parts from it at `fork`: the key's
/// end, the forks below, and the stretches that lead to them.
fn close(forks: &mut Vec<usize>, fork: Option<usize>, end: usize) -> usize {
    let mut count = 0;
    let mut depth = end;
    loop {
        let above = forks.last().copied().max(fork);
        let stretch = depth - above.map_or(0, |above| above + 1);
        count += 1 + usize::from(stretch > 0);
        match (forks.last().copied(), fork) {
            (Some(top), _) if fork.is_none_or(|fork| top > fork) => {
                forks.pop();
                depth = top;
            }
            (top, Some(fork)) => {
                if top != Some(fork) {
                    forks.push(fork);
                }
                return count;
            }
            (_, None) => return count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(keys: &[u128]) -> usize {
        tree_nodes(keys.iter().map(|key| key.to_be_bytes()))
    }

    #[test]
    fn counts_by_hand() {
        assert_eq!(nodes(&[]), 1);
        // A stretch and an end.
        assert_eq!(nodes(&[5]), 2);
        // A stretch, a fork at the last byte, two ends.
        assert_eq!(nodes(&[5, 6]), 4);
        assert_eq!(nodes(&[5, 6, 7]), 5);
        // Forks at the first byte (the root), each with a stretch and an end.
        assert_eq!(nodes(&[0, 1 << 120]), 5);
        // A fork at byte 14 (under a stretch), below it a fork at byte 15 and a stretch of one byte.
        assert_eq!(nodes(&[1, 2, 0x101]), 1 + 1 + 1 + 2 + 1 + 1);
        assert_eq!(nodes(&[1, 0x101, 0x102]), 1 + 1 + 1 + 1 + 1 + 2);
    }
}
