//! What only a key can tell of files of secrets: whether they open, and whether their values are what was put in.

use super::audit::{Finding, Problem};
use super::scan::must_be_sealed;
use super::{Keyring, SecretsError, Target, WorkTree};
use rayon::prelude::*;
use tenantry_sops::{Error, SopsFile};

/// What came of opening all of them.
#[derive(Debug, Default)]
pub struct Opened {
    /// Files that are as they were written.
    pub good: usize,
    /// Files that are open to others alone: nothing can be said of them.
    pub closed: usize,
    /// What is wrong with the rest.
    pub found: Vec<Finding>,
}

enum One {
    Good,
    Closed,
    Damaged(Finding),
}

/// Opens every file of secrets of a work tree with the keys at hand, and forgets what is in it. Files that are not encrypted at all, or cannot be
/// read, are left to [`super::audit::audit`].
pub fn open_all(tree: &WorkTree, keyring: &Keyring) -> Result<Opened, SecretsError> {
    let files = tree.files()?;
    let sealed: Vec<_> = files.iter().filter(|path| must_be_sealed(path)).collect();
    // The keys are looked up one after the other: Git's objects are read by one hand.
    let mut work = Vec::new();
    for path in sealed {
        let target = Target::of_path(path);
        if let Ok(text) = tree.text(path)
            && let Ok(file) = SopsFile::parse(&text)
        {
            work.push((path, file, keyring.for_target(tree, &target)?));
        }
    }
    let each = work
        .par_iter()
        .map(|(path, file, keys)| match file.decrypt(keys) {
            Ok(_) => One::Good,
            Err(Error::NoMatchingKey { .. }) => One::Closed,
            Err(why) => One::Damaged(damaged(path, &why)),
        });
    let mut opened = Opened::default();
    for one in each.collect::<Vec<_>>() {
        match one {
            One::Good => opened.good += 1,
            One::Closed => opened.closed += 1,
            One::Damaged(finding) => opened.found.push(finding),
        }
    }
    Ok(opened)
}

fn damaged(path: &str, why: &Error) -> Finding {
    Finding {
        path: path.to_owned(),
        line: None,
        problem: Problem::Damaged,
        error: true,
        commit: None,
        message: format!("is not what was written with a key: {why}"),
        hint: format!("take it back from Git's history: `git log -p -- {path}`"),
    }
}
