//! What is measured and read beside the loop, and how it gets into reports: usage, lines found in logs, what health checks say. Nothing is
//! decided by any of it.

use super::Loop;
use crate::agent::Look;
use crate::containers::{self, health_text, state::Container};
use crate::desired::Desired;
use crate::diagnose::Own;
use crate::execute::sentence;
use crate::redact::Redactor;
use crate::scan::{self, Rules};
use crate::usage;
use crate::web_server::WebServer;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{ContainerHealth, EventKind, Questions, Report};
use tokio::task::spawn_local;

/// Questions that are taken at once; no hub puts more.
const MOST_QUESTIONS: usize = 8;

/// What is worked out once a slice.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Content of the slice.
    of: String,
    redactors: BTreeMap<InstanceName, Rc<Redactor>>,
    /// Knows the secrets of all instances.
    whole: Option<Rc<Redactor>>,
    /// Rules of services that have some.
    rules: BTreeMap<InstanceName, BTreeMap<String, Rc<Rules>>>,
}

impl Watched {
    /// For this slice.
    fn of(desired: &Desired) -> Self {
        let rules = desired.host.error_rules.iter().filter_map(|(name, rules)| {
            let input = desired.instances.get(name)?.containers.as_ref().ok()?;
            let services = Rules::by_service(rules, input.services.keys());
            (!services.is_empty()).then(|| (name.clone(), services))
        });
        Self {
            of: desired.reference.content.clone(),
            redactors: BTreeMap::new(),
            whole: None,
            rules: rules.collect(),
        }
    }

    /// Begins anew where the slice is another one.
    fn refresh(&mut self, desired: &Desired) {
        if self.of != desired.reference.content {
            *self = Self::of(desired);
        }
    }

    /// The same for what is of no one instance.
    fn whole_redactor(&mut self, desired: &Desired) -> Rc<Redactor> {
        let whole = self
            .whole
            .get_or_insert_with(|| Rc::new(redactor_of(desired, None)));
        whole.clone()
    }

    /// Made when first needed: it holds the secrets in several forms.
    pub(super) fn redactor(&mut self, desired: &Desired, name: &InstanceName) -> Rc<Redactor> {
        let redactor = self.redactors.entry(name.clone());
        redactor
            .or_insert_with(|| Rc::new(redactor_of(desired, Some(name))))
            .clone()
    }
}

/// Knows the secrets of an instance, or of all.
pub(super) fn redactor_of(desired: &Desired, name: Option<&InstanceName>) -> Redactor {
    let prefix = name.map_or(String::new(), |name| format!("{name}/"));
    let mine = desired.secrets.iter();
    let mine = mine.filter(|(path, _)| path.as_str().starts_with(&prefix));
    Redactor::new(mine.map(|(_, file)| &file.value))
}

/// The kind of event that something which happened to a container is, and what is said about it.
pub(super) fn told(event: &containers::ContainerEvent) -> Option<(EventKind, String)> {
    let name = &event.name;
    Some(match event.action.as_str() {
        "die" => {
            let code = event
                .exit_code
                .map_or(String::new(), |code| format!(" with exit code {code}"));
            (
                EventKind::ContainerDied,
                format!("container {name} ended{code}"),
            )
        }
        "oom" => (
            EventKind::OutOfMemory,
            format!("container {name} ran out of memory"),
        ),
        "stop" => (
            EventKind::ContainerStopped,
            format!("container {name} was stopped"),
        ),
        "start" => (
            EventKind::ContainerRestarted,
            format!("container {name} was started again"),
        ),
        _ => return None,
    })
}

impl<W: WebServer + 'static> Loop<W> {
    /// Tells meters and readers of logs which containers there are. What could not be seen changes nothing (law 7).
    pub(super) fn aim(&mut self, look: &Look) {
        let (Some(desired), Ok(engine)) = (self.agent.desired(), &look.state.engine) else {
            return;
        };
        self.watched.refresh(desired);
        let mut measured = BTreeMap::new();
        let mut read = Vec::new();
        for container in &engine.containers {
            let Some((name, service)) = ours(desired, container) else {
                continue;
            };
            if let Some(pid) = container.details.pid.filter(|_| container.state.is_up()) {
                let target = usage::Target {
                    instance: name.clone(),
                    service: service.to_owned(),
                    id: container.id.clone(),
                    pid,
                };
                measured.insert((name.clone(), service), target);
            }
            let rules = self.watched.rules.get(name);
            if let Some(rules) = rules.and_then(|rules| rules.get(service)).cloned() {
                let redactor = self.watched.redactor(desired, name);
                read.push(scan::Target {
                    instance: name.clone(),
                    service: service.to_owned(),
                    id: container.id.clone(),
                    made: container.made,
                    up: container.state.is_up(),
                    ended: container.details.ended,
                    rules,
                    redactor,
                });
            }
        }
        self.meter
            .aim(measured.into_values().collect(), engine.folder.as_deref());
        let all: BTreeSet<_> = engine
            .containers
            .iter()
            .map(|container| container.id.as_str())
            .collect();
        self.scan.aim(read, &all);
    }

    /// Adds what bad health checks say, without secrets.
    pub(super) fn add_health(&mut self, report: &mut Report, look: &Look) {
        let (Some(desired), Ok(engine)) = (self.agent.desired(), &look.state.engine) else {
            return;
        };
        for (name, instance) in &mut report.instances {
            for container in &mut instance.containers {
                if container.health != ContainerHealth::Unhealthy {
                    continue;
                }
                let seen = engine
                    .containers
                    .iter()
                    .find(|seen| seen.name == container.name);
                let Some(text) = seen.and_then(|seen| seen.details.health_output.as_deref()) else {
                    continue;
                };
                let redactor = self.watched.redactor(desired, name);
                let text = health_text(text, |text| redactor.clean(text));
                container.health_output = (!text.is_empty()).then(|| text.into());
            }
        }
    }

    /// Answers operators, beside everything else.
    pub(super) fn answer(&mut self, questions: Questions) {
        for question in questions.questions.into_iter().take(MOST_QUESTIONS) {
            let own = self.agent.desired().map(|desired| {
                self.watched.refresh(desired);
                Own::of(desired, self.watched.whole_redactor(desired))
            });
            let answerer = self.answerer.clone();
            spawn_local(async move { answerer.answer(question, own).await });
        }
    }

    /// What was measured and found since the last report goes into the next.
    pub(super) fn gather(&mut self) {
        self.agent.news.usage(self.meter.take());
        for found in self.scan.take() {
            self.agent.news.log_match(found);
        }
    }

    /// The report is on disk: what was read for it need not be read again.
    pub(super) fn gathered(&mut self) {
        if let Err(error) = self.scan.keep() {
            tracing::warn!(
                error = sentence(&error),
                "it cannot be kept how far logs were read"
            );
        }
    }
}

/// The instance and service that a container of ours is for.
fn ours<'a>(desired: &'a Desired, container: &'a Container) -> Option<(&'a InstanceName, &'a str)> {
    let project = container.owner.project.as_deref()?;
    let service = container.owner.service.as_deref()?;
    let (name, _) = desired
        .instances
        .get_key_value(&InstanceName::try_from(project.to_owned()).ok()?)?;
    container
        .owner
        .serves(&desired.keeper, project, service)
        .then_some((name, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_containers_is_told_by_kind() {
        let event = |action: &str, exit_code| containers::ContainerEvent {
            id: "1".into(),
            name: "web-1".into(),
            action: action.into(),
            project: None,
            service: None,
            one_off: false,
            keeper: None,
            exit_code,
        };
        let text = |action, code| told(&event(action, code)).map(|(_, text)| text);
        assert_eq!(
            text("die", Some(137)).unwrap(),
            "container web-1 ended with exit code 137"
        );
        assert_eq!(
            text("oom", None).unwrap(),
            "container web-1 ran out of memory"
        );
        assert_eq!(
            told(&event("stop", None)).unwrap().0,
            EventKind::ContainerStopped
        );
        assert_eq!(
            told(&event("start", None)).unwrap().0,
            EventKind::ContainerRestarted
        );
        assert_eq!(text("health_status: healthy", None), None);
    }
}
