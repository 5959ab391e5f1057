//! What is known of the folders of a work tree, kept as the cache of customers is: digests in order.

use super::{Surroundings, file};
use crate::git::edited::{FolderDigest, FolderDigests};
use std::path::PathBuf;

const MARK: &file::Mark = b"tenantry folder1";
const SIZE: usize = size_of::<FolderDigest>();

/// What the last look said; nothing where that is not known.
pub fn open(places: &[PathBuf], stamp: &Surroundings) -> FolderDigests {
    let mut found = places
        .iter()
        .filter_map(|path| decode(&file::read(path)?, stamp));
    found.next().unwrap_or_default()
}

/// Keeps what a look said, unless that is known already.
pub fn save(
    places: &[PathBuf],
    stamp: &Surroundings,
    known: &[FolderDigest],
    now: &[FolderDigest],
) {
    if now.iter().all(|digest| known.binary_search(digest).is_ok()) {
        return;
    }
    file::keep(places, &encode(now, stamp), "what is known of folders");
}

fn encode(digests: &[FolderDigest], stamp: &Surroundings) -> Vec<u8> {
    file::seal(MARK, stamp, |out| {
        out.extend_from_slice(digests.as_flattened());
    })
}

fn decode(content: &[u8], stamp: &Surroundings) -> Option<FolderDigests> {
    let (digests, rest) = file::unseal(content, MARK, stamp)?.as_chunks::<SIZE>();
    (rest.is_empty() && digests.is_sorted()).then(|| digests.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(mut digests in prop::collection::vec(any::<FolderDigest>(), 0..9), at in any::<prop::sample::Index>()) {
            digests.sort_unstable();
            let content = encode(&digests, &[1; 32]);
            prop_assert_eq!(decode(&content, &[1; 32]), Some(digests));
            prop_assert_eq!(decode(&content, &[2; 32]), None);
            let mut damaged = content.clone();
            damaged[at.index(content.len())] ^= 1;
            prop_assert_eq!(decode(&damaged, &[1; 32]), None);
            prop_assert_eq!(decode(&content[..at.index(content.len())], &[1; 32]), None);
        }

        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..99)) {
            let content = file::seal(MARK, &[1; 32], |content| content.extend(body));
            let _ = decode(&content, &[1; 32]);
        }
    }
}
