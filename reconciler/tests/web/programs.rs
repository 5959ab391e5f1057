//! Programs for agents: in pieces, to agents alone, by digest alone.

use crate::fixture;
use crate::hub::{Agent, Answer, Hub, now};
use tenantry_schema::wire::PROGRAM_PIECE;

async fn ask(hub: &Hub, query: &str) -> Answer {
    let nonce = Agent::nonce();
    let path = format!("/agent/v1/program{query}");
    let request = hub
        .agent
        .request("GET", &path, None, &nonce, now().as_second());
    hub.agent.send(request, &nonce).await
}

#[tokio::test]
async fn a_program_comes_in_signed_pieces() {
    let hub = Hub::start(fixture::small(now())).await;
    let name = "ab".repeat(32);
    let whole = vec![7_u8; PROGRAM_PIECE + 3];
    std::fs::write(hub.programs.path().join(&name), &whole).unwrap();
    let first = ask(&hub, &format!("?sha256={name}")).await;
    assert_eq!((first.status, first.body.len()), (200, PROGRAM_PIECE));
    assert!(first.verified.is_some());
    let last = ask(&hub, &format!("?sha256={name}&offset={PROGRAM_PIECE}")).await;
    assert_eq!((last.status, last.body.len()), (200, 3));
}

#[tokio::test]
async fn nothing_else_is_served() {
    let hub = Hub::start(fixture::small(now())).await;
    std::fs::write(hub.programs.path().join("secrets"), "x").unwrap();
    for query in [
        "",
        "?sha256=secrets",
        "?sha256=../secrets",
        "?sha256=%2e%2e%2fsecrets",
    ] {
        let answer = ask(&hub, query).await;
        assert_eq!(
            (answer.status, &*answer.error()),
            (400, "malformed"),
            "{query}"
        );
    }
    let none = ask(&hub, &format!("?sha256={}", "0".repeat(64))).await;
    assert_eq!((none.status, &*none.error()), (404, "unknown_program"));
    assert!(
        none.verified.is_some(),
        "agents believe signed refusals alone"
    );
    let stranger = hub
        .get(&format!("/agent/v1/program?sha256={}", "0".repeat(64)))
        .await;
    assert_eq!(
        stranger.status().as_u16(),
        400,
        "what is not signed is malformed"
    );
}
