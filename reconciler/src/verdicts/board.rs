//! Whole verdicts for whoever follows the link of a commit status. In memory, the newest few hundred: they can be made again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept.
const KEPT: usize = 500;
/// Characters of one.
const LONGEST: usize = 64 << 10;

/// Verdicts by commit.
#[derive(Default)]
pub struct VerdictBoard {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    texts: HashMap<String, Arc<str>>,
    order: VecDeque<String>,
}

impl VerdictBoard {
    /// The verdict on a commit, by its whole id.
    pub fn get(&self, commit: &str) -> Option<Arc<str>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.texts.get(commit).cloned()
    }

    /// Keeps a verdict. The oldest goes where there are too many.
    pub(crate) fn put(&self, commit: &str, text: &str) {
        let text: Arc<str> = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}\n(cut)\n", &text[..end]).into(),
            None => text.into(),
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.texts.insert(commit.to_owned(), text).is_none() {
            inner.order.push_back(commit.to_owned());
        }
        while inner.order.len() > KEPT {
            if let Some(oldest) = inner.order.pop_front() {
                inner.texts.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let board = VerdictBoard::default();
        for number in 0..KEPT + 10 {
            board.put(&number.to_string(), "good");
        }
        board.put("11", "better");
        assert_eq!(board.get("9"), None);
        assert_eq!(board.get("11").as_deref(), Some("better"));
        assert_eq!(board.get(&(KEPT + 9).to_string()).as_deref(), Some("good"));
        board.put("long", &"ä".repeat(LONGEST + 5));
        assert!(board.get("long").unwrap().ends_with("ä\n(cut)\n"));
    }
}
