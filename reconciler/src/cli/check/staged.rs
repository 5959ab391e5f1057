//! `tenantry check --staged`: what is about to be committed. For the pre-commit hook: fast, needs no key, and stops only what this commit
//! makes worse.

use crate::cli::Outcome;
use crate::cli::kept::{Kept, verdict};
use crate::cli::open::View;
use crate::cli::output::{count, diagnostics, say};
use crate::cli::secrets::sentence;
use crate::config::{self, CacheArgs};
use crate::git::{EntryKind, GitError, Oid};
use crate::load::{MAX_FILE, Revision};
use crate::secrets::audit::{Finding, in_clear};
use anyhow::{Context, ensure};
use tenantry_schema::Diagnostic;

pub(super) fn run(fleet: &str, branch: &str, cache: CacheArgs) -> anyhow::Result<Outcome> {
    let view = View::open(fleet, branch)?;
    ensure!(
        view.has_files(),
        "`{fleet}` has no files that could be staged: `check --staged` works in a clone (`tenantry check {fleet}` looks at the branch)"
    );
    if !view.has_commits() {
        say(
            "nothing to compare with: this is the first commit; `tenantry check` looks at all of it",
        );
        return Ok(Outcome::Clean);
    }
    let staged = view.staged(config::index_file().as_deref())?;
    let before = view.at(staged.commit)?;
    let exposed = in_changed_files(&view, before.tree, staged.tree)?;
    let kept = Kept::of(&view, cache);
    let found = verdict(&view, staged, kept.as_ref())?.diagnostics.to_vec();
    let new = made_worse(&view, before, found, kept.as_ref())?;
    for finding in &exposed {
        eprintln!("{}", sentence(finding));
    }
    diagnostics(new.iter());
    let errors = new.len() + exposed.iter().filter(|finding| finding.error).count();
    if errors == 0 {
        return Ok(Outcome::Clean);
    }
    say(format!(
        "{} in what is staged: nothing was committed (`git commit --no-verify` commits all the same)",
        count(errors, "error")
    ));
    Ok(Outcome::Errors)
}

/// Errors that were not there before. What was broken already stops nobody from mending something else.
fn made_worse(
    view: &View,
    before: Revision,
    found: Vec<Diagnostic>,
    kept: Option<&Kept>,
) -> anyhow::Result<Vec<Diagnostic>> {
    let mut errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
    if errors.is_empty() {
        return Ok(errors);
    }
    let old = verdict(view, before, kept)?;
    let same = |one: &Diagnostic, other: &Diagnostic| {
        one.code == other.code && one.place.file == other.place.file && one.message == other.message
    };
    errors.retain(|error| !old.diagnostics.iter().any(|before| same(error, before)));
    Ok(errors)
}

/// Secrets in clear text in files that differ. What is no text has no lines to look at; a file of a size that no document has is named.
fn in_changed_files(view: &View, before: Oid, after: Oid) -> anyhow::Result<Vec<Finding>> {
    let objects = view.scratch.objects();
    let changed = objects
        .changed_files(before, after)
        .context("cannot compare what is staged with the last commit")?;
    let mut found = Vec::new();
    for (path, file) in changed {
        let Some(file) = file else { continue };
        match objects.blob(file, MAX_FILE) {
            Ok(content) => {
                if let Ok(text) = String::from_utf8(content) {
                    found.extend(in_clear(&path, &text));
                }
            }
            Err(GitError::TooLarge { size, .. }) => eprintln!(
                "warning: {path}: not looked at for secrets in clear text: it has {size} bytes, and files up to {MAX_FILE} are read"
            ),
            Err(error) => {
                let entry = objects.lookup(after, &path)?;
                // Its files are in another repository.
                if entry.is_some_and(|entry| entry.kind == EntryKind::Submodule) {
                    continue;
                }
                return Err(error).with_context(|| format!("cannot read {path} as it is staged"));
            }
        }
    }
    Ok(found)
}
