//! Which slice an agent may accept (law 6, forward only). The file that remembers it is the agent's.

use tenantry_schema::wire::{Manifest, RefusalKind};

/// What the ledger says was accepted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its generation.
    pub generation: u64,
    /// Digest of its content.
    pub content: String,
}

/// What to do with a slice whose signature and files are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Write it to the ledger, then apply it.
    Accept,
    /// Remember the generation if it is higher; nothing is to be applied.
    SameContent,
    /// Leave everything as it is and say so.
    Refuse(RefusalKind),
}

/// Judges `manifest` by what was accepted before. `fresh`: it came in an answer to the agent's own nonce.
pub fn judge(ledger: Option<&Accepted>, manifest: &Manifest, fresh: bool) -> Verdict {
    let Some(ledger) = ledger else {
        return if fresh {
            Verdict::Accept
        } else {
            Verdict::Refuse(RefusalKind::NotFresh)
        };
    };
    let same = ledger.content == manifest.content;
    match manifest.generation.cmp(&ledger.generation) {
        std::cmp::Ordering::Less => Verdict::Refuse(RefusalKind::OldGeneration),
        std::cmp::Ordering::Equal if !same => {
            Verdict::Refuse(RefusalKind::SameGenerationOtherContent)
        }
        _ if same => Verdict::SameContent,
        _ => Verdict::Accept,
    }
}
