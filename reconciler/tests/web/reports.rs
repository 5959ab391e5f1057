//! What becomes of agents' reports: bounded, checked, kept once, acknowledged.

use crate::fixture;
use crate::hub::{Agent, Hub, batch, now};
use std::time::Duration;
use tenantry_schema::wire::Receipt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn hub() -> Hub {
    Hub::start(fixture::small(now())).await
}

#[tokio::test]
async fn reports_are_kept_once_and_acknowledged_with_a_signature() {
    let hub = hub().await;
    for _ in 0..2 {
        let answer = hub.agent.report(&batch("ledger-1", &[1, 2])).await;
        assert_eq!(answer.status, 200);
        assert!(answer.verified.is_some());
        assert_eq!(
            serde_json::from_slice::<Receipt>(&answer.body).unwrap(),
            Receipt { accepted: 2 }
        );
    }
    let kept: Vec<_> = hub
        .reports
        .kept
        .lock()
        .unwrap()
        .iter()
        .map(|(of, report)| (of.to_string(), report.sequence))
        .collect();
    assert_eq!(
        kept,
        [("acme/acme-1".to_owned(), 1), ("acme/acme-1".to_owned(), 2)]
    );

    for (body, error, status) in [
        (&b"{"[..], "malformed", 400),
        (&b"{\"ledger\":\"x\",\"reports\":[]}"[..], "malformed", 400),
        (&batch("refuse me", &[1])[..], "refused", 400),
        (&batch("disk full", &[1])[..], "unavailable", 503),
    ] {
        let answer = hub.agent.report(body).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, error));
        assert!(answer.verified.is_some());
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("secret device"),
            "causes stay inside"
        );
    }
    assert_eq!(hub.reports.kept.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_tampered_report_is_refused_before_it_is_parsed() {
    let hub = hub().await;
    let nonce = Agent::nonce();
    let body = batch("ledger-1", &[1]);
    let signed = hub.agent.request(
        "POST",
        "/agent/v1/reports",
        Some(&body),
        &nonce,
        now().as_second(),
    );
    let answer = hub
        .agent
        .send(signed.body(batch("ledger-1", &[9])), &nonce)
        .await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "bad_digest")
    );

    // With a digest that fits, it is the signature that does not.
    let own = hub
        .agent
        .request(
            "POST",
            "/agent/v1/reports",
            Some(b"other"),
            &nonce,
            now().as_second(),
        )
        .build()
        .unwrap();
    let digest = own.headers()["content-digest"].clone();
    let mut forged = hub
        .agent
        .request(
            "POST",
            "/agent/v1/reports",
            Some(&body),
            &nonce,
            now().as_second(),
        )
        .build()
        .unwrap();
    forged.headers_mut().insert("content-digest", digest);
    *forged.body_mut() = Some("other".into());
    assert_eq!(hub.agent.http.execute(forged).await.unwrap().status(), 401);
    assert!(hub.reports.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_read() {
    let hub = hub().await;
    let nonce = Agent::nonce();
    let signed = hub
        .agent
        .request(
            "POST",
            "/agent/v1/reports",
            Some(b"x"),
            &nonce,
            now().as_second(),
        )
        .build()
        .unwrap();
    let mut head = String::from("POST /agent/v1/reports HTTP/1.1\r\nhost: hub\r\n");
    for (name, value) in signed.headers() {
        head.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    let address = hub.base.trim_start_matches("http://").to_owned();
    let mut announced = tokio::net::TcpStream::connect(&address).await.unwrap();
    announced
        .write_all(format!("{head}content-length: 4194305\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = vec![0; 512];
    let length = tokio::time::timeout(Duration::from_secs(5), announced.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).starts_with("HTTP/1.1 413 "));

    let mut chunked = tokio::net::TcpStream::connect(&address).await.unwrap();
    chunked
        .write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = [
        b"100000\r\n".to_vec(),
        vec![b' '; 1 << 20],
        b"\r\n".to_vec(),
    ]
    .concat();
    for _ in 0..5 {
        // The hub may close before the last byte, which is its right.
        let _ = chunked.write_all(&chunk).await;
    }
    let mut answer = vec![0; 512];
    let length = tokio::time::timeout(Duration::from_secs(5), chunked.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).starts_with("HTTP/1.1 413 "));
}

/// The head of a request that announces a body and does not send it.
async fn announce(hub: &Hub, damage: bool) -> tokio::net::TcpStream {
    let request = hub.agent.request(
        "POST",
        "/agent/v1/reports",
        Some(b"x"),
        &Agent::nonce(),
        now().as_second(),
    );
    let signed = request.build().unwrap();
    let mut head = String::from("POST /agent/v1/reports HTTP/1.1\r\nhost: hub\r\n");
    for (name, value) in signed.headers() {
        let mut value = value.to_str().unwrap().to_owned();
        if damage && name == "tenantry-nonce" {
            value = Agent::nonce().to_string();
        }
        head.extend([name.as_str(), ": ", &value, "\r\n"]);
    }
    let mut stream = tokio::net::TcpStream::connect(hub.base.trim_start_matches("http://"))
        .await
        .unwrap();
    let head = format!("{head}content-length: 1\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn answer_to(mut stream: tokio::net::TcpStream) -> String {
    let mut answer = vec![0; 512];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer));
    let length = read.await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Whoever knows a key's fingerprint, which is public, cannot make the hub wait for a body; one agent holds back little room.
#[tokio::test]
async fn slow_bodies_of_strangers_and_of_one_agent_do_not_hold_up_the_others() {
    let hub = hub().await;
    for _ in 0..80 {
        let stranger = announce(&hub, true).await;
        assert!(answer_to(stranger).await.starts_with("HTTP/1.1 401 "));
    }
    let _slow = [announce(&hub, false).await, announce(&hub, false).await];
    tokio::time::sleep(Duration::from_millis(200)).await;
    let third = answer_to(announce(&hub, false).await).await;
    assert!(third.starts_with("HTTP/1.1 429 "), "{third}");
}
