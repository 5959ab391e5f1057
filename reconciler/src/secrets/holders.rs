//! Whose key a recipient is.

use super::rules::Rules;
use std::collections::HashMap;

/// Names of recipients.
pub struct Holders(HashMap<String, String>);

impl Holders {
    /// The hub, the recovery key, and the people of `staff.yaml`.
    pub fn of(rules: &Rules) -> Self {
        let keys = &rules.hub.keys;
        let people = rules.staff.0.iter().filter_map(|(id, person)| {
            Some((person.age.as_ref()?.as_str().to_owned(), id.to_string()))
        });
        let mut names: HashMap<String, String> = people.collect();
        names.insert(keys.hub.age.as_str().to_owned(), "hub".to_owned());
        names.insert(keys.recovery.age.as_str().to_owned(), "recovery".to_owned());
        Self(names)
    }

    /// The name, or the start of a recipient that is nobody's.
    pub fn name(&self, recipient: &str) -> String {
        match self.0.get(recipient) {
            Some(name) => name.clone(),
            None => format!(
                "unknown {}…",
                recipient.chars().take(12).collect::<String>()
            ),
        }
    }
}
