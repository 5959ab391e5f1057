//! The container half of the agent against a real engine. Every test has a project of its own and removes it at the end, also
//! when it fails.

mod lab;

use bollard::models::{ContainerInspectResponse, NetworkDisconnectRequest};
use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptions, RenameContainerOptions,
};
use lab::{Lab, lab};
use std::time::{Duration, Instant};
use tenantry_agent::containers::desired::Wanted;
use tenantry_agent::containers::{
    EngineError, Ensured, ErrorKind, Observer, Wake, execute, remove_others, watch,
};

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
        assert_eq!(label("dev.tenantry.fleet"), lab.fleet);
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
fn a_change_makes_exactly_that_service_anew_and_data_is_kept() {
    lab(|mut lab| async move {
        lab.converge(&lab.input(STACK)).await;
        let id = |details: Option<ContainerInspectResponse>| {
            details.and_then(|details| details.id).expect("it is there")
        };
        let (db, web) = (id(lab.inspect("db").await), id(lab.inspect("web").await));
        let born = lab.logs("db").await;

        lab.variables
            .insert("GREETING".to_owned(), "changed".to_owned());
        let input = lab.input(STACK);
        let steps = lab.converge(&input).await;
        assert_eq!(
            steps,
            [format!(
                "make container {} anew, because what it is made from changed",
                lab.name("web")
            )]
        );
        assert_eq!(id(lab.inspect("db").await), db);
        assert_ne!(id(lab.inspect("web").await), web);

        // A file that only web sees.
        lab.write("files/page.html", "other");
        let steps = lab.converge(&lab.input(STACK)).await;
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert_eq!(id(lab.inspect("db").await), db);

        // A secret that only db sees; its volume stays.
        lab.variables
            .insert("TOKEN".to_owned(), "another-token".to_owned());
        let steps = lab.converge(&lab.input(STACK)).await;
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert_ne!(id(lab.inspect("db").await), db);
        let after = lab.logs("db").await;
        assert_eq!(
            after.lines().next(),
            born.lines().next(),
            "the volume is the same"
        );
        assert!(after.contains("another-token"));
    });
}

#[test]
fn a_replacement_that_does_not_start_is_taken_back() {
    lab(|mut lab| async move {
        lab.converge(&lab.input(STACK)).await;
        let before = lab.inspect("web").await.and_then(|web| web.id);
        // Without an init process, which would start and only then miss the program.
        let (db, web) = STACK.split_once("  web:").expect("it has a web");
        let web = web
            .replace("init: true", "init: false")
            .replace("sleep, \"100000\"", "/no/such/program, a-long-secret-word");
        let broken = format!("{db}  web:{web}");
        let error = lab
            .attempt(&lab.input(&broken))
            .await
            .expect_err("it cannot start");
        assert!(
            matches!(error.kind, ErrorKind::CannotStart { .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("a-long-secret-word"), "{error}");
        let after = lab.inspect("web").await.expect("the old one is back");
        assert_eq!(after.id, before);
        assert_eq!(after.state.and_then(|state| state.running), Some(true));
        assert!(lab.converge(&lab.input(STACK)).await.is_empty());

        std::fs::remove_file(lab.folder().join("files/page.html")).expect("removed");
        lab.variables
            .insert("GREETING".to_owned(), "changed".to_owned());
        let error = lab
            .attempt(&lab.input(STACK))
            .await
            .expect_err("the source is gone");
        assert_eq!(
            error.kind,
            ErrorKind::MissingMountSource {
                path: lab.folder().join("files/page.html")
            }
        );
        assert!(
            !lab.folder().join("files/page.html").exists(),
            "no folder is made in its place"
        );
        let after = lab.inspect("web").await.expect("the old one still runs");
        assert_eq!(
            (after.id, after.name),
            (before, Some(format!("/{}", lab.name("web"))))
        );
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
        let pass = remove_others(&lab.fleet, &std::collections::BTreeSet::new(), &state);
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
            remove_others(&lab.fleet, &std::collections::BTreeSet::new(), &state)
                .steps
                .is_empty()
        );
    });
}

#[test]
fn failures_are_told_apart() {
    lab(|mut lab| async move {
        let missing = "services: {a: {image: \"127.0.0.1:9/nothing/here:1\"}}";
        let error: EngineError = lab
            .attempt(&lab.input(missing))
            .await
            .expect_err("no such image");
        assert!(
            matches!(&error.kind, ErrorKind::ImageUnavailable { image, .. } if image.contains("nothing/here")),
            "{error}"
        );

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let taken = format!(
            "services: {{a: {{image: \"tenantry-test/busybox:1\", command: [sleep, \"9\"], ports: [\"127.0.0.1:{port}:80\"]}}}}"
        );
        let error = lab
            .attempt(&lab.input(&taken))
            .await
            .expect_err("the port is taken");
        assert_eq!(
            error.kind,
            ErrorKind::PortTaken {
                port: format!("127.0.0.1:{port}")
            }
        );

        let nowhere = tenantry_agent::containers::Engine::at("/nonexistent/docker.sock");
        assert!(
            Observer::new(nowhere)
                .observe()
                .await
                .expect_err("no engine")
                .unreachable()
        );
    });
}

#[test]
fn an_anonymous_volume_moves_on_to_the_container_that_takes_over() {
    lab(|mut lab| async move {
        let text = "services: {a: {image: \"tenantry-test/busybox:1\", init: true, command: [sleep, \"100000\"], volumes: [/keep], environment: {GREETING: \"${GREETING}\"}}}";
        let volume = |details: Option<ContainerInspectResponse>| {
            let mounts = details
                .and_then(|details| details.mounts)
                .unwrap_or_default();
            mounts
                .into_iter()
                .find_map(|mount| mount.name)
                .expect("it has a volume")
        };
        lab.converge(&lab.input(text)).await;
        let before = volume(lab.inspect("a").await);
        lab.variables
            .insert("GREETING".to_owned(), "changed".to_owned());
        assert_eq!(lab.converge(&lab.input(text)).await.len(), 1);
        assert_eq!(volume(lab.inspect("a").await), before);
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
                    if event.is_death() && event.project.as_ref() == Some(&lab.project) =>
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
            took < Duration::from_secs(3),
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
