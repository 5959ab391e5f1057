//! `.sops.yaml`: who can open a file of secrets that the hub makes. Needed only where a new one has to be made; whatever is wrong with it holds up
//! nothing else.

use crate::codes;
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_sops::{CreationRules, Error};

/// Where the rules stand.
pub const FILE: &str = ".sops.yaml";

/// The rules of a fleet, as far as they can be read.
#[derive(Debug, Clone)]
pub struct SealingRules(Arc<Read>);

#[derive(Debug)]
struct Read {
    /// What they were read from.
    text: String,
    rules: Result<CreationRules, String>,
}

impl PartialEq for SealingRules {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.text == other.0.text
                && self.0.rules.as_ref().err() == other.0.rules.as_ref().err())
    }
}

impl Default for SealingRules {
    /// A fleet without the file: for the hub and the recovery key alone.
    fn default() -> Self {
        Self::read("").0
    }
}

impl SealingRules {
    /// Reads the file, and says what is wrong with it.
    pub fn read(text: &str) -> (Self, Vec<Diagnostic>) {
        let (rules, found) = match CreationRules::parse(text) {
            Ok(rules) => {
                let broken = rules.broken();
                let found = broken.map(|(line, error)| diagnose(text, Some(line), error));
                let found = found.collect();
                (Ok(rules), found)
            }
            Err(error) => (Err(words(&error)), vec![diagnose(text, None, &error)]),
        };
        let text = text.to_owned();
        (Self(Arc::new(Read { text, rules })), found)
    }

    /// Rules that cannot be read at all: what stands there is no text, or no file.
    pub fn unreadable(why: &str) -> (Self, Vec<Diagnostic>) {
        let found = Diagnostic::error(codes::SEALING_RULES, Place::file(FILE), why);
        let read = Read {
            text: String::new(),
            rules: Err(why.to_owned()),
        };
        (Self(Arc::new(read)), vec![found.note(CONSEQUENCE)])
    }

    /// Why no new file can be made at `path`. None: one can.
    pub fn problem(&self, path: &str) -> Option<String> {
        match &self.0.rules {
            Ok(rules) => rules.for_path(path).err().map(|error| words(&error)),
            Err(why) => Some(why.clone()),
        }
    }
}

const CONSEQUENCE: &str = "orders that need new secrets wait until it is mended; nothing else does";

/// What is wrong, on one line.
fn words(error: &Error) -> String {
    match error {
        Error::BadPattern { pattern, reason } => {
            // The first lines show the pattern once more.
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            format!("pattern `{pattern}` is not a valid regular expression: {reason}")
        }
        Error::BadMetadata { field, reason } => format!("`{field}` {reason}"),
        error => error.to_string(),
    }
}

fn diagnose(text: &str, rule: Option<usize>, error: &Error) -> Diagnostic {
    let message = match error {
        Error::Yaml { reason, .. } => reason.clone(),
        error => words(error),
    };
    let found = Diagnostic::error(codes::SEALING_RULES, place(text, rule, error), message);
    let found = match error {
        Error::BadRecipient { .. } => {
            found.label("a recipient is what `age-keygen` prints as the public key")
        }
        Error::NoRecipients => {
            found.label("the rule names nobody: `age:` with at least one recipient")
        }
        _ => found,
    };
    found.note(CONSEQUENCE)
}

/// What is quoted in the error where it stands in the rule, else the line of the rule, else the line that the error names, else the file.
fn place(text: &str, rule: Option<usize>, error: &Error) -> Place {
    let begin = rule.map_or(0, |line| start_of(text, line));
    let quoted = match error {
        Error::BadRecipient { recipient: quoted }
        | Error::BadPattern {
            pattern: quoted, ..
        }
        | Error::UnsupportedKeyType { kind: quoted }
        | Error::BadMetadata { field: quoted, .. } => quoted.as_str(),
        Error::Yaml { line, .. } => return whole_line(text, *line),
        _ => "",
    };
    let found = text[begin..]
        .find(quoted)
        .filter(|_| !quoted.is_empty())
        .map(|at| begin + at);
    match (found, rule) {
        (Some(at), _) => Place::of(FILE, text, at, at + quoted.len()),
        (None, Some(line)) => whole_line(text, line),
        (None, None) => Place::file(FILE),
    }
}

fn whole_line(text: &str, line: usize) -> Place {
    let begin = start_of(text, line);
    let line = text[begin..].lines().next().unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    Place::of(FILE, text, begin + indent, begin + line.trim_end().len())
}

/// Where a line begins, in bytes; the last one where there are fewer.
fn start_of(text: &str, line: usize) -> usize {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    starts
        .take(line.max(1))
        .filter(|at| *at < text.len())
        .last()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JO: &str = "age1nk5xrt4u5s7xl7vuz4hnltc758mf6zt4u2fugjra6wm6lvwpvdzq6qf6yk";

    fn said(text: &str) -> Vec<String> {
        let (_, found) = SealingRules::read(text);
        let line = |found: &Diagnostic| {
            let place = &found.place;
            format!("{}:{}: {}", place.line, place.column, found.message)
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        assert_eq!(said(""), Vec::<String>::new());
        assert_eq!(
            said(&format!("creation_rules:\n  - age: {JO}\n")),
            Vec::<String>::new()
        );
        let broken = said("creation_rules: [\n");
        assert!(
            broken.len() == 1 && broken[0].starts_with(['1', '2']),
            "{broken:?}"
        );
        let text = format!(
            "creation_rules:\n  - path_regex: a\n    age: {JO}\n  - path_regex: b\n    age: {JO},age1nope\n"
        );
        let found = said(&text);
        assert_eq!(found, ["5:73: `age1nope` is not an age recipient (age1…)"]);
        assert_eq!(
            said("creation_rules:\n  - path_regex: a\n  - pgp: ABCD\n"),
            [
                "2:3: no recipients",
                "3:5: key type `pgp` is not supported, only age recipients are"
            ]
        );
    }

    #[test]
    fn a_rule_speaks_for_its_paths_alone() {
        let text =
            format!("creation_rules:\n  - path_regex: ^a/\n    age: age1nope\n  - age: {JO}\n");
        let (rules, _) = SealingRules::read(&text);
        assert!(
            rules
                .problem("a/secrets.yaml")
                .unwrap()
                .contains("age1nope")
        );
        assert_eq!(rules.problem("b/secrets.yaml"), None);
        let (rules, _) = SealingRules::read("creation_rules: [");
        assert!(rules.problem("b/secrets.yaml").is_some());
        assert_eq!(SealingRules::default().problem("a"), None);
        // Why they cannot be read is shown, so another reason is another state.
        let because = |why: &str| SealingRules::unreadable(why).0;
        assert_eq!(because("a link"), because("a link"));
        assert_ne!(because("a link"), because("no text"));
    }

    proptest! {
        #[test]
        fn every_text_is_read_or_refused(text in "(creation_rules:|- |\n|  |age: |age1|path_regex: |[a-z\\[{(ü]){0,20}") {
            let (rules, found) = SealingRules::read(&text);
            if found.is_empty() {
                prop_assert_eq!(rules.problem("any"), None);
            }
            for found in found {
                prop_assert!(found.place.line as usize <= text.lines().count().max(1));
            }
        }
    }
}
