//! Tests of the pure half: what is decided, and what it comes to on a model of the engine.

mod detached;
mod edges;
mod edits;
mod follow;
mod hash;
mod laws;
pub(crate) mod model;
mod rules;
mod table;
mod translate;

use super::desired::{
    AttachmentSpec, Condition, ContainerSpec, Dependency, Environment, InstanceInput, Limits,
    Modes, MountSource, MountSpec, NetworkChoice, NetworkSpec, Pull, Restart, ServiceSpec,
    VolumeSpec, Wanted,
};
use super::inputs::InputsKey;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::secret::Secret;

const KEEPER: &str = "f1";
const PROJECT: &str = "acme";

fn key() -> InputsKey {
    InputsKey::new(Secret::new(vec![7; 32]))
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A service with the defaults of a Compose file, in the network `acme_default`.
pub(crate) fn service(name: &str) -> ServiceSpec {
    let attachment = AttachmentSpec {
        aliases: names(&[name]),
        ..AttachmentSpec::default()
    };
    ServiceSpec {
        container: ContainerSpec {
            name: format!("{PROJECT}-{name}-1"),
            image: "busybox:1".to_owned(),
            watched: None,
            env: Environment::default(),
            command: None,
            entrypoint: None,
            working_dir: None,
            user: None,
            hostname: None,
            domainname: None,
            labels: BTreeMap::new(),
            mounts: BTreeMap::new(),
            ports: BTreeSet::new(),
            expose: BTreeSet::new(),
            network: NetworkChoice::Networks([(format!("{PROJECT}_default"), attachment)].into()),
            healthcheck: None,
            restart: Restart::UnlessStopped,
            limits: Limits::default(),
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::new(),
            security_opt: BTreeSet::new(),
            cap_add: BTreeSet::new(),
            cap_drop: BTreeSet::new(),
            privileged: false,
            stop_signal: None,
            stop_grace: None,
            init: None,
            read_only: false,
            ulimits: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            extra_hosts: Vec::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_opt: Vec::new(),
            shm_size: None,
            devices: BTreeSet::new(),
            group_add: BTreeSet::new(),
            tty: false,
            stdin_open: false,
            modes: Modes::default(),
        },
        depends_on: BTreeMap::new(),
        job: false,
        pull: Pull::Missing,
        files: BTreeMap::new(),
        watched: BTreeMap::new(),
        signal: None,
        shares: BTreeSet::new(),
    }
}

fn mount_volume(service: &mut ServiceSpec, name: &str, target: &str) {
    let source = MountSource::Volume {
        name: name.to_owned(),
        nocopy: false,
        subpath: None,
    };
    service.container.mounts.insert(
        target.to_owned(),
        MountSpec {
            source,
            read_only: false,
        },
    );
}

fn depend(service: &mut ServiceSpec, on: &str, condition: Condition) {
    service.depends_on.insert(
        on.to_owned(),
        Dependency {
            condition,
            required: true,
            restart: false,
        },
    );
}

fn instance(services: impl IntoIterator<Item = (&'static str, ServiceSpec)>) -> InstanceInput {
    let services: BTreeMap<_, _> = services
        .into_iter()
        .map(|(name, service)| (name.to_owned(), service))
        .collect();
    let networks = services
        .values()
        .flat_map(|service| service.container.network.networks())
        .map(|(name, _)| {
            let key = name.trim_start_matches("acme_").to_owned();
            (
                name.clone(),
                NetworkSpec {
                    key,
                    ..NetworkSpec::default()
                },
            )
        });
    let volumes = services
        .values()
        .flat_map(|service| service.container.volumes())
        .map(|name| {
            (
                name.to_owned(),
                VolumeSpec {
                    key: name.trim_start_matches("acme_").to_owned(),
                    ..VolumeSpec::default()
                },
            )
        });
    InstanceInput {
        project: PROJECT.to_owned(),
        keeper: KEEPER.to_owned(),
        state: Wanted::Running,
        working_dir: "/srv/acme".into(),
        networks: networks.collect(),
        volumes: volumes.collect(),
        services,
    }
}

/// A database with a volume, a job that needs it healthy, and a web server that needs the job done.
fn stack() -> InstanceInput {
    let (mut db, mut job, mut web) = (service("db"), service("job"), service("web"));
    mount_volume(&mut db, "acme_data", "/data");
    job.job = true;
    job.container.restart = Restart::No;
    depend(&mut job, "db", Condition::Healthy);
    depend(&mut web, "db", Condition::Started);
    depend(&mut web, "job", Condition::Completed);
    instance([("db", db), ("job", job), ("web", web)])
}
