//! The verdict on a branch: what merging it would do, or why it cannot be merged. The planning is the hub's own; its key opens what the branch changes
//! of secrets, and what is inside is told to nobody.

use super::Verdict;
use super::told::wrong as first_of;
use crate::foresee::{Foreseen, Foresight, Past};
use crate::forge::State;
use crate::git::{GitError, Most, Oid, Scratch};
use crate::keys::{HubIdentity, KeyError};
use crate::load::{LoadError, MAX_FILE, Revision, object_id, said_today};
use crate::review::{End, Ends, Report, count, report, text, words};
use crate::trust::{Judge as Trust, NotFollowed};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use tenantry_planner::{Inventory, Observed};
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{Kind, classify};

/// What a branch may change so that it is judged at all.
pub(super) const MOST: Most = Most {
    files: 20_000,
    size: MAX_FILE,
};

/// Commits that a branch may bring so that it is judged at all.
const MOST_COMMITS: usize = 10_000;

/// What is wrong with a branch beside its documents.
struct Wrong {
    /// The first commit that the hub would not follow once it is merged.
    refused: Option<NotFollowed>,
    /// Files of secrets that cannot be opened, in words.
    sealed: Vec<String>,
}

/// Why nothing can be judged now.
#[derive(Debug, thiserror::Error)]
pub(super) enum JudgeError {
    /// Git.
    #[error("what is offered cannot be read")]
    Git(#[from] GitError),
    /// Loading.
    #[error("what is offered cannot be loaded")]
    Load(#[from] LoadError),
}

/// Judges branches against one state of the followed branch, with what they have in common worked out once.
pub(super) struct Judge<'s> {
    scratch: &'s Scratch,
    foresight: Foresight<'s>,
    base: Revision,
    before: Foreseen,
    followed: String,
    identity: Option<&'s HubIdentity>,
    now: Timestamp,
}

/// A branch to be judged.
pub(super) struct Branch<'a> {
    pub(super) name: &'a str,
    pub(super) commit: Oid,
}

impl<'s> Judge<'s> {
    /// Against `base` of the branch `followed`. `scratch` sees both.
    pub(super) fn new(
        scratch: &'s Scratch,
        past: Past,
        base: Revision,
        followed: &str,
        identity: Option<&'s HubIdentity>,
        now: Timestamp,
    ) -> Result<Self, JudgeError> {
        let mut foresight = Foresight::new(scratch, past);
        let before = look(&mut foresight, base, now)?;
        Ok(Self {
            scratch,
            foresight,
            base,
            before,
            followed: followed.to_owned(),
            identity,
            now,
        })
    }

    /// The verdict on `branch`. None where it brings nothing: what is merged already, and what has no history in common with the fleet.
    pub(super) fn judge(&mut self, branch: &Branch<'_>) -> Result<Option<Verdict>, JudgeError> {
        let Some(parted) = self.scratch.merge_base(self.base.commit, branch.commit)? else {
            return Ok(None);
        };
        if parted == branch.commit {
            return Ok(None);
        }
        let objects = self.scratch.objects();
        let (old, new) = (
            objects.root_tree(parted)?,
            objects.root_tree(branch.commit)?,
        );
        let changed = match objects.changed_within(old, new, MOST)? {
            Ok(changed) => changed,
            Err(excess) => return Ok(Some(too_much(branch, &excess))),
        };
        let Some(tree) = self.scratch.merge_from(old, self.base.tree, new)? else {
            return Ok(Some(self.conflict(branch)));
        };
        // The history stays that of the followed branch: last good versions are looked for in it alone.
        let revision = Revision { tree, ..self.base };
        let after = look(&mut self.foresight, revision, self.now)?;
        let brought = objects.only_in(&[branch.commit], self.base.commit)?;
        if brought.len() > MOST_COMMITS {
            let excess = format!("it brings more than {MOST_COMMITS} commits");
            return Ok(Some(too_much(branch, &excess)));
        }
        let refused = Trust::new(objects).brings(&brought, self.base.commit)?;
        let refused = refused.map(|refused| NotFollowed::new(objects, refused));
        let wrong = Wrong {
            refused: refused.transpose()?,
            sealed: self.unopened(&changed),
        };
        self.tell(branch, revision, &after, wrong).map(Some)
    }

    fn conflict(&self, branch: &Branch<'_>) -> Verdict {
        let followed = &self.followed;
        verdict(
            branch,
            State::Failure,
            format!("conflicts with {followed}: merge {followed} into it"),
            String::new(),
        )
    }

    fn tell(
        &self,
        branch: &Branch<'_>,
        revision: Revision,
        after: &Foreseen,
        wrong: Wrong,
    ) -> Result<Verdict, JudgeError> {
        if after.loaded.desired.is_none() {
            let said = "the fleet's own documents have errors".to_owned();
            let line = wrong.refused.map_or(said, |refused| refused.to_string());
            return Ok(verdict(
                branch,
                State::Failure,
                line,
                rendered(&after.loaded.diagnostics),
            ));
        }
        let ends = Ends {
            from: (End::commit(&self.followed, self.base.commit), self.base),
            to: (End::commit(branch.name, branch.commit), revision),
            conflict: false,
            note: None,
        };
        let approvals = report::approvals(self.scratch.objects(), &ends, &self.before)?;
        let marks = |file| self.foresight.marks(file);
        let mut report = Report::new(ends, &self.before, after, approvals, &marks)?;
        if let Some(desired) = &after.loaded.desired {
            let objects = self.scratch.objects();
            let found = said_today(objects, revision.tree, desired, self.now);
            report.diagnostics.extend(found);
        }
        let errors: Vec<&Diagnostic> = report
            .diagnostics
            .iter()
            .filter(|found| found.is_error())
            .collect();
        let summary = words::summary(&report);
        let line = match (&wrong.refused, errors.is_empty(), wrong.sealed.as_slice()) {
            // It stops everybody, the others only those whom they are about.
            (Some(refused), ..) => refused.to_string(),
            (None, true, []) => summary,
            (None, false, []) => first_of(&errors),
            (None, true, [only]) => only.clone(),
            (None, _, several) => format!(
                "{}, {}",
                first_of(&errors),
                count(several.len(), "file") + " of secrets cannot be opened"
            ),
        };
        let good = wrong.refused.is_none() && errors.is_empty() && wrong.sealed.is_empty();
        let state = if good { State::Success } else { State::Failure };
        report.refused = wrong.refused;
        let mut body = rendered(&report.diagnostics);
        for problem in wrong.sealed {
            let _ = writeln!(body, "{problem}\n");
        }
        body.push_str(&text::write(&report, false, false));
        Ok(verdict(branch, state, line, body))
    }

    /// Files of secrets that the branch changes and that this hub could not open, in words.
    fn unopened(&self, changed: &BTreeMap<String, Option<Oid>>) -> Vec<String> {
        let Some(identity) = self.identity else {
            return Vec::new();
        };
        let sealed = changed.iter().filter_map(|(path, oid)| {
            let kind = classify(path);
            let ours = matches!(
                kind,
                Kind::HubSecrets
                    | Kind::HubKey
                    | Kind::CustomerSecrets(_)
                    | Kind::ToolSecrets(..)
                    | Kind::BackupSecrets(_)
            );
            ours.then_some((path, (*oid)?))
        });
        let unopened = sealed.filter_map(|(path, oid)| {
            let opened = identity.open(self.scratch.objects(), object_id(oid), path);
            opened.err().map(|why| closed(path, &why))
        });
        unopened.collect()
    }
}

/// Why the hub cannot use a file of secrets. What is in it is in no message.
fn closed(path: &str, why: &KeyError) -> String {
    match why {
        KeyError::Sops {
            source: tenantry_sops::Error::NoMatchingKey { .. },
            ..
        } => format!("{path} is not open to the hub: `tenantry secrets updatekeys` lets it in"),
        KeyError::Sops { source, .. } => {
            format!("{path} is damaged: {source}; take it back from Git's history")
        }
        why => format!("{path} cannot be opened: {why}"),
    }
}

fn look(
    foresight: &mut Foresight<'_>,
    revision: Revision,
    now: Timestamp,
) -> Result<Foreseen, LoadError> {
    let (inventory, attempts) = (Inventory::default(), HashMap::new());
    let observed = Observed {
        inventory: &inventory,
        attempts: &attempts,
        attempts_revision: 0,
        now,
    };
    foresight.look(revision, observed)
}

fn too_much(branch: &Branch<'_>, excess: &impl std::fmt::Display) -> Verdict {
    verdict(
        branch,
        State::Error,
        format!("not judged: {excess}"),
        String::new(),
    )
}

/// What could not be brought here, as far as the branch is to blame. None: look again later.
pub(super) fn not_brought(branch: &Branch<'_>, error: &GitError) -> Option<Verdict> {
    let too_much = matches!(error, GitError::TooMuch { .. } | GitError::TimedOut { .. });
    too_much.then(|| {
        verdict(
            branch,
            State::Error,
            format!("not judged: {error}"),
            String::new(),
        )
    })
}

fn verdict(branch: &Branch<'_>, state: State, line: String, more: String) -> Verdict {
    let word = match state {
        State::Success => "good",
        State::Failure => "not good",
        State::Error => "not judged",
    };
    let mut text = format!("{} ({}): {word}\n{line}\n", branch.name, branch.commit);
    if !more.is_empty() {
        let _ = write!(text, "\n{more}");
    }
    Verdict {
        commit: branch.commit,
        state,
        line,
        text,
    }
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    /// More than this many nobody reads on a page.
    const FEW: usize = 100;
    let mut out = String::new();
    for found in diagnostics.iter().take(FEW) {
        let _ = writeln!(out, "{}", found.render());
    }
    if let Some(more) = diagnostics.len().checked_sub(FEW).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more");
    }
    out
}

/// A repository to judge in, beside the one at `path`.
pub(super) fn scratch(path: &Path) -> Result<Scratch, JudgeError> {
    Ok(Scratch::beside(path)?)
}
