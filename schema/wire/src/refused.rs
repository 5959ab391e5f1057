//! The one error of everything that is checked on arrival: a kind for programs, a sentence for people.

use jiff::Timestamp;
use tenantry_schema::wire::{Refusal, RefusalKind};

/// Why a bundle or slice is refused. The sentence never holds content of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// For programs.
    pub kind: RefusalKind,
    /// For people.
    pub detail: String,
}

impl Refused {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// As it stands in a report.
    pub fn at(self, at: Timestamp) -> Refusal {
        Refusal {
            at,
            kind: self.kind,
            detail: self.detail,
        }
    }
}
