//! Writing what was composed: checked as if it were there, then written, and taken back if writing fails half-way.

use super::super::Outcome;
use super::super::output::{count, diagnostics, json, say};
use super::{Common, Desk};
use crate::git::Change;
use crate::load::{Loaded, said_today};
use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tenantry_schema::Diagnostic;
use tenantry_schema::name::RelativePath;

/// Files that are not written yet.
#[derive(Default)]
pub(super) struct Proposal {
    /// By path from the root of the repository.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// What `git add` is given.
    pub(super) add: Vec<String>,
    /// A commit message.
    pub(super) message: String,
    /// Sentences for people, before what to do next.
    pub(super) notes: Vec<String>,
    /// What else is to be done, as sentences or commands.
    pub(super) next: Vec<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    written: bool,
    files: BTreeMap<&'a str, std::borrow::Cow<'a, str>>,
    notes: &'a [String],
    diagnostics: &'a [Diagnostic],
    next: &'a [String],
    commit: String,
}

/// Checks, writes and says what to do next.
pub(super) fn finish(
    mut desk: Desk,
    common: &Common,
    proposal: &Proposal,
) -> anyhow::Result<Outcome> {
    for path in proposal.files.keys() {
        let there = desk.root.join(path);
        if there.symlink_metadata().is_ok() {
            bail!(
                "`{}` is there already, and `new` never overwrites: edit it, or choose another id",
                there.display()
            );
        }
    }
    let found = check(&mut desk, proposal)?;
    let errors = found.iter().filter(|found| found.is_error()).count();
    if errors > 0 {
        if common.json {
            report(&desk, proposal, &found, false)?;
        } else {
            diagnostics(&found);
        }
        bail!(
            "nothing was written, because the fleet would have {} that it does not have now",
            count(errors, "error")
        );
    }
    if !common.dry_run {
        write(&desk.root, &proposal.files)?;
    }
    if common.json {
        report(&desk, proposal, &found, !common.dry_run)?;
        return Ok(Outcome::Clean);
    }
    diagnostics(&found);
    tell(common, &desk, proposal);
    Ok(Outcome::Clean)
}

/// What would be wrong that is not wrong now.
fn check(desk: &mut Desk, proposal: &Proposal) -> anyhow::Result<Vec<Diagnostic>> {
    let mut changes = Vec::new();
    for (path, content) in &proposal.files {
        changes.push(Change {
            path: RelativePath::try_from(path.as_str())?,
            content: Some(content.clone()),
        });
    }
    let objects = desk.view.scratch.objects().clone();
    let now = Timestamp::now();
    let findings = |loaded: &Loaded, tree| {
        let mut found = loaded.diagnostics.to_vec();
        let desired = loaded.desired.iter();
        found.extend(desired.flat_map(|desired| said_today(&objects, tree, desired, now)));
        found
    };
    let before = findings(&desk.before, desk.revision.tree);
    let mut revision = desk.revision;
    revision.tree = desk.view.scratch.apply(revision.tree, &changes)?;
    let mut after = findings(&desk.loader.load(revision)?, revision.tree);
    // Notes tell of the rest of the fleet, which has changed.
    let same = |a: &Diagnostic, b: &Diagnostic| {
        a.code == b.code && a.place == b.place && a.message == b.message
    };
    after.retain(|found| !before.iter().any(|known| same(known, found)));
    Ok(after)
}

/// Writes all files, or none.
fn write(root: &Path, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    let mut undo = Undo::default();
    for (path, content) in files {
        let there = root.join(path);
        undo.folders_for(root, &there);
        let parent = there.parent().unwrap_or(root);
        let written = std::fs::create_dir_all(parent)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&there))
            .and_then(|mut file| {
                undo.made.push(there.clone());
                file.write_all(content)
            });
        written.with_context(|| {
            format!(
                "cannot write `{}`; what was written before it is taken back",
                there.display()
            )
        })?;
    }
    undo.made.clear();
    Ok(())
}

/// Takes back what it was told of, unless it is told to forget.
#[derive(Default)]
struct Undo {
    /// Files and folders, in the order they were made.
    made: Vec<PathBuf>,
}

impl Undo {
    /// Notes the folders that will be made for a file.
    fn folders_for(&mut self, root: &Path, file: &Path) {
        let absent = |folder: &&Path| *folder != root && !folder.exists();
        let mut new: Vec<PathBuf> = file
            .ancestors()
            .skip(1)
            .take_while(absent)
            .map(Path::to_owned)
            .collect();
        new.reverse();
        self.made.extend(new);
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // A folder that somebody else put something into stays.
            let _ = if path.is_dir() {
                std::fs::remove_dir(path)
            } else {
                std::fs::remove_file(path)
            };
        }
    }
}

fn tell(common: &Common, desk: &Desk, proposal: &Proposal) {
    let mut out = String::new();
    for (path, content) in &proposal.files {
        if common.dry_run {
            let text = match std::str::from_utf8(content) {
                Ok(text) => text.to_owned(),
                Err(_) => format!("({} bytes)\n", content.len()),
            };
            let _ = writeln!(out, "--- {path}\n{text}");
        } else {
            let _ = writeln!(out, "wrote {path}");
        }
    }
    for note in &proposal.notes {
        let _ = writeln!(out, "{note}");
    }
    if common.dry_run {
        out.push_str("\nnothing was written (--dry-run)\n");
    } else {
        out.push_str("\nNext:\n");
        for step in &proposal.next {
            let _ = writeln!(out, "  {step}");
        }
        let _ = writeln!(out, "  {}", commit(desk, proposal));
    }
    say(out);
}

/// The commands that commit it.
fn commit(desk: &Desk, proposal: &Proposal) -> String {
    let here = std::env::current_dir()
        .ok()
        .and_then(|here| here.canonicalize().ok());
    let root = desk
        .root
        .canonicalize()
        .unwrap_or_else(|_| desk.root.clone());
    let git = if here.as_deref() == Some(root.as_path()) {
        "git".to_owned()
    } else {
        format!(
            "git -C {}",
            quoted(desk.root.display().to_string().trim_end_matches('/'))
        )
    };
    let add: Vec<String> = proposal.add.iter().map(|path| quoted(path)).collect();
    format!(
        "{git} add {} && {git} commit -m {}",
        add.join(" "),
        quoted(&proposal.message)
    )
}

/// For a shell.
pub(super) fn quoted(text: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(fine) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn report(
    desk: &Desk,
    proposal: &Proposal,
    found: &[Diagnostic],
    written: bool,
) -> anyhow::Result<()> {
    json(&Report {
        written,
        files: proposal
            .files
            .iter()
            .map(|(path, content)| (path.as_str(), String::from_utf8_lossy(content)))
            .collect(),
        notes: &proposal.notes,
        diagnostics: found,
        next: &proposal.next,
        commit: commit(desk, proposal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_or_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("there")).unwrap();
        std::fs::write(folder.path().join("there/z"), "mine").unwrap();
        let file = |path: &str| (path.to_owned(), b"x".to_vec());
        let files = [file("new/a/b"), file("there/a"), file("there/z")].into();
        assert!(write(folder.path(), &files).is_err());
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["there"]);
        let left: Vec<_> = std::fs::read_dir(folder.path().join("there"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["z"]);
        assert_eq!(
            std::fs::read(folder.path().join("there/z")).unwrap(),
            b"mine"
        );
        write(folder.path(), &[file("new/a/b")].into()).unwrap();
        assert!(folder.path().join("new/a/b").exists());
    }

    #[test]
    fn words_of_a_shell() {
        assert_eq!(quoted("a/b-c.yaml"), "a/b-c.yaml");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
