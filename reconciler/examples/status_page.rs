//! Serves the status pages over made-up states, to look at them while working on them: `cargo run --example status_page -- [small|large|empty|observing] [port]`.

#[path = "../tests/web/fixture/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "written for tests")]
mod fixture;

use axum::body::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tenantry::web::{
    AgentDirectory, CurrentSlice, Limits, ReportError, ReportSink, SliceBoard, SliceSource,
    SourceError, WebState, metrics, router, serve,
};
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Receipt, ReportBatch};
use tokio::sync::watch;

struct Nothing(SliceBoard);

impl SliceSource for Nothing {
    fn current(&self, server: &ServerKey) -> Option<CurrentSlice> {
        self.0.current(server)
    }
    fn bundle<'a>(
        &'a self,
        _: &'a ServerKey,
    ) -> BoxFuture<'a, Result<Option<(CurrentSlice, Bytes)>, SourceError>> {
        async { Ok(None) }.boxed()
    }
    fn changed(&self, server: &ServerKey) -> watch::Receiver<u64> {
        self.0.changed(server)
    }
}

impl ReportSink for Nothing {
    fn accept(&self, _: ServerKey, _: ReportBatch) -> BoxFuture<'_, Result<Receipt, ReportError>> {
        async { Err(ReportError::Refused("this is only an example".into())) }.boxed()
    }
}

fn state(name: &str) -> FleetStatus {
    let now = Timestamp::now();
    match name {
        "large" => fixture::large(now, 10_000),
        "empty" => fixture::empty(now),
        "observing" => FleetStatus {
            mode: Mode::Observing { reason: "the commit names the key SHA256:7hT… of another hub; run `tenantry activate` to take over".into() },
            ..fixture::small(now)
        },
        _ => fixture::small(now),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("small", String::as_str).to_owned();
    let port = arguments
        .get(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(8_080);
    let (send, status) = watch::channel(Arc::new(state(&name)));
    let nothing = Arc::new(Nothing(SliceBoard::new()));
    let (_agents, agents) = watch::channel(Arc::new(AgentDirectory::default()));
    let app = router(WebState {
        programs: None,
        status,
        agents,
        slices: nothing.clone(),
        reports: nothing,
        signer: tokio::sync::watch::channel(None).1,
        clock: Timestamp::now,
        metrics: metrics::install(),
        forge: tenantry::web::ForgeDoors::none(),
        servers: tenantry::web::ServerDoors::none(),
        limits: Limits::default(),
    });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            send.send_replace(Arc::new(state(&name)));
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    serve(listener, app, async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await;
    Ok(())
}
