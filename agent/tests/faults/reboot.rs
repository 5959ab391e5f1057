//! A server starts again while the hub is away: memory is empty, and the units that `tenantry-agent install` wrote bring everything back.

use crate::lab::lab_on;
use crate::own_engine::OwnEngine;
use crate::rig::Rig;
use crate::shape::ids;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_agent::containers::Engine;
use tenantry_agent::containers::exec::{self, Program};
use tenantry_agent::install::{SECRETS_UNIT, install};

/// The engine starts what ran when it went down.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program and the arguments that systemd starts for the unit, from its file.
fn command_of(unit: &str, rig: &Rig) -> Command {
    let root = rig.world.folder.path().join("root");
    let program = Path::new(env!("CARGO_BIN_EXE_tenantry-agent"));
    install(&root, program, rig.config_file(), &rig.world.config).unwrap();
    let text = std::fs::read_to_string(root.join("etc/systemd/system").join(unit)).unwrap();
    assert!(text.contains("Before=docker.service\n"), "{text}");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = line.unwrap().split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

async fn token(rig: &Rig, engine: &Engine, service: &str) -> Option<String> {
    let container = rig.lab.name(service);
    let read = Program::new(&container, ["cat", "/run/secrets/token"]);
    let (ended, text) = exec::output(engine, &read, 1 << 10).await.ok()?;
    (ended.code == 0).then(|| String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_server_that_starts_again_without_a_hub_has_everything() {
    let Some(engine) = OwnEngine::start() else {
        return;
    };
    let engine = Arc::new(engine);
    let theirs = engine.clone();
    lab_on(&engine.socket(), move |lab| async move {
        let mut rig = Rig::new(lab, &theirs.socket()).await;
        let mut agent = rig.start(&[], &[]);
        let step = rig.publish_next();
        rig.until_done(&mut agent, step.generation).await;
        let (before, names) = (rig.shape().await, ids(&rig.lab).await);
        let talk = Engine::at(theirs.socket().to_str().unwrap());
        assert_eq!(token(&rig, &talk, "web").await.unwrap(), "token-red");
        // The machine goes down: the agent, the engine with what it runs, and all that was in memory.
        agent.kill();
        theirs.stop();
        let memory = &rig.world.config.secrets;
        assert!(!crate::common::tree(memory).is_empty());
        std::fs::remove_dir_all(memory).unwrap();

        // It starts: first what the unit says, then the engine. Nobody asks the hub, and no agent runs.
        let heard = rig.hub.read(|said| said.reports.len());
        let restored = command_of(SECRETS_UNIT, &rig).output().unwrap();
        assert!(restored.status.success(), "{restored:?}");
        theirs.run();
        let begun = Instant::now();
        while rig.shape().await != before {
            assert!(begun.elapsed() < PATIENCE, "{:#?}", rig.shape().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(token(&rig, &talk, "web").await.unwrap(), "token-red");
        assert_eq!(ids(&rig.lab).await, names, "nothing is made anew");
        assert_eq!(rig.hub.read(|said| said.reports.len()), heard);

        // The agent that starts last finds nothing to do.
        let _agent = rig.at_work().await;
        assert_eq!(rig.shape().await, before);
        assert_eq!(ids(&rig.lab).await, names);
    });
}
