//! `forge:` of `hub.yaml`: that the secrets it names are there. What is wrong here harms nobody but those who wait for a commit status, so nothing is frozen.

use crate::codes;
use crate::input::{Finder, TextOf};
use crate::link::hint;
use std::collections::BTreeSet;
use tenantry_schema::document::{ForgeKind, Hub};
use tenantry_schema::{Diagnostic, Severity};

/// Takes secrets in clear out of what is said about `hub.yaml`: a token that somebody wrote in the place of its name is not told around.
pub(super) fn redact(found: &mut [Diagnostic], text: &str) {
    let clear = in_clear(text);
    if clear.is_empty() {
        return;
    }
    let without = |text: &mut String| {
        for secret in &clear {
            *text = text.replace(secret.as_str(), HIDDEN);
        }
    };
    for diagnostic in found {
        let mut hit = diagnostic.place.source.clone();
        without(&mut hit);
        if hit != diagnostic.place.source {
            // What stands behind it has moved.
            diagnostic.place.source = hit;
            diagnostic.place.width = 1;
            diagnostic.notes.push(
                "a secret in clear is not shown: put it into fleet/secrets.yaml (`tenantry secrets set hub forge_token`), write `{ secret: forge_token }` here, and make a new one where it was committed"
                    .to_owned(),
            );
        }
        without(&mut diagnostic.message);
        without(&mut diagnostic.label);
        diagnostic.notes.iter_mut().for_each(without);
    }
}

const HIDDEN: &str = "(hidden)";

/// Values of `token:` and `webhook:` that are no names of secrets, longest first.
fn in_clear(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        for key in ["token", "webhook"] {
            for (at, _) in line.match_indices(key) {
                let after = line.get(at + key.len()..).unwrap_or_default();
                let after = after.trim_start_matches(['"', '\'']).trim_start();
                let Some(value) = after.strip_prefix(':') else {
                    continue;
                };
                let value = value.trim();
                if value.starts_with('{') {
                    continue;
                }
                // In a block, or on a line of its own, it follows.
                let value = match value.chars().next() {
                    None | Some('|' | '>') => lines.peek().map_or("", |next| next.trim()),
                    Some(_) => value,
                };
                let value =
                    value.trim_matches(|c: char| c == '"' || c == '\'' || c.is_whitespace());
                let end = value
                    .find([',', '}', ' ', '"', '\'', '#'])
                    .unwrap_or(value.len());
                let value = value.get(..end).unwrap_or(value);
                if value.len() >= 6 && !value.starts_with("secret:") {
                    found.push(value.to_owned());
                }
            }
        }
    }
    found.sort_by_key(|value| std::cmp::Reverse(value.len()));
    found
}

/// What is wrong with the settings of the forge. `secrets` are the names in `fleet/secrets.yaml`; None where there is no such file.
pub(super) fn check(
    hub: &Hub,
    secrets: Option<&BTreeSet<String>>,
    text_of: &TextOf<'_>,
) -> Vec<Diagnostic> {
    let Some(forge) = &hub.forge else {
        return Vec::new();
    };
    let finder = Finder::new(text_of, "fleet/hub.yaml");
    let names = [
        ("token", Some(&forge.token)),
        ("webhook", forge.webhook.as_ref()),
    ];
    let missing = names.into_iter().filter_map(|(key, name)| {
        let name = &name?.secret;
        let there = secrets.is_some_and(|names| names.contains(name));
        (!there).then_some((key, name))
    });
    let mut found: Vec<Diagnostic> = missing
        .map(|(key, name)| {
            let place = finder.place(&["forge", key, "secret"], false);
            let none = format!("add it: `tenantry secrets set hub {name}`");
            Diagnostic::error(
                codes::UNKNOWN_SECRET,
                place,
                format!("unknown secret `{name}`"),
            )
            .label("not in fleet/secrets.yaml")
            .note(hint(name, secrets.into_iter().flatten().cloned(), &none))
            .note(match key {
                "token" => {
                    "until it is there the hub says on its page alone what it thinks of a commit"
                }
                _ => "until it is there webhooks are refused",
            })
        })
        .collect();
    if forge.kind != ForgeKind::Gitlab && forge.repository.as_str().split('/').count() != 2 {
        let place = finder.place(&["forge", "repository"], false);
        let message = format!("`{}` is not `owner/name`", forge.repository);
        found.push(
            Diagnostic::error(codes::BAD_VALUE, place, message)
                .label("only GitLab has groups inside of groups"),
        );
    }
    for each in &mut found {
        each.severity = Severity::Warning;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_secrets_are_no_secrets() {
        for text in [
            "forge:\n  token: { secret: forge_token }\n",
            "forge:\n  token:\n    secret: forge_token\n",
            "forge: { kind: gitea, token: {secret: forge_token}, webhook: { secret: hook } }\n",
            "token\n",
        ] {
            assert_eq!(in_clear(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn secrets_are_found_however_they_are_written() {
        for text in [
            "forge:\n  token: ghp_abcdef\n",
            "forge:\n  token: \"ghp_abcdef\"  # mine\n",
            "forge:\n  'token' : 'ghp_abcdef'\n",
            "forge: { kind: gitea, token: ghp_abcdef, url: x }\n",
            "forge:\n  webhook: |\n    ghp_abcdef\n",
            "forge:\n  webhook:\n    ghp_abcdef\n",
        ] {
            assert_eq!(in_clear(text), ["ghp_abcdef"], "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(token|webhook|[ :{}|\"'\n#,a-z])*") {
            let _ = in_clear(&text);
        }
    }
}
