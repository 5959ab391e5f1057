//! What is done while a change of an instance is held: the version before runs on, with its own files, secrets, networks and services, and
//! what drifts is put back to it. Of the new version only images are fetched. Pure.

use crate::containers::{
    self, Action, EngineState, Facts, Held, ImageFacts, InstanceInput, Pass, Pins, Step, Waiting,
    WaitingOn,
};
use crate::converge::Input;
use crate::converge::rollout::{Change, Hold};
use crate::desired::Instance;
use crate::rollout::Version;
use std::collections::BTreeSet;
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;

/// What the engine needs.
pub(super) struct Planned<'a> {
    pub(super) pass: Pass,
    /// Why the change is held, if it is.
    pub(super) hold: Option<Hold>,
    /// The version that this is about.
    pub(super) shown: Shown<'a>,
}

/// The version of the instance whose files its containers see.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// The one that is wanted.
    Wanted,
    /// One before.
    Before(&'a Version),
    /// Nobody knows.
    Unknown,
}

/// What the engine needs: for the version that is wanted, or, while the change to it is held, for the one that runs.
pub(super) fn plan<'a>(
    input: &Input<'a>,
    change: &Change<'_>,
    name: &InstanceName,
    instance: &Instance,
    wanted: &InstanceInput,
    engine: &EngineState,
) -> Planned<'a> {
    let facts = |held, pins| facts(input, held, pins);
    let pass = containers::converge(wanted, engine, &facts(Held::Nothing, change.pins()));
    let hold = change
        .hold(input, &pass)
        // Somebody wants it to be stopped, now.
        .filter(|_| instance.spec.state == State::Running);
    let goes_on = |pass| Planned {
        pass,
        hold: None,
        shown: Shown::Wanted,
    };
    let Some(hold) = hold else {
        return goes_on(pass);
    };
    let kept = containers::converge(wanted, engine, &facts(Held::Disruption, change.pins()));
    let shown = shown(input, change, name, instance, wanted, engine);
    let before = match shown {
        Shown::Before(version) => version.instance.containers.as_ref().ok(),
        Shown::Wanted | Shown::Unknown => None,
    };
    // What is down or gone of the version before is still to be put right.
    let lacks = || containers::disturbed(before?, wanted, engine, input.key);
    let disturbs = disturbed(hold, &pass, &kept).or_else(lacks);
    // Until its images are here nobody knows whether a container is made from another one.
    let there = change.runs(engine) || input.versions.contains_key(name);
    let fetches = change.is_new() && pass.fetches().next().is_some() && there;
    if disturbs.is_none() && !fetches {
        return goes_on(pass);
    }
    let mut planned = match (shown, before) {
        (Shown::Before(version), Some(before)) => {
            let pins = change.pins_of(&version.instance);
            containers::converge(before, engine, &facts(Held::Disruption, pins))
        }
        (Shown::Wanted, _) => kept.clone(),
        _ => containers::converge(wanted, engine, &facts(Held::Change, change.pins())),
    };
    add_fetches(&mut planned, &pass);
    planned.waiting.retain(|waiting| !is_window(waiting));
    if hold == Hold::Window {
        let window = kept.waiting.into_iter().filter(is_window);
        planned.waiting.extend(window);
        if let Some(service) = disturbs.filter(|_| !planned.waiting.iter().any(is_window)) {
            planned.waiting.push(Waiting {
                project: name.to_string(),
                service,
                on: WaitingOn::Window,
            });
        }
    }
    Planned {
        pass: planned,
        hold: Some(hold),
        shown,
    }
}

fn facts<'a>(input: &Input<'a>, held: Held, pins: Option<&'a Pins>) -> Facts<'a> {
    Facts {
        now: input.now,
        held,
        pace: &input.history.pace,
        key: input.key,
        images: Some(ImageFacts {
            pins,
            logins: &input.desired.logins,
        }),
    }
}

fn is_window(waiting: &Waiting) -> bool {
    waiting.on == WaitingOn::Window
}

/// The first service that the change would disturb now, or later, after what it waits for as well. What is new opens data like what is
/// made anew, so it waits for a backup, too.
fn disturbed(hold: Hold, pass: &Pass, kept: &Pass) -> Option<String> {
    let opens = matches!(hold, Hold::Backup(_));
    let disturbs =
        |step: &&Step| step.disruptive || opens && matches!(step.action, Action::Create(_));
    let later = kept.waiting.iter().find(|waiting| is_window(waiting));
    let later = later.map(|waiting| waiting.service.clone());
    let now = pass.steps.iter().find(disturbs);
    // What belongs to no service are networks.
    let now = now.map(|step| {
        step.service
            .clone()
            .unwrap_or_else(|| "a network".to_owned())
    });
    later.or(now)
}

/// Images of the version to come are fetched before it can be begun.
fn add_fetches(planned: &mut Pass, pass: &Pass) {
    let image = |step: &Step| match &step.action {
        Action::EnsureImage { image, .. } => Some(image.clone()),
        _ => None,
    };
    let known: BTreeSet<_> = planned.steps.iter().filter_map(image).collect();
    let more = pass
        .fetches()
        .filter(|step| image(step).is_none_or(|it| !known.contains(&it)));
    planned.steps.extend(more.cloned());
}

fn shown<'a>(
    input: &Input<'a>,
    change: &Change<'_>,
    name: &InstanceName,
    instance: &Instance,
    wanted: &InstanceInput,
    engine: &EngineState,
) -> Shown<'a> {
    let settled = input.settled.get(name);
    // Where nothing is left of it, what opened the data last is not known to be the version that was good.
    let lost = change.is_opened() && !change.runs(engine);
    let good = input.versions.get(name).filter(|_| !lost);
    let before: Vec<_> = [settled, good]
        .into_iter()
        .flatten()
        .filter(|version| version.instance.digest != instance.digest)
        .filter(|version| version.instance.spec.state == State::Running)
        .filter_map(|version| Some((version, version.instance.containers.as_ref().ok()?)))
        .collect();
    let made: Vec<_> = before.iter().map(|(_, made)| *made).collect();
    let was_there = settled.is_some_and(|it| it.instance.digest == instance.digest);
    let begun = was_there || change.is_begun();
    match containers::in_force(wanted, &made, begun, engine, input.key) {
        Some(containers::Version::Wanted) => Shown::Wanted,
        Some(containers::Version::Before(at)) => Shown::Before(before[at].0),
        None => Shown::Unknown,
    }
}
