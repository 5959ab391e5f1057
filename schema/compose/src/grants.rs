//! What services ask of secrets and configs as files that cannot be had: what comes from a file of the project is that file, as it is.

use crate::names::{ConfigName, SecretName};
use crate::parts::FileSource;
use crate::project::Project;
use crate::reader::At;
use std::collections::BTreeMap;
use tenantry_yaml::Problem;

/// Keys of a grant that say who may read the file.
const ACCESS: [&str; 3] = ["uid", "gid", "mode"];

/// Reports grants that cannot be kept.
pub(crate) fn check(services: &At<'_>, project: &Project) {
    // Whether the file of this name holds the value of a variable.
    let mut files: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for (_, _, service) in services.entries().unwrap_or_default() {
        for section in ["secrets", "configs"] {
            for grant in grants(&service, section) {
                let name = grant.node.get("source").unwrap_or(grant.node).as_str();
                let Some(source) = name.and_then(|name| source(project, section, name)) else {
                    continue;
                };
                let (variable, file) = match source {
                    FileSource::File(_) => {
                        as_it_is(&grant);
                        continue;
                    }
                    FileSource::Environment { variable, .. } => (true, variable.as_str()),
                    FileSource::Content(_) => (false, name.unwrap_or_default()),
                };
                if *files.entry((section, file)).or_insert(variable) != variable {
                    let message =
                        "a variable and a config have the same name, and would be the same file";
                    grant.invalid_with(message, "give the config another name");
                }
            }
        }
    }
}

fn grants<'a>(service: &At<'a>, section: &str) -> Vec<At<'a>> {
    let node = service
        .node
        .get(section)
        .filter(|node| node.as_sequence().is_some());
    let at = node.map(|node| At {
        node,
        path: format!("{}.{section}", service.path),
        ..service.clone()
    });
    at.and_then(|at| at.items()).unwrap_or_default()
}

fn source<'p>(project: &'p Project, section: &str, name: &str) -> Option<&'p FileSource> {
    match section {
        "secrets" => project.secrets.get(&SecretName::try_from(name).ok()?),
        _ => project.configs.get(&ConfigName::try_from(name).ok()?),
    }
}

/// A file of the project is mounted itself.
fn as_it_is(grant: &At<'_>) {
    for key in ACCESS {
        let Some(span) = grant.node.key_span(key) else {
            continue;
        };
        let message = format!("`{key}` has no effect on what comes from a `file`");
        let help = "the container sees the file as it is; what comes from `environment` or `content` has an owner and permissions";
        grant.report(Problem::invalid(span, message).with_help(help));
    }
}
