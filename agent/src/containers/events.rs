//! Listens to the engine's events and turns them into wake-ups. A wake-up says where to look, never what is true: events get lost
//! while the connection is away, so every connection begins with one that means "look at everything".

use super::engine::Engine;
use super::labels;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// First pause after the engine went away; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Events of a container that can mean drift. Not among them: what its own health check does every few seconds.
const ACTIONS: [&str; 16] = [
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
    "connect",
    "disconnect",
    "remove",
    "restart",
];

/// A reason to look at the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// The connection is made (again): anything may have happened.
    Connected,
    /// The engine does not answer; it is tried again.
    Lost,
    /// Something happened to a container.
    Container(ContainerEvent),
    /// Something happened to a network or volume.
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
    /// How it ended, with `die`.
    pub exit_code: Option<i64>,
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
    // A client that connected long ago proves nothing.
    if docker
        .ping()
        .await
        .map_err(|error| engine.judge("reach the container engine", error, None))
        .is_err()
    {
        return false;
    }
    let lists = [
        ("type", &["container", "network"][..]),
        ("event", &ACTIONS[..]),
    ];
    let filters: HashMap<_, Vec<_>> = lists
        .into_iter()
        .map(|(key, values)| {
            (
                key.to_owned(),
                values.iter().map(|&value| value.to_owned()).collect(),
            )
        })
        .collect();
    let mut events = docker.events(Some(EventsOptions {
        since: None,
        until: None,
        filters: Some(filters),
    }));
    if wakes.send(Wake::Connected).await.is_err() {
        return true;
    }
    loop {
        let event = tokio::select! {
            event = events.next() => event,
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

fn wake(event: EventMessage) -> Wake {
    let actor = event.actor.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let get = |name: &str| attributes.get(name).cloned();
    match (event.typ, actor.id, event.action) {
        (Some(bollard::models::EventMessageTypeEnum::CONTAINER), Some(id), Some(action)) => {
            Wake::Container(ContainerEvent {
                id,
                name: get("name").unwrap_or_default(),
                action,
                project: get(labels::PROJECT),
                service: get(labels::SERVICE),
                exit_code: get("exitCode").and_then(|code| code.parse().ok()),
            })
        }
        _ => Wake::Other,
    }
}
