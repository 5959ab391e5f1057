//! What is staged, as `git diff-index` tells: it knows which folders of an index are those of the commit, so that costs what was staged and not
//! what there is. libgit2 looks for each folder of ten thousand in a list of all of them.

use super::error::GitError;
use super::program::{Bounds, git_within};
use git2::{FileMode, Oid};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reading an index of a million files takes less.
const LIMIT: Duration = Duration::from_mins(1);
/// Above so many bytes of answers, some ten thousand files, libgit2 is as fast.
const MOST: u64 = 2 * 1024 * 1024;

/// A file that differs from a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Where, from the root.
    pub path: PathBuf,
    /// What stands there. None: nothing.
    pub file: Option<(FileMode, Oid)>,
}

/// How an index differs from the tree of the commit `head`: that in the file `index`, or the repository's own. None where only libgit2 can tell: for
/// conflicts, submodules, names that are no text, very many files, or where the program does not answer.
pub fn staged(git_dir: &Path, index: Option<&Path>, head: Oid) -> Option<Vec<Update>> {
    let commit = head.to_string();
    let arguments = [
        "--cached",
        "--raw",
        "-z",
        "--no-renames",
        "--no-abbrev",
        &commit,
        "--",
    ];
    let bounds = Bounds {
        output: MOST,
        index,
        ..Bounds::of(LIMIT)
    };
    let ran = git_within(git_dir, "diff-index", &arguments, &bounds);
    ran.inspect_err(report)
        .ok()
        .filter(|ran| ran.status.success())
        .filter(|ran| (ran.stdout.len() as u64) < MOST)
        .and_then(|ran| parse(&ran.stdout))
}

/// What is staged, with the files as they are now on top of it. A file that was staged and is gone again differs in nothing.
pub fn on_top(staged: Vec<Update>, edits: Vec<Update>) -> Vec<Update> {
    let later: BTreeSet<PathBuf> = edits.iter().map(|edit| edit.path.clone()).collect();
    let staged = staged
        .into_iter()
        .filter(|staged| !later.contains(&staged.path));
    staged.chain(edits).collect()
}

fn report(error: &GitError) {
    tracing::debug!("`git diff-index` does not answer: {error}");
}

/// Reads `:mode mode id id status`, a zero byte, the path, a zero byte, and so on: gitformat "raw output format" of `git diff-index`.
fn parse(text: &str) -> Option<Vec<Update>> {
    let mut parts = text.split_terminator('\0');
    let mut updates = Vec::new();
    while let Some(about) = parts.next() {
        let path = parts.next().filter(|path| is_plain(path))?;
        let fields: Vec<&str> = about.strip_prefix(':')?.split(' ').collect();
        let [_, mode, _, id, status] = fields[..] else {
            return None;
        };
        let file = match status {
            "D" => None,
            "A" | "M" | "T" => Some((file_mode(mode)?, Oid::from_str(id).ok()?)),
            // `U` is a conflict; there is nothing else without looking for renamed files.
            _ => return None,
        };
        updates.push(Update {
            path: OsStr::from_bytes(path.as_bytes()).into(),
            file,
        });
    }
    Some(updates)
}

/// Other bytes than text are shown as this character.
fn is_plain(path: &str) -> bool {
    !path.is_empty() && !path.contains(char::REPLACEMENT_CHARACTER)
}

fn file_mode(octal: &str) -> Option<FileMode> {
    match octal {
        "100644" => Some(FileMode::Blob),
        "100755" => Some(FileMode::BlobExecutable),
        "120000" => Some(FileMode::Link),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "9daeafb9864cf43055ae93beb0afd6c7d144bfa4";
    const NONE: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn what_differs_is_read() {
        let text = format!(
            ":100644 100755 {ID} {ID} M\0a b/c\0:000000 120000 {NONE} {ID} A\0l\0:100644 000000 {ID} {NONE} D\0gone\0"
        );
        let id = Oid::from_str(ID).unwrap();
        let update = |path: &str, file| Update {
            path: path.into(),
            file,
        };
        let expected = vec![
            update("a b/c", Some((FileMode::BlobExecutable, id))),
            update("l", Some((FileMode::Link, id))),
            update("gone", None),
        ];
        assert_eq!(parse(&text), Some(expected));
        assert_eq!(parse(""), Some(Vec::new()));
    }

    #[test]
    fn what_only_libgit2_can_tell_is_left_to_it() {
        for text in [
            format!(":100644 000000 {ID} {NONE} U\0a\0"),
            format!(":000000 160000 {NONE} {ID} A\0module\0"),
            format!(":000000 100644 {NONE} {ID} A\0\u{fffd}\0"),
            format!(":000000 100644 {NONE} {ID} A\0"),
            format!(":000000 100644 {NONE} short A\0a\0"),
        ] {
            assert_eq!(parse(&text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(:[0-7]{6} 100[0-7]{3} [0-9a-f]{40} [0-9a-f]{0,40} [ADMU]\0[a-z/]{0,4}\0)*.{0,20}") {
            let _ = parse(&text);
        }
    }
}
