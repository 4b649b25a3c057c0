//! The key hash and the hash-tag rule of Redis Cluster.
//!
//! One keyed 64-bit hash places a key: its lowest bits name the shard, the bits above them are the bucket tag, and
//! its highest bits are the position inside the shard's table. The seed is random per process, so that a client
//! cannot choose keys that meet in one bucket.

use core::hash::Hasher;
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// Number of low hash bits that choose the shard; `1 << SHARD_BITS` is the largest number of shards.
pub(crate) const SHARD_BITS: u32 = 12;

/// A keyed hash function over byte strings.
#[derive(Clone)]
pub(crate) struct KeyHasher {
    seed: u64,
    shared: SharedSeed,
}

impl KeyHasher {
    pub(crate) fn new(seed: u64) -> Self {
        // Two independent parts of one seed: the multiplier constants and the start value.
        Self { seed: seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15, shared: SharedSeed::from_u64(seed) }
    }

    #[inline]
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(bytes);
        hasher.finish()
    }
}

/// The part of `key` that decides its shard: the bytes between the first `{` and the next `}` when there are any,
/// else the whole key (Redis Cluster specification, "Hash tags").
#[must_use]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    tag_of(key).unwrap_or(key)
}

/// The hash tag of `key`, if it has one.
#[inline]
pub(crate) fn tag_of(key: &[u8]) -> Option<&[u8]> {
    if has_open_brace(key) { braced(key) } else { None }
}

/// Most keys have no brace: eight bytes are looked at together.
#[inline]
fn has_open_brace(key: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let in_word = |bytes: [u8; 8]| {
        let zero_where_brace = u64::from_ne_bytes(bytes) ^ (ONES * b'{' as u64);
        zero_where_brace.wrapping_sub(ONES) & !zero_where_brace & HIGHS != 0
    };
    let Some(last) = key.last_chunk::<8>() else { return key.contains(&b'{') };
    let (words, _) = key.as_chunks::<8>();
    words.iter().any(|&word| in_word(word)) || in_word(*last)
}

#[cold]
fn braced(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let rest = &key[open + 1..];
    let close = rest.iter().position(|&byte| byte == b'}')?;
    (close > 0).then(|| &rest[..close])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_tags_follow_the_cluster_rule() {
        let cases: [(&str, &str); 11] = [
            ("{user1000}.following", "user1000"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("plain", "plain"),
            ("", ""),
            ("open{only", "open{only"),
            ("}{", "}{"),
            ("a long prefix with a {tag}", "tag"),
            ("0123456{tag}", "tag"),
            ("01234567{tag}9", "tag"),
        ];
        for (key, tag) in cases {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }

    /// Every group of bits that the store uses must be spread evenly, for the keys that people really have.
    #[test]
    fn every_group_of_hash_bits_is_uniform() {
        let hasher = KeyHasher::new(7);
        let keys = 64 * 1024u64;
        for shift in [0, 4, 12, 20, 42, 50, 58] {
            let mut counts = [0u64; 64];
            for index in 0..keys {
                let hash = hasher.hash(format!("key:{index:012}").as_bytes());
                counts[(hash >> shift) as usize & 63] += 1;
            }
            let expected = keys as f64 / 64.0;
            let chi: f64 = counts.iter().map(|&n| (n as f64 - expected).powi(2) / expected).sum();
            // 63 degrees of freedom: mean 63, standard deviation 11.2.
            assert!(chi < 63.0 + 6.0 * 11.2, "bits from {shift}: chi-square {chi}");
        }
    }

    #[test]
    fn the_seed_changes_every_placement() {
        let (a, b) = (KeyHasher::new(1), KeyHasher::new(2));
        let same =
            (0..1000u32).filter(|n| a.hash(&n.to_le_bytes()) >> 54 == b.hash(&n.to_le_bytes()) >> 54).count();
        assert!(same < 20, "{same} of 1000 keys share their first ten bits under two seeds");
        assert_ne!(a.hash(b""), a.hash(b"\0"));
    }
}
