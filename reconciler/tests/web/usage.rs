//! What servers used, for anybody: read once a minute however many ask, and never "nothing" where it cannot be read.

use crate::fixture;
use crate::hub::{Hub, now};
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tenantry::store::{AuditEntry, HostPoint, UsageHistory, UsageSpan};
use tenantry::web::{Diary, Limits, ServerDoors, SourceError};
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{HostUsage, LogMatch};

/// A diary that counts how often it is read, and may be out of order.
#[derive(Default)]
struct Counting {
    reads: AtomicUsize,
    broken: AtomicBool,
}

impl Diary for Counting {
    fn usage(
        &self,
        _: ServerKey,
        _: UsageSpan,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<UsageHistory, SourceError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return std::future::ready(Err("the disk of the diary is gone".into())).boxed();
        }
        let usage = HostUsage {
            cpu: Some([1, 250, 1000].into()),
            ..HostUsage::default()
        };
        let history = UsageHistory {
            from: now - jiff::SignedDuration::from_hours(24),
            until: now,
            step: 900,
            host: vec![HostPoint { at: now, usage }],
            containers_step: 900,
            containers: BTreeMap::new(),
        };
        std::future::ready(Ok(history)).boxed()
    }

    fn matches(&self, _: ServerKey) -> BoxFuture<'_, Result<Vec<LogMatch>, SourceError>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    fn note(&self, _: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>> {
        std::future::ready(Ok(())).boxed()
    }
}

async fn start(diary: &Arc<Counting>) -> Hub {
    let doors = ServerDoors {
        diary: diary.clone(),
        ..ServerDoors::none()
    };
    Hub::start_beside(fixture::small(now()), true, Limits::default(), doors).await
}

const PAGE: &str = "/servers/acme/acme-1";
const USAGE: &str = "/api/v1/servers/acme/acme-1/usage";

#[tokio::test]
async fn however_many_look_a_minute_is_read_once() {
    let diary = Arc::new(Counting::default());
    let hub = start(&diary).await;
    for _ in 0..5 {
        assert!(hub.text(PAGE).await.contains("0.25 cores"));
        assert!(
            hub.text(&format!("/fragment{PAGE}"))
                .await
                .contains("0.25 cores")
        );
        let usage: serde_json::Value = hub.get(USAGE).await.json().await.unwrap();
        assert_eq!(usage["host"][0]["cpu"][1], 250, "{usage}");
    }
    assert_eq!(diary.reads.load(Ordering::Relaxed), 1);
    // Another span is another reading.
    hub.text(&format!("{PAGE}?range=7d")).await;
    assert_eq!(diary.reads.load(Ordering::Relaxed), 2);
    hub.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_not_nothing() {
    let diary = Arc::new(Counting::default());
    diary.broken.store(true, Ordering::Relaxed);
    let hub = start(&diary).await;
    let answer = hub.get(USAGE).await;
    assert_eq!(answer.status(), 503);
    let said = answer.text().await.unwrap();
    assert_eq!(
        said,
        "what was used cannot be read now; the hub's log says why\n"
    );
    let unknown = hub.get("/api/v1/servers/acme/nobody/usage").await;
    assert_eq!(
        unknown.status(),
        404,
        "there is no such server, whatever the diary does"
    );

    let page = hub.get(PAGE).await;
    assert_eq!(page.status(), 200, "all else of the server is known");
    let page = page.text().await.unwrap();
    assert!(page.contains("What was used cannot be read now"), "{page}");
    assert!(!page.contains("disk of the diary"), "the log says why");

    // As soon as it can be read it is shown.
    diary.broken.store(false, Ordering::Relaxed);
    let page = hub.text(PAGE).await;
    assert!(page.contains("0.25 cores") && !page.contains("cannot be read"));
    hub.stop().await;
}
