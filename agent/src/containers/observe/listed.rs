//! Entries of the engine's lists as we know them. Old engines say some of it only in texts for people.

use super::super::state::{Attachment, Container, Details, Network, Owner, State};
use super::super::{labels, names};
use bollard::models::{self, ContainerSummary, ContainerSummaryStateEnum as Listed};
use tenantry_schema::document::Protocol;
use tenantry_schema::wire::ContainerHealth;

/// Ports of a container that others than this machine can reach.
pub(super) fn published(summary: &ContainerSummary) -> Vec<((u16, Protocol), String)> {
    use bollard::models::PortSummaryTypeEnum as Listed;
    let name = summary.names.iter().flatten().next();
    let name = name.map_or("", |name| name.trim_start_matches('/'));
    let ports = summary.ports.iter().flatten();
    ports
        .filter_map(|port| {
            let own = |ip: &String| {
                let ip = ip.parse::<std::net::IpAddr>();
                ip.is_ok_and(|ip| ip.is_loopback())
            };
            let protocol = match port.typ {
                Some(Listed::UDP) => Protocol::Udp,
                Some(Listed::SCTP) => return None,
                _ => Protocol::Tcp,
            };
            let public = port.public_port?;
            (!port.ip.as_ref().is_some_and(own)).then(|| ((public, protocol), name.to_owned()))
        })
        .collect()
}

/// An entry without id or name cannot be addressed, and is no container for us.
pub(super) fn container(summary: ContainerSummary) -> Option<Container> {
    let status = summary.status.unwrap_or_default();
    let mut marks = summary.labels.unwrap_or_default();
    let name = summary
        .names?
        .into_iter()
        .map(|name| name.trim_start_matches('/').to_owned())
        .find(|name| !name.contains('/'))?;
    let networks = summary
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default();
    let state = match summary.state? {
        Listed::CREATED | Listed::EMPTY => State::Created,
        Listed::RUNNING | Listed::STOPPING => State::Running,
        Listed::PAUSED => State::Paused,
        Listed::RESTARTING => State::Restarting,
        Listed::EXITED => State::Exited,
        Listed::REMOVING => State::Removing,
        Listed::DEAD => State::Dead,
    };
    Some(Container {
        id: summary.id?,
        name,
        image_id: summary.image_id.unwrap_or_default(),
        created: summary.created.unwrap_or(0),
        owner: Owner::read(|label| marks.get(label)),
        files: marks.remove(labels::FILES),
        state,
        health: summary
            .health
            .and_then(|health| health.status)
            .map_or_else(|| health_in(&status), health),
        exit_code: (state == State::Exited)
            .then(|| exit_code_in(&status))
            .flatten(),
        restarts: 0,
        networks: networks
            .into_iter()
            .map(|(name, endpoint)| (name, attachment(endpoint)))
            .collect(),
        bounds: None,
        replaced: Vec::new(),
        made: None,
        started: None,
        details: Details::default(),
    })
}

fn attachment(endpoint: models::EndpointSettings) -> Attachment {
    Attachment {
        network_id: endpoint.network_id.unwrap_or_default(),
        endpoint_id: endpoint.endpoint_id.unwrap_or_default(),
        aliases: None,
        fixed: None,
    }
}

fn health(status: models::ContainerSummaryHealthStatusEnum) -> ContainerHealth {
    use models::ContainerSummaryHealthStatusEnum as Listed;
    match status {
        Listed::EMPTY | Listed::NONE => ContainerHealth::None,
        Listed::STARTING => ContainerHealth::Starting,
        Listed::HEALTHY => ContainerHealth::Healthy,
        Listed::UNHEALTHY => ContainerHealth::Unhealthy,
    }
}

/// Engines before 28 say it only in a text for people: `Up 3 minutes (healthy)`, `Up 2 hours (Paused)`.
fn health_in(status: &str) -> ContainerHealth {
    if status.ends_with("(healthy)") {
        ContainerHealth::Healthy
    } else if status.ends_with("(unhealthy)") {
        ContainerHealth::Unhealthy
    } else if status.ends_with("(health: starting)") {
        ContainerHealth::Starting
    } else {
        ContainerHealth::None
    }
}

/// `Exited (137) 3 seconds ago`.
fn exit_code_in(status: &str) -> Option<i64> {
    status
        .strip_prefix("Exited (")?
        .split_once(')')?
        .0
        .parse()
        .ok()
}

/// A network with its name. None: it cannot be addressed.
pub(super) fn network(network: models::Network) -> Option<(String, Network)> {
    let labels = network.labels.unwrap_or_default();
    let found = Network {
        id: network.id?,
        inputs: labels.get(labels::INPUTS).cloned(),
        project: labels.get(labels::PROJECT).cloned(),
        keeper: labels.get(labels::KEEPER).cloned(),
    };
    Some((network.name?, found))
}

/// Every name that stands for an image, its id included.
pub(super) fn image_names(image: models::ImageSummary) -> Vec<(String, String)> {
    let named = image
        .repo_tags
        .into_iter()
        .chain(image.repo_digests)
        .filter(|name| !name.contains("<none>"));
    let mut all: Vec<_> = named
        .map(|name| (names::image(&name), image.id.clone()))
        .collect();
    all.push((image.id.clone(), image.id));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_people_are_understood() {
        assert_eq!(
            health_in("Up 3 minutes (healthy)"),
            ContainerHealth::Healthy
        );
        assert_eq!(
            health_in("Up 1 second (health: starting)"),
            ContainerHealth::Starting
        );
        assert_eq!(
            health_in("Up About an hour (unhealthy)"),
            ContainerHealth::Unhealthy
        );
        assert_eq!(health_in("Up 3 minutes"), ContainerHealth::None);
        assert_eq!(health_in("Up 3 minutes (Paused)"), ContainerHealth::None);
        assert_eq!(exit_code_in("Exited (137) 3 seconds ago"), Some(137));
        assert_eq!(exit_code_in("Up 3 minutes"), None);
        assert_eq!(exit_code_in("Exited (x)"), None);
    }

    #[test]
    fn an_entry_from_an_engine_of_2020_is_understood() {
        let text = r#"{"Id":"abc","Names":["/acme-web-1","/acme-other-1/web"],"Image":"web:1","ImageID":"sha256:1","Command":"sh","Created":5,
            "Ports":[],"Labels":{"com.docker.compose.project":"acme","com.docker.compose.service":"web","com.docker.compose.oneoff":"False"},
            "State":"exited","Status":"Exited (2) 1 second ago","HostConfig":{"NetworkMode":"acme_default"},
            "NetworkSettings":{"Networks":{"acme_default":{"NetworkID":"n1","EndpointID":"e1"}}},"Mounts":[]}"#;
        let found = container(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(
            (found.name.as_str(), found.state, found.exit_code),
            ("acme-web-1", State::Exited, Some(2))
        );
        assert!(found.owner.serves("f1", "acme", "web"));
        assert_eq!(found.networks["acme_default"].network_id, "n1");
    }
}
