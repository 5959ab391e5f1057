//! Which of the engine's events concern this server: pure. An event that does not costs no look.
//!
//! Not judged by: containers of others that take a name or a port which is needed here. They can only while ours is gone, which is heard
//! of, and what waits for a name looks again by itself.

use super::events::{ContainerEvent, NetworkEvent, Wake};
use super::state::Owner;
use std::collections::BTreeSet;

/// What is this server's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concern {
    /// Marks what is kept here.
    pub keeper: String,
    /// Compose projects that are asked for.
    pub projects: BTreeSet<String>,
    /// Networks that their containers use, by name.
    pub networks: BTreeSet<String>,
    /// Ids of containers that were of one of the projects when the engine was last looked at.
    pub containers: BTreeSet<String>,
}

impl Concern {
    /// Remembers which containers there are, by id.
    pub fn saw<'a>(&mut self, all: impl IntoIterator<Item = (&'a str, &'a Owner)>) {
        let ours = all.into_iter().filter(|(_, owner)| self.is_ours(owner));
        self.containers = ours.map(|(id, _)| id.to_owned()).collect();
    }

    /// Whether something happened that can make a difference.
    pub fn has(&self, wake: &Wake) -> bool {
        match wake {
            Wake::Connected | Wake::Lost | Wake::Other => true,
            Wake::Container(event) => self.has_container(event),
            Wake::Network(event) => self.has_network(event),
        }
    }

    fn has_container(&self, event: &ContainerEvent) -> bool {
        self.containers.contains(&event.id)
            || self.is_named_ours(event.keeper.as_ref(), event.project.as_ref(), event.one_off)
    }

    fn is_ours(&self, owner: &Owner) -> bool {
        self.is_named_ours(owner.keeper.as_ref(), owner.project.as_ref(), owner.one_off)
    }

    /// Ours by our own mark, also where nothing asks for its project any more; else one that could be taken over.
    fn is_named_ours(
        &self,
        keeper: Option<&String>,
        project: Option<&String>,
        one_off: bool,
    ) -> bool {
        match keeper {
            Some(keeper) => *keeper == self.keeper,
            None => !one_off && project.is_some_and(|project| self.projects.contains(project)),
        }
    }

    /// Who is connected matters where the container is ours; that a network comes or goes, where its name is.
    fn has_network(&self, event: &NetworkEvent) -> bool {
        match &event.container {
            Some(container) => self.containers.contains(container),
            None => self.networks.contains(&event.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concern() -> Concern {
        Concern {
            keeper: "f1/acme/acme-1".into(),
            projects: ["web-html".to_owned()].into(),
            networks: ["web-html_default".to_owned(), "proxy".to_owned()].into(),
            containers: ["known".to_owned()].into(),
        }
    }

    fn event(id: &str, project: Option<&str>, keeper: Option<&str>) -> ContainerEvent {
        ContainerEvent {
            id: id.into(),
            name: "web-html-web-1".into(),
            action: "die".into(),
            project: project.map(Into::into),
            service: Some("web".into()),
            one_off: false,
            keeper: keeper.map(Into::into),
            exit_code: None,
        }
    }

    #[test]
    fn containers_of_ours_and_those_that_could_be_taken_over_are_looked_at() {
        let has = |event| concern().has(&Wake::Container(event));
        for (id, project, keeper) in [
            ("new", Some("web-html"), Some("f1/acme/acme-1")),
            ("new", Some("web-html"), None),
            // Nothing asks for it any more: it is to go.
            ("new", Some("gone-html"), Some("f1/acme/acme-1")),
            // Its labels were never ours, but it was seen to be.
            ("known", None, None),
        ] {
            assert!(
                has(event(id, project, keeper)),
                "{id} {project:?} {keeper:?}"
            );
        }
        for (project, keeper) in [
            (None, None),
            (Some("other"), None),
            (Some("web-html"), Some("f2/acme/acme-1")),
            (Some("other"), Some("f1/acme/acme-2")),
        ] {
            assert!(
                !has(event("new", project, keeper)),
                "{project:?} {keeper:?}"
            );
        }
        let run = ContainerEvent {
            one_off: true,
            ..event("new", Some("web-html"), None)
        };
        assert!(!has(run));
    }

    #[test]
    fn networks_are_looked_at_for_our_containers_and_by_name() {
        let has = |name: &str, container: Option<&str>| {
            concern().has(&Wake::Network(NetworkEvent {
                name: name.into(),
                container: container.map(Into::into),
            }))
        };
        assert!(has("web-html_default", None) && has("proxy", None));
        assert!(has("bridge", Some("known")));
        assert!(!has("bridge", Some("stranger")) && !has("proxy", Some("stranger")));
        assert!(!has("other_default", None));
    }

    #[test]
    fn a_connection_that_is_made_or_lost_is_always_looked_at() {
        for wake in [Wake::Connected, Wake::Lost, Wake::Other] {
            assert!(Concern::default().has(&wake));
        }
    }

    #[test]
    fn what_was_seen_is_remembered_and_what_is_gone_forgotten() {
        let owner = |project: &str, keeper: Option<&str>| Owner {
            project: Some(project.into()),
            keeper: keeper.map(Into::into),
            ..Owner::default()
        };
        let mut concern = concern();
        concern.saw([
            ("one", &owner("web-html", None)),
            ("two", &owner("old-html", Some("f1/acme/acme-1"))),
            ("three", &owner("other", None)),
            ("four", &Owner::default()),
        ]);
        assert_eq!(
            concern.containers,
            ["one".to_owned(), "two".to_owned()].into()
        );
    }
}
