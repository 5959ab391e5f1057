//! Which files of a work tree may differ from the index, by what the system says of files and folders: none is opened. What is named here is then
//! read by libgit2, which knows filters, modes and links; so naming too many costs time, and nothing else.
//!
//! The rules are those of Git's own index: a file counts as unchanged if size, times, inode, owner and mode are those that the index noted, and
//! if its time is older than the index (a later change within the same tick of the clock would not show). A folder has not gained or lost a
//! name if its times and inode are what they were when its names were listed, and were not of that very moment.

mod folders;

use super::error::GitError;
use super::staged::Update;
use folders::{Folder, by_folder, changed, digest, join, nanos, path, seconds, split};
use git2::{FileMode, Index, IndexAddOption, IndexEntry, Oid, Repository};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, statat};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Above this many it is libgit2's turn: it compares without rewriting the index entry by entry.
const MOST: usize = 1_000;
/// A folder that changed more recently than this may change again without its time showing it.
const SETTLES: Duration = Duration::from_secs(2);
/// `assume-unchanged`; a stage; all of them ask for Git's own judgement.
const FLAGS: u16 = 0x8000 | 0x3000;

/// A folder with the names that stood in it, and its times then, as a digest.
pub type FolderDigest = [u8; 16];

/// What is known of folders, in order: those of an earlier look, or of this one.
pub type FolderDigests = Vec<FolderDigest>;

/// What a look at the work tree found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edited {
    /// Files to be read: they may have changed, or are new. Paths from the work tree's root.
    pub read: Vec<PathBuf>,
    /// Files that are gone.
    pub gone: Vec<PathBuf>,
    /// Folders that are Git repositories of their own, whose files are left alone.
    pub repositories: Vec<PathBuf>,
    /// Folders that hold what the index says and nothing else, for the next look.
    pub folders: FolderDigests,
}

/// When the index was written, as its file says: seconds and nanoseconds. To be asked before the index is read.
pub fn index_time(repository: &Repository) -> (i64, i64) {
    let about = rustix::fs::stat(repository.path().join("index"));
    about.map_or((0, 0), |about| (seconds(&about), nanos(&about)))
}

/// Looks at the work tree of `repository`. `known` is what the last look said of folders, in order. None where only libgit2 can tell: for
/// submodules, conflicts, files in the place of folders, very many changes.
///
/// # Errors
/// Where the work tree cannot be listed.
pub fn edited(
    repository: &Repository,
    index: &Index,
    written: (i64, i64),
    known: &[FolderDigest],
) -> Result<Option<Edited>, GitError> {
    look(repository, index, written, known, SETTLES)
}

/// See [`edited`]. Folders that changed within `settles` are not relied on next time.
pub(super) fn look(
    repository: &Repository,
    index: &Index,
    written: (i64, i64),
    known: &[FolderDigest],
    settles: Duration,
) -> Result<Option<Edited>, GitError> {
    let Some(root) = repository.workdir() else {
        return Ok(None);
    };
    let plain = |name: &str| {
        let value = repository.config().and_then(|config| config.get_bool(name));
        !value.unwrap_or(false)
    };
    let entries: Vec<IndexEntry> = index.iter().collect();
    if !entries.iter().all(is_plain) || !plain("core.ignorecase") {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(root, flags, Mode::empty());
    let look = Look {
        root: open.map_err(|error| GitError::io("open", root)(error.into()))?,
        written,
        known,
        settled: (SystemTime::now() - settles)
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| i128::try_from(age.as_nanos()).unwrap_or_default()),
    };
    let folders = by_folder(&entries);
    let found = folders
        .par_iter()
        .map(|(path, folder)| look.at(path, folder))
        .try_reduce(Found::default, |one, other| Ok(one.and(other)));
    let mut found = match found {
        Ok(found) => found,
        Err(Trouble::Unsure) => return Ok(None),
        Err(Trouble::System(path, error)) => return Err(GitError::io("read", &path)(error)),
    };
    if !look.strangers(repository, &mut found)? || found.edited.read.len() > MOST {
        return Ok(None);
    }
    found.edited.folders.sort_unstable();
    Ok(Some(found.edited))
}

/// A file or link of the only stage, without a mark that changes what it means.
fn is_plain(entry: &IndexEntry) -> bool {
    let kind = entry.mode & 0o170_000;
    let ordinary = kind == 0o100_000 || kind == 0o120_000;
    ordinary && entry.flags & FLAGS == 0 && entry.flags_extended == 0
}

enum Trouble {
    Unsure,
    System(PathBuf, std::io::Error),
}

#[derive(Default)]
struct Found {
    edited: Edited,
    /// What the index does not have: whether it is to be read depends on what is ignored.
    strangers: Vec<(Vec<u8>, FileType)>,
}

impl Found {
    fn and(mut self, other: Self) -> Self {
        let Edited {
            read,
            gone,
            repositories,
            folders,
        } = other.edited;
        self.edited.read.extend(read);
        self.edited.gone.extend(gone);
        self.edited.repositories.extend(repositories);
        self.edited.folders.extend(folders);
        self.strangers.extend(other.strangers);
        self
    }
}

struct Look<'k> {
    root: OwnedFd,
    written: (i64, i64),
    known: &'k [FolderDigest],
    /// Folders that changed since then, in nanoseconds since 1970, are listed again next time.
    settled: i128,
}

impl Look<'_> {
    fn stat(&self, at: &[u8]) -> Result<Option<Stat>, Trouble> {
        let at = if at.is_empty() { b"." } else { at };
        match statat(&self.root, OsStr::from_bytes(at), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => Ok(Some(about)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(error) => Err(Trouble::System(path(at), error.into())),
        }
    }

    /// One folder, without those below.
    fn at(&self, at: &[u8], folder: &Folder<'_>) -> Result<Found, Trouble> {
        let mut found = Found::default();
        let Some(about) = self.stat(at)? else {
            let gone = folder.files.iter().map(|(name, _)| path(&join(at, name)));
            found.edited.gone.extend(gone);
            return Ok(found);
        };
        if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
            return Err(Trouble::Unsure);
        }
        let digest = digest(at, &about, folder);
        let is_known = self.known.binary_search(&digest).is_ok();
        if is_known || (self.list(at, folder, &mut found)? && changed(&about) < self.settled) {
            found.edited.folders.push(digest);
        }
        for (name, entry) in &folder.files {
            let file = join(at, name);
            let about = self.stat(&file)?;
            let kind = about.map(|about| FileType::from_raw_mode(about.st_mode));
            match (about, kind) {
                (_, Some(FileType::Directory)) => return Err(Trouble::Unsure),
                (Some(about), Some(FileType::RegularFile | FileType::Symlink)) => {
                    if !self.unchanged(entry, &about) {
                        found.edited.read.push(path(&file));
                    }
                }
                // A pipe or a device in its place is no file: opening one may wait for ever.
                _ => found.edited.gone.push(path(&file)),
            }
        }
        Ok(found)
    }

    /// Lists a folder. Whether its names are exactly those of the index.
    fn list(&self, at: &[u8], folder: &Folder<'_>, found: &mut Found) -> Result<bool, Trouble> {
        let (mut strangers, mut seen) = (false, 0);
        let files = folder.files.iter().map(|(name, _)| *name);
        let known: HashSet<&[u8]> = files.chain(folder.folders.iter().copied()).collect();
        for (name, kind) in self.names(at)? {
            if known.contains(&name[..]) {
                seen += 1;
            } else if name != b".git" || !at.is_empty() {
                strangers = true;
                found.strangers.push((join(at, &name), kind));
            }
        }
        Ok(!strangers && seen == known.len())
    }

    fn names(&self, at: &[u8]) -> Result<Vec<(Vec<u8>, FileType)>, Trouble> {
        let failed = |error: rustix::io::Errno| Trouble::System(path(at), error.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = if at.is_empty() { b"." } else { at };
        let folder = rustix::fs::openat(&self.root, OsStr::from_bytes(place), flags, Mode::empty());
        let folder = match folder {
            Ok(folder) => folder,
            // It has gone meanwhile; what was in it is looked at one by one.
            Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match self.stat(&join(at, name))? {
                    Some(about) => FileType::from_raw_mode(about.st_mode),
                    None => continue,
                },
                kind => kind,
            };
            names.push((name.to_vec(), kind));
        }
        Ok(names)
    }

    /// By Git's rules. What the index noted less exactly than the system says it counts as changed.
    fn unchanged(&self, entry: &IndexEntry, about: &Stat) -> bool {
        let time = |seconds: i32, nanos: u32| (i64::from(seconds), i64::from(nanos));
        let mtime = time(entry.mtime.seconds(), entry.mtime.nanoseconds());
        let ctime = time(entry.ctime.seconds(), entry.ctime.nanoseconds());
        let low = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap_or_default();
        let executable = |mode: u32| mode & 0o100 != 0;
        let link = about.st_mode & 0o170_000 == 0o120_000;
        mtime == (seconds(about), nanos(about))
            && ctime == (about.st_ctime, about.st_ctime_nsec.cast_signed())
            && mtime < self.written
            && entry.file_size == low(about.st_size.cast_unsigned())
            && entry.ino == low(about.st_ino)
            && (entry.uid, entry.gid) == (about.st_uid, about.st_gid)
            && entry.mode & 0o170_000 == about.st_mode & 0o170_000
            && (link || executable(entry.mode) == executable(about.st_mode))
    }

    /// Adds what the index does not have and nobody ignores to what is read. False where that is for libgit2 to say.
    fn strangers(&self, repository: &Repository, found: &mut Found) -> Result<bool, GitError> {
        let mut open = std::mem::take(&mut found.strangers);
        while let Some((at, kind)) = open.pop() {
            if split(&at).1 == b".git" || found.edited.read.len() > MOST {
                return Ok(false);
            }
            let mut shown = path(&at);
            if kind == FileType::Directory {
                // What is ignored as a folder is told by the slash.
                shown.push("");
            }
            let ignored = repository.status_should_ignore(&shown);
            if ignored.map_err(GitError::library("reading what is ignored"))? {
                continue;
            }
            match kind {
                FileType::RegularFile | FileType::Symlink => found.edited.read.push(path(&at)),
                FileType::Directory => match self.names(&at) {
                    Ok(names) if names.iter().any(|(name, _)| name == b".git") => {
                        found.edited.repositories.push(path(&at));
                    }
                    Ok(names) => {
                        let below = names.into_iter();
                        open.extend(below.map(|(name, kind)| (join(&at, &name), kind)));
                    }
                    Err(_) => return Ok(false),
                },
                _ => {}
            }
        }
        Ok(true)
    }
}

/// Brings `index` up to the files as they are now; the index on disk stays as it is. Returns how it differs from before.
///
/// # Errors
/// Where files cannot be read.
pub fn update(
    repository: &Repository,
    index: &mut Index,
    edited: &Edited,
) -> Result<Vec<Update>, GitError> {
    let failed = GitError::library("reading the files");
    let workdir = repository.workdir().unwrap_or(Path::new("."));
    let mut updates = Vec::with_capacity(edited.read.len() + edited.gone.len());
    let mut remove = |index: &mut Index, path: &Path| {
        let was_there = index.get_path(path, 0).is_some();
        updates.extend(was_there.then(|| Update {
            path: path.to_owned(),
            file: None,
        }));
        index.remove_path(path).map_err(&failed)
    };
    for path in &edited.gone {
        remove(index, path)?;
    }
    let mut there = Vec::with_capacity(edited.read.len());
    for path in &edited.read {
        match index.add_path(path) {
            Ok(()) => there.push(path),
            Err(_) if workdir.join(path).symlink_metadata().is_err() => remove(index, path)?,
            Err(error) => return Err(failed(error)),
        }
    }
    updates.extend(there.into_iter().filter_map(|path| {
        let entry = index.get_path(path, 0)?;
        Some(Update {
            path: path.clone(),
            file: Some((mode(entry.mode), entry.id)),
        })
    }));
    Ok(updates)
}

/// Entries that [`is_plain`] lets through are files or links.
fn mode(mode: u32) -> FileMode {
    match mode & 0o170_000 {
        0o120_000 => FileMode::Link,
        _ if mode & 0o100 != 0 => FileMode::BlobExecutable,
        _ => FileMode::Blob,
    }
}

/// The same by comparing everything, where [`edited`] leaves it to libgit2. Returns what was read, and folders that are repositories of their own.
///
/// # Errors
/// Where files cannot be read.
pub fn compare(index: &mut Index) -> Result<(Vec<Oid>, Vec<PathBuf>), GitError> {
    let failed = GitError::library("reading the files");
    let before: HashSet<Oid> = index.iter().map(|entry| entry.id).collect();
    let mut repositories = Vec::new();
    let mut skip = |at: &Path, _: &[u8]| {
        // libgit2 names the folder of a repository with a slash, and then refuses that name.
        let folder = at.as_os_str().as_bytes().strip_suffix(b"/");
        repositories.extend(folder.map(path));
        i32::from(folder.is_some())
    };
    index
        .add_all(["*"], IndexAddOption::DEFAULT, Some(&mut skip))
        .and_then(|()| index.update_all(["*"], None))
        .map_err(failed)?;
    let read = index.iter().map(|entry| entry.id);
    Ok((
        read.filter(|id| !before.contains(id)).collect(),
        repositories,
    ))
}
