//! Keeps the repository of slices small, and finds out at the start whether a power cut has damaged it.

use super::SliceError;
use crate::git::GitError;
use crate::git::program::git_ok;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Packs before they are gathered into one.
const MAX_PACKS: usize = 50;
/// Gathering that takes longer is given up; the next time will do.
const LONGEST: Duration = Duration::from_mins(30);

/// Gathers packs now and then, on a thread of its own, and so drops what no chain holds any more.
///
/// Publishing goes on meanwhile: `git repack` deletes only packs that it saw at its start, and a pack whose references are not in place yet is held.
#[derive(Default)]
pub(super) struct Tidy {
    running: Arc<AtomicBool>,
}

impl Tidy {
    /// Begins, if there is enough to gather.
    pub(super) fn begin(&self, git_dir: &Path) {
        if packs(git_dir, "pack").len() <= MAX_PACKS || self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let (running, git_dir) = (self.running.clone(), git_dir.to_owned());
        let work = move || {
            // Without a search for deltas: it would cost minutes, and encrypted files have none.
            if let Err(error) = git_ok(
                &git_dir,
                "repack",
                &["-a", "-d", "-q", "--window=0"],
                LONGEST,
            ) {
                tracing::warn!(%error, "gathering packs of slices failed");
            }
            running.store(false, Ordering::Release);
        };
        if let Err(error) = std::thread::Builder::new()
            .name("slices-tidy".into())
            .spawn(work)
        {
            tracing::warn!(%error, "gathering packs of slices failed");
            self.running.store(false, Ordering::Release);
        }
    }

    #[cfg(test)]
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }
}

/// Slices are written without syncing, so a power cut can leave a pack cut short or empty: then its end is not what its index says.
pub(super) fn check_packs(git_dir: &Path) -> Result<(), SliceError> {
    for held in packs(git_dir, "keep") {
        let _ = fs::remove_file(held);
    }
    for index in packs(git_dir, "idx") {
        let pack = index.with_extension("pack");
        // The index ends with the pack's checksum and its own.
        let fits = end_of::<20>(&pack, 20)
            .is_some_and(|end| end_of::<20>(&index, 40).is_some_and(|known| known == end));
        if !fits {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is cut short");
            return Err(SliceError::Io {
                what: "read",
                path: pack.display().to_string(),
                source,
            });
        }
    }
    Ok(())
}

/// `N` bytes of a file, beginning `from_end` bytes before its end.
fn end_of<const N: usize>(path: &Path, from_end: i64) -> Option<[u8; N]> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::End(-from_end)).ok()?;
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn packs(git_dir: &Path, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(git_dir.join("objects/pack"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect()
}

/// What is no repository is kept for whoever wants to know why, and out of the way.
pub(super) fn move_aside(path: &Path, error: &SliceError) -> Result<(), SliceError> {
    let second = Timestamp::now().as_second();
    let aside = (second..second + 1000)
        .map(|n| path.with_extension(format!("corrupt-{n}")))
        .find(|aside| !aside.exists())
        .unwrap_or_default();
    tracing::error!(%error, cause = ?std::error::Error::source(error), "the repository of slices cannot be read; it is moved to {} and made anew", aside.display());
    fs::rename(path, &aside)
        .map_err(GitError::io("move aside", path))
        .map_err(SliceError::Git)
}
