//! How the secrets of one stack hang together: which one is drawn for which, and which must not be the same.

use super::SecretSpec;
use crate::name::VariableName;
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

/// Why nothing is drawn for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadsNowhere<'s> {
    /// The last that it leads to follows one that the stack does not have.
    Missing {
        /// Who names it.
        last: &'s str,
        /// What is not there.
        missing: &'s str,
    },
    /// It goes round.
    Circle,
}

/// The secret whose value is drawn for `name`: itself, or the end of what it follows.
///
/// # Errors
/// Where that leads to no secret that is drawn.
pub fn drawn_for<'s, K: Borrow<str> + Ord>(
    secrets: &'s BTreeMap<K, SecretSpec>,
    name: &'s str,
) -> Result<&'s str, LeadsNowhere<'s>> {
    let (mut last, mut at) = (name, name);
    // A way that is longer than there are secrets goes round.
    for _ in 0..=secrets.len() {
        let spec = secrets.get(at);
        let spec = spec.ok_or(LeadsNowhere::Missing { last, missing: at })?;
        match spec.follows() {
            Some(next) => (last, at) = (at, next.as_str()),
            None => return Ok(at),
        }
    }
    Err(LeadsNowhere::Circle)
}

/// The secrets that follow `name`: the same, or worked out from it.
pub fn followers<'s, K: Borrow<str> + Ord>(
    secrets: &'s BTreeMap<K, SecretSpec>,
    name: &'s str,
) -> impl Iterator<Item = &'s str> {
    let others = secrets.keys().map(Borrow::borrow);
    others.filter(move |other| *other != name && drawn_for(secrets, other) == Ok(name))
}

/// The secrets that are `wanted`, each with all that it must differ from, whichever of the two says so: what is drawn later differs from what
/// is there as well.
pub fn on_both_sides<K: Borrow<str> + Ord + Clone>(
    secrets: &BTreeMap<K, SecretSpec>,
    wanted: impl Fn(&K) -> bool,
) -> BTreeMap<K, SecretSpec> {
    let chosen = secrets.iter().filter(|(name, _)| wanted(name));
    let chosen = chosen.map(|(name, spec)| {
        let says_so = secrets.iter().filter(|(_, other)| {
            let mut named = other.must_differ.iter();
            named.any(|named| named.as_str() == name.borrow())
        });
        let says_so = says_so.filter_map(|(other, _)| VariableName::try_from(other.borrow()).ok());
        let all: BTreeSet<VariableName> = spec.must_differ.iter().cloned().chain(says_so).collect();
        let mut spec = spec.clone();
        spec.must_differ = all.into_iter().collect();
        (name.clone(), spec)
    });
    chosen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> BTreeMap<VariableName, SecretSpec> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_way_ends_where_something_is_drawn_or_is_said_to_lead_nowhere() {
        let all = secrets(
            r#"{
            "A": {}, "B": {"share_with": "A"}, "C": {"derive": {"bcrypt": "B"}}, "D": {"share_with": "C"}, "E": {"share_with": "D"},
            "F": {"share_with": "E"}, "GONE": {"share_with": "NO"}, "FAR": {"derive": {"argon2": "GONE"}},
            "ROUND": {"share_with": "TURN"}, "TURN": {"share_with": "ROUND"}, "IN": {"share_with": "TURN"}, "SELF": {"share_with": "SELF"}
        }"#,
        );
        for name in ["A", "B", "C", "D", "E", "F"] {
            assert_eq!(drawn_for(&all, name), Ok("A"), "{name}");
        }
        let missing = |last, missing| Err(LeadsNowhere::Missing { last, missing });
        assert_eq!(drawn_for(&all, "GONE"), missing("GONE", "NO"));
        assert_eq!(drawn_for(&all, "FAR"), missing("GONE", "NO"));
        assert_eq!(drawn_for(&all, "NO"), missing("NO", "NO"));
        for name in ["ROUND", "TURN", "IN", "SELF"] {
            assert_eq!(drawn_for(&all, name), Err(LeadsNowhere::Circle), "{name}");
        }
        assert_eq!(
            followers(&all, "A").collect::<Vec<_>>(),
            ["B", "C", "D", "E", "F"]
        );
        assert_eq!(followers(&all, "B").count(), 0, "nothing is drawn for B");
    }

    #[test]
    fn what_must_differ_does_so_from_both_sides() {
        let all = secrets(
            r#"{"A": {"must_differ": ["B", "C"]}, "B": {}, "C": {"must_differ": ["A", "D"]}, "D": {}}"#,
        );
        let differs = |name: &str| {
            let one = on_both_sides(&all, |other| other.as_str() == name);
            assert_eq!(one.len(), 1);
            let names = one[name].must_differ.iter().map(ToString::to_string);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            ["A", "B", "C", "D"].map(differs),
            ["B C", "A", "A D", "C"].map(str::to_owned)
        );
    }
}
