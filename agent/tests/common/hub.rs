//! A hub that says what a test wants it to say: a fake, but one that signs and checks like the real one. For tests only.

use super::World;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{InstanceReport, Receipt, Report, ReportBatch};
use tenantry_wire::http::{Answer, Nonce, Request, sign_answer, verify_request};
use tenantry_wire::{SigningKey, VerifyingKey};
use tokio::sync::Notify;

/// What the hub says, and what it was told.
pub struct Hub {
    pub said: Mutex<Said>,
    pub news: Notify,
    key: SigningKey,
    agent: VerifyingKey,
    server: ServerKey,
}

#[derive(Default)]
pub struct Said {
    /// The newest slice: generation, content digest, bundle.
    pub slice: Option<(u64, String, Vec<u8>)>,
    /// How long it holds a request twice while there is nothing new; a second where nothing is said.
    pub hold: Option<Duration>,
    /// Answers 503 to everything.
    pub down: bool,
    /// Answers 413, not signed, to bodies of more bytes.
    pub largest: Option<usize>,
    /// Answers 400 to batches with an event that says this.
    pub poison: Option<&'static str>,
    /// Signs no refusal.
    pub stranger: bool,
    /// Bytes of the bodies that were taken.
    pub bodies: Vec<usize>,
    /// Forgets to answer the reports after having kept them, so many times.
    pub lose_receipts: u32,
    /// Signs answers with this key instead.
    pub impostor: Option<SigningKey>,
    /// Echoes this nonce instead.
    pub replay: Option<Nonce>,
    /// Programs by digest.
    pub programs: BTreeMap<String, Vec<u8>>,
    /// Pieces of programs that were asked for: digest and offset.
    pub pieces: Vec<(String, u64)>,
    /// Answers 503 to the piece with this number, once.
    pub cut: Option<usize>,
    /// Reports in the order in which they were first received.
    pub reports: Vec<Report>,
    /// Every report that arrived, again and again included.
    pub arrived: usize,
    /// The ledger that the last reports counted in.
    pub ledger: String,
    /// The highest number of each ledger.
    pub highest: BTreeMap<String, u64>,
}

impl Hub {
    /// Serves on a port of its own, and makes `world` know where.
    pub async fn start(world: &mut World) -> Arc<Self> {
        let hub = Arc::new(Self {
            said: Mutex::default(),
            news: Notify::new(),
            key: SigningKey::from_openssh(world.hub.to_openssh("").expose()).unwrap(),
            agent: VerifyingKey::try_from(&world.agent.sign).unwrap(),
            server: world.config.server.clone(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        world.config.hub = format!("http://{}/prefix", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/prefix/agent/v1/next", get(next))
            .route("/prefix/agent/v1/program", get(program))
            .route(
                "/prefix/agent/v1/reports",
                post(reports).layer(axum::extract::DefaultBodyLimit::disable()),
            );
        tokio::spawn(axum::serve(listener, routes.with_state(hub.clone())).into_future());
        hub
    }

    pub fn publish(&self, world: &World, generation: u64, files: super::Files) {
        let content = world.draft(generation, files.clone()).content;
        self.said.lock().unwrap().slice =
            Some((generation, content, world.bundle(generation, files)));
        self.news.notify_waiters();
    }

    pub fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().unwrap());
    }

    pub fn read<T>(&self, read: impl FnOnce(&Said) -> T) -> T {
        read(&self.said.lock().unwrap())
    }

    /// Waits until the newest report is as it should be.
    pub async fn until(&self, what: &str, good: impl Fn(&Report) -> bool) -> Report {
        self.until_all(what, |reports| reports.last().is_some_and(&good))
            .await;
        self.read(|said| said.reports.last().unwrap().clone())
    }

    /// Waits until the one instance of the server is so.
    pub async fn until_one(
        &self,
        what: &str,
        good: impl Fn(&InstanceReport) -> bool,
    ) -> InstanceReport {
        let first = |report: &Report| report.instances.values().next().cloned();
        let report = self
            .until(what, |report| first(report).is_some_and(|one| good(&one)))
            .await;
        first(&report).unwrap()
    }

    pub async fn until_all(&self, what: &str, good: impl Fn(&[Report]) -> bool) {
        for _ in 0..9000 {
            if self.read(|said| good(&said.reports)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "never {what}: {:#?}",
            self.read(|said| said.reports.last().cloned())
        );
    }

    fn nonce(
        &self,
        method: &Method,
        uri: &OriginalUri,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Nonce {
        let pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let request = Request {
            method: method.as_str(),
            path: uri.path(),
            query: uri.query(),
            body,
        };
        verify_request(&request, &pairs, |id| {
            (id == self.agent.fingerprint()).then_some(&self.agent)
        })
        .unwrap()
        .nonce
    }

    fn answer(&self, status: StatusCode, body: Vec<u8>, nonce: &Nonce) -> Response {
        let said = self.said.lock().unwrap();
        let slice = said
            .slice
            .as_ref()
            .map(|(generation, content, _)| (*generation, content.as_str()));
        let nonce = said.replay.as_ref().unwrap_or(nonce);
        let answer = Answer {
            status: status.as_u16(),
            body: &body,
            server: &self.server,
            slice,
            nonce,
        };
        let key = said.impostor.as_ref().unwrap_or(&self.key);
        let signed = sign_answer(&answer, 1, key).unwrap();
        let mut response = (status, body.clone()).into_response();
        for (name, value) in signed {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

async fn next(
    State(hub): State<Arc<Hub>>,
    method: Method,
    uri: OriginalUri,
    headers: HeaderMap,
) -> Response {
    let nonce = hub.nonce(&method, &uri, &headers, None);
    let query = uri.query().unwrap_or_default().to_owned();
    for _ in 0..2 {
        let news = hub.news.notified();
        if hub.read(|said| said.down) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let bundle = hub.read(|said| {
            let (generation, content, bundle) = said.slice.as_ref()?;
            let known = query.starts_with(&format!("generation={generation}&content={content}&"));
            (!known).then(|| bundle.clone())
        });
        if let Some(bundle) = bundle {
            return hub.answer(StatusCode::OK, bundle, &nonce);
        }
        let hold = hub.read(|said| said.hold);
        let _ = tokio::time::timeout(hold.unwrap_or(Duration::from_secs(1)), news).await;
    }
    hub.answer(StatusCode::NO_CONTENT, Vec::new(), &nonce)
}

async fn program(
    State(hub): State<Arc<Hub>>,
    method: Method,
    uri: OriginalUri,
    headers: HeaderMap,
) -> Response {
    let nonce = hub.nonce(&method, &uri, &headers, None);
    let query = uri.query().unwrap();
    let (sha256, offset) = query
        .strip_prefix("sha256=")
        .unwrap()
        .split_once("&offset=")
        .unwrap();
    let offset: usize = offset.parse().unwrap();
    let piece = {
        let mut said = hub.said.lock().unwrap();
        if said.cut == Some(said.pieces.len()) {
            said.cut = None;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        said.pieces.push((sha256.to_owned(), offset as u64));
        said.programs.get(sha256).map(|whole| {
            let end = whole
                .len()
                .min(offset + tenantry_schema::wire::PROGRAM_PIECE);
            whole[offset.min(end)..end].to_vec()
        })
    };
    match piece {
        Some(piece) => hub.answer(StatusCode::OK, piece, &nonce),
        None => hub.answer(StatusCode::NOT_FOUND, b"{}".to_vec(), &nonce),
    }
}

async fn reports(
    State(hub): State<Arc<Hub>>,
    method: Method,
    uri: OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let nonce = hub.nonce(&method, &uri, &headers, Some(&body));
    if hub.read(|said| said.down) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let refused = |status, error: &str, hint: &str, signed| {
        let text = serde_json::json!({ "error": error, "hint": hint }).to_string();
        if signed {
            hub.answer(status, text.into_bytes(), &nonce)
        } else {
            (status, text).into_response()
        }
    };
    if hub
        .read(|said| said.largest)
        .is_some_and(|largest| body.len() > largest)
    {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return refused(status, "too_large", "send fewer at a time", false);
    }
    let batch: ReportBatch = serde_json::from_slice(&body).unwrap();
    let (poison, signed) = hub.read(|said| (said.poison, !said.stranger));
    let mut events = batch.reports.iter().flat_map(|report| &report.events);
    if events.any(|event| Some(event.message.as_str()) == poison) {
        return refused(
            StatusCode::BAD_REQUEST,
            "malformed",
            "this makes no sense",
            signed,
        );
    }
    let mut accepted = 0;
    let lost = {
        let mut said = hub.said.lock().unwrap();
        let highest = said.highest.get(&batch.ledger).copied();
        let mut highest = highest.unwrap_or_default();
        said.bodies.push(body.len());
        for report in batch.reports {
            said.arrived += 1;
            accepted = report.sequence;
            if highest < report.sequence {
                highest = report.sequence;
                said.reports.push(report);
            }
        }
        said.highest.insert(batch.ledger.clone(), highest);
        said.ledger = batch.ledger;
        let lost = said.lose_receipts > 0;
        said.lose_receipts = said.lose_receipts.saturating_sub(1);
        lost
    };
    if lost {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    hub.answer(
        StatusCode::OK,
        serde_json::to_vec(&Receipt { accepted }).unwrap(),
        &nonce,
    )
}
