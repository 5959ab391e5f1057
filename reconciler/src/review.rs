//! What a change of the fleet does, told to people and programs: in a terminal, at a pull request, as a commit status. Planning is the planner's.

mod hints;
pub(crate) mod markdown;
pub(crate) mod report;
mod seen;
mod shared;
pub(crate) mod text;
mod totals;
pub(crate) mod words;

use crate::load::Revision;
pub(crate) use report::{End, Report};
pub(crate) use seen::Seen;

/// The two states that are compared.
pub(crate) struct Ends {
    pub(crate) from: (End, Revision),
    pub(crate) to: (End, Revision),
    /// What has to be known about the comparison.
    pub(crate) note: Option<String>,
    /// Whether they cannot be merged as they are.
    pub(crate) conflict: bool,
}

/// `1 order`, `2 orders`.
pub(crate) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
