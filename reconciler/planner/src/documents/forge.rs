//! Secrets of the hub's own that `hub.yaml` names: that they are there. What is wrong here harms nobody's tools, so nothing is frozen.

use crate::codes;
use crate::input::{Finder, TextOf};
use crate::link::hint;
use std::collections::BTreeSet;
use tenantry_schema::document::{ForgeKind, Hub, SecretName};
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

/// Secrets that other parts of `hub.yaml` name and that are not there.
pub(super) fn named(
    hub: &Hub,
    secrets: Option<&BTreeSet<String>>,
    text_of: &TextOf<'_>,
) -> Vec<Diagnostic> {
    let providers = [
        ("hetzner", &hub.providers.hetzner),
        ("netcup", &hub.providers.netcup),
    ];
    let tokens = providers.into_iter().filter_map(|(provider, account)| {
        let token = &account.as_ref()?.token;
        Some((vec!["providers", provider, "token", "secret"], token))
    });
    let password = hub.mail.as_ref().and_then(|mail| mail.password.as_ref());
    let password = password.map(|name| (vec!["mail", "password", "secret"], name));
    let webhook = hub
        .alerts
        .as_ref()
        .and_then(|alerts| alerts.webhook.as_ref());
    let webhook = webhook.map(|name| (vec!["alerts", "webhook", "secret"], name));
    let all = tokens.chain(password).chain(webhook);
    let missing: Vec<_> = all
        .filter(|(_, name)| !secrets.is_some_and(|names| names.contains(&name.secret)))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let finder = Finder::new(text_of, "fleet/hub.yaml");
    let tell = |(keys, name): (Vec<&str>, &SecretName)| {
        let name = &name.secret;
        let none = format!("add it: `tenantry secrets set hub {name}`");
        let message = format!("unknown secret `{name}`");
        Diagnostic::warning(codes::UNKNOWN_SECRET, finder.place(&keys, false), message)
            .label("not in fleet/secrets.yaml")
            .note(hint(name, secrets.into_iter().flatten().cloned(), &none))
    };
    missing.into_iter().map(tell).collect()
}
