//! The tree against the library's own appender and against a naive RFC 6962 written here (AUD-02).

use super::*;
use proptest::prelude::*;

/// RFC 6962 section 2.1, word by word, on SHA-256 alone: the independent implementation.
mod naive {
    use deputy_core::Digest;
    type Hash = [u8; 32];

    pub(super) fn leaf(entry: &[u8]) -> Hash {
        *Digest::of_bytes(&[&[0_u8], entry].concat()).as_bytes()
    }

    fn node(left: Hash, right: Hash) -> Hash {
        *Digest::of_bytes(&[&[1_u8][..], &left, &right].concat()).as_bytes()
    }

    fn split(count: usize) -> usize {
        let mut k = 1;
        while k * 2 < count {
            k *= 2;
        }
        k
    }

    pub(super) fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => *Digest::of_bytes(b"").as_bytes(),
            [one] => *one,
            many => node(root(&many[..split(many.len())]), root(&many[split(many.len())..])),
        }
    }

    /// The root that a path of section 2.1.1 leads to; `None` if the path has the wrong length.
    pub(super) fn climb(path: &[Hash], index: usize, count: usize, leaf: Hash) -> Option<Hash> {
        if count == 1 {
            return path.is_empty().then_some(leaf);
        }
        let (last, rest) = path.split_last()?;
        let k = split(count);
        if index < k {
            Some(node(climb(rest, index, k, leaf)?, *last))
        } else {
            Some(node(*last, climb(rest, index - k, count - k, leaf)?))
        }
    }
}

fn grown(count: usize) -> (Edge, StoredHashes, Vec<[u8; 32]>) {
    let (mut edge, mut stored, mut leaves) = (Edge::default(), StoredHashes::new(), Vec::new());
    for line in 0..count {
        let entry = format!("line {line}");
        let leaf = tlog::record_hash(entry.as_bytes());
        assert_eq!(leaf.0, naive::leaf(entry.as_bytes()));
        let first = first_index(edge.size());
        assert_eq!(first, stored.len() as u64);
        for (offset, hash) in edge.append(leaf).into_iter().enumerate() {
            stored.insert(first + offset as u64, hash);
        }
        leaves.push(leaf.0);
    }
    (edge, stored, leaves)
}

#[test]
fn aud_02_every_root_up_to_70_lines_is_that_of_rfc_6962() {
    for count in 0..=70 {
        let (edge, stored, leaves) = grown(count);
        assert_eq!(edge.root().0, naive::root(&leaves), "{count}");
        assert_eq!(stored.len() as u64, stored_count(count as u64));
        assert_eq!(Edge::load(count as u64, &stored).expect("edge"), edge);
    }
}

#[test]
fn stored_hashes_are_those_of_the_library_appender() {
    let (mut edge, stored, leaves) = grown(33);
    let leaf = Hash(leaves[3]);
    let theirs = tlog::stored_hashes_for_record_hash(33, leaf, &Reader(&stored)).expect("hashes");
    assert_eq!(edge.append(leaf), theirs);
}

#[test]
fn a_missing_stored_hash_is_named() {
    let (_, mut stored, _) = grown(5);
    stored.remove(&indexes_for_edge(5)[0]);
    assert!(matches!(Edge::load(5, &stored), Err(AuditError::HashMissing(6))));
    assert!(prove_line(5, 9, &stored).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn aud_02_a_proof_made_here_convinces_the_naive_reader(count in 1_usize..200, pick in any::<prop::sample::Index>()) {
        let (edge, stored, leaves) = grown(count);
        let line = pick.index(count);
        let few: StoredHashes = indexes_for_line_proof(count as u64, line as u64)
            .into_iter().map(|index| (index, stored[&index])).collect();
        let path = prove_line(count as u64, line as u64, &few).expect("proof");
        let path: Vec<[u8; 32]> = path.into_iter().map(|hash| hash.0).collect();
        prop_assert_eq!(naive::climb(&path, line, count, leaves[line]), Some(edge.root().0));
        prop_assert_ne!(naive::climb(&path, line, count, naive::leaf(b"other")), Some(edge.root().0));
    }

    #[test]
    fn aud_02_an_extension_proof_holds_for_the_true_prefix_only(count in 1_usize..200, pick in any::<prop::sample::Index>()) {
        let (edge, stored, leaves) = grown(count);
        let earlier = pick.index(count) + 1;
        let few: StoredHashes = indexes_for_extension_proof(count as u64, earlier as u64)
            .into_iter().map(|index| (index, stored[&index])).collect();
        let path = prove_extension(count as u64, earlier as u64, &few).expect("proof");
        let check = |root: Hash| tlog::check_tree(&path, count as u64, edge.root(), earlier as u64, root);
        prop_assert!(check(Hash(naive::root(&leaves[..earlier]))).is_ok());
        prop_assert!(check(Hash([7; 32])).is_err());
    }
}
