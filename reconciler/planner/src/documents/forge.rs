//! `forge:` of `hub.yaml`: that the secrets it names are there. What is wrong here harms nobody but those who wait for a commit status, so nothing is frozen.

use crate::codes;
use crate::input::{Finder, TextOf};
use crate::link::hint;
use std::collections::BTreeSet;
use tenantry_schema::document::{ForgeKind, Hub};
use tenantry_schema::{Diagnostic, Severity};

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
