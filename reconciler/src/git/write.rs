//! Makes commits: the text of the commit object, and how new objects get to disk. Which branch then points at them is not decided here.

use super::edit::{self, Change, Staged};
use super::error::GitError;
use super::objects::missing;
use super::pack::{self, Durability};
use super::sign::Signer;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid, Repository};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// From this many new objects on they are written as one pack: one file to sync instead of many. Fewer stay loose, so that small commits do not
/// fill the repository with small packs.
const PACK_FROM: usize = 24;

/// Who commits.
#[derive(Debug, Clone)]
pub struct Author {
    /// A name. `<`, `>` and line ends are dropped.
    pub name: String,
    /// An e-mail address. Likewise.
    pub email: String,
    /// Signs the commits.
    signer: Option<Signer>,
}

impl Author {
    /// Both parts of the signature.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            email: email.into(),
            signer: None,
        }
    }

    /// The same, with commits signed.
    pub fn signed_by(self, signer: Signer) -> Self {
        Self {
            signer: Some(signer),
            ..self
        }
    }

    fn line(&self, time: Timestamp) -> String {
        let clean = |text: &str| {
            text.chars()
                .filter(|c| !matches!(c, '<' | '>') && !c.is_control())
                .collect::<String>()
        };
        // Git drops a leading or trailing dot or space; so that what it shows is what was written, so do we.
        let trim = |text: &str| {
            clean(text)
                .trim_matches(['.', ' ', ',', ';', ':', '"', '\''])
                .to_owned()
        };
        format!(
            "{} <{}> {} +0000",
            trim(&self.name),
            trim(&self.email),
            time.as_second()
        )
    }
}

/// A commit object, not written yet.
pub(crate) fn commit_object(
    tree: Oid,
    parents: &[Oid],
    author: &Author,
    message: &str,
    time: Timestamp,
) -> Result<Staged, GitError> {
    let mut text = format!("tree {tree}\n");
    for parent in parents {
        text.extend(["parent ", parent.to_string().as_str(), "\n"]);
    }
    let who = author.line(time);
    let message = message.replace('\0', "");
    text.extend([
        "author ",
        &who,
        "\ncommitter ",
        &who,
        "\n\n",
        message.trim_end(),
        "\n",
    ]);
    let content = match &author.signer {
        Some(signer) => signer.sign(text.as_bytes())?,
        None => text.into_bytes(),
    };
    Staged::new(ObjectType::Commit, content)
}

/// Applies `changes` to `base` and writes everything but the reference, durably. `None`: the changes change nothing.
pub(super) fn write_commit(
    repo: &Repository,
    base: Oid,
    changes: &[Change],
    author: &Author,
    message: &str,
    time: Timestamp,
) -> Result<Option<Oid>, GitError> {
    let old = repo
        .find_commit(base)
        .map_err(|e| missing(base, "commit", e))?
        .tree_id();
    let (tree, mut staged) = edit::apply(repo, Some(old), changes)?;
    if tree == old {
        return Ok(None);
    }
    let commit = commit_object(tree, &[base], author, message, time)?;
    let oid = commit.oid;
    staged.push(commit);
    write_objects(repo.commondir(), &staged)?;
    Ok(Some(oid))
}

/// Writes objects so that they survive a power cut, whatever the repository's own settings are.
pub(super) fn write_objects(git_dir: &Path, staged: &[Staged]) -> Result<(), GitError> {
    if staged.len() >= PACK_FROM {
        return pack::write(git_dir, staged, Durability::Synced);
    }
    for object in staged {
        write_loose(git_dir, object)?;
    }
    // The names of new folders, too.
    pack::sync_folder(&git_dir.join("objects"))
}

/// One object in its own file (`gitrepository-layout(5)`): zlib over `<kind> <size>\0<content>`.
///
/// libgit2 would write it as well, but syncs only where `core.fsyncObjectFiles` is set, and then the `git` program warns people about that old
/// setting at every command.
fn write_loose(git_dir: &Path, object: &Staged) -> Result<(), GitError> {
    let name = object.oid.to_string();
    let objects = git_dir.join("objects");
    let (folder, rest) = (objects.join(&name[..2]), &name[2..]);
    let target = folder.join(rest);
    let put = || {
        fs::create_dir_all(&folder)?;
        let mut file = NewFile::beside(&objects, &name)?;
        let mut zlib = ZlibEncoder::new(&mut file.file, Compression::fast());
        zlib.write_all(format!("{} {}\0", object.kind.str(), object.data.len()).as_bytes())?;
        zlib.write_all(&object.data)?;
        zlib.finish()?;
        file.file
            .set_permissions(fs::Permissions::from_mode(0o444))?;
        file.place(&target)?;
        File::open(&folder)?.sync_all()
    };
    put().map_err(GitError::io("write", &target))
}

/// A file under another name until it is complete and synced. Removed if that never happens.
struct NewFile {
    file: File,
    path: PathBuf,
}

impl NewFile {
    fn beside(folder: &Path, name: &str) -> std::io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // `git prune` removes files of such a name that a crash left behind.
        let path = folder.join(format!(
            "tmp_obj_{}_{}_{name}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        Ok(Self {
            file: File::create_new(&path)?,
            path,
        })
    }

    fn place(self, target: &Path) -> std::io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Sees to it that the `git` program syncs what it writes to this repository.
pub(super) fn durable(repo: &Repository) -> Result<(), GitError> {
    let failed = || GitError::library("setting core.fsync");
    let mut config = repo
        .config()
        .and_then(|c| c.open_level(git2::ConfigLevel::Local))
        .map_err(failed())?;
    for (name, value) in [("core.fsync", "all"), ("core.fsyncMethod", "fsync")] {
        if config.get_string(name).ok().as_deref() != Some(value) {
            config.set_str(name, value).map_err(failed())?;
        }
    }
    Ok(())
}
