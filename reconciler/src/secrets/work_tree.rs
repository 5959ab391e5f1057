//! The files of a fleet that people edit: a Git work tree. Files are replaced as a whole, so that nobody reads half of one.

use super::SecretsError;
use crate::load::MAX_FILE;
use git2::{Repository, Status, StatusOptions};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tenantry_schema::id::CustomerId;

/// A work tree that holds a fleet.
pub struct WorkTree {
    root: PathBuf,
    repository: Repository,
}

impl WorkTree {
    /// Opens the one that `path` is in.
    pub fn open(path: &Path) -> Result<Self, SecretsError> {
        let shown = path.display();
        let repository = crate::git::discover(path).map_err(SecretsError::refused)?;
        let Some(root) = repository.workdir().map(Path::to_owned) else {
            return Err(SecretsError::refused(format!(
                "`{shown}` has no files to edit: it is a bare repository; work in a clone of it"
            )));
        };
        if !root.join("fleet").is_dir() {
            return Err(SecretsError::refused(format!(
                "`{shown}` has no folder `fleet/`; `tenantry init DIR` makes a fleet"
            )));
        }
        Ok(Self { root, repository })
    }

    /// Its top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The text of a file, by its path from the top; `None` where there is none.
    pub fn read(&self, path: &str) -> Result<Option<String>, SecretsError> {
        let full = self.root.join(path);
        match fs::metadata(&full) {
            Ok(found) if found.len() > MAX_FILE as u64 => {
                return Err(SecretsError::refused(format!(
                    "{path} is larger than 1 MiB"
                )));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SecretsError::io("read", &full)(error)),
        }
        let content = fs::read(&full).map_err(SecretsError::io("read", &full))?;
        String::from_utf8(content)
            .map(Some)
            .map_err(|_| SecretsError::refused(format!("{path} is not a text file (UTF-8)")))
    }

    /// As [`WorkTree::read`], and a file that is not there is an error.
    pub fn text(&self, path: &str) -> Result<String, SecretsError> {
        self.read(path)?
            .ok_or_else(|| SecretsError::refused(format!("there is no file {path}")))
    }

    /// Replaces a file, or makes it and its folders.
    pub fn write(&self, path: &str, text: &str) -> Result<(), SecretsError> {
        let full = self.root.join(path);
        let folder = full.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(SecretsError::io("make", folder))?;
        replace(&full, text.as_bytes()).map_err(SecretsError::io("write", &full))
    }

    /// Refuses a customer who has no folder: most often a slip of the finger.
    pub fn expect_customer(&self, customer: &CustomerId) -> Result<(), SecretsError> {
        let folder = self.root.join("fleet/customers");
        if folder.join(customer.as_str()).is_dir() {
            return Ok(());
        }
        let known: Vec<String> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        let hint = tenantry_yaml::suggest(customer.as_str(), &known).map_or_else(
            || format!("make fleet/customers/{customer}/customer.yaml first"),
            |near| format!("did you mean `{near}`?"),
        );
        Err(SecretsError::refused(format!(
            "there is no customer `{customer}`; {hint}"
        )))
    }

    /// Paths of all files, from the top: tracked ones that are there, and new ones that Git does not ignore.
    pub fn files(&self) -> Result<Vec<String>, SecretsError> {
        let mut paths = BTreeSet::new();
        let failed = || SecretsError::git2("listing files");
        for entry in self.repository.index().map_err(failed())?.iter() {
            if let Ok(path) = String::from_utf8(entry.path)
                && self.root.join(&path).is_file()
            {
                paths.insert(path);
            }
        }
        let mut options = StatusOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .include_ignored(false);
        for status in self
            .repository
            .statuses(Some(&mut options))
            .map_err(failed())?
            .iter()
        {
            if status.status().contains(Status::WT_NEW)
                && let Ok(path) = status.path()
            {
                paths.insert(path.to_owned());
            }
        }
        Ok(paths.into_iter().collect())
    }

    /// Runs the `git` program in this work tree with the person's own settings (signing, credentials). What it says on
    /// standard error is the error.
    pub fn git(&self, arguments: &[&str]) -> Result<String, SecretsError> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.root)
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null())
            .output()
            .map_err(SecretsError::io("run", Path::new("git")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = crate::git::redact(said.trim());
        Err(SecretsError::refused(format!(
            "git {} failed: {}",
            arguments.first().copied().unwrap_or_default(),
            said.lines().last().unwrap_or_default()
        )))
    }

    /// The remote that the branch follows: the one it is set to, `origin`, or the only one.
    pub fn remote(&self) -> Option<String> {
        let names = self.repository.remotes().ok()?;
        let names: Vec<&str> = names.iter().filter_map(Result::ok).flatten().collect();
        let upstream = self.repository.head().ok().and_then(|head| {
            let name = head.name().ok()?.to_owned();
            let remote = self.repository.branch_upstream_remote(&name).ok()?;
            remote.as_str().ok().map(str::to_owned)
        });
        upstream
            .filter(|name| names.contains(&name.as_str()))
            .or_else(|| names.contains(&"origin").then(|| "origin".to_owned()))
            .or_else(|| (names.len() == 1).then(|| names[0].to_owned()))
    }

    /// A setting of this clone.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.repository.config().ok()?.get_string(name).ok()
    }
}

/// Puts `content` at `path` under its own name only when it is complete; keeps the permissions of what was there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".tenantry-")
        .tempfile_in(folder)?;
    file.write_all(content)?;
    let mode = match fs::metadata(path) {
        Ok(found) => found.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    file.as_file().set_permissions(mode)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
