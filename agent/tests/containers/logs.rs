//! Rules find lines in the logs of real containers, also of one that ended before anybody looked.

use crate::lab::{Lab, lab};
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, WaitContainerOptions};
use futures_util::StreamExt as _;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;
use tenantry_agent::containers::Engine;
use tenantry_agent::files::Root;
use tenantry_agent::redact::Redactor;
use tenantry_agent::scan::{Rules, Scan, Target};
use tenantry_schema::id::InstanceName;

/// A container that says something and ends.
async fn short_life(lab: &Lab) {
    let labels = [
        ("com.docker.compose.project", lab.project.as_str()),
        ("com.docker.compose.service", "job"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let script = "echo it begins; echo no way from $$; exit 3";
    let body = ContainerCreateBody {
        image: Some("tenantry-test/busybox:1".to_owned()),
        cmd: Some(["sh", "-c", script].map(str::to_owned).into()),
        labels: Some(HashMap::from(labels)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions {
        name: Some(lab.name("job")),
        ..CreateContainerOptions::default()
    };
    let made = lab.docker.create_container(Some(options), body).await;
    made.expect("made");
    live(lab).await;
}

/// Runs it, to its end.
async fn live(lab: &Lab) {
    let name = lab.name("job");
    lab.docker
        .start_container(&name, None)
        .await
        .expect("started");
    let mut end = lab
        .docker
        .wait_container(&name, None::<WaitContainerOptions>);
    let _ = end.next().await;
}

/// As the loop aims: at what was seen.
async fn target(lab: &mut Lab) -> Target {
    lab.observer.forget_all();
    let state = lab.observer.observe().await.expect("observed");
    let name = lab.name("job");
    let seen = state.containers.iter().find(|seen| seen.name == name);
    let seen = seen.expect("it is there");
    let rules = serde_json::from_str(r#"{"lost":{"match":"no way","context":0,"pause":"1m"}}"#);
    let service = "job".to_owned();
    Target {
        instance: InstanceName::try_from("site-html".to_owned()).expect("a name"),
        id: seen.id.clone(),
        made: seen.made,
        up: seen.state.is_up(),
        ended: seen.details.ended,
        rules: Rules::by_service(&rules.expect("rules"), [&service])
            .remove(&service)
            .expect("there are some"),
        service,
        redactor: Rc::new(Redactor::default()),
    }
}

/// What is found of one container; none, if nothing is within a while.
async fn found(scan: &mut Scan, target: Target) -> Vec<String> {
    let id = target.id.clone();
    scan.aim(vec![target], &BTreeSet::from([id.as_str()]));
    let _ = tokio::time::timeout(Duration::from_secs(3), scan.news()).await;
    scan.keep().expect("kept");
    scan.take().into_iter().map(|found| found.line).collect()
}

#[test]
fn the_last_words_of_a_container_are_read_once() {
    lab(|lab| async move {
        let work = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            tokio::task::LocalSet::new().block_on(&runtime, read_once(lab));
        });
        work.await.expect("no panic");
    });
}

async fn read_once(mut lab: Lab) {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || {
        let root = Root::private(folder.path()).expect("a folder");
        Scan::open(Engine::at("/var/run/docker.sock"), root).expect("opened")
    };
    short_life(&lab).await;
    let mut scan = open();
    let first = target(&mut lab).await;
    assert!(!first.up && first.ended.is_some());
    assert_eq!(found(&mut scan, first).await, ["no way from 1"]);
    let same = target(&mut lab).await;
    assert_eq!(found(&mut scan, same).await, Vec::<String>::new());
    // An agent that is started again.
    drop(scan);
    let mut scan = open();
    let same = target(&mut lab).await;
    assert_eq!(found(&mut scan, same).await, Vec::<String>::new());
    // Alive and dead again before anybody looked.
    live(&lab).await;
    let again = target(&mut lab).await;
    assert!(!again.up);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(found(&mut scan, again).await, ["no way from 1"]);
}
