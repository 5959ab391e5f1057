//! Listens to the engine's events and turns them into wake-ups. A wake-up says where to look, never what is true: events get lost
//! while the connection is away, so every connection begins with one that means "look at everything".
//!
//! On a busy engine most events are about containers of others, and what arrives here costs, even where nobody looks because of it.
//! So the engine itself leaves out containers of no Compose project, and health checks that only ran. What is left is judged by
//! [`super::concern`]. Containers of no project are seen when the agent looks by itself.

use super::engine::Engine;
use super::labels;
use super::state::Owner;
use bollard::models::{EventMessage, EventMessageTypeEnum as Type};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// First pause after the engine went away; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Events of a container that can mean drift. Not among them: what its own health check does every few seconds. `health_status` is
/// told when it changes, and only then.
const CONTAINER: [&str; 13] = [
    "create",
    "start",
    "die",
    "stop",
    "kill",
    "oom",
    "pause",
    "unpause",
    "destroy",
    "rename",
    "update",
    "health_status",
    "restart",
];

/// Events of a network that can mean drift.
const NETWORK: [&str; 5] = ["create", "connect", "disconnect", "destroy", "remove"];

/// A reason to look at the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// The connection is made (again): anything may have happened.
    Connected,
    /// The engine does not answer; it is tried again.
    Lost,
    /// Something happened to a container.
    Container(ContainerEvent),
    /// Something happened to a network.
    Network(NetworkEvent),
    /// Something of which nothing is known.
    Other,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What happened, in the engine's words: `die`, `health_status: healthy`, …
    pub action: String,
    /// Its Compose project.
    pub project: Option<String>,
    /// Its Compose service.
    pub service: Option<String>,
    /// Whether `docker compose run` made it, which we leave alone.
    pub one_off: bool,
    /// Who keeps it, if it says so.
    pub keeper: Option<String>,
    /// How it ended, with `die`.
    pub exit_code: Option<i64>,
}

/// Something that happened to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkEvent {
    /// Its name.
    pub name: String,
    /// Id of the container that was connected or disconnected. Absent: it is about the network itself.
    pub container: Option<String>,
}

/// Sends wake-ups until the receiver is dropped.
pub async fn watch(engine: Engine, wakes: mpsc::Sender<Wake>) {
    let mut pause = FIRST_PAUSE;
    while !wakes.is_closed() {
        let listened = listen(&engine, &wakes).await;
        if listened {
            pause = FIRST_PAUSE;
            let _ = wakes.send(Wake::Lost).await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = wakes.closed() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether there was a connection.
async fn listen(engine: &Engine, wakes: &mpsc::Sender<Wake>) -> bool {
    let Ok((docker, _)) = engine.client().await else {
        return false;
    };
    // What happens before the engine has begun to tell is told afterwards: it remembers a while.
    let since = Timestamp::now();
    // A client that connected long ago proves nothing.
    if docker
        .ping()
        .await
        .map_err(|error| engine.judge("reach the container engine", error, None))
        .is_err()
    {
        return false;
    }
    // Two, for what is asked of labels would be asked of networks, too, and their events tell none.
    let of_containers = docker.events(Some(asked(
        since,
        &[
            ("type", &["container"]),
            ("event", &CONTAINER),
            ("label", &[labels::PROJECT]),
        ],
    )));
    let of_networks = docker.events(Some(asked(
        since,
        &[("type", &["network"]), ("event", &NETWORK)],
    )));
    tokio::pin!(of_containers, of_networks);
    if wakes.send(Wake::Connected).await.is_err() {
        return true;
    }
    loop {
        let event = tokio::select! {
            event = of_containers.next() => event,
            event = of_networks.next() => event,
            () = wakes.closed() => return true,
        };
        match event {
            Some(Ok(event)) => {
                if wakes.send(wake(event)).await.is_err() {
                    return true;
                }
            }
            Some(Err(error)) => {
                let error = engine.judge("listen to the container engine", error, None);
                tracing::debug!(%error, "the stream of events ended");
                return true;
            }
            None => return true,
        }
    }
}

/// What is asked for: events since a moment that pass all filters. A filter is passed by any of its values.
fn asked(since: Timestamp, filters: &[(&str, &[&str])]) -> EventsOptions {
    let texts = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    let filters = filters
        .iter()
        .map(|(key, values)| ((*key).to_owned(), texts(values)));
    EventsOptions {
        since: Some(format!(
            "{}.{:09}",
            since.as_second(),
            since.subsec_nanosecond()
        )),
        until: None,
        filters: Some(filters.collect::<HashMap<_, Vec<_>>>()),
    }
}

fn wake(event: EventMessage) -> Wake {
    let actor = event.actor.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let get = |name: &str| attributes.get(name).filter(|it| !it.is_empty()).cloned();
    let owner = Owner::read(|label| attributes.get(label));
    match (event.typ, actor.id, event.action) {
        (Some(Type::CONTAINER), Some(id), Some(action)) => Wake::Container(ContainerEvent {
            id,
            name: get("name").unwrap_or_default(),
            action,
            project: owner.project,
            service: owner.service,
            one_off: owner.one_off,
            keeper: owner.keeper,
            exit_code: get("exitCode").and_then(|code| code.parse().ok()),
        }),
        (Some(Type::NETWORK), ..) => Wake::Network(NetworkEvent {
            name: get("name").unwrap_or_default(),
            container: get("container"),
        }),
        _ => Wake::Other,
    }
}
