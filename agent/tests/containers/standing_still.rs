//! Containers whose files are read: whether they stood still is known afterwards.

use crate::lab::lab;
use tenantry_agent::containers::still::{Still, freeze, thaw};

const TWO: &str = r#"
services:
  runs: { image: "tenantry-test/busybox:1", command: [sleep, "100000"], init: true, stop_grace_period: 1s }
  ended: { image: "tenantry-test/busybox:1", command: ["true"] }
"#;

#[test]
fn what_was_thawed_or_started_meanwhile_did_not_stand_still() {
    lab(|mut lab| async move {
        lab.converge(&lab.input(TWO)).await;
        let (engine, docker) = (lab.engine.clone(), lab.docker.clone());
        let (runs, ended, nobody) = (lab.name("runs"), lab.name("ended"), lab.name("nobody"));
        let ends = |details: bollard::models::ContainerInspectResponse| {
            details.state.unwrap().running == Some(false)
        };
        while !ends(lab.inspect("ended").await.unwrap()) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let paused = |details: bollard::models::ContainerInspectResponse| {
            details.state.unwrap().paused == Some(true)
        };

        let (one, two) = (
            freeze(&engine, &runs).await.unwrap(),
            freeze(&engine, &ended).await.unwrap(),
        );
        let none = freeze(&engine, &nobody).await.unwrap();
        assert!(matches!((&one, &two), (Still::Frozen(_), Still::Down(_))));
        assert!(paused(lab.inspect("runs").await.unwrap()));
        // Once more: it is frozen already.
        assert_eq!(freeze(&engine, &runs).await.unwrap(), one);
        for (name, still) in [(&runs, &one), (&ended, &two), (&nobody, &none)] {
            assert!(thaw(&engine, name, still).await.unwrap(), "{name}");
        }
        assert!(!paused(lab.inspect("runs").await.unwrap()));

        // Somebody thaws the one and starts the other.
        freeze(&engine, &runs).await.unwrap();
        freeze(&engine, &ended).await.unwrap();
        docker.unpause_container(&runs).await.unwrap();
        docker.start_container(&ended, None).await.unwrap();
        assert!(!thaw(&engine, &runs, &one).await.unwrap());
        assert!(!thaw(&engine, &ended, &two).await.unwrap());
        assert!(
            !thaw(&engine, &runs, &none).await.unwrap(),
            "it was made meanwhile"
        );
    });
}
