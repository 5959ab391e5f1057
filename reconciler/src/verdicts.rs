//! What the hub thinks of commits: of the branch that it follows, and of what others offer to merge into it. It is posted at the forge and shown in
//! full on a page of the hub.
//!
//! # Expected flow
//! The loop tells what it follows ([`Followed`]); beside it a task ([`run`]) looks at what is offered, judges and posts. Nothing goes back: whatever
//! a branch holds, and however slow or hostile a forge is, the loop neither waits for it nor reads anything of it.
//!
//! # Guarantees
//! - Only a hub that may act posts. A commit has one status of the hub; what stands at the forge already is not posted again, also by a hub without memory.
//! - Judging costs no more than [`judge::MOST`] says; a branch that is more than that gets that as its verdict.
//!
//! # Caveats
//! A branch is judged against the followed branch as it is; when that moves, verdicts are brought up to date a few at a time.

mod board;
mod judge;
mod ledger;
mod settings;
mod task;
mod told;

pub use board::VerdictBoard;
pub use settings::HookDoor;
pub(crate) use task::{Parts, run};
pub(crate) use told::Followed;

use crate::forge::{CommitStatus, LONGEST, State};
use crate::git::Oid;

/// What is thought of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Which.
    pub(crate) commit: Oid,
    /// Whether it is good.
    pub(crate) state: State,
    /// In one line.
    pub(crate) line: String,
    /// In full.
    pub(crate) text: String,
}

impl Verdict {
    /// As it is posted. `hub` is the address of the hub, where the whole of it is shown.
    fn status(&self, hub: &str) -> CommitStatus {
        CommitStatus {
            state: self.state,
            description: cut(&self.line),
            target_url: format!("{hub}/verdicts/{}", self.commit),
        }
    }
}

/// A line as forges take it.
fn cut(line: &str) -> String {
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.chars().count() <= LONGEST {
        return line;
    }
    let kept: String = line.chars().take(LONGEST - 3).collect();
    format!("{}...", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_is_what_every_forge_takes(line in "[\\PC\\n\\t]{0,200}") {
            let kept = cut(&line);
            prop_assert!(kept.chars().count() <= LONGEST && !kept.contains('\n'));
            if line.chars().count() <= LONGEST {
                prop_assert_eq!(kept.chars().count(), line.chars().count());
            }
        }
    }
}
