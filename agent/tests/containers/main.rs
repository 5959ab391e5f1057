//! The container half of the agent against a real engine. Every test has a project of its own and removes it at the end, also
//! when it fails.

mod changes;
mod compose_tools;
mod differential;
mod lab;
mod logs;
mod standing_still;
mod taking_in;

use bollard::models::NetworkDisconnectRequest;
use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptions, RenameContainerOptions,
};
use lab::{Lab, lab};
use std::time::{Duration, Instant};
use tenantry_agent::containers::desired::Wanted;
use tenantry_agent::containers::{Ensured, Wake, execute, remove_others, watch};

/// A database with a volume, a secret and a health check, and a web server that needs it and shows a file.
const STACK: &str = r#"
services:
  db:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command:
      - sh
      - -c
      - "[ -f /data/born ] || cat /proc/sys/kernel/random/uuid > /data/born; cat /data/born /run/secrets/token; echo; exec sleep 100000"
    volumes: ["data:/data"]
    secrets: [token]
    healthcheck: { test: [CMD, test, -f, /data/born], interval: 200ms, retries: 20 }
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, "100000"]
    environment: { GREETING: "${GREETING}" }
    volumes: ["./files/page.html:/page.html:ro"]
    depends_on: { db: { condition: service_healthy } }
volumes: { data: {} }
secrets: { token: { environment: TOKEN } }
"#;

#[test]
fn a_stack_comes_up_in_order_and_a_second_pass_does_nothing() {
    lab(|mut lab| async move {
        let input = lab.input(STACK);
        let order = lab.converge(&input).await;
        let at = |what: &str| {
            order
                .iter()
                .position(|step| step.contains(what))
                .unwrap_or_else(|| panic!("{what}: {order:?}"))
        };
        assert!(at("start container") < at(&format!("start container {}", lab.name("web"))));
        assert!(at("make volume") < at(&format!("make container {}", lab.name("db"))));
        assert!(lab.pass(&input).await.is_converged());

        // What `docker compose ps|logs` look for.
        let web = lab.inspect("web").await.expect("web is there");
        let labels = web
            .config
            .as_ref()
            .and_then(|config| config.labels.clone())
            .unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
        assert_eq!(label("com.docker.compose.project"), lab.project);
        assert_eq!(label("com.docker.compose.service"), "web");
        assert_eq!(label("com.docker.compose.container-number"), "1");
        assert_eq!(label("com.docker.compose.oneoff"), "False");
        assert_eq!(
            label("com.docker.compose.depends_on"),
            "db:service_healthy:false"
        );
        assert_eq!(
            label("com.docker.compose.project.working_dir"),
            lab.folder().display().to_string()
        );
        assert_eq!(
            label("com.docker.compose.image"),
            web.image.clone().unwrap_or_default()
        );
        assert_eq!(label("dev.tenantry.inputs").len(), 64);
        assert_eq!(label("dev.tenantry.keeper"), lab.keeper);
        assert_eq!(label("dev.tenantry.instance"), lab.project);
        let host = web.host_config.unwrap_or_default();
        assert_eq!(
            host.security_opt,
            Some(vec!["no-new-privileges:true".to_owned()])
        );
        let log = host
            .log_config
            .and_then(|log| log.config)
            .unwrap_or_default();
        assert_eq!(
            (log["max-size"].as_str(), log["max-file"].as_str()),
            ("10m", "3")
        );
        let volume = lab
            .docker
            .inspect_volume(&format!("{}_data", lab.project))
            .await
            .expect("the volume is there");
        assert_eq!(volume.labels["com.docker.compose.volume"], "data");
        let network = lab
            .docker
            .inspect_network(&format!("{}_default", lab.project), None)
            .await
            .expect("the network is there");
        assert_eq!(
            network.labels.unwrap_or_default()["com.docker.compose.network"],
            "default"
        );
        let logs = lab.logs("db").await;
        assert!(
            logs.contains("hunter2-token"),
            "the secret is mounted: {logs:?}"
        );
    });
}

#[test]
fn drift_is_put_right() {
    lab(|mut lab| async move {
        let input = lab.input(STACK);
        lab.converge(&input).await;
        let (db, web) = (lab.name("db"), lab.name("web"));

        lab.docker
            .kill_container(&web, None::<KillContainerOptions>)
            .await
            .expect("killed");
        assert_eq!(
            lab.converge(&input).await,
            [format!("start container {web}, because it does not run")]
        );

        lab.docker
            .stop_container(&web, None)
            .await
            .expect("stopped");
        assert_eq!(
            lab.converge(&input).await,
            [format!("start container {web}, because it does not run")]
        );

        let force = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        lab.docker
            .remove_container(&web, Some(force))
            .await
            .expect("removed");
        assert_eq!(lab.converge(&input).await.len(), 2);

        lab.docker.pause_container(&db).await.expect("paused");
        assert_eq!(
            lab.converge(&input).await,
            [format!("unpause container {db}, because it is paused")]
        );

        lab.docker
            .rename_container(
                &web,
                RenameContainerOptions {
                    name: format!("{web}-x"),
                },
            )
            .await
            .expect("renamed");
        assert_eq!(
            lab.converge(&input).await,
            [format!(
                "rename container {web}-x to {web}, because it was renamed"
            )]
        );

        let network = format!("{}_default", lab.project);
        let request = |container: &str| NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        lab.docker
            .disconnect_network(&network, request(&web))
            .await
            .expect("disconnected");
        assert_eq!(lab.converge(&input).await.len(), 1);
        assert_eq!(lab.aliases("web", &network).await, ["web"]);

        for container in [&db, &web] {
            lab.docker
                .disconnect_network(&network, request(container))
                .await
                .expect("disconnected");
        }
        lab.docker
            .remove_network(&network)
            .await
            .expect("network removed");
        assert_eq!(lab.converge(&input).await.len(), 3);
        assert_eq!(lab.aliases("db", &network).await, ["db"]);
        assert!(lab.pass(&input).await.is_converged());
    });
}

#[test]
fn a_network_that_was_deleted_while_everything_was_stopped_is_made_again() {
    lab(|mut lab| async move {
        let input = lab.input(STACK);
        lab.converge(&input).await;
        for service in ["web", "db"] {
            lab.docker
                .stop_container(&lab.name(service), None)
                .await
                .expect("stopped");
        }
        lab.docker
            .remove_network(&format!("{}_default", lab.project))
            .await
            .expect("network removed");
        lab.converge(&input).await;
        assert!(lab.pass(&input).await.is_converged());
    });
}

#[test]
fn stopping_and_removing_keep_the_volume() {
    lab(|mut lab| async move {
        lab.converge(&lab.input(STACK)).await;
        let mut stopped = lab.input(STACK);
        stopped.state = Wanted::Stopped;
        assert_eq!(lab.converge(&stopped).await.len(), 2);
        assert_eq!(
            lab.inspect("db")
                .await
                .and_then(|db| db.state)
                .and_then(|state| state.running),
            Some(false)
        );

        let state = lab.observer.observe().await.expect("observed");
        let pass = remove_others(&lab.keeper, &std::collections::BTreeSet::new(), &state);
        for step in &pass.steps {
            execute(&lab.engine, step).await.expect("removed");
            assert_ne!(
                execute(&lab.engine, step).await.expect("twice is once"),
                Ensured::Created
            );
        }
        assert!(lab.inspect("db").await.is_none());
        assert!(
            lab.docker
                .inspect_volume(&format!("{}_data", lab.project))
                .await
                .is_ok()
        );
        let state = lab.observer.observe().await.expect("observed");
        assert!(
            remove_others(&lab.keeper, &std::collections::BTreeSet::new(), &state)
                .steps
                .is_empty()
        );
    });
}

#[test]
fn a_killed_container_runs_again_within_a_second_of_its_event() {
    lab(|mut lab| async move {
        let input = lab.input(STACK);
        lab.converge(&input).await;
        let (sender, mut wakes) = tokio::sync::mpsc::channel(64);
        let watcher = tokio::spawn(watch(lab.engine.clone(), sender));
        assert_eq!(wakes.recv().await, Some(Wake::Connected));

        let killed = Instant::now();
        lab.docker
            .kill_container(&lab.name("web"), None::<KillContainerOptions>)
            .await
            .expect("killed");
        let death = loop {
            match tokio::time::timeout(Duration::from_secs(5), wakes.recv())
                .await
                .expect("an event comes")
            {
                Some(Wake::Container(event))
                    if event.action == "die" && event.project.as_ref() == Some(&lab.project) =>
                {
                    break event;
                }
                Some(_) => {}
                None => panic!("the watcher ended"),
            }
        };
        assert_eq!(
            (death.service.as_deref(), death.exit_code, death.name),
            (Some("web"), Some(137), lab.name("web"))
        );
        lab.observer.forget(&death.id);
        lab.converge(&input).await;
        let took = killed.elapsed();
        println!("kill → running again: {took:?}");
        assert!(
            took < Duration::from_secs(12),
            "{took:?}, on a machine that does other things as well"
        );
        drop(wakes);
        tokio::time::timeout(Duration::from_secs(5), watcher)
            .await
            .expect("the watcher ends")
            .expect("without panic");
    });
}

/// Figures for people: `cargo test -p tenantry-agent --test containers -- --ignored --nocapture timing`.
#[test]
#[ignore = "measures"]
fn timing_of_a_pass_with_nothing_to_do() {
    lab(|mut lab| async move {
        let base = lab.project.clone();
        let mut inputs = Vec::new();
        for number in 0..10 {
            lab.project = format!("{base}-{number}");
            let input = lab.input(STACK);
            lab.converge(&input).await;
            inputs.push(input);
        }
        let mut times = Vec::new();
        for _ in 0..20 {
            let begin = Instant::now();
            let state = lab.observer.observe().await.expect("observed");
            let observed = begin.elapsed();
            for input in &inputs {
                assert!(Lab::plan(input, &state).is_converged());
            }
            times.push((begin.elapsed(), observed));
        }
        times.sort();
        println!(
            "no-op pass over 10 stacks × 2 containers (total, of it observing): median {:?}, worst {:?}",
            times[10], times[19]
        );
    });
}
