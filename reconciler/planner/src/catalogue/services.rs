//! What `stack.yaml` says about the Compose file: its services exist, its secrets are used, and a protection is done without for a reason only.

use crate::codes;
use std::collections::BTreeSet;
use tenantry_compose::{Project, ServiceName, undone};
use tenantry_schema::document::{Derivation, Relax, Stack};
use tenantry_yaml::suggest;

/// Longest reason.
const REASON: usize = 300;

/// Something wrong in `stack.yaml`.
pub(super) struct Finding {
    pub(super) code: u16,
    pub(super) keys: Vec<String>,
    pub(super) message: String,
    pub(super) note: String,
}

/// One name, one source.
pub(super) fn names(document: &Stack, builtins: &BTreeSet<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |code, part: &str, name: &str, message: String, note: &str| {
        found.push(Finding {
            code,
            keys: vec![part.to_owned(), name.to_owned()],
            message,
            note: note.to_owned(),
        });
    };
    let parameters = document.parameters.keys().map(|name| ("parameters", name));
    let secrets = document.secrets.keys().map(|name| ("secrets", name));
    for (part, name) in parameters.chain(secrets) {
        if builtins.contains(name.as_str()) {
            let message = format!("`{name}` is set by the hub");
            add(
                codes::NAME_TWICE,
                part,
                name.as_str(),
                message,
                "choose another name",
            );
        }
    }
    for name in document.secrets.keys() {
        if document.parameters.contains_key(name) {
            let message = format!("`{name}` is a parameter and a secret");
            let note = "choose another name for one of them";
            add(codes::NAME_TWICE, "secrets", name.as_str(), message, note);
        }
    }
    found
}

/// Secrets that are declared for nothing.
pub(super) fn unused(document: &Stack, variables: &BTreeSet<String>) -> Vec<Finding> {
    let sources: BTreeSet<_> = document
        .secrets
        .values()
        .filter_map(|spec| spec.derive.as_ref())
        .map(Derivation::source)
        .collect();
    let secrets = document.secrets.keys();
    // A password whose hash is used is what people log in with.
    let unused =
        secrets.filter(|secret| !variables.contains(secret.as_str()) && !sources.contains(secret));
    unused
        .map(|secret| Finding {
            code: codes::UNUSED_SECRET,
            keys: vec!["secrets".to_owned(), secret.to_string()],
            message: format!("the secret `{secret}` is declared and nothing uses it"),
            note: format!(
                "use it in compose.yaml as `${{{secret}}}` or `secrets: {{ name: {{ environment: {secret} }} }}`, or remove it"
            ),
        })
        .collect()
}

/// `part` names a service that is not there.
fn unknown(part: &str, service: &str, names: &[&str], keys: Vec<String>) -> Finding {
    Finding {
        code: codes::UNKNOWN_SERVICE,
        keys,
        message: format!(
            "`{part}` names the service `{service}`, which compose.yaml does not have"
        ),
        note: suggest(service, names).map_or_else(
            || format!("its services: {}", names.join(", ")),
            |near| format!("did you mean `{near}`?"),
        ),
    }
}

/// Everything that is wrong with the services that `reload`, `relax` and `error_rules` name, and with what `relax` says.
pub(super) fn check(document: &Stack, project: &Project) -> Vec<Finding> {
    let mut found = named(document, project);
    found.extend(reasons(document));
    found.extend(unprotected(document, project));
    found
}

/// Services that `reload`, `relax` and `error_rules` name and that are not there.
pub(super) fn named(document: &Stack, project: &Project) -> Vec<Finding> {
    let mut found = Vec::new();
    let names: Vec<&str> = project.services.keys().map(ServiceName::as_str).collect();
    let reload = document.reload.keys().map(|service| ("reload", service));
    let relax = document.relax.keys().map(|service| ("relax", service));
    for (part, service) in reload.chain(relax) {
        if names.contains(&service.as_str()) {
            continue;
        }
        let keys = vec![part.to_owned(), service.clone()];
        found.push(unknown(part, service, &names, keys));
    }
    for (rule, service) in document
        .error_rules
        .iter()
        .flat_map(|(rule, written)| written.services.iter().map(move |service| (rule, service)))
    {
        if !names.contains(&service.as_str()) {
            let keys = vec!["error_rules".into(), rule.to_string(), "services".into()];
            found.push(unknown("error_rules", service, &names, keys));
        }
    }
    found
}

/// Reasons for doing without a protection that say nothing, or too much.
fn reasons(document: &Stack) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, relax) in &document.relax {
        for (protection, reason) in relax.reasons() {
            if reason.trim().is_empty() || reason.len() > REASON {
                found.push(Finding {
                    code: codes::UNPROTECTED,
                    keys: vec!["relax".into(), service.clone(), protection.key().into()],
                    message: format!("why does `{service}` do without this protection?"),
                    note: format!("write the reason in one sentence, {REASON} characters at most"),
                });
            }
        }
    }
    found
}

/// Protections that the Compose file does without, and nobody says why.
fn unprotected(document: &Stack, project: &Project) -> Vec<Finding> {
    let mut found = Vec::new();
    let none = Relax::default();
    for (service, key) in undone(project) {
        let relax = document.relax.get(service.as_str()).unwrap_or(&none);
        if relax
            .reasons()
            .any(|(protection, _)| protection.key() == key)
        {
            continue;
        }
        found.push(Finding {
            code: codes::UNPROTECTED,
            keys: vec!["relax".into(), service.to_string(), key.into()],
            message: format!(
                "compose.yaml takes the protection `{key}` from `{service}`, and no reason is given"
            ),
            note: format!(
                "keep the protection, or add to stack.yaml: relax: {{ {service}: {{ {key}: the reason }} }}"
            ),
        });
    }
    found
}
