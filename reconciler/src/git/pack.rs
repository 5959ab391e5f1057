//! Writes a set of new objects as one pack with its index (`gitformat-pack(5)`, version 2 of both), without deltas.
//!
//! One file and one `fsync` for many objects; libgit2's own pack builder would search for deltas, which costs more than it saves here.

use super::edit::Staged;
use super::error::GitError;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid};
use rayon::prelude::*;
use sha1::{Digest, Sha1};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Whether the pack must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// On disk, name included, before the call returns.
    Synced,
    /// Whenever the kernel likes: for what can be made again.
    Unsynced,
}

/// One object as it stands in the pack.
struct Packed {
    oid: Oid,
    crc: u32,
    bytes: Vec<u8>,
}

/// Writes `objects` into `<git_dir>/objects/pack`. Ids that occur twice are written once. Readers see all of it or nothing.
pub(crate) fn write(
    git_dir: &Path,
    objects: &[Staged],
    durability: Durability,
) -> Result<(), GitError> {
    write_held(git_dir, objects, durability).map(drop)
}

/// Keeps `git repack` from deleting a pack that no reference leads to yet. Dropping it lets go.
pub(crate) struct Hold(Option<PathBuf>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// As [`write`]; the pack is held until the references are in place.
pub(crate) fn write_held(
    git_dir: &Path,
    objects: &[Staged],
    durability: Durability,
) -> Result<Hold, GitError> {
    if objects.is_empty() {
        return Ok(Hold(None));
    }
    let mut order: Vec<&Staged> = objects.iter().collect();
    order.sort_unstable_by_key(|o| o.oid);
    order.dedup_by_key(|o| o.oid);
    let folder = git_dir.join("objects/pack");
    let packed: Vec<Packed> = order
        .par_iter()
        .map(|object| encode(object))
        .collect::<Result<_, _>>()
        .map_err(GitError::io("compress into", &folder))?;
    let (pack, offsets, checksum) = pack_file(&packed);
    let index = index_file(&packed, &offsets, &checksum);
    fs::create_dir_all(&folder).map_err(GitError::io("make", &folder))?;
    let name = Oid::from_bytes(&checksum).map_err(GitError::library("naming a pack"))?;
    let keep = folder.join(format!("pack-{name}.keep"));
    fs::write(&keep, "being published\n").map_err(GitError::io("write", &keep))?;
    let hold = Hold(Some(keep));
    // The index comes last: Git looks for indexes, so a pack without one is not seen.
    place(&folder, &format!("pack-{name}.pack"), &pack, durability)?;
    place(&folder, &format!("pack-{name}.idx"), &index, durability)?;
    if durability == Durability::Synced {
        sync_folder(&folder)?;
    }
    Ok(hold)
}

/// Makes renames inside `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), GitError> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(GitError::io("sync", folder))
}

fn encode(object: &Staged) -> std::io::Result<Packed> {
    let kind: u8 = match object.kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        _ => 3,
    };
    let mut head = Vec::with_capacity(object.data.len() / 2 + 16);
    let mut size = object.data.len();
    let mut byte = kind << 4 | (size & 0x0f) as u8;
    size >>= 4;
    while size > 0 {
        head.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    head.push(byte);
    let mut zlib = ZlibEncoder::new(head, Compression::fast());
    zlib.write_all(&object.data)?;
    let bytes = zlib.finish()?;
    let mut crc = flate2::Crc::new();
    crc.update(&bytes);
    Ok(Packed {
        oid: object.oid,
        crc: crc.sum(),
        bytes,
    })
}

fn pack_file(packed: &[Packed]) -> (Vec<u8>, Vec<u64>, [u8; 20]) {
    let mut out = Vec::with_capacity(packed.iter().map(|p| p.bytes.len()).sum::<usize>() + 32);
    out.extend_from_slice(b"PACK\0\0\0\x02");
    out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
    let mut offsets = Vec::with_capacity(packed.len());
    for object in packed {
        offsets.push(out.len() as u64);
        out.extend_from_slice(&object.bytes);
    }
    let checksum: [u8; 20] = Sha1::digest(&out).into();
    out.extend_from_slice(&checksum);
    (out, offsets, checksum)
}

fn index_file(packed: &[Packed], offsets: &[u64], checksum: &[u8; 20]) -> Vec<u8> {
    const LARGE: u64 = 1 << 31;
    let mut out = Vec::with_capacity(packed.len() * 28 + 1100);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut count = 0;
    for first in 0..=255u8 {
        count += packed[count..]
            .iter()
            .take_while(|p| p.oid.as_bytes()[0] == first)
            .count();
        out.extend_from_slice(&(count as u32).to_be_bytes());
    }
    for p in packed {
        out.extend_from_slice(p.oid.as_bytes());
    }
    for p in packed {
        out.extend_from_slice(&p.crc.to_be_bytes());
    }
    let mut large = Vec::new();
    for &offset in offsets {
        let short = if offset < LARGE {
            offset as u32
        } else {
            large.push(offset);
            LARGE as u32 | (large.len() - 1) as u32
        };
        out.extend_from_slice(&short.to_be_bytes());
    }
    for o in &large {
        out.extend_from_slice(&o.to_be_bytes());
    }
    out.extend_from_slice(checksum);
    let own = Sha1::digest(&out);
    out.extend_from_slice(&own);
    out
}

fn place(folder: &Path, name: &str, bytes: &[u8], durability: Durability) -> Result<(), GitError> {
    let (target, temporary) = (
        folder.join(name),
        folder.join(format!("tmp_{}_{name}", std::process::id())),
    );
    let put = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if durability == Durability::Synced {
            file.sync_all()?;
        }
        fs::rename(&temporary, &target)
    };
    put().map_err(GitError::io("write", &target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::program::git_ok;
    use std::time::Duration;

    #[test]
    fn the_git_program_accepts_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init_bare(dir.path()).unwrap();
        let mut objects: Vec<Staged> = (0..500usize)
            .map(|n| Staged::new(ObjectType::Blob, vec![b'a' + (n % 23) as u8; n * 37]).unwrap())
            .collect();
        objects.push(objects[7].clone());
        objects.push(Staged::new(ObjectType::Tree, Vec::new()).unwrap());
        write(dir.path(), &objects, Durability::Synced).unwrap();
        for object in &objects {
            assert_eq!(
                repo.odb().unwrap().read(object.oid).unwrap().data(),
                object.data
            );
        }
        git_ok(
            dir.path(),
            "fsck",
            &["--full", "--strict"],
            Duration::from_mins(1),
        )
        .unwrap();
        let packs: Vec<_> = fs::read_dir(dir.path().join("objects/pack"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(packs.len(), 2, "{packs:?}");
        let index = packs
            .iter()
            .find(|p| p.extension().is_some_and(|e| e == "idx"))
            .unwrap();
        git_ok(
            dir.path(),
            "verify-pack",
            &[index.to_str().unwrap()],
            Duration::from_mins(1),
        )
        .unwrap();
    }
}
