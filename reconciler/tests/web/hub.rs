//! A hub's web side on a real socket, with one agent that signs what it sends and checks what it gets. Slices and reports are kept in memory.

use axum::body::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tenantry::web::{
    AgentDirectory, CurrentSlice, Limits, ReportError, ReportSink, SliceBoard, SliceSource,
    SourceError, WebState, metrics, router, serve,
};
use tenantry_planner::status::FleetStatus;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{HostFacts, Receipt, Report, ReportBatch};
use tenantry_wire::SigningKey;
use tenantry_wire::http::{
    ExpectAnswer, Nonce, Request, VerifiedAnswer, sign_request, verify_answer,
};
use tokio::sync::{oneshot, watch};

pub(crate) fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

pub(crate) fn server(name: &str) -> ServerKey {
    ServerKey {
        customer: "acme".try_into().unwrap(),
        server: name.try_into().unwrap(),
    }
}

/// Slices in memory.
#[derive(Default)]
pub(crate) struct Slices {
    board: SliceBoard,
    bundles: Mutex<HashMap<ServerKey, Bytes>>,
}

impl Slices {
    pub(crate) fn publish(&self, server: &ServerKey, generation: u64, content: &str) {
        let bundle = format!("bundle of {content}");
        self.bundles
            .lock()
            .unwrap()
            .insert(server.clone(), bundle.into());
        self.board.publish(
            server,
            CurrentSlice {
                generation,
                content: content.into(),
                commit: "3f2a91c".into(),
            },
        );
    }
}

impl SliceSource for Slices {
    fn current(&self, server: &ServerKey) -> Option<CurrentSlice> {
        self.board.current(server)
    }
    fn bundle<'a>(
        &'a self,
        server: &'a ServerKey,
    ) -> BoxFuture<'a, Result<Option<(CurrentSlice, Bytes)>, SourceError>> {
        let found = self
            .board
            .current(server)
            .zip(self.bundles.lock().unwrap().get(server).cloned());
        async move { Ok(found) }.boxed()
    }
    fn changed(&self, server: &ServerKey) -> watch::Receiver<u64> {
        self.board.changed(server)
    }
}

/// Reports in memory, each kept once.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) kept: Mutex<Vec<(ServerKey, Report)>>,
}

impl ReportSink for Reports {
    fn accept(
        &self,
        server: ServerKey,
        batch: ReportBatch,
    ) -> BoxFuture<'_, Result<Receipt, ReportError>> {
        async move {
            if batch.ledger == "refuse me" {
                return Err(ReportError::Refused("no such ledger".into()));
            }
            if batch.ledger == "disk full" {
                return Err(ReportError::Unavailable(
                    "no space left on the secret device".into(),
                ));
            }
            let mut kept = self.kept.lock().unwrap();
            for report in batch.reports {
                if !kept
                    .iter()
                    .any(|(of, known)| *of == server && known.sequence == report.sequence)
                {
                    kept.push((server.clone(), report));
                }
            }
            let accepted = kept
                .iter()
                .filter(|(of, _)| *of == server)
                .map(|(_, report)| report.sequence)
                .max()
                .unwrap_or(0);
            Ok(Receipt { accepted })
        }
        .boxed()
    }
}

pub(crate) struct Hub {
    pub(crate) base: String,
    pub(crate) status: watch::Sender<Arc<FleetStatus>>,
    pub(crate) agents: watch::Sender<Arc<AgentDirectory>>,
    pub(crate) slices: Arc<Slices>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) agent: Agent,
    pub(crate) programs: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

/// An agent's side.
pub(crate) struct Agent {
    pub(crate) key: SigningKey,
    pub(crate) server: ServerKey,
    pub(crate) hub: Arc<SigningKey>,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Bytes,
    /// Set if the answer carries a good signature for this agent and nonce.
    pub(crate) verified: Option<VerifiedAnswer>,
}

impl Answer {
    pub(crate) fn error(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("an error is JSON");
        assert!(!body["hint"].as_str().unwrap().is_empty());
        body["error"].as_str().unwrap().to_owned()
    }
}

impl Hub {
    pub(crate) async fn start(status: FleetStatus) -> Self {
        Self::start_with(status, true, Limits::default()).await
    }

    pub(crate) async fn start_with(status: FleetStatus, signs: bool, limits: Limits) -> Self {
        Self::start_beside(status, signs, limits, tenantry::web::ServerDoors::none()).await
    }

    /// With a diary.
    pub(crate) async fn start_beside(
        status: FleetStatus,
        signs: bool,
        limits: Limits,
        servers: tenantry::web::ServerDoors,
    ) -> Self {
        let key = Arc::new(SigningKey::generate(&mut rand::rng()));
        let agent_key = SigningKey::generate(&mut rand::rng());
        let (status, status_of) = watch::channel(Arc::new(status));
        let (directory, errors) =
            AgentDirectory::new([(&server("acme-1"), &agent_key.public())], None);
        assert!(errors.is_empty());
        let (agents, agents_of) = watch::channel(Arc::new(directory));
        let (slices, reports) = (Arc::new(Slices::default()), Arc::new(Reports::default()));
        let programs = tempfile::tempdir().unwrap();
        let app = router(WebState {
            programs: Some(programs.path().to_owned()),
            status: status_of,
            agents: agents_of,
            slices: Arc::clone(&slices) as Arc<dyn SliceSource>,
            reports: Arc::clone(&reports) as Arc<dyn ReportSink>,
            signer: watch::channel(signs.then(|| Arc::clone(&key))).1,
            clock: now,
            metrics: metrics::install(),
            forge: tenantry::web::ForgeDoors::none(),
            servers,
            limits,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, app, async {
            let _ = stopped.await;
        }));
        let agent = Agent {
            key: agent_key,
            server: server("acme-1"),
            hub: key,
            base: base.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        Self {
            base,
            status,
            agents,
            slices,
            reports,
            agent,
            programs,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.agent
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// Stops the hub as a service manager would.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap();
    }
}

impl Agent {
    pub(crate) fn nonce() -> Nonce {
        Nonce::generate(&mut rand::rng())
    }

    /// Signs a request as it should be. Tests change what they like before sending it.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        nonce: &Nonce,
        created: i64,
    ) -> reqwest::RequestBuilder {
        let (bare, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let signed = sign_request(
            &Request {
                method,
                path: bare,
                query,
                body,
            },
            nonce,
            created,
            &self.key,
        )
        .unwrap();
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.base));
        for (name, value) in signed {
            request = request.header(name, value);
        }
        match body {
            Some(body) => request.body(body.to_vec()),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder, nonce: &Nonce) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        let pairs: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let trusted = [self.hub.verifying_key().clone()];
        let expect = ExpectAnswer {
            server: &self.server,
            nonce,
            trusted: &trusted,
        };
        let verified = verify_answer(status, &pairs, &body, &expect).ok();
        Answer {
            status,
            headers,
            body,
            verified,
        }
    }

    pub(crate) async fn next(&self, query: &str) -> Answer {
        let nonce = Self::nonce();
        let request = self.request(
            "GET",
            &format!("/agent/v1/next{query}"),
            None,
            &nonce,
            now().as_second(),
        );
        self.send(request, &nonce).await
    }

    pub(crate) async fn report(&self, body: &[u8]) -> Answer {
        let nonce = Self::nonce();
        let request = self.request(
            "POST",
            "/agent/v1/reports",
            Some(body),
            &nonce,
            now().as_second(),
        );
        self.send(request, &nonce).await
    }
}

pub(crate) fn batch(ledger: &str, sequences: &[u64]) -> Vec<u8> {
    let report = |sequence: &u64| Report {
        sequence: *sequence,
        taken_at: now(),
        release: "0.1.0".into(),
        slice: None,
        converged: None,
        stale_since: None,
        instances: [].into(),
        sites: [].into(),
        unmanaged: vec![],
        refusals: vec![],
        events: vec![],
        host: HostFacts::default(),
        backups: None,
        areas: std::collections::BTreeMap::new(),
        agent_update: None,
        since: None,
        matches: Vec::new(),
        usage: Vec::new(),
    };
    serde_json::to_vec(&ReportBatch {
        ledger: ledger.into(),
        reports: sequences.iter().map(report).collect(),
    })
    .unwrap()
}
