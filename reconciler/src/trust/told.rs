//! What is said of a commit that is not followed, the same by the hub, in verdicts and on the command line.

use super::Refusal;
use crate::git::{GitError, Objects, Oid};
use serde::Serialize;
use std::fmt;

/// Characters of what an author wrote.
const LONGEST: usize = 60;

/// A commit that is not followed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NotFollowed {
    /// Its whole id.
    pub(crate) commit: String,
    /// The author's name, as it stands there.
    pub(crate) author: String,
    /// The first line of its message.
    pub(crate) summary: String,
    /// Why.
    pub(crate) reason: String,
}

impl NotFollowed {
    /// What judging said of a commit of `objects`.
    ///
    /// # Errors
    /// Where the commit cannot be read.
    pub(crate) fn new(
        objects: &Objects,
        (commit, refusal): (Oid, Refusal),
    ) -> Result<Self, GitError> {
        let info = objects.commit_info(commit)?;
        Ok(Self {
            commit: commit.to_string(),
            author: one_line(&info.author),
            summary: one_line(&info.summary),
            reason: refusal.to_string(),
        })
    }

    /// The id as people read it.
    pub(crate) fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }
}

impl fmt::Display for NotFollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { author, reason, .. } = self;
        write!(
            f,
            "commit {} by {author} is not followed: {reason}",
            self.short()
        )
    }
}

/// Anybody may write anything into a commit: it stays on its line, and leaves room for the rest.
fn one_line(words: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = words.chars().take(LONGEST).map(plain).collect();
    if words.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_an_author_wrote_stays_on_its_line(words in "(?s).{0,200}") {
            let line = one_line(&words);
            prop_assert!(line.chars().count() <= LONGEST + 1);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
