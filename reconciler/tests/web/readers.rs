//! What programs read: JSON, events, health, metrics; and that connections end in good order.

use crate::fixture;
use crate::hub::{Hub, now};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_planner::status::FleetStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn the_state_as_json_with_an_entity_tag() {
    let hub = Hub::start(fixture::small(now())).await;
    let response = hub.get("/api/v1/status").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let etag = response.headers()["etag"].clone();
    let status: FleetStatus = response.json().await.unwrap();
    assert_eq!(status, fixture::small(now()));

    let ask = |tag: String| {
        hub.agent
            .http
            .get(format!("{}/api/v1/status", hub.base))
            .header("if-none-match", tag)
            .send()
    };
    let tag = etag.to_str().unwrap();
    for known in [
        tag.to_owned(),
        format!("\"other\", W/{tag}"),
        "*".to_owned(),
    ] {
        let response = ask(known.clone()).await.unwrap();
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(response.headers()["etag"], etag);
        assert!(response.bytes().await.unwrap().is_empty());
    }
    assert_eq!(ask("\"other\"".into()).await.unwrap().status(), 200);
    hub.status.send_replace(Arc::new(fixture::empty(now())));
    assert_eq!(
        ask(tag.to_owned()).await.unwrap().status(),
        200,
        "another state has another tag"
    );
}

/// Reads from an event stream until a whole event is there.
async fn event(response: &mut reqwest::Response) -> serde_json::Value {
    let mut seen = String::new();
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(10), response.chunk())
            .await
            .expect("an event comes")
            .unwrap();
        seen += std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap();
        if let Some(data) = seen
            .lines()
            .find_map(|line| line.strip_prefix("data: "))
            .filter(|_| seen.ends_with("\n\n"))
        {
            assert!(seen.contains("event: status"));
            return serde_json::from_str(data).unwrap();
        }
    }
}

#[tokio::test]
async fn an_event_comes_with_every_change() {
    let hub = Hub::start(fixture::empty(now())).await;
    let mut events = hub.get("/api/v1/events").await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    assert!(!events.headers().contains_key("content-encoding"));
    let first = event(&mut events).await;
    assert_eq!(first["totals"]["orders"], 0);
    let begun = Instant::now();
    hub.status.send_replace(Arc::new(fixture::small(now())));
    let second = event(&mut events).await;
    assert_eq!(
        (&second["totals"]["orders"], &second["frozen"]),
        (&6.into(), &1.into())
    );
    assert_ne!(first["version"], second["version"]);
    assert!(
        hub.text("/")
            .await
            .contains(second["version"].as_str().unwrap()),
        "the page is of that version"
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(second.to_string().len() < 600, "an event is small");

    let ends = Instant::now();
    hub.stop().await;
    while let Ok(Some(_)) = events.chunk().await {}
    assert!(
        ends.elapsed() < Duration::from_secs(3),
        "readers do not hold up the end"
    );
}

#[tokio::test]
async fn health_and_readiness() {
    let mut status = fixture::empty(now());
    status.commit = None;
    let hub = Hub::start(status).await;
    assert_eq!(hub.text("/healthz").await, "ok\n");
    assert_eq!(hub.get("/readyz").await.status(), 503);
    hub.status.send_replace(Arc::new(fixture::small(now())));
    let ready = hub.get("/readyz").await;
    assert_eq!(ready.status(), 200);
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(
        (&ready["ready"], &ready["mode"]["mode"]),
        (&true.into(), &"active".into())
    );
}

#[tokio::test]
async fn metrics_count_and_show_the_fleet() {
    let hub = Hub::start(fixture::small(now())).await;
    hub.agent.next("?content=").await;
    tenantry::web::metrics::pass_finished("ok", Duration::from_millis(7));
    tenantry::web::metrics::reports_kept(3);
    let text = hub.text("/metrics").await;
    for line in [
        "tenantry_orders{phase=\"fulfilled\"} 4",
        "tenantry_orders{phase=\"server_ready\"} 0",
        "tenantry_servers{health=\"degraded\"} 1",
        "tenantry_instances{phase=\"healthy\"} 6",
        "tenantry_slice_refusals{kind=\"same_generation_other_content\"} 1",
        "tenantry_acting 1",
        "tenantry_generation 1284",
        "tenantry_agent_requests_total{route=\"next\",outcome=\"unchanged\"} ",
        "tenantry_passes_total{outcome=\"ok\"} ",
        "tenantry_pass_seconds_bucket{le=\"0.01\"} ",
        "tenantry_reports_total ",
    ] {
        assert!(text.contains(line), "missing: {line}\n{text}");
    }
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn assets_may_be_kept_for_ever_because_their_address_changes() {
    let hub = Hub::start(fixture::empty(now())).await;
    let page = hub.text("/").await;
    for (name, kind) in [
        ("style.css", "text/css"),
        ("live.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let address = page.split('"').find(|part| part.contains(name)).unwrap();
        assert!(address.contains('?'), "{address}");
        let response = hub.get(address).await;
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with(kind)
        );
        assert!(
            response.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
    assert_eq!(hub.get("/assets/passwd").await.status(), 404);
    assert_eq!(hub.get("/assets/..%2fpages").await.status(), 404);
}

#[tokio::test]
async fn a_head_that_grows_for_ever_is_cut_off() {
    let hub = Hub::start(fixture::empty(now())).await;
    let mut stream = tokio::net::TcpStream::connect(hub.base.trim_start_matches("http://"))
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: hub\r\n")
        .await
        .unwrap();
    for n in 0..200 {
        // The hub closes as soon as it has seen enough.
        let _ = stream
            .write_all(format!("x-{n}: {}\r\n", "y".repeat(400)).as_bytes())
            .await;
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer))
        .await
        .expect("the connection ends");
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
}
