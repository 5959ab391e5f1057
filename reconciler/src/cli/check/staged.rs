//! `tenantry check --staged`: what is about to be committed. For the pre-commit hook: fast, needs no key, and stops only what this commit
//! makes worse.

use crate::cli::Outcome;
use crate::cli::open::View;
use crate::cli::output::{count, diagnostics, say};
use crate::cli::secrets::sentence;
use crate::config;
use crate::git::Oid;
use crate::load::{Loader, MAX_FILE, Revision};
use crate::secrets::audit::{Finding, in_clear};
use anyhow::Context;
use tenantry_schema::Diagnostic;

pub(super) fn run(fleet: &str, branch: &str) -> anyhow::Result<Outcome> {
    let view = View::open(fleet, branch)?;
    if !view.has_commits() {
        say(
            "nothing to compare with: this is the first commit; `tenantry check` looks at all of it",
        );
        return Ok(Outcome::Clean);
    }
    let staged = view.staged(config::index_file().as_deref())?;
    let objects = view.scratch.objects();
    let before = view.at(staged.commit)?;
    let exposed = in_changed_files(&view, before.tree, staged.tree)?;
    let found = Loader::new(objects.clone())
        .load(staged)?
        .diagnostics
        .to_vec();
    let new = made_worse(&view, before, found)?;
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
) -> anyhow::Result<Vec<Diagnostic>> {
    let mut errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
    if errors.is_empty() {
        return Ok(errors);
    }
    let old = Loader::new(view.scratch.objects().clone()).load(before)?;
    let same = |one: &Diagnostic, other: &Diagnostic| {
        one.code == other.code && one.place.file == other.place.file && one.message == other.message
    };
    errors.retain(|error| !old.diagnostics.iter().any(|before| same(error, before)));
    Ok(errors)
}

/// Secrets in clear text in files that differ.
fn in_changed_files(view: &View, before: Oid, after: Oid) -> anyhow::Result<Vec<Finding>> {
    let texts = view
        .scratch
        .objects()
        .with(|repo| {
            let mut texts = Vec::new();
            let failed = crate::git::GitError::library("comparing what is staged");
            let (before, after) = (
                repo.find_tree(before).map_err(&failed)?,
                repo.find_tree(after).map_err(&failed)?,
            );
            let changes = repo
                .diff_tree_to_tree(Some(&before), Some(&after), None)
                .map_err(&failed)?;
            for delta in changes.deltas() {
                let file = delta.new_file();
                let (Some(path), Ok(blob)) = (
                    file.path().and_then(|path| path.to_str()),
                    repo.find_blob(file.id()),
                ) else {
                    continue;
                };
                if blob.size() <= MAX_FILE
                    && let Ok(text) = std::str::from_utf8(blob.content())
                {
                    texts.push((path.to_owned(), text.to_owned()));
                }
            }
            Ok(texts)
        })
        .context("cannot compare what is staged with the last commit")?;
    Ok(texts
        .iter()
        .flat_map(|(path, text)| in_clear(path, text))
        .collect())
}
