//! `policy:` of `hub.yaml` against the catalogue: where images may come from, and which stacks may reach beyond their containers.

mod demands;

use crate::catalogue::CompiledStack;
use crate::codes;
use crate::input::{Finder, TextOf};
use crate::references::Known;
use tenantry_compose::beyond;
use tenantry_compose::template::OPAQUE;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::Policy;
use tenantry_schema::text::Registry;
use tenantry_schema::{Diagnostic, Severity};

pub(crate) use demands::{Demands, refused};

/// What stacks of the branch do that the policy does not allow.
pub fn check(known: Known<'_>, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let policy = &known.hub.policy;
    let stacks = known
        .catalogue
        .branch
        .values()
        .filter_map(|stack| stack.compiled.as_deref());
    stacks
        .flat_map(|stack| of_stack(policy, stack, text_of))
        .collect()
}

fn of_stack(policy: &Policy, stack: &CompiledStack, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    // It was proven when it was compiled; here only its shape matters.
    let (Some(project), _) = stack.compose_file().outline(&|_| true) else {
        return Vec::new();
    };
    let trusted = policy.trusted_stacks.contains(&stack.tool);
    let path = format!("stacks/{}/compose.yaml", stack.tool);
    let mut finder = None;
    let mut place = |keys: &[&str]| -> Place {
        finder
            .get_or_insert_with(|| Finder::new(text_of, &path))
            .place(keys, true)
    };
    let mut found = Vec::new();
    for (name, service) in &project.services {
        let at = ["services", name.as_str()];
        if let Some(registries) = &policy.registries {
            let image = service.image.repository();
            if image.contains(OPAQUE) {
                let message = format!("where the image of `{name}` comes from depends on a value");
                found.push(Diagnostic {
                    severity: Severity::Warning,
                    ..Diagnostic::error(
                        codes::NOT_ALLOWED,
                        place(&[at[0], at[1], "image"]),
                        message,
                    )
                });
            } else if !registries
                .iter()
                .any(|registry| comes_from(image, registry))
            {
                let message = format!("the policy does not allow the image `{}`", service.image);
                let names: Vec<&str> = registries.iter().map(Registry::as_str).collect();
                found.push(
                    Diagnostic::error(codes::NOT_ALLOWED, place(&[at[0], at[1], "image"]), message)
                        .label("from another registry")
                        .note(format!(
                            "`policy.registries` of fleet/hub.yaml: {}",
                            names.join(", ")
                        )),
                );
            }
        }
    }
    for beyond in beyond(&project).into_iter().filter(|_| !trusted) {
        let message = format!(
            "the policy does not trust {} with {}",
            stack.tool, beyond.what
        );
        let keys: Vec<&str> = beyond.place.iter().map(String::as_str).collect();
        found.push(
            Diagnostic::error(codes::NOT_ALLOWED, place(&keys), message)
                .label("reaches beyond its containers")
                .note(format!(
                    "an owner can add `{}` to `policy.trusted_stacks` of fleet/hub.yaml",
                    stack.tool
                )),
        );
    }
    found
}

/// Whether a repository is below a registry. A name without a host is Docker Hub's.
fn comes_from(repository: &str, registry: &Registry) -> bool {
    let host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let full = match repository.split_once('/') {
        Some((first, _)) if host(first) => repository.to_owned(),
        Some(_) => format!("docker.io/{repository}"),
        None => format!("docker.io/library/{repository}"),
    };
    full.strip_prefix(registry.as_str())
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        let from = |repository: &str, registry: &str| {
            comes_from(repository, &Registry::try_from(registry).unwrap())
        };
        assert!(from("nginx", "docker.io"));
        assert!(from("nginx", "docker.io/library"));
        assert!(from("acme/tool", "docker.io/acme"));
        assert!(from("ghcr.io/acme/tool", "ghcr.io/acme"));
        assert!(from("127.0.0.1:5000/a", "127.0.0.1:5000"));
        assert!(!from("acme/tool", "ghcr.io"));
        assert!(!from("ghcr.io/acmee/tool", "ghcr.io/acme"));
        assert!(!from("ghcr.io.evil.example/a", "ghcr.io"));
    }
}
