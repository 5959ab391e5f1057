//! Protections that every container has by default and that a Compose file takes away.

use crate::names::ServiceName;
use crate::project::Project;
use crate::service::Service;

/// Services with the keys (`no_new_privileges`, `pids_limit`, `mem_limit`) whose default protection their file takes away.
pub fn undone(project: &Project) -> Vec<(&ServiceName, &'static str)> {
    let of_service = |service: &Service| {
        let mut keys = Vec::new();
        if service.security_opt.iter().any(|option| {
            matches!(
                option.as_str(),
                "no-new-privileges:false" | "no-new-privileges=false"
            )
        }) {
            keys.push("no_new_privileges");
        }
        if service.limits.pids.is_some_and(|pids| pids <= 0) {
            keys.push("pids_limit");
        }
        if service.limits.memory == Some(0) {
            keys.push("mem_limit");
        }
        keys
    };
    let services = project.services.iter();
    services
        .flat_map(|(name, service)| of_service(service).into_iter().map(move |key| (name, key)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_protection_away_is_found() {
        let text = "
services:
  a: {image: x, security_opt: ['no-new-privileges:false'], pids_limit: -1, mem_limit: 0}
  b: {image: x, security_opt: ['no-new-privileges:true'], pids_limit: 10, mem_limit: 1m}
  c: {image: x}
";
        let project = Project::load(text, &|_| None).unwrap();
        let found: Vec<_> = undone(&project)
            .into_iter()
            .map(|(name, key)| (name.as_str(), key))
            .collect();
        assert_eq!(
            found,
            [
                ("a", "no_new_privileges"),
                ("a", "pids_limit"),
                ("a", "mem_limit")
            ]
        );
    }
}
