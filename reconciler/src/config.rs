//! Where settings come from: options, then the environment, then defaults. The only reader of the environment.

use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Settings that most commands share.
#[derive(Debug, Clone, clap::Args)]
pub struct FleetArgs {
    /// The fleet repository: a folder, or a URL that the `git` program can fetch from.
    #[arg(value_name = "FLEET", default_value = ".", env = "TENANTRY_FLEET")]
    pub fleet: String,
    /// The branch that says what should be true.
    #[arg(long, default_value = "main", env = "TENANTRY_BRANCH")]
    pub branch: String,
}

/// Whether the person named a branch on the command line. A default, or one from the environment, does not turn anybody away from the files that they
/// are editing.
pub fn branch_is_named() -> bool {
    std::env::args_os().any(|argument| {
        argument
            .to_str()
            .is_some_and(|text| text == "--branch" || text.starts_with("--branch="))
    })
}

/// Whether to use what earlier runs found out.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct CacheArgs {
    /// Read everything, and keep nothing for the next run.
    #[arg(long)]
    pub no_cache: bool,
}

/// Where a hub keeps its cache and its diary, and its key.
#[derive(Debug, Clone, clap::Args)]
pub struct HubArgs {
    /// Folder for the hub's data: a cache and a diary that may be deleted at any time.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/tenantry",
        env = "TENANTRY_DATA"
    )]
    pub data: PathBuf,
    /// The hub's age identity file. Without it the hub only observes.
    #[arg(long, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    pub key: Option<PathBuf>,
}

/// Whether output goes to a terminal that wants colours (<https://no-color.org>).
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn wants_colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The filter for logs: `TENANTRY_LOG`, in the form of `tracing-subscriber`'s directives; `info` by default.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn log_filter() -> String {
    std::env::var("TENANTRY_LOG").unwrap_or_else(|_| "info".to_owned())
}

/// Where age identities are found when none is named, in the places where `sops` looks: `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY`, and
/// `sops/age/keys.txt` in the person's settings.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn sops_keys() -> crate::secrets::keyring::Sources {
    let path = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let settings = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
    let own = settings.map(|folder| folder.join("sops/age/keys.txt"));
    crate::secrets::keyring::Sources {
        files: path("SOPS_AGE_KEY_FILE").into_iter().chain(own).collect(),
        inline: std::env::var("SOPS_AGE_KEY")
            .ok()
            .filter(|text| !text.trim().is_empty())
            .map(tenantry_schema::Secret::new),
    }
}

/// The person's editor, as one line of words: `VISUAL`, else `EDITOR`, else `vi`.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn editor() -> String {
    let set = |name| {
        std::env::var(name)
            .ok()
            .filter(|line| !line.trim().is_empty())
    };
    set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned())
}

/// Folders that are in memory on most machines, the person's own first.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn memory_folders() -> Vec<PathBuf> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    own.into_iter().chain([PathBuf::from("/dev/shm")]).collect()
}

/// The person's folder for caches (`XDG_CACHE_HOME`, else `.cache` in the home folder).
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn cache_folder() -> Option<PathBuf> {
    let path = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")))
}

/// Which program this is: the release, and the very file that runs. What another build wrote for itself is not taken for one's own. None where
/// that cannot be told.
pub fn program() -> Option<[u8; 32]> {
    let about = std::env::current_exe().and_then(std::fs::metadata).ok()?;
    let mut digest = Sha256::new_with_prefix(crate::RELEASE);
    for number in [about.dev(), about.ino(), about.len()] {
        digest.update(number.to_le_bytes());
    }
    for number in [about.mtime(), about.mtime_nsec()] {
        digest.update(number.to_le_bytes());
    }
    Some(digest.finalize().into())
}

/// Whether Git is set up to start another `ssh` than the one on the path: `GIT_SSH_COMMAND`, `GIT_SSH` or `core.sshCommand`.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn has_own_ssh() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let config = git2::Config::open_default().ok();
    set("GIT_SSH_COMMAND")
        || set("GIT_SSH")
        || config.is_some_and(|config| config.get_string("core.sshCommand").is_ok())
}

/// The index that Git hands to a hook, where it is another than the repository's own.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn index_file() -> Option<PathBuf> {
    std::env::var_os("GIT_INDEX_FILE").map(PathBuf::from)
}

/// The person at the keyboard, for commits made by `init` and `activate`.
#[expect(
    clippy::disallowed_methods,
    reason = "this module reads the environment"
)]
pub fn person() -> (String, String) {
    let name = std::env::var("GIT_AUTHOR_NAME").ok();
    let email = std::env::var("GIT_AUTHOR_EMAIL").ok();
    let config = git2::Config::open_default().ok();
    let setting = |key: &str| {
        config
            .as_ref()
            .and_then(|config| config.get_string(key).ok())
    };
    (
        name.or_else(|| setting("user.name"))
            .unwrap_or_else(|| "Tenantry".to_owned()),
        email
            .or_else(|| setting("user.email"))
            .unwrap_or_else(|| "tenantry@localhost".to_owned()),
    )
}

/// The key file that the person at the keyboard signs commits with, where Git is set up for SSH signatures (`gpg.format=ssh`, `user.signingkey`).
pub fn signing_key() -> Option<PathBuf> {
    let config = git2::Config::open_default().ok()?;
    if config.get_string("gpg.format").ok()? != "ssh" {
        return None;
    }
    config.get_path("user.signingkey").ok()
}
