//! The pages: they say what the state says, escape everything, stay small, and need no script.

use crate::fixture;
use crate::hub::{Hub, now};
use std::sync::Arc;
use std::time::Instant;
use tenantry_planner::status::Mode;

/// Text of a page without tags, entities resolved: what a reader without scripts or styles sees.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    resolve(&text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Entities as the characters they stand for.
fn resolve(html: &str) -> String {
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ];
    plain.iter().fold(html.to_owned(), |text, (entity, plain)| {
        text.replace(entity, plain)
    })
}

#[tokio::test]
async fn a_paused_agent_is_told_with_the_end_of_the_pause() {
    let now = now();
    let hub = Hub::start(fixture::small(now)).await;
    let until = now
        .checked_add(jiff::SignedDuration::from_hours(2))
        .unwrap();
    let until = format!("{until:.0}");
    let page = text(&hub.text("/").await);
    let told = format!("the agent is paused by hand until {until}");
    assert!(page.contains(&told), "{page}");
    let server = text(&hub.text("/servers/initech/initech-1").await);
    assert!(
        server.contains(&format!("paused until {until}")),
        "{server}"
    );
    let other = text(&hub.text("/servers/acme/acme-1").await);
    assert!(!other.contains("paused"), "{other}");
}

#[tokio::test]
async fn the_first_page_says_everything_without_a_script() {
    let hub = Hub::start(fixture::small(now())).await;
    let page = text(&hub.text("/").await);
    for fact in [
        "northwind-hosting",
        "Umbrella: add Umami to the website order",
        "3f2a91c7d0e8 Maria Lindqvist 4 min ago generation 1284",
        "4 of 6 fulfilled",
        "3 of 5 healthy",
        "1 error and 1 warning",
        "initech stays at commit 8c1f02d4ab97 (1 error)",
        "error[T0107]: unknown tool `nextcluod`",
        "fleet/customers/initech/orders/website.yaml:5:3",
        "^^^^^^^^^ not in the catalogue",
        "= did you mean `nextcloud`?",
        "the domain acme.example belongs to order acme/website; the first keeps it",
        "umbrella/website pro · on umbrella-1 umbrella.example provisioning progressing",
        "team-keycloak failed and is tried again: db is unhealthy",
        "acme/acme-2 203.0.113.18 degraded 1 refused 14 s ago",
        "1271 → 1284",
        "exited (1) keycloak:26.4 team-keycloak-keycloak-1",
        "running, unhealthy postgres:17.5 team-keycloak-db-1 7",
        "waits for db to become healthy",
        "2 containers there are not ours",
    ] {
        assert!(page.contains(fact), "missing: {fact}\n{page}");
    }
    assert!(!page.contains("only observes"));
    let fragment = hub.text("/fragment").await;
    assert!(!fragment.contains("<html") && text(&fragment).contains("4 of 6 fulfilled"));
    assert_eq!(
        hub.text("/").await.matches("<script").count(),
        1,
        "one script, from a file"
    );
}

#[tokio::test]
async fn pages_of_orders_and_servers() {
    let hub = Hub::start(fixture::small(now())).await;
    let order = text(&hub.text("/orders/acme/website").await);
    for fact in [
        "website healthy",
        "Phase fulfilled",
        "https://umami.acme.example",
        "newer on the branch",
        "12 d ago",
        "website-nextcloud-db-1",
    ] {
        assert!(order.contains(fact), "missing: {fact}\n{order}");
    }
    assert!(text(&hub.text("/orders/initech/website").await).contains("Held back."));
    assert!(text(&hub.text("/orders/wayne/blog").await).contains("not decided yet"));
    let server = hub.text("/servers/acme/acme-1").await;
    assert!(server.contains("href=\"/orders/acme/website\""));
    for fact in [
        "portainer watchtower",
        "The machine 3 packages good it is as it should be",
        "firewall good published to the world and kept shut: 5432/tcp of container shop-db-1",
        "ssh refused port 443 is a site's",
        "container died",
        "website-umami-umami-1 was started again",
        "smoke check passed",
        "agrees with what",
    ] {
        assert!(text(&server).contains(fact), "missing: {fact}");
    }
    let server = text(&hub.text("/servers/acme/acme-2").await);
    assert!(
        server.contains("same generation other content generation 1279 was accepted before"),
        "{server}"
    );
    for fact in [
        "new version held since",
        "not healthy after 300 seconds: keycloak ends again and again",
        "exited, exit code 1, ended for lack of memory, health check: none, restarted 4 times",
        "<script>alert(1)</script> no such table",
    ] {
        assert!(server.contains(fact), "missing: {fact}\n{server}");
    }
    for path in [
        "/orders/acme/nothing",
        "/servers/nobody/acme-1",
        "/nowhere",
        "/fragment/orders/x/y",
    ] {
        assert_eq!(hub.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn whatever_comes_from_outside_is_escaped() {
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}";
    let hub = Hub::start(fixture::hostile(now(), evil)).await;
    let paths = [
        "/",
        "/fragment",
        "/orders/acme/website",
        "/servers/acme/acme-2",
        "/nowhere",
        "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ];
    for path in paths {
        let html = hub.text(path).await;
        for bad in [
            "<script>",
            "<img",
            "'><",
            "\"><script",
            "href=\"javascript:",
            "49",
        ] {
            assert!(!html.contains(bad), "{path}: {bad} in\n{html}");
        }
        if path != "/nowhere" {
            assert!(
                html.contains("&lt;script&gt;alert(1)"),
                "{path} shows the text"
            );
        }
    }
}

#[tokio::test]
async fn every_answer_is_locked_down() {
    let hub = Hub::start(fixture::small(now())).await;
    for path in [
        "/",
        "/fragment",
        "/nowhere",
        "/orders/acme/website",
        "/api/v1/status",
        "/metrics",
        "/healthz",
        "/assets/live.js",
        "/agent/v1/next",
    ] {
        let response = hub.get(path).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(!headers.contains_key("set-cookie"), "{path}");
    }
    let page = hub.text("/").await;
    assert!(
        !page.contains(" style=") && !page.contains(" onclick") && !page.contains("http://"),
        "nothing that the policy would block"
    );
    for path in ["/", "/api/v1/status", "/orders/acme/website"] {
        assert_eq!(
            hub.agent
                .http
                .post(format!("{}{path}", hub.base))
                .send()
                .await
                .unwrap()
                .status(),
            405,
            "{path} cannot be written to"
        );
    }
}

#[tokio::test]
async fn an_observing_hub_says_why() {
    let mut status = fixture::empty(now());
    status.mode = Mode::Observing {
        reason: "no commit names this hub's key".into(),
    };
    status.source_problem = Some("the branch was rewound".into());
    let hub = Hub::start(status).await;
    let page = text(&hub.text("/").await);
    assert!(
        page.contains("This hub only observes. no commit names this hub's key"),
        "{page}"
    );
    assert!(page.contains("The fleet cannot be followed. the branch was rewound"));
    assert!(page.contains("No orders yet.") && page.contains("No servers yet."));
}

#[tokio::test]
async fn ten_thousand_servers_stay_readable() {
    let hub = Hub::start(fixture::large(now(), 10_000)).await;
    let first = hub.text("/").await;
    assert!(first.len() < 2_000_000, "{} bytes", first.len());
    let begun = Instant::now();
    let again = hub.text("/").await;
    println!(
        "10,000 servers: {} bytes in {:?}",
        again.len(),
        begun.elapsed()
    );
    let plain = text(&first);
    assert!(plain.contains("1–200 of 10,000") && plain.contains("9,900 of 10,000 healthy"));
    let failed = |html: &str| html.matches("has been silent since").count();
    assert_eq!(
        failed(&first),
        200,
        "the hundred in trouble are first in both lists"
    );
    let links = resolve(&first);
    assert!(
        links.contains("href=\"/?orders=2#orders\"")
            && links.contains("href=\"/?servers=2#servers\"")
    );
    let last = text(&hub.text("/?orders=50").await);
    assert!(last.contains("9,801–10,000 of 10,000") && last.contains("customer-09998/website"));
    let one = text(&hub.text("/?q=Customer-01234").await);
    assert!(
        one.contains("Orders 1")
            && one.contains("Servers 1")
            && one.contains("customer-01234/server-01234")
    );
    assert!(text(&hub.text("/?q=ghost+customer-0777").await).contains("Orders 10"));
    assert!(text(&hub.text("/?show=trouble").await).contains("Servers 100"));
    assert!(text(&hub.text("/?q=nobody").await).contains("No order matches."));
}

#[tokio::test]
async fn a_page_shows_the_newest_state() {
    let hub = Hub::start(fixture::empty(now())).await;
    let version = |html: String| {
        html.split("data-version=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let before = version(hub.text("/").await);
    assert_eq!(version(hub.text("/").await), before);
    hub.status.send_replace(Arc::new(fixture::small(now())));
    let html = hub.text("/").await;
    assert!(html.contains("umbrella"));
    assert_ne!(version(html), before);
}
