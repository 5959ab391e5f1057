//! Where the cache is kept: in the fleet's own `.git/tenantry/`, else in the person's folder for caches.
//!
//! A file is read only if it is an ordinary one of this person's that nobody else can read or write, has one name, and is not larger than
//! [`MAX_FILE`]. It is written beside its place and moved there, so that two processes at once are no trouble: the later one wins.

use super::Surroundings;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The first bytes of a file: what it is, with the number of the format.
pub(crate) type Mark = [u8; 16];

/// A larger file is neither read nor written, in bytes.
pub const MAX_FILE: u64 = 64 << 20;

/// What is known of customers.
pub const CUSTOMERS: &str = "customers.cache";
/// What is known of removals that are held back.
pub const HELD: &str = "held.cache";
/// What is known of the folders of a work tree.
pub const FOLDERS: &str = "folders.cache";

/// Where the file `name` of the fleet in `git_dir` may be, the best place first.
pub fn places(git_dir: &Path, person: Option<&Path>, name: &str) -> Vec<PathBuf> {
    let own = git_dir.join("tenantry").join(name);
    let elsewhere = person.map(|folder| {
        let path = std::path::absolute(git_dir).unwrap_or_else(|_| git_dir.to_owned());
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let fleet = hex::encode(&digest[..16]);
        folder.join("tenantry").join(fleet).join(name)
    });
    std::iter::once(own).chain(elsewhere).collect()
}

/// What a file holds: a mark, the program that wrote it, what `write` adds, and the SHA-256 of all that.
pub(crate) fn seal(
    mark: &Mark,
    program: &Surroundings,
    write: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut out = [&mark[..], program].concat();
    write(&mut out);
    let checksum = Sha256::digest(&out);
    out.extend_from_slice(&checksum);
    out
}

/// What [`seal`] was given to write. None: another file, another program's, or a damaged one.
pub(crate) fn unseal<'c>(
    content: &'c [u8],
    mark: &Mark,
    program: &Surroundings,
) -> Option<&'c [u8]> {
    let (body, checksum) = content.split_last_chunk::<32>()?;
    let inner = body.strip_prefix(mark)?.strip_prefix(program)?;
    (Sha256::digest(body)[..] == checksum[..]).then_some(inner)
}

/// Writes to the first of these places that can be written. One that cannot be kept is no failure: the next run takes longer.
pub(crate) fn keep(places: &[PathBuf], content: &[u8], what: &str) {
    let written = places.iter().any(|path| write(path, content).is_ok());
    if !written && !places.is_empty() {
        tracing::debug!("{what} cannot be kept");
    }
}

/// The content of a file that may be trusted this far. None: there is none.
pub(crate) fn read(path: &Path) -> Option<Vec<u8>> {
    // Not a link, and nothing that waits for somebody to write.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let about = file.metadata().ok()?;
    let own = about.uid() == rustix::process::geteuid().as_raw();
    // Nothing for the group and for others.
    let private = about.permissions().mode().trailing_zeros() >= 6 && about.nlink() == 1;
    if !(about.is_file() && own && private && about.len() <= MAX_FILE) {
        return None;
    }
    let mut content = Vec::with_capacity(usize::try_from(about.len()).ok()?);
    file.take(MAX_FILE).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Puts `content` at `path`. Not synced: a torn file does not match its checksum.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if content.len() as u64 > MAX_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Made with mode 0600 and under a name of its own.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}
