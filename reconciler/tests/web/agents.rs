//! What agents may and may not do, and that every answer to them is signed.

use crate::fixture;
use crate::hub::{Agent, Hub, batch, now, server};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry::web::{AgentDirectory, Limits};
use tenantry_wire::SigningKey;

async fn hub() -> Hub {
    Hub::start(fixture::small(now())).await
}

#[tokio::test]
async fn a_slice_is_delivered_and_then_unchanged() {
    let hub = hub().await;
    let none = hub.agent.next("?generation=0&content=&wait=0").await;
    assert_eq!((none.status, none.verified.unwrap().slice), (204, None));

    hub.slices.publish(&server("acme-1"), 7, "c7");
    let new = hub.agent.next("?generation=0&content=&wait=30").await;
    assert_eq!((new.status, &*new.body), (200, &b"bundle of c7"[..]));
    assert_eq!(new.verified.unwrap().slice, Some((7, "c7".into())));
    assert!(
        !new.headers.contains_key("content-encoding") && !new.headers.contains_key("set-cookie")
    );

    let same = hub.agent.next("?generation=7&content=c7&wait=0").await;
    assert_eq!((same.status, same.body.len()), (204, 0));
    assert_eq!(same.verified.unwrap().slice, Some((7, "c7".into())));

    // Equal content is unchanged, whatever the generations.
    hub.slices.publish(&server("acme-1"), 9, "c7");
    let later = hub.agent.next("?generation=7&content=c7&wait=0").await;
    assert_eq!(
        (later.status, later.verified.unwrap().slice),
        (204, Some((9, "c7".into())))
    );
}

#[tokio::test]
async fn a_long_poll_is_woken_by_its_own_slice_alone() {
    let hub = hub().await;
    hub.slices.publish(&server("acme-1"), 1, "c1");
    let polls = async {
        let begun = Instant::now();
        (
            hub.agent.next("?generation=1&content=c1&wait=20").await,
            begun.elapsed(),
        )
    };
    let commits = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        hub.slices.publish(&server("acme-2"), 2, "other");
        tokio::time::sleep(Duration::from_millis(150)).await;
        // A new generation of the same content wakes, but is nothing to deliver.
        hub.slices.publish(&server("acme-1"), 2, "c1");
        tokio::time::sleep(Duration::from_millis(150)).await;
        hub.slices.publish(&server("acme-1"), 3, "c3");
        Instant::now()
    };
    let ((answer, took), _) = tokio::join!(polls, commits);
    assert_eq!((answer.status, &*answer.body), (200, &b"bundle of c3"[..]));
    assert!((450..5_000).contains(&took.as_millis()), "{took:?}");

    let begun = Instant::now();
    let quiet = hub.agent.next("?generation=3&content=c3&wait=1").await;
    assert_eq!(quiet.status, 204);
    assert!(quiet.verified.is_some() && begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_waiting_agent_is_answered_when_the_hub_stops_or_its_key_goes() {
    let hub = hub().await;
    hub.slices.publish(&server("acme-1"), 1, "c1");
    let nonce = Agent::nonce();
    let request = hub.agent.request(
        "GET",
        "/agent/v1/next?generation=1&content=c1&wait=50",
        None,
        &nonce,
        now().as_second(),
    );
    let waiting = tokio::spawn(request.send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    hub.stop().await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 204);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );

    let hub = self::hub().await;
    let drops = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        hub.agents.send_replace(Arc::new(AgentDirectory::default()));
        hub.slices.publish(&server("acme-1"), 2, "c2");
    };
    let (answer, ()) = tokio::join!(hub.agent.next("?content=c1&wait=20"), drops);
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (401, "unknown_key"),
        "a key that was removed gets no slice"
    );
}

#[tokio::test]
async fn wrong_key_other_nonce_other_path_other_clock() {
    let mut hub = hub().await;
    hub.slices.publish(&server("acme-1"), 7, "c7");
    let created = now().as_second();
    let nonce = Agent::nonce();
    let path = "/agent/v1/next?generation=0&content=&wait=0";

    let replayed = hub.agent.request("GET", path, None, &nonce, created);
    let mut replayed = replayed.build().unwrap();
    replayed
        .headers_mut()
        .insert("tenantry-nonce", Agent::nonce().as_str().parse().unwrap());
    let answer = hub.agent.http.execute(replayed).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(
        !answer.headers().contains_key("signature"),
        "a stranger gets no signature"
    );
    assert!(answer.text().await.unwrap().contains("bad_signature"));

    let mut moved = hub
        .agent
        .request("GET", path, None, &nonce, created)
        .build()
        .unwrap();
    moved
        .url_mut()
        .set_query(Some("generation=0&content=&wait=1"));
    assert_eq!(hub.agent.http.execute(moved).await.unwrap().status(), 401);

    for (skew, status) in [
        (299, 200),
        (-299, 200),
        (301, 401),
        (-301, 401),
        (9_000_000, 401),
    ] {
        let answer = hub
            .agent
            .send(
                hub.agent.request("GET", path, None, &nonce, created + skew),
                &nonce,
            )
            .await;
        assert_eq!(answer.status, status, "{skew}");
        assert!(
            answer.verified.is_some(),
            "the caller is known, so the answer is signed"
        );
        if status == 401 {
            assert_eq!(answer.error(), "clock_skew");
        }
    }

    let unsigned = hub.get(path).await;
    assert_eq!(unsigned.status(), 400);
    assert!(unsigned.text().await.unwrap().contains("signature-input"));

    hub.agent.key = SigningKey::generate(&mut rand::rng());
    let stranger = hub.agent.next("?content=").await;
    assert_eq!(
        (
            stranger.status,
            stranger.error().as_str(),
            stranger.verified
        ),
        (401, "unknown_key", None)
    );
}

#[tokio::test]
async fn a_request_without_its_nonce_or_with_two_is_malformed() {
    let hub = hub().await;
    let nonce = Agent::nonce();
    let path = "/agent/v1/next?content=";
    let mut request = hub
        .agent
        .request("GET", path, None, &nonce, now().as_second())
        .build()
        .unwrap();
    request.headers_mut().remove("tenantry-nonce");
    assert_eq!(hub.agent.http.execute(request).await.unwrap().status(), 400);
    let twice = hub
        .agent
        .request("GET", path, None, &nonce, now().as_second())
        .header("tenantry-nonce", nonce.as_str());
    assert_eq!(twice.send().await.unwrap().status(), 400);
    let mut short = hub
        .agent
        .request("GET", path, None, &nonce, now().as_second())
        .build()
        .unwrap();
    short
        .headers_mut()
        .insert("tenantry-nonce", "short".parse().unwrap());
    assert_eq!(hub.agent.http.execute(short).await.unwrap().status(), 400);
    assert_eq!(hub.agent.next("?wait=soon").await.error(), "malformed");
}

#[tokio::test]
async fn a_hub_without_a_key_says_so() {
    let hub = Hub::start_with(fixture::small(now()), false, Limits::default()).await;
    for answer in [
        hub.agent.next("?content=").await,
        hub.agent.report(&batch("l", &[1])).await,
    ] {
        assert_eq!((answer.status, answer.error().as_str()), (503, "observing"));
        assert_eq!(answer.headers["retry-after"], "30");
    }
}

#[tokio::test]
async fn one_agent_cannot_have_everything() {
    let limits = Limits {
        parallel: 2,
        pace: Duration::from_millis(1),
        burst: 1_000,
        bodies: 2,
    };
    let hub = Hub::start_with(fixture::small(now()), true, limits).await;
    let (a, b, c) = tokio::join!(
        hub.agent.next("?wait=1"),
        hub.agent.next("?wait=1"),
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            hub.agent.next("?wait=1").await
        }
    );
    assert_eq!((a.status, b.status, c.status), (204, 204, 429));
    assert_eq!(c.error(), "too_many_requests");
    assert!(c.verified.is_some() && c.headers.contains_key("retry-after"));
    assert_eq!(
        hub.agent.next("?wait=0").await.status,
        204,
        "room that was used is given back"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn no_header_breaks_the_hub(requests in proptest::collection::vec(noise(), 12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let statuses = runtime.block_on(async {
            let hub = hub().await;
            let mut statuses = Vec::new();
            for (path, headers) in requests {
                let mut request = hub.agent.http.get(format!("{}{path}", hub.base));
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                statuses.push(request.send().await.unwrap().status().as_u16());
            }
            statuses
        });
        prop_assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
    }
}

/// A path and headers near those that are looked at, with any bytes a header may hold.
fn noise() -> impl Strategy<Value = (String, Vec<(&'static str, reqwest::header::HeaderValue)>)> {
    const NAMES: &[&str] = &[
        "signature-input",
        "signature",
        "tenantry-nonce",
        "content-digest",
        "if-none-match",
        "accept-encoding",
        "range",
    ];
    let bytes = proptest::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..80);
    let shaped = "tenantry=\\(\"@method\"( \"[@a-z-]{0,12}\"){0,5}\\);created=[0-9]{0,20};keyid=\"[ -~]{0,40}\"";
    let value = prop_oneof![bytes, shaped.prop_map(String::into_bytes)];
    let value = value.prop_map(|bytes| reqwest::header::HeaderValue::from_bytes(&bytes).unwrap());
    let path = prop_oneof![
        Just("/agent/v1/next".to_owned()),
        "/agent/v1/next\\?[a-z=&%0-9]{0,20}",
        Just("/api/v1/status".to_owned()),
        "/\\?q=[a-z%0-9&=]{0,20}",
        "/(fragment/)?(orders|servers)/[a-z%0-9.]{1,9}/[a-z%0-9.]{1,9}",
        "/assets/[a-z.%0-9]{1,9}",
    ];
    (
        path,
        proptest::collection::vec((proptest::sample::select(NAMES), value), 0..6),
    )
}
