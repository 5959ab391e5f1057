//! What a clone of a fleet needs from Git: how files of secrets are shown and merged, and a hook that looks at what is about to be committed.
//! Everything is found again and left alone when it is there already; what somebody else put there is never replaced.

use super::{SecretsError, WorkTree};
use rand::Rng;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What was done about one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// It is new.
    Created,
    /// It was another version of ours.
    Changed,
    /// It was there.
    Unchanged,
    /// Something that is not ours is there; the person has to add this to it.
    LeftAlone {
        /// What to add.
        add: String,
    },
}

/// One part, by name, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// For people.
    pub name: String,
    /// What was done.
    pub done: Done,
}

/// What a clone is set up with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// This program.
    pub program: PathBuf,
    /// The identity file to use where none is named.
    pub key: Option<PathBuf>,
    /// Whether diffs show values.
    pub show_values: bool,
}

/// By what we know our own hook again.
const MARK: &str = "# Made by `tenantry git-setup`";
/// Name of the drivers in Git's settings and attributes.
const DRIVER: &str = "tenantry-sops";
/// The setting that names the identity file.
pub const KEY_SETTING: &str = "tenantry.keyFile";
/// The setting with the salt of digests in diffs.
pub const SALT_SETTING: &str = "tenantry.diffSalt";

const ATTRIBUTES_HEAD: &str = "# Files of secrets are shown and merged value by value; `tenantry git-setup` tells a clone how.";
const PATTERNS: [&str; 4] = [
    "fleet/**/secrets.yaml",
    "fleet/**/*.secrets.yaml",
    "fleet/**/person.yaml",
    "fleet/hub-key.yaml",
];

/// Sets the clone up.
pub fn apply(tree: &WorkTree, setup: &Setup) -> Result<Vec<Part>, SecretsError> {
    let program = quoted(&setup.program);
    let show = if setup.show_values { " --show" } else { "" };
    let mut parts = vec![
        settings(
            tree,
            "diff driver",
            &[
                (
                    "diff.tenantry-sops.textconv",
                    format!("{program} sops-textconv{show}"),
                ),
                // A cache would keep what is shown in a Git object.
                ("diff.tenantry-sops.cachetextconv", "false".to_owned()),
            ],
        )?,
        settings(
            tree,
            "merge driver",
            &[
                (
                    "merge.tenantry-sops.name",
                    "secrets value by value".to_owned(),
                ),
                (
                    "merge.tenantry-sops.driver",
                    format!("{program} sops-merge %O %A %B %P"),
                ),
            ],
        )?,
    ];
    if tree.setting(SALT_SETTING).is_none() {
        let salt: [u8; 16] = rand::rng().random();
        settings(tree, "salt", &[(SALT_SETTING, hex::encode(salt))])?;
    }
    if let Some(key) = &setup.key {
        let key = std::path::absolute(key).map_err(SecretsError::io("find", key))?;
        parts.push(settings(
            tree,
            "key file",
            &[(KEY_SETTING, key.display().to_string())],
        )?);
    }
    parts.push(attributes(tree)?);
    parts.push(hook(tree, &program)?);
    Ok(parts)
}

fn settings(tree: &WorkTree, name: &str, wanted: &[(&str, String)]) -> Result<Part, SecretsError> {
    let failed = || SecretsError::git2("writing settings of the clone");
    let config = tree.repository().config().map_err(failed())?;
    let mut local = config
        .open_level(git2::ConfigLevel::Local)
        .map_err(failed())?;
    let mut done = Done::Unchanged;
    for (key, value) in wanted {
        let old = local.get_string(key).ok();
        if old.as_deref() == Some(value) {
            continue;
        }
        local.set_str(key, value).map_err(failed())?;
        done = if old.is_some() {
            Done::Changed
        } else {
            Done::Created
        };
    }
    Ok(Part {
        name: name.to_owned(),
        done,
    })
}

/// The lines of `.gitattributes` that name the files which the drivers are for.
pub fn attribute_lines() -> Vec<String> {
    PATTERNS
        .iter()
        .map(|pattern| format!("{pattern} diff={DRIVER} merge={DRIVER}"))
        .collect()
}

/// The `.gitattributes` of a new fleet.
pub fn new_attributes() -> String {
    let lines = attribute_lines().join("\n");
    format!("*.yaml text eol=lf\n{ATTRIBUTES_HEAD}\n{lines}\n")
}

fn attributes(tree: &WorkTree) -> Result<Part, SecretsError> {
    let name = ".gitattributes".to_owned();
    let old = tree.read(&name)?;
    let mut text = old.clone().unwrap_or_default();
    let mut missing = attribute_lines();
    missing.retain(|line| !text.lines().any(|found| found.trim() == line));
    if missing.is_empty() {
        let done = Done::Unchanged;
        return Ok(Part { name, done });
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if !text.contains(ATTRIBUTES_HEAD) {
        missing.insert(0, ATTRIBUTES_HEAD.to_owned());
    }
    for line in missing {
        text.push_str(&line);
        text.push('\n');
    }
    tree.write(&name, &text)?;
    let done = if old.is_some() {
        Done::Changed
    } else {
        Done::Created
    };
    Ok(Part { name, done })
}

fn hook(tree: &WorkTree, program: &str) -> Result<Part, SecretsError> {
    let name = "pre-commit hook".to_owned();
    let folder = tree.git(&["rev-parse", "--git-path", "hooks"])?;
    let folder = tree.root().join(folder.trim());
    let path = folder.join("pre-commit");
    let wanted = format!(
        "#!/bin/sh\n{MARK}; running that again makes it anew.\nprogram={program}\n[ -x \"$program\" ] || program=tenantry\nexec \"$program\" check --staged\n"
    );
    let ours = folder.starts_with(tree.repository().commondir());
    let old = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(SecretsError::io("read", &path)(error)),
    };
    let done = match &old {
        Some(text) if *text == wanted => Done::Unchanged,
        Some(text) if !text.contains(MARK) => return Ok(left_alone(name, &path)),
        // A folder that people share, or that is committed, is not ours to write to.
        None if !ours => return Ok(left_alone(name, &path)),
        Some(_) => Done::Changed,
        None => Done::Created,
    };
    if done != Done::Unchanged {
        fs::create_dir_all(&folder).map_err(SecretsError::io("make", &folder))?;
        super::work_tree::replace(&path, wanted.as_bytes())
            .map_err(SecretsError::io("write", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(SecretsError::io("write", &path))?;
    }
    Ok(Part { name, done })
}

fn left_alone(name: String, path: &Path) -> Part {
    let add = format!(
        "{} is somebody else's; add this line to it: tenantry check --staged || exit 1",
        path.display()
    );
    Part {
        name,
        done: Done::LeftAlone { add },
    }
}

/// For the shell that Git runs drivers and hooks with.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
