//! Whether a server follows what is planned for it. Where it does not, its containers stay as they are.

use super::{Presence, ServerChange};
use serde::Serialize;

/// What comes of a change on the machine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Its agent does what is asked for.
    Follows,
    /// Its agent does what is asked for from now on, and what it only reported so far as well: that is not known here.
    Begins,
    /// `manage: observe`: its agent reports what differs and touches nothing.
    Observed,
    /// It is no longer in the fleet: nobody tells its agent anything, so the machine goes on with what it has.
    Left,
}

impl ServerChange {
    /// What comes of the change on the machine itself.
    pub fn effect(&self) -> Effect {
        if self.presence == Presence::Removed {
            Effect::Left
        } else if self.observed_only {
            Effect::Observed
        } else if self.begins {
            Effect::Begins
        } else {
            Effect::Follows
        }
    }
}
