//! The folders that an index makes, and what tells one that has changed.

use super::FolderDigest;
use git2::IndexEntry;
use rustix::fs::Stat;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What the index has directly in a folder, in its order.
#[derive(Default)]
pub(super) struct Folder<'i> {
    pub(super) files: Vec<(&'i [u8], &'i IndexEntry)>,
    pub(super) folders: Vec<&'i [u8]>,
}

/// Every folder with something in it, with its path without a slash at the end; the root's is empty.
pub(super) fn by_folder(entries: &[IndexEntry]) -> Vec<(&[u8], Folder<'_>)> {
    let mut all: Vec<(&[u8], Folder<'_>)> = vec![(&[], Folder::default())];
    let mut places: HashMap<&[u8], usize> = HashMap::from([(&[][..], 0)]);
    let mut last = 0;
    for entry in entries {
        let (mut folder, name) = split(&entry.path);
        if all[last].0 != folder {
            // Those above are there as soon as one below is.
            while !places.contains_key(folder) {
                places.insert(folder, all.len());
                all.push((folder, Folder::default()));
                folder = split(folder).0;
            }
            last = places[split(&entry.path).0];
        }
        all[last].1.files.push((name, entry));
    }
    for place in 1..all.len() {
        let (above, name) = split(all[place].0);
        all[places[above]].1.folders.push(name);
    }
    all
}

pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

pub(super) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        return name.to_vec();
    }
    [folder, b"/", name].concat()
}

pub(super) fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

pub(super) fn digest(at: &[u8], about: &Stat, folder: &Folder<'_>) -> FolderDigest {
    let mut digest = Sha256::new();
    for number in [about.st_dev, about.st_ino] {
        digest.update(number.to_le_bytes());
    }
    for number in [seconds(about), nanos(about), about.st_ctime] {
        digest.update(number.to_le_bytes());
    }
    digest.update(about.st_ctime_nsec.to_le_bytes());
    digest.update(at);
    for (name, _) in &folder.files {
        digest.update([0]);
        digest.update(name);
    }
    for name in &folder.folders {
        digest.update(b"/");
        digest.update(name);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    half
}

/// When a file or folder changed last, in nanoseconds since 1970: its content by one clock, all about it by the other, which nobody can set.
pub(super) fn changed(about: &Stat) -> i128 {
    let time = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let named = time(about.st_ctime, about.st_ctime_nsec.cast_signed());
    time(seconds(about), nanos(about)).max(named)
}

pub(super) fn seconds(about: &Stat) -> i64 {
    about.st_mtime
}

pub(super) fn nanos(about: &Stat) -> i64 {
    about.st_mtime_nsec.cast_signed()
}
