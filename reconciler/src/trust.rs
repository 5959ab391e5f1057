//! Which commits of the branch may be followed. With `trust: signed` every commit after the last accepted one is judged by the staff file and the
//! policy of its first parent, so nobody lets themselves in.
//!
//! # The rules
//! - A commit is signed with a key of somebody whom the first parent's `staff.yaml` names, and whose role may change every file that it changes.
//! - A commit of the hub is signed with the hub's key and changes `fleet/decisions/` alone.
//! - A merge needs no signature where its tree is what merging its parents gives, and everything that it brings is good by the rules of the
//!   branch that it is merged into: whoever was removed there meanwhile brings nothing in. What was put right by hand needs a signature. A merge
//!   that brings in commits of the hub has its parents swapped: the hub was on the other line.
//! - First parents lead from the accepted commit to the new one, through nothing but good commits. The first that is not ends it.
//!
//! With `trust: forge` branch protection answers for what people do; of the rules above the hub's own holds nevertheless: a commit with its signature
//! that changes more than `fleet/decisions/` is not followed.
//!
//! Signatures are those of `git commit -S` with `gpg.format=ssh` (OpenSSH's `PROTOCOL.sshsig`, namespace `git`). A forge's own signature (squash, merge
//! button) counts for nothing, so it harms nothing either.

mod commit;
mod judge;
mod rules;
mod told;

use crate::git::Oid;
use tenantry_schema::document::Role;

pub use commit::Signed;
pub(crate) use commit::with_signature;
pub use judge::{Judge, Judged};
pub use rules::Rules;
pub(crate) use told::NotFollowed;

/// Why a commit is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no SSH signature.
    #[error("it is not signed with an SSH key (`git commit -S` with `gpg.format=ssh`)")]
    Unsigned,
    /// Its signature is damaged, or for something else.
    #[error("its signature is not good: {0}")]
    Signature(#[from] tenantry_wire::sshsig::SshSigError),
    /// Somebody signed it who may not change this.
    #[error("{who} ({role}) may not change `{path}`: that takes {needs}")]
    NotAllowed {
        /// The id in `staff.yaml`.
        who: String,
        /// Their role.
        role: String,
        /// The first such file.
        path: String,
        /// The least role.
        needs: String,
    },
    /// The hub's key signed it, and it changes more than decisions.
    #[error("the hub's key signed a change of `{0}`, which is not the hub's to write")]
    HubOutside(String),
    /// `staff.yaml` or `hub.yaml` was never good.
    #[error("nobody can be asked: fleet/hub.yaml or fleet/staff.yaml was never good before it")]
    NoRules,
    /// It has no parent.
    #[error("it begins a history of its own")]
    Root,
    /// More than two parents.
    #[error("it merges more than two branches at once")]
    Octopus,
    /// First parents do not lead to the commit that was accepted last.
    #[error(
        "its first parents do not lead to {0}, which was accepted: merge the branch into the fleet's, not the other way round"
    )]
    OtherLine(Oid),
}

/// The word for a role.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "an owner",
        Role::Admin => "an admin",
        Role::Manager => "a manager",
        Role::Support => "support",
    }
}
