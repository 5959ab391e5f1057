//! Fetching a program from the hub: piece by piece, each in a signed answer, going on where an earlier attempt was cut off. Nothing of it
//! is ever started before the digest of the whole fits.

use super::{digest_of_file, place};
use crate::execute::sentence;
use crate::faults;
use crate::link::backoff::Backoff;
use crate::link::{Link, LinkError};
use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tenantry_schema::document::{Release, Sha256};
use tenantry_schema::wire::PROGRAM_PIECE;

/// Larger than any program of ours.
const LARGEST: u64 = 1 << 30;

/// How often a piece is asked for before the whole is left for later.
const ATTEMPTS: u32 = 8;

/// Why a program could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The hub.
    #[error("the hub does not give it")]
    Hub(#[from] LinkError),
    /// A file.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the kernel says.
        error: std::io::Error,
    },
    /// It is larger than any program of ours.
    #[error("it is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It is not what the slice asks for.
    #[error("what came has the digest {0}")]
    Digest(String),
}

/// Fetches the program, and keeps it beside the installed one. `done` tells how many bytes are here.
pub async fn fetch(
    link: &Link,
    state: &Path,
    program: &Path,
    release: Release,
    sha256: &Sha256,
    done: Rc<Cell<u64>>,
) -> Result<(), FetchError> {
    let target = place(program, release, sha256);
    let folder = state.join("program");
    let part = folder.join(format!("{sha256}.part"));
    if digest_of_file(&target).is_ok_and(|digest| digest == sha256.as_str()) {
        // An agent that was killed when it had it whole left this.
        let _ = std::fs::remove_file(&part);
        return Ok(());
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| FetchError::File { path, error }
    };
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    remove_others(&folder, &part);
    let mut options = OpenOptions::new();
    let mut file = options
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed(&part))?;
    let mut offset = file.metadata().map_err(failed(&part))?.len();
    loop {
        done.set(offset);
        let piece = piece(link, sha256, offset).await?;
        offset += piece.len() as u64;
        if offset > LARGEST {
            let _ = std::fs::remove_file(&part);
            return Err(FetchError::TooLarge);
        }
        file.write_all(&piece).map_err(failed(&part))?;
        if offset == piece.len() as u64 {
            // The first one stands for all of them.
            faults::changed();
        }
        if piece.len() < PROGRAM_PIECE {
            break;
        }
    }
    file.sync_all().map_err(failed(&part))?;
    drop(file);
    let path = part.clone();
    let digest = tokio::task::spawn_blocking(move || digest_of_file(&path)).await;
    let digest = digest
        .unwrap_or_else(|_| Err(ErrorKind::Interrupted.into()))
        .map_err(failed(&part))?;
    if digest != sha256.as_str() {
        let _ = std::fs::remove_file(&part);
        return Err(FetchError::Digest(digest));
    }
    keep(&part, &target).map_err(failed(&target))?;
    let _ = std::fs::remove_file(&part);
    faults::changed();
    Ok(())
}

/// One piece. A hub that is busy or away for a moment is asked again.
async fn piece(link: &Link, sha256: &Sha256, offset: u64) -> Result<Vec<u8>, LinkError> {
    let mut backoff = Backoff::default();
    let mut attempts = 0;
    loop {
        attempts += 1;
        match link.program(sha256, offset).await {
            Err(error) if attempts < ATTEMPTS && may_pass(&error) => {
                tokio::time::sleep(backoff.next(&mut rand::rng())).await;
            }
            result => return result,
        }
    }
}

/// Whether the same question may be answered a moment later.
fn may_pass(error: &LinkError) -> bool {
    match error {
        LinkError::Unreachable(_) => true,
        LinkError::Refused(refusal) => {
            refusal.status.is_server_error() || refusal.status.as_u16() == 429
        }
        _ => false,
    }
}

/// Parts of programs that nobody asks for any more.
fn remove_others(folder: &Path, part: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path() != part && entry.path().extension().is_some_and(|it| it == "part") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Copied, for the two may be on different file systems; whole or not at all.
fn keep(part: &Path, target: &Path) -> std::io::Result<()> {
    let new = target.with_extension("new");
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(part, &new)?;
    faults::changed();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
    std::fs::File::open(&new)?.sync_all()?;
    std::fs::rename(&new, target)?;
    faults::changed();
    Ok(())
}

/// In one sentence.
pub fn reason(error: &FetchError) -> String {
    sentence(error)
}
