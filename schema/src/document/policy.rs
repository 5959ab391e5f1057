//! `policy:` of `hub.yaml`: what a commit may do, whoever made it.

use super::Role;
use crate::amount::Limit;
use crate::id::ToolName;
use crate::text::{PathPattern, Registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a commit may do, whoever made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Who may change what: the least role for the files that fit a pattern. Of several patterns the longest counts.
    #[schemars(extend("examples" = [{ "fleet/customers/**": "manager", "stacks/**": "admin" }]))]
    pub paths: BTreeMap<PathPattern, Role>,
    /// On how many servers one commit may remove or replace something: a share of all (always one), or a number. What goes beyond waits until
    /// `fleet/acknowledged.yaml` names it. Absent: any.
    pub max_removed: Option<Limit>,
    /// Where images may come from. Absent: anywhere.
    pub registries: Option<Vec<Registry>>,
    /// Stacks that may use privileged containers, folders of the host and Docker's socket.
    pub trusted_stacks: Vec<ToolName>,
}

impl Policy {
    /// The least role that may change the file at `path`. None: no pattern fits it.
    pub fn least_role(&self, path: &str) -> Option<Role> {
        self.paths
            .iter()
            .filter(|(pattern, _)| fits(pattern.as_str(), path))
            .max_by_key(|(pattern, _)| pattern.as_str().len())
            .map(|(_, role)| *role)
    }
}

/// Whether `path` fits `pattern`: `*` is anything within one name, `**` any folders, none included.
pub fn fits(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    folders_fit(&pattern, &path)
}

fn folders_fit(pattern: &[&str], path: &[&str]) -> bool {
    // reached[i]: the parts of the pattern so far fit the first i names.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        if *part == "**" {
            let mut open = false;
            for (at, before) in reached.iter().enumerate() {
                open |= before;
                next[at] = open;
            }
        } else {
            for (at, name) in path.iter().enumerate() {
                next[at + 1] = reached[at] && name_fits(part, name);
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}

fn name_fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    left.len() >= last.len() && left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("fleet/**", "fleet/hub.yaml"),
            ("fleet/**", "fleet/customers/acme/customer.yaml"),
            ("**/secrets.yaml", "fleet/customers/acme/secrets.yaml"),
            ("**/secrets.yaml", "secrets.yaml"),
            (
                "fleet/customers/*/orders/*.yaml",
                "fleet/customers/acme/orders/web.yaml",
            ),
            ("stacks/*-server/**", "stacks/mail-server/stack.yaml"),
            ("a*b*c", "axxbyyc"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("fleet/*", "fleet/customers/acme/customer.yaml"),
            ("fleet/hub.yaml", "fleet/hub.yaml.bak"),
            ("stacks/**", "fleet/stacks/a"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn the_longest_pattern_counts() {
        let paths = [
            ("fleet/**", Role::Manager),
            ("fleet/staff.yaml", Role::Owner),
        ];
        let policy = Policy {
            paths: paths
                .map(|(pattern, role)| (PathPattern::try_from(pattern).unwrap(), role))
                .into(),
            ..Policy::default()
        };
        assert_eq!(policy.least_role("fleet/staff.yaml"), Some(Role::Owner));
        assert_eq!(policy.least_role("fleet/hub.yaml"), Some(Role::Manager));
        assert_eq!(policy.least_role("README.md"), None);
    }

    proptest! {
        #[test]
        fn a_path_fits_itself_and_anything_fits_two_stars(path in "[a-z.]{1,4}(/[a-z.]{1,4}){0,4}") {
            prop_assert!(fits(&path, &path));
            prop_assert!(fits("**", &path));
        }
    }
}
