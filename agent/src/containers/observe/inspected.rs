//! What only an inspection tells of a container, and when it has to be asked again.

use super::super::bounds::Bounds;
use super::super::desired::Restart;
use super::super::state::{Container, Details, State};
use bollard::models::{self, ContainerInspectResponse};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tenantry_schema::wire::ContainerHealth;

/// What a health check printed is no longer, in bytes: engines keep 4096.
const LONGEST_OUTPUT: usize = 8192;

/// What an inspection told, and the list entry that it belongs to.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) entry: Entry,
    pub(super) restarts: u64,
    pub(super) started: Option<Timestamp>,
    pub(super) connected: BTreeMap<String, Connected>,
    pub(super) bounds: Option<Bounds>,
    /// Its process, if it runs and mounts something of the server.
    pub(super) mounting: Option<i64>,
    pub(super) made: Option<Timestamp>,
    pub(super) details: Details,
}

/// How a container is connected to a network.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) aliases: BTreeSet<String>,
    pub(super) fixed: BTreeSet<IpAddr>,
}

/// The parts of a list entry that change when something happened to the container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    name: String,
    state: State,
    exit_code: Option<i64>,
    health: ContainerHealth,
    endpoints: BTreeMap<String, String>,
}

impl Entry {
    pub(super) fn of(container: &Container) -> Self {
        Self {
            name: container.name.clone(),
            state: container.state,
            exit_code: container.exit_code,
            health: container.health,
            endpoints: container
                .networks
                .iter()
                .map(|(name, at)| (name.clone(), at.endpoint_id.clone()))
                .collect(),
        }
    }
}

impl Known {
    pub(super) fn of(entry: Entry, details: &ContainerInspectResponse) -> Self {
        let networks = details
            .network_settings
            .as_ref()
            .and_then(|settings| settings.networks.as_ref());
        let connected = networks
            .into_iter()
            .flatten()
            .map(|(name, endpoint)| (name.clone(), Connected::of(endpoint)));
        let pid = details.state.as_ref().and_then(|state| state.pid);
        let binds = details
            .mounts
            .iter()
            .flatten()
            .any(|mount| mount.typ.as_deref() == Some("bind"));
        let started = details
            .state
            .as_ref()
            .and_then(|state| state.started_at.as_ref());
        Self {
            entry,
            details: details_of(details),
            made: details.created.as_ref().and_then(time),
            started: started.and_then(time),
            mounting: pid.filter(|pid| *pid > 0 && binds),
            restarts: details
                .restart_count
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or(0),
            connected: connected.collect(),
            bounds: details.host_config.as_ref().map(bounds),
        }
    }
}

impl Connected {
    fn of(endpoint: &models::EndpointSettings) -> Self {
        let asked = endpoint.ipam_config.as_ref();
        let addresses = asked.into_iter().flat_map(|asked| {
            let own = [&asked.ipv4_address, &asked.ipv6_address];
            own.into_iter()
                .flatten()
                .chain(asked.link_local_ips.iter().flatten())
        });
        Self {
            aliases: endpoint.aliases.iter().flatten().cloned().collect(),
            fixed: addresses.filter_map(|text| text.parse().ok()).collect(),
        }
    }
}

fn bounds(settings: &models::HostConfig) -> Bounds {
    use models::RestartPolicyNameEnum as Policy;
    let policy = settings.restart_policy.as_ref();
    let restart = match policy.and_then(|policy| policy.name) {
        Some(Policy::ALWAYS) => Restart::Always,
        Some(Policy::UNLESS_STOPPED) => Restart::UnlessStopped,
        Some(Policy::ON_FAILURE) => Restart::OnFailure {
            max: policy.and_then(|policy| policy.maximum_retry_count),
        },
        Some(Policy::NO | Policy::EMPTY) | None => Restart::No,
    };
    Bounds {
        restart,
        memory: settings.memory,
        pids: settings.pids_limit,
        nano_cpus: settings.nano_cpus,
    }
}

fn details_of(details: &ContainerInspectResponse) -> Details {
    let Some(state) = &details.state else {
        return Details::default();
    };
    let bad = state
        .health
        .as_ref()
        .filter(|health| health.status == Some(models::HealthStatusEnum::UNHEALTHY));
    let output = bad.and_then(|health| health.log.as_ref()?.last()?.output.as_deref());
    Details {
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        ended: state.finished_at.as_ref().and_then(time),
        health_output: output
            .filter(|text| text.len() <= LONGEST_OUTPUT)
            .map(Into::into),
    }
}

/// As the engine writes it; the year 1 stands for never.
pub(in crate::containers) fn time(text: &impl ToString) -> Option<Timestamp> {
    let time: Timestamp = text.to_string().parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}
