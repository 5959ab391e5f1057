//! What a change makes anew, what it keeps, and what comes of one that fails.

use crate::STACK;
use crate::lab::lab;
use bollard::models::ContainerInspectResponse;
use tenantry_agent::containers::{EngineError, ErrorKind, Observer};

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

/// Between two tries to start it the engine does not rename a container.
#[test]
fn a_container_that_ends_again_and_again_is_made_anew_between_two_tries() {
    let text = |command: &str| {
        format!(
            "services:\n  web:\n    image: tenantry-test/busybox:1\n    restart: always\n    init: true\n    command: [sh, -c, \"{command}\"]\n"
        )
    };
    lab(|mut lab| async move {
        lab.converge(&lab.input(&text("sleep 0.5; exit 1"))).await;
        // By then the engine waits for more than a second.
        let begun = std::time::Instant::now();
        loop {
            let web = lab.inspect("web").await.expect("it is there");
            let waits = web.state.and_then(|state| state.restarting) == Some(true);
            if waits && web.restart_count.is_some_and(|count| count >= 5) {
                break;
            }
            assert!(begun.elapsed() < std::time::Duration::from_mins(1));
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let steps = lab.converge(&lab.input(&text("sleep 100000"))).await;
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(steps[0].contains("anew"), "{steps:?}");
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
