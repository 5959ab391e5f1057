//! Services that follow others: started again after what they ask to be started again after, and after what they share a namespace
//! with; and services that are told of changed files.

use super::model::Model;
use super::table::{plan, plan_with};
use super::{depend, instance, service};
use crate::containers::desired::{Condition, InstanceInput, NetworkChoice};
use crate::containers::pace::Pace;
use crate::containers::state::{State, Told};
use crate::containers::step::Pass;
use proptest::prelude::*;
use tenantry_schema::secret::Secret;

/// `web` asks to be started again after `db`; `side` has no network but that of `web`.
fn following() -> InstanceInput {
    let (db, mut web, mut side) = (service("db"), service("web"), service("side"));
    depend(&mut web, "db", Condition::Started);
    depend(&mut side, "web", Condition::Started);
    for (service, other) in [(&mut web, "db"), (&mut side, "web")] {
        service.depends_on.get_mut(other).expect("there").restart = true;
    }
    // As the engine does: made for the container that is there then.
    side.container.network = NetworkChoice::Mode("container:acme-web-1".into());
    side.shares.insert("web".into());
    instance([("db", db), ("web", web), ("side", side)])
}

fn settle(input: &InstanceInput, model: &mut Model) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..8 {
        for step in plan(input, model).steps {
            taken.push(step.to_string());
            model.apply(&step).expect("it can be done");
        }
    }
    assert!(plan(input, model).is_converged());
    taken
}

fn steps(pass: &Pass) -> Vec<String> {
    pass.steps.iter().map(ToString::to_string).collect()
}

fn change(input: &mut InstanceInput, service: &str) {
    let env = &mut input
        .services
        .get_mut(service)
        .expect("there")
        .container
        .env;
    env.0.insert("CHANGED".into(), Secret::new("yes".into()));
}

#[test]
fn what_follows_is_started_again_after_what_was_made_anew() {
    let (mut input, mut model) = (following(), Model::default());
    settle(&input, &mut model);
    change(&mut input, "db");
    assert_eq!(
        settle(&input, &mut model),
        [
            "make container acme-db-1 anew, because what it is made from changed",
            "start container acme-web-1 again, because a service that it follows was started",
            "start container acme-side-1 again, because a service that it follows was started",
        ]
    );
}

#[test]
fn what_shares_a_namespace_is_made_anew_with_its_owner() {
    let (mut input, mut model) = (following(), Model::default());
    settle(&input, &mut model);
    change(&mut input, "web");
    assert_eq!(
        settle(&input, &mut model),
        [
            "make container acme-web-1 anew, because what it is made from changed",
            "make container acme-side-1 anew, because a service that it follows was started",
        ]
    );
}

#[test]
fn a_start_alone_is_followed_only_where_a_namespace_is_shared() {
    let (input, mut model) = (following(), Model::default());
    settle(&input, &mut model);
    model.by_service("db").state = State::Exited;
    assert_eq!(
        settle(&input, &mut model),
        ["start container acme-db-1, because it does not run"]
    );
    model.by_service("web").state = State::Exited;
    assert_eq!(
        settle(&input, &mut model),
        [
            "start container acme-web-1, because it does not run",
            "start container acme-side-1 again, because a service that it follows was started",
        ]
    );
}

#[test]
fn following_waits_for_the_window_and_for_a_clock_that_was_put_back() {
    let (input, mut model) = (following(), Model::default());
    settle(&input, &mut model);
    let later = "2030-01-01T00:00:00Z".parse().expect("a time");
    model.by_service("db").made = Some(later);
    assert!(
        plan(&input, &model).is_converged(),
        "times to come say nothing"
    );
    let web = model.by_service("web").started.expect("it was started");
    model.by_service("db").made = Some(web + jiff::SignedDuration::from_millis(1));
    assert_eq!(steps(&plan(&input, &model)).len(), 1);
    let held = plan_with(&input, &model, true, &Pace::default());
    assert!(held.steps.is_empty());
    assert_eq!(
        held.waiting[0].to_string(),
        "web is changed in the maintenance window"
    );
}

#[test]
fn changed_files_are_told_once_and_make_nothing_anew() {
    let mut web = service("web");
    web.signal = Some("SIGHUP");
    web.container.watched = Some("one".into());
    let mut input = instance([("web", web)]);
    let mut model = Model::default();
    settle(&input, &mut model);
    let id = model.by_service("web").id.clone();

    input
        .services
        .get_mut("web")
        .expect("there")
        .container
        .watched = Some("two".into());
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["send SIGHUP to container acme-web-1, because files that it uses changed"]
    );
    assert!(!pass.steps[0].disruptive && !pass.steps[0].why.is_repair());
    let told = pass.steps[0].tells();
    let expected = Told {
        container: id.clone(),
        files: "two".into(),
    };
    assert_eq!(told, Some(("acme-web-1".into(), expected)));
    assert!(
        plan_with(&input, &model, true, &Pace::default())
            .steps
            .is_empty(),
        "files are not written while changes are held, so nothing is told of them"
    );
    settle(&input, &mut model);
    assert_eq!(model.by_service("web").id, id);

    // What another container was told of says nothing.
    let stale = Told {
        container: "another".into(),
        files: "three".into(),
    };
    model.state.note(&[("acme-web-1".to_owned(), stale)].into());
    assert!(plan(&input, &model).is_converged());
}

proptest! {
    #[test]
    fn whatever_ends_or_changes_everything_follows_and_comes_to_rest(
        events in prop::collection::vec((0..3_usize, any::<bool>()), 0..6)
    ) {
        let (mut input, mut model) = (following(), Model::default());
        settle(&input, &mut model);
        for (at, ends) in events {
            let name = ["db", "web", "side"][at];
            if ends {
                model.by_service(name).state = State::Exited;
            } else {
                let env = &mut input.services.get_mut(name).expect("there").container.env;
                let count = env.0.len();
                env.0.insert(format!("V{count}"), Secret::new("x".into()));
            }
            settle(&input, &mut model);
            let time = |model: &mut Model, name: &str| {
                let container = model.by_service(name);
                (container.made.unwrap(), container.started.unwrap())
            };
            let (db, web, side) = (time(&mut model, "db"), time(&mut model, "web"), time(&mut model, "side"));
            prop_assert!(web.1 > db.0 && side.1 > web.1);
        }
    }
}
