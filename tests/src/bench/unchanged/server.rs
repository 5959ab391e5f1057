//! The measured side: the hub's router with many agents and one slice each, on one thread.

use super::super::child::stay_on_core;
use super::super::{BenchError, Doing};
use super::{CONTENT, GENERATION, agent, hub_key};
use axum::body::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use std::io::Write as _;
use std::sync::Arc;
use tenantry::web::{
    AgentDirectory, CurrentSlice, Limits, ReportError, ReportSink, SliceBoard, SliceSource,
    SourceError, WebState, metrics, router, serve,
};
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Receipt, ReportBatch};
use tokio::sync::watch;

/// Heads of slices; nobody asks for what is in them.
struct Heads(SliceBoard);

impl SliceSource for Heads {
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

/// Nobody reports.
struct NoReports;

impl ReportSink for NoReports {
    fn accept(&self, _: ServerKey, _: ReportBatch) -> BoxFuture<'_, Result<Receipt, ReportError>> {
        async { Err(ReportError::Refused("nothing is reported here".to_owned())) }.boxed()
    }
}

/// The role: serves until it is ended.
pub(in crate::bench) fn server(arguments: &[String]) -> Result<String, BenchError> {
    let agents: usize = arguments
        .first()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1);
    stay_on_core(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("starting")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .doing("listening")?;
        let address = listener.local_addr().doing("listening")?;
        let (state, _senders) = state(agents)?;
        writeln!(std::io::stdout(), "listening {address}").doing("telling the address")?;
        serve(listener, router(state), std::future::pending()).await;
        Ok(String::new())
    })
}

/// What must live as long as the state does.
type Senders = (
    watch::Sender<Arc<FleetStatus>>,
    watch::Sender<Arc<AgentDirectory>>,
);

fn state(agents: usize) -> Result<(WebState, Senders), BenchError> {
    let board = SliceBoard::new();
    let mut keys = Vec::with_capacity(agents);
    for number in 0..agents {
        let (server, key) = agent(number)?;
        board.publish(
            &server,
            CurrentSlice {
                generation: GENERATION,
                content: CONTENT.into(),
                commit: "0".repeat(40).into(),
            },
        );
        keys.push((server, key.public()));
    }
    let (directory, errors) =
        AgentDirectory::new(keys.iter().map(|(server, key)| (server, key)), None);
    if let Some(error) = errors.into_iter().next() {
        return Err(error).doing("making the directory of agents");
    }
    let (status, status_of) = watch::channel(Arc::new(FleetStatus::nothing(
        "bench".to_owned(),
        tenantry::RELEASE.to_owned(),
        Mode::Active,
        Timestamp::now(),
    )));
    let (directory, directory_of) = watch::channel(Arc::new(directory));
    let state = WebState {
        status: status_of,
        agents: directory_of,
        slices: Arc::new(Heads(board)),
        reports: Arc::new(NoReports),
        signer: tokio::sync::watch::channel(Some(Arc::new(hub_key()))).1,
        clock: Timestamp::now,
        metrics: metrics::install(),
        forge: tenantry::web::ForgeDoors::none(),
        servers: tenantry::web::ServerDoors::none(),
        limits: Limits::default(),
        programs: None,
    };
    Ok((state, (status, directory)))
}
