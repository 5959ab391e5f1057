//! Protections that every container has by default and that a Compose file takes away.

use crate::names::ServiceName;
use crate::project::Project;
use crate::reader::is_opaque;
use crate::resources::Logging;
use crate::service::Service;
use crate::units;

/// Most bytes that the logs of one service may take. Three files of 10 MB are the default.
const LOGS: u64 = 1 << 30;

/// Services with the keys (`no_new_privileges`, `pids_limit`, `mem_limit`, `logs`) whose default protection their file takes away.
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
        if service.logging.as_ref().is_some_and(unbounded) {
            keys.push("logs");
        }
        keys
    };
    let services = project.services.iter();
    services
        .flat_map(|(name, service)| of_service(service).into_iter().map(move |key| (name, key)))
        .collect()
}

/// Whether logs may take more than [`LOGS`]. What the file leaves open has the default; values that are not there yet are small.
fn unbounded(logging: &Logging) -> bool {
    let (size, files) = match logging.driver.as_deref() {
        None | Some("json-file") => (10 << 20, 3),
        Some("local") => (20 << 20, 5),
        Some(_) => return false,
    };
    let option = |name: &str| logging.options.get(name).filter(|text| !is_opaque(text));
    // What is no number is without a bound (`-1`), or the engine refuses it.
    let size = option("max-size").map_or(Some(size), units::bytes);
    let files = option("max-file").map_or(Some(files), |text| text.parse::<u64>().ok());
    let all = size
        .zip(files)
        .and_then(|(size, files)| size.checked_mul(files));
    size == Some(0) || all.is_none_or(|all| all > LOGS)
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
  d: {image: x, logging: {driver: none, options: {max-size: 500g}}}
  e: {image: x, logging: {options: {max-size: 100m, max-file: '10'}}}
  f: {image: x, logging: {options: {max-size: 500g}}}
  g: {image: x, logging: {driver: json-file, options: {max-file: '1000'}}}
  h: {image: x, logging: {driver: local, options: {max-size: '-1'}}}
  i: {image: x, logging: {driver: local, options: {max-size: 1g, max-file: '2'}}}
  j: {image: x, logging: {options: {max-size: '0'}}}
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
                ("a", "mem_limit"),
                ("f", "logs"),
                ("g", "logs"),
                ("h", "logs"),
                ("i", "logs"),
                ("j", "logs"),
            ]
        );
    }
}
