//! What the loop tells of the branch that it follows, and the verdict on that. Pure.

use super::Verdict;
use crate::forge::{Settings, State};
use crate::git::Oid;
use crate::load::Revision;
use crate::review::count;
use std::fmt::Write as _;
use std::sync::Arc;
use tenantry_planner::ObjectId;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;
use tenantry_schema::url::HubUrl;

/// The branch as the loop follows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followed {
    /// Whether this hub may act. One that only looks posts nothing.
    pub(crate) active: bool,
    /// The address of the hub.
    pub(crate) hub: Option<HubUrl>,
    /// `forge:` of `hub.yaml`.
    pub(crate) forge: Option<Settings>,
    /// The hub's own secrets.
    pub(crate) secrets: Option<ObjectId>,
    /// The commit that is loaded.
    pub(crate) at: Option<Revision>,
    /// The commit ahead that is not followed, and why.
    pub(crate) refused: Option<(Oid, String)>,
    /// Everything wrong with the loaded commit.
    pub(crate) diagnostics: Arc<Vec<Diagnostic>>,
    /// What stays at an earlier commit.
    pub(crate) frozen: Vec<FrozenScope>,
    /// How many customers there are.
    pub(crate) customers: usize,
}

impl Followed {
    /// Whether a verdict or its way to the forge may be another.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.active != other.active
            || self.hub != other.hub
            || self.forge != other.forge
            || self.secrets != other.secrets
            || self.at != other.at
            || self.refused != other.refused
            || self.frozen != other.frozen
            || !Arc::ptr_eq(&self.diagnostics, &other.diagnostics)
                && self.diagnostics != other.diagnostics
    }

    /// Verdicts on the branch itself: on what is followed, and on what is not.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let followed = self.at.map(|at| self.on_followed(at.commit));
        let refused = self.refused.as_ref().map(|(commit, why)| Verdict {
            commit: *commit,
            state: State::Failure,
            line: format!("not followed: {why}"),
            text: format!("The hub does not follow this commit.\n\n{why}\n"),
        });
        followed.into_iter().chain(refused).collect()
    }

    fn on_followed(&self, commit: Oid) -> Verdict {
        let errors: Vec<&Diagnostic> = self
            .diagnostics
            .iter()
            .filter(|found| found.is_error())
            .collect();
        let line = if errors.is_empty() {
            format!("accepted; {}", count(self.customers, "customer"))
        } else {
            format!("accepted; {}: {}", self.stays(), wrong(&errors))
        };
        let mut text = format!("{line}\n");
        for found in self.diagnostics.iter() {
            let _ = write!(text, "\n{}", found.render());
        }
        Verdict {
            commit,
            state: if errors.is_empty() {
                State::Success
            } else {
                State::Failure
            },
            line,
            text,
        }
    }

    /// What stays at its last good version.
    fn stays(&self) -> String {
        if self.frozen.iter().any(|scope| scope.customer.is_none()) {
            return "the whole fleet stays as it was".to_owned();
        }
        match self.frozen.as_slice() {
            [] => "nothing stays behind".to_owned(),
            [only] => {
                let customer = only.customer.as_ref().map(ToString::to_string);
                format!("customer {} stays as it was", customer.unwrap_or_default())
            }
            more => format!("{} stay as they were", count(more.len(), "customer")),
        }
    }
}

/// How much is wrong, and what first.
pub(super) fn wrong(errors: &[&Diagnostic]) -> String {
    let Some(first) = errors.first() else {
        return "no error".to_owned();
    };
    let place = &first.place;
    let line = match place.line {
        0 => String::new(),
        line => format!(":{line}"),
    };
    format!(
        "{}, {} {}{line}",
        count(errors.len(), "error"),
        first.code,
        place.file
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::diagnostic::Place;

    fn at(commit: Oid) -> Revision {
        Revision {
            tree: Oid::ZERO_SHA1,
            commit,
            generation: 3,
        }
    }

    #[test]
    fn the_branch_is_told_as_it_is() {
        let commit = Oid::from_str("01").unwrap();
        let mut followed = Followed {
            at: Some(at(commit)),
            customers: 2,
            ..Followed::default()
        };
        let said = followed.verdicts();
        assert_eq!(
            (said[0].state, said[0].line.as_str()),
            (State::Success, "accepted; 2 customers")
        );
        let place = Place::file("fleet/customers/acme/orders/website.yaml");
        followed.diagnostics = Arc::new(vec![Diagnostic::error(107, place, "unknown tool `htlm`")]);
        followed.frozen = vec![FrozenScope {
            customer: Some("acme".try_into().unwrap()),
            stays_at: None,
            errors: 1,
        }];
        followed.refused = Some((Oid::from_str("02").unwrap(), "it is not signed".into()));
        let said = followed.verdicts();
        assert_eq!(said[0].state, State::Failure);
        assert_eq!(
            said[0].line,
            "accepted; customer acme stays as it was: 1 error, T0107 fleet/customers/acme/orders/website.yaml"
        );
        assert!(said[0].text.contains("unknown tool `htlm`"));
        assert_eq!(said[1].line, "not followed: it is not signed");
    }
}
