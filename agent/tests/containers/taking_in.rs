//! What a change of files, secrets and neighbours comes to on a real engine: exactly the services that it is about are told, started
//! again or made anew.

use crate::lab::{Lab, lab};
use tenantry_agent::containers::ErrorKind;
use tenantry_schema::document::{Protection, Reload, ReloadSignal};

/// `hup` counts hang-ups and reads its folder; `plain` sees the same folder; `single` mounts one file of it; `apart` sees nothing.
const FILES: &str = r#"
x-common: &common { image: "tenantry-test/busybox:1", init: false, stop_grace_period: 1s }
services:
  hup:
    <<: *common
    command:
      - sh
      - -c
      - "trap 'cat /conf/a' HUP; cat /conf/a; while true; do sleep 1 & wait; done"
    volumes: ["./files/conf:/conf:ro"]
  plain: { <<: *common, init: true, command: [sleep, "100000"], volumes: ["./files/conf:/conf:ro"] }
  single: { <<: *common, init: true, command: [sleep, "100000"], volumes: ["./files/conf/a:/a:ro"] }
  apart: { <<: *common, init: true, command: [sleep, "100000"], secrets: [token] }
secrets: { token: { environment: TOKEN } }
"#;

async fn ids(lab: &Lab, services: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for service in services {
        let details = lab.inspect(service).await.expect("it is there");
        ids.push(details.id.expect("an id"));
    }
    ids
}

#[test]
fn a_changed_file_is_told_to_those_that_take_it_in_and_makes_the_others_anew() {
    lab(|mut lab| async move {
        lab.write("files/conf/a", "first\n");
        let signal = ReloadSignal::Hup;
        lab.rules.reload = [("hup".to_owned(), Reload { signal })].into();
        let all = ["hup", "plain", "single", "apart"];
        lab.converge(&lab.input(FILES)).await;
        // Its trap must be set before it is told.
        while !lab.logs("hup").await.contains("first") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let before = ids(&lab, &all).await;

        lab.write("files/conf/a", "second\n");
        let mut taken = lab.converge(&lab.input(FILES)).await;
        taken.sort();
        let name = |service| lab.name(service);
        assert_eq!(
            taken,
            [
                format!(
                    "make container {} anew, because what it is made from changed",
                    name("plain")
                ),
                format!(
                    "make container {} anew, because what it is made from changed",
                    name("single")
                ),
                format!(
                    "send SIGHUP to container {}, because files that it uses changed",
                    name("hup")
                ),
            ]
        );
        let after = ids(&lab, &all).await;
        assert_eq!((&after[0], &after[3]), (&before[0], &before[3]));
        assert!(after[1] != before[1] && after[2] != before[2]);
        while !lab.logs("hup").await.contains("second") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(
            lab.converge(&lab.input(FILES)).await.is_empty(),
            "told once"
        );

        // A secret is about one service alone.
        lab.variables
            .insert("TOKEN".to_owned(), "another".to_owned());
        let taken = lab.converge(&lab.input(FILES)).await;
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert!(taken[0].contains(&lab.name("apart")));
    });
}

#[test]
fn one_that_ends_of_its_signal_is_a_failure_and_is_started_again() {
    lab(|mut lab| async move {
        lab.write("files/conf/a", "first\n");
        let text = "services: {a: {image: \"tenantry-test/busybox:1\", command: [cat], stdin_open: true, init: true, volumes: [\"./files/conf:/conf\"]}}";
        let signal = ReloadSignal::Usr1;
        lab.rules.reload = [("a".to_owned(), Reload { signal })].into();
        lab.converge(&lab.input(text)).await;
        lab.write("files/conf/a", "second\n");
        let error = lab.attempt(&lab.input(text)).await.expect_err("it ended");
        assert!(
            matches!(error.kind, ErrorKind::CannotStart { .. }),
            "{error}"
        );
        // Its start takes the files in.
        let taken = lab.converge(&lab.input(text)).await;
        assert_eq!(
            taken,
            [format!(
                "start container {}, because it does not run",
                lab.name("a")
            )]
        );
    });
}

const FOLLOWING: &str = r#"
x-common: &common { image: "tenantry-test/busybox:1", init: true, stop_grace_period: 1s, command: [sleep, "100000"] }
services:
  db: { <<: *common, environment: { GREETING: "${GREETING}" } }
  web: { <<: *common, depends_on: { db: { condition: service_started, restart: true } } }
  side: { <<: *common, network_mode: service:web, depends_on: [db] }
"#;

#[test]
fn followers_come_along() {
    lab(|mut lab| async move {
        lab.converge(&lab.input(FOLLOWING)).await;
        let before = ids(&lab, &["db", "web", "side"]).await;
        lab.variables
            .insert("GREETING".to_owned(), "changed".to_owned());
        let taken = lab.converge(&lab.input(FOLLOWING)).await;
        let follows = "because a service that it follows was started";
        assert_eq!(
            taken,
            [
                format!(
                    "make container {} anew, because what it is made from changed",
                    lab.name("db")
                ),
                format!("start container {} again, {follows}", lab.name("web")),
                format!("start container {} again, {follows}", lab.name("side")),
            ]
        );
        let after = ids(&lab, &["db", "web", "side"]).await;
        assert_eq!(after[1..], before[1..]);

        // With the owner of its network gone a container is made anew.
        let text = FOLLOWING.replace("web: { <<: *common,", "web: { <<: *common, labels: {a: b},");
        let taken = lab.converge(&lab.input(&text)).await;
        assert_eq!(taken.len(), 2, "{taken:?}");
        let web = &ids(&lab, &["web"]).await[0];
        let side = lab.inspect("side").await.and_then(|side| side.host_config);
        let mode = side.and_then(|host| host.network_mode).unwrap_or_default();
        assert_eq!(mode, format!("container:{web}"));
    });
}

#[test]
fn containers_are_protected_unless_the_stack_says_why_not() {
    lab(|mut lab| async move {
        lab.rules.memory = Some(64 << 20);
        let without = [Protection::CapDrop, Protection::NoNewPrivileges];
        lab.rules.relax = [("b".to_owned(), without.into())].into();
        let text = "services: {a: {image: \"tenantry-test/busybox:2\"}, b: {image: \"tenantry-test/busybox:2\"}}";
        lab.converge(&lab.input(text)).await;
        let host = |details: Option<bollard::models::ContainerInspectResponse>| {
            details
                .and_then(|details| details.host_config)
                .expect("it is there")
        };
        let (a, b) = (host(lab.inspect("a").await), host(lab.inspect("b").await));
        assert_eq!(
            a.security_opt,
            Some(vec!["no-new-privileges:true".to_owned()])
        );
        assert_eq!(a.cap_drop.map(|list| list.len()), Some(6));
        assert_eq!((a.memory, a.pids_limit), (Some(512 << 20), Some(2048)));
        assert_eq!(b.security_opt.unwrap_or_default(), Vec::<String>::new());
        assert_eq!(b.cap_drop.unwrap_or_default(), Vec::<String>::new());
        assert_eq!(b.pids_limit, Some(2048));
        assert!(lab.pass(&lab.input(text)).await.is_converged());
    });
}
