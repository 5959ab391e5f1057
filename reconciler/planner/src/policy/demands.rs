//! What a stack asks for that the policy has a word on, with the values of one order: an image that is a parameter can come from anywhere.

use super::comes_from;
use crate::catalogue::CompiledStack;
use tenantry_compose::template::OPAQUE;
use tenantry_compose::{Project, beyond};
use tenantry_schema::document::{Policy, Tool};
use tenantry_schema::id::ToolName;
use tenantry_yaml::{Limits, Node, parse};

/// What a stack asks for, whoever runs it.
#[derive(Debug)]
pub(crate) struct Demands {
    /// Images and what reaches beyond, in words, with defaults in the place of values.
    all: Vec<Demand>,
    /// Whether values of an order can change that.
    varies: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Demand {
    /// An image of a service.
    Image {
        service: String,
        image: String,
        repository: String,
    },
    /// Something that only trusted stacks may have.
    Beyond { service: String, what: String },
}

impl Demands {
    /// Of a stack that was proven.
    pub(crate) fn of(stack: &CompiledStack) -> Self {
        let (project, _) = stack.compose_file().outline(&|_| true);
        Self {
            all: project.map(|project| demands(&project)).unwrap_or_default(),
            varies: varies(&stack.compose)
                || stack.over.as_ref().is_some_and(|over| varies(&over.text)),
        }
    }

    /// Whether values of an order can change images and what reaches beyond.
    pub(crate) fn vary(&self) -> bool {
        self.varies
    }
}

/// Something that the policy does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The service, network, volume, secret or configuration that asks for it. None: it cannot be told.
    pub(crate) name: Option<String>,
    /// In a sentence.
    pub(crate) message: String,
}

/// What of a tool the policy does not allow.
pub(crate) fn refused(
    policy: &Policy,
    name: &ToolName,
    stack: &CompiledStack,
    document: &Tool,
) -> Vec<Refused> {
    let trusted = policy.trusted_stacks.contains(name);
    if trusted && policy.registries.is_none() {
        return Vec::new();
    }
    let demands = stack.demands();
    let own;
    let all = if demands.varies {
        match stack.with_values(document) {
            Some(project) => {
                own = self::demands(&project);
                &own
            }
            None => {
                let message = format!(
                    "what {name} asks for cannot be told with these values, so the policy cannot allow it"
                );
                return vec![Refused {
                    name: None,
                    message,
                }];
            }
        }
    } else {
        &demands.all
    };
    let refused = all.iter().filter_map(|demand| match demand {
        Demand::Image {
            service,
            image,
            repository,
        } => {
            let registries = policy.registries.as_ref()?;
            let message = if repository.contains(OPAQUE) {
                format!(
                    "where the image of `{service}` of {name} comes from is a secret, so the policy cannot allow it"
                )
            } else if registries.iter().any(|registry| comes_from(repository, registry)) {
                return None;
            } else {
                format!(
                    "the policy does not allow the image `{image}`, which `{service}` of {name} would run"
                )
            };
            Some(Refused {
                name: Some(service.clone()),
                message,
            })
        }
        Demand::Beyond { service, what } => (!trusted).then(|| Refused {
            name: Some(service.clone()),
            message: format!("the policy does not trust {name} with {what} (`{service}`)"),
        }),
    });
    refused.collect()
}

fn demands(project: &Project) -> Vec<Demand> {
    let images = project
        .services
        .iter()
        .map(|(service, spec)| Demand::Image {
            service: service.to_string(),
            image: spec.image.to_string(),
            repository: spec.image.repository().to_owned(),
        });
    let reaching = beyond(project).into_iter().map(|beyond| Demand::Beyond {
        service: beyond.place.get(1).cloned().unwrap_or_default(),
        what: beyond.what,
    });
    images.chain(reaching).collect()
}

/// Keys of a service whose values stay inside its container.
const INSIDE: [&str; 13] = [
    "environment",
    "labels",
    "healthcheck",
    "command",
    "entrypoint",
    "ports",
    "expose",
    "depends_on",
    "hostname",
    "working_dir",
    "user",
    "extra_hosts",
    "restart",
];

/// Whether values can change what the policy has a word on.
fn varies(compose: &str) -> bool {
    let Ok(root) = parse(compose, &Limits::compose()) else {
        return true;
    };
    let Some(top) = root.as_mapping() else {
        return true;
    };
    top.iter().any(|(key, value)| match key.as_str() {
        Some("services") => value
            .as_mapping()
            .unwrap_or_default()
            .iter()
            .any(|(_, service)| {
                service
                    .as_mapping()
                    .unwrap_or_default()
                    .iter()
                    .any(|(key, value)| {
                        let key = key.as_str().unwrap_or_default();
                        key == "extends" || !INSIDE.contains(&key) && has_variable(value, compose)
                    })
            }),
        Some("name" | "version") => false,
        // Where a file of the stack lies matters; what a variable or `content` says does not.
        Some("secrets" | "configs") => {
            value
                .as_mapping()
                .unwrap_or_default()
                .iter()
                .any(|(_, source)| {
                    source
                        .get("file")
                        .is_some_and(|file| has_variable(file, compose))
                })
        }
        Some("include") => true,
        _ => has_variable(value, compose),
    })
}

fn has_variable(node: &Node, text: &str) -> bool {
    match (node.as_mapping(), node.as_sequence()) {
        (Some(entries), _) => entries.iter().any(|(_, value)| has_variable(value, text)),
        (_, Some(items)) => items.iter().any(|item| has_variable(item, text)),
        _ => text
            .get(node.span.start..node.span.end)
            .is_none_or(|scalar| scalar.contains('$')),
    }
}
