//! Webhooks: a hint to look, taken from the forge alone, and cheap to refuse.

use super::{REPOSITORY, SECRET, SOON, TOKEN, order, reviewed_at, status};
use aws_lc_rs::hmac;
use std::time::Duration;
use tenantry_schema::document::ForgeKind;
use tenantry_tests::rig::{Access, FakeForge, GitHttp, Hub};

fn signed(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hex::encode(hmac::sign(&key, body).as_ref())
}

/// Sends a webhook as `kind` does and gives the status of the answer.
async fn send(hub: &str, kind: ForgeKind, body: Vec<u8>, secret: &str) -> u16 {
    let (name, value) = match kind {
        ForgeKind::Github => ("x-hub-signature-256", format!("sha256={secret}")),
        ForgeKind::Gitea => ("x-gitea-signature", secret.to_owned()),
        ForgeKind::Gitlab => ("x-gitlab-token", secret.to_owned()),
    };
    let url = format!("{hub}/webhooks/git/{}", kind.word());
    let request = reqwest::Client::new()
        .post(url)
        .header(name, value)
        .body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_makes_the_hub_look_at_once() {
    for kind in [ForgeKind::Github, ForgeKind::Gitlab, ForgeKind::Gitea] {
        let forge = FakeForge::start(kind, REPOSITORY, TOKEN).await.unwrap();
        let home = reviewed_at("hook", kind, forge.url(), 1);
        // A remote elsewhere, which it asks once an hour by itself.
        let server = GitHttp::start(
            &home.dir().join("http"),
            home.fleet.repository(),
            Access::Open,
        )
        .await
        .unwrap();
        let hub = Hub::start_at(
            server.url().as_ref(),
            Some(&home.fleet.hub_key()),
            &home.place,
            &["--poll", "3600"],
        )
        .await
        .unwrap();
        let head = home.fleet.head().unwrap();
        status(&forge, &head, "the first verdict", |_| true).await;
        home.fleet
            .write("fleet/customers/c0/orders/website.yaml", &order("hello"))
            .unwrap();
        let pushed = home.fleet.commit("an order").unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            hub.status().await.unwrap().orders.len(),
            0,
            "it looked by itself"
        );
        let body = br#"{"ref":"refs/heads/main"}"#.to_vec();
        let secret = if kind == ForgeKind::Gitlab {
            SECRET.to_owned()
        } else {
            signed(&body)
        };
        for (wrong, code) in [("", 401), ("00", 401), (&signed(b"another body"), 401)] {
            assert_eq!(
                send(hub.url(), kind, body.clone(), wrong).await,
                code,
                "{kind:?}"
            );
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            hub.status().await.unwrap().orders.len(),
            0,
            "a stranger made it look"
        );
        assert_eq!(send(hub.url(), kind, body, &secret).await, 204);
        hub.wait_for(SOON, "the order", |status| status.orders.len() == 1)
            .await
            .unwrap();
        drop(pushed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_nonsense_costs_little() {
    let forge = FakeForge::start(ForgeKind::Github, REPOSITORY, TOKEN)
        .await
        .unwrap();
    let mut home = reviewed_at("nonsense", ForgeKind::Github, forge.url(), 1);
    home.start().await.unwrap();
    let head = home.fleet.head().unwrap();
    let url = home.url();
    hub_is_ready(&forge, &head).await;
    assert_eq!(
        send(&url, ForgeKind::Gitlab, vec![], SECRET).await,
        404,
        "another vendor's"
    );
    // The largest that is taken, and one byte more. Nothing of it is kept.
    let large = vec![b'x'; 25 << 20];
    let secret = signed(&large);
    assert_eq!(
        send(&url, ForgeKind::Github, large.clone(), &secret).await,
        204
    );
    let client = reqwest::Client::new();
    let announced = client
        .post(format!("{url}/webhooks/git/github"))
        .header("x-hub-signature-256", "sha256=00")
        .body([large, vec![b'x']].concat())
        .send()
        .await;
    // The hub may close before everything was sent.
    assert!(announced.is_err() || announced.unwrap().status() == 413);
    // Many of them: the rest is turned away unread, and the hub goes on.
    let mut codes = Vec::new();
    for _ in 0..100 {
        codes.push(send(&url, ForgeKind::Github, b"{}".to_vec(), "00").await);
    }
    assert!(codes.contains(&401) && codes.contains(&429), "{codes:?}");
    let metrics = reqwest::get(format!("{url}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains("tenantry_webhooks_total{outcome=\"forged\"}"),
        "{metrics}"
    );
    assert!(metrics.contains("tenantry_webhooks_total{outcome=\"too_often\"}"));
    home.fleet.pull().unwrap();
    home.fleet
        .write("fleet/customers/c0/orders/website.yaml", &order("hello"))
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();
}

async fn hub_is_ready(forge: &FakeForge, head: &str) {
    status(forge, head, "the first verdict", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_there_are_no_webhooks() {
    let mut home = tenantry_tests::rig::HubBox::new("none").unwrap();
    home.start().await.unwrap();
    for kind in [ForgeKind::Github, ForgeKind::Gitlab, ForgeKind::Gitea] {
        assert_eq!(send(&home.url(), kind, b"{}".to_vec(), "").await, 404);
    }
    let get = reqwest::get(format!("{}/webhooks/git/github", home.url()))
        .await
        .unwrap();
    assert_eq!(get.status().as_u16(), 405);
}
