//! Events of the engine that get lost: patrols find what nobody told.

use crate::common::{Files, files, host};
use crate::lab::{Lab, lab_on};
use crate::middle::{Loss, Middle};
use crate::own_engine::OwnEngine;
use crate::rig::{Agent, Rig};
use crate::shape::Shape;
use bollard::models::NetworkDisconnectRequest;
use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptions, RenameContainerOptions, StopContainerOptions,
};
use rand::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const SERVICES: usize = 10;
/// Of a hundred events so many do not arrive.
const PERCENT: u32 = 30;

/// The agent looks by itself so often, in seconds: long enough to tell what was found so from what was told.
const PATROL: u64 = 10;
/// After that everything is put right at once, also on a busy machine.
const PATROLLED: Duration = Duration::from_secs(50);

#[derive(Debug, Clone, Copy)]
enum Drift {
    Kill,
    Stop,
    Remove,
    Pause,
    Rename,
    Disconnect,
}

const DRIFTS: [Drift; 6] = [
    Drift::Kill,
    Drift::Stop,
    Drift::Remove,
    Drift::Pause,
    Drift::Rename,
    Drift::Disconnect,
];

fn service(number: usize) -> String {
    format!("s{number}")
}

fn slice(rig: &Rig) -> Files {
    let project = &rig.lab.project;
    let host = host("", [(project.as_str(), "sites: {}")]);
    let mut compose = "networks: { net: {} }\nservices:\n".to_owned();
    for number in 0..SERVICES {
        let name = service(number);
        // Killed by a person, the engine itself does not start it again.
        let _ = writeln!(
            compose,
            "  {name}: {{image: 'tenantry-test/busybox:1', init: true, stop_grace_period: 1s, command: [sleep, '100000'], networks: [net]}}"
        );
    }
    let stack = |name: &str| format!("stacks/{project}/{name}");
    files(&[
        ("host.yaml", &host),
        (&stack("compose.yaml"), &compose),
        (&stack(".env"), ""),
    ])
}

async fn disturb(lab: &Lab, name: &str, drift: Drift) {
    let docker = &lab.docker;
    let done = match drift {
        Drift::Kill => {
            docker
                .kill_container(name, None::<KillContainerOptions>)
                .await
        }
        Drift::Stop => {
            docker
                .stop_container(name, None::<StopContainerOptions>)
                .await
        }
        Drift::Remove => {
            let options = RemoveContainerOptions {
                force: true,
                ..RemoveContainerOptions::default()
            };
            docker.remove_container(name, Some(options)).await
        }
        Drift::Pause => docker.pause_container(name).await,
        Drift::Rename => {
            let options = RenameContainerOptions {
                name: format!("{name}-other"),
            };
            docker.rename_container(name, options).await
        }
        Drift::Disconnect => {
            let request = NetworkDisconnectRequest {
                container: name.to_owned(),
                force: Some(true),
            };
            let network = format!("{}_net", lab.project);
            docker.disconnect_network(&network, request).await
        }
    };
    done.unwrap_or_else(|error| panic!("{drift:?} {name}: {error}"));
}

async fn put_right(rig: &Rig, clean: &Shape, agent: &mut Agent) -> Duration {
    let begun = Instant::now();
    loop {
        let shape = rig.shape().await;
        if shape == *clean {
            return begun.elapsed();
        }
        assert!(!agent.is_dead(), "{}", rig.log());
        assert!(
            begun.elapsed() < PATROLLED,
            "{shape:#?} instead of {clean:#?}\n{}",
            rig.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn what_no_event_tells_is_found_by_patrols() {
    // On one that others use as well something is to be heard all the time.
    let Some(engine) = OwnEngine::start() else {
        return;
    };
    let socket = engine.socket();
    lab_on(&engine.socket(), |lab| async move {
        let middle = Middle::before(&socket);
        let mut rig = Rig::with(lab, middle.socket(), |config| {
            config.intervals.patrol = PATROL;
        })
        .await;
        let mut random = StdRng::seed_from_u64(30);
        let mut services: Vec<_> = (0..SERVICES).collect();
        services.shuffle(&mut random);
        // Of some services nothing is ever heard, so that not each is told of by one event or another.
        let silent: BTreeSet<_> = services[..SERVICES / 4]
            .iter()
            .map(|it| service(*it))
            .collect();
        middle.lose(Loss {
            silent: silent.clone(),
            percent: PERCENT,
            random: StdRng::seed_from_u64(31),
        });
        // Its answers wake the agent, too.
        rig.hub.change(|said| said.hold = Some(PATROLLED));
        let mut agent = rig.start(&[], &[]);
        let generation = rig.publish(slice(&rig));
        rig.until_done(&mut agent, generation).await;
        let clean = rig.shape().await;
        assert_eq!(clean.containers.len(), SERVICES);

        for (at, number) in services.iter().enumerate() {
            let drift = DRIFTS[at % DRIFTS.len()];
            disturb(&rig.lab, &rig.lab.name(&service(*number)), drift).await;
        }
        let took = put_right(&rig, &clean, &mut agent).await;
        println!("put right after {took:?}");

        // One alone, while nothing else makes anybody look.
        let (mut looks, mut since, begun) = (0, Instant::now(), Instant::now());
        while since.elapsed() < Duration::from_secs(3) {
            if middle.seen().looks != looks {
                (looks, since) = (middle.seen().looks, Instant::now());
            }
            assert!(
                begun.elapsed() < PATROLLED,
                "somebody looks all the time: {:?}\n{}",
                middle.seen(),
                rig.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let alone = rig.lab.name(silent.first().unwrap());
        disturb(&rig.lab, &alone, Drift::Pause).await;
        let took = put_right(&rig, &clean, &mut agent).await;
        let [arrived, lost] = middle.seen().events;
        println!("found after {took:?}; {arrived} events arrived, {lost} did not");
        assert!(
            took > Duration::from_secs(2),
            "somebody told after {took:?}"
        );
        assert!(lost * 100 >= (arrived + lost) * 25, "{arrived} {lost}");
        assert!(arrived > 0);
    });
}
