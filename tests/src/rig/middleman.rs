//! A man in the middle between agents and their hub: passes everything on, keeps what it saw, and answers falsely when told to.

use super::trouble;
use crate::lab::{LabError, with_causes};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tenantry_schema::id::ServerKey;
use tenantry_wire::SigningKey;
use tenantry_wire::http::{Answer, Nonce, sign_answer};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Longer than it takes an agent to notice that it was not a busy loop.
const DELAY: Duration = Duration::from_millis(250);
/// The header in which a request carries its nonce.
const NONCE: &str = "tenantry-nonce";

/// A false answer to the next question for a slice.
#[derive(Clone)]
pub enum Forgery {
    /// A bundle in an answer that is signed over the right nonce: what somebody can do who has stolen the key, or a hub that has gone wrong.
    Signed {
        /// The bundle.
        bundle: Vec<u8>,
        /// Generation and content that the answer names.
        slice: (u64, String),
        /// Who signs the answer.
        key: Arc<SigningKey>,
        /// The server that it names.
        server: ServerKey,
    },
    /// An answer of the hub as it was given to an earlier question.
    Replayed(Given),
}

/// An answer of the hub, byte by byte.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A running man in the middle.
pub struct Middleman {
    state: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    forgeries: Mutex<VecDeque<Forgery>>,
    forged: Notify,
    slices: Mutex<Vec<Given>>,
    reports: Mutex<Vec<Bytes>>,
}

impl Middleman {
    /// Listens at `port` of this machine and passes on to the hub at `upstream`.
    pub async fn start(port: u16, upstream: &str) -> Result<Self, LabError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_mins(2))
            .build()
            .map_err(|error| trouble("http client", error))?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(LabError::io("cannot listen"))?;
        let state = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client,
            forgeries: Mutex::default(),
            forged: Notify::new(),
            slices: Mutex::default(),
            reports: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(state.clone());
        let task = tokio::spawn(async move {
            // Ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { state, task })
    }

    /// Answers the next question for a slice, or the one that waits, with `forgery`.
    pub fn forge(&self, forgery: Forgery) {
        lock(&self.state.forgeries).push_back(forgery);
        self.state.forged.notify_waiters();
    }

    /// Forgeries that were not asked for yet.
    pub fn pending(&self) -> usize {
        lock(&self.state.forgeries).len()
    }

    /// Answers with slices that passed through, oldest first.
    pub fn slices(&self) -> Vec<Given> {
        lock(&self.state.slices).clone()
    }

    /// Bodies of reports that the hub has acknowledged, oldest first.
    pub fn reports(&self) -> Vec<Bytes> {
        lock(&self.state.reports).clone()
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let nonce = request
        .headers()
        .get(NONCE)
        .and_then(|value| Nonce::try_from(value.to_str().ok()?).ok());
    let Some(nonce) = nonce.filter(|_| request.uri().path().ends_with("/next")) else {
        return pass_on(&shared, request)
            .await
            .unwrap_or_else(|error| gateway(&error));
    };
    let passed = pass_on(&shared, request);
    tokio::pin!(passed);
    loop {
        let told = shared.forged.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        let forgery = lock(&shared.forgeries).pop_front();
        if let Some(forgery) = forgery {
            tokio::time::sleep(DELAY).await;
            return forgery
                .answer(&nonce)
                .unwrap_or_else(|error| gateway(&error));
        }
        tokio::select! {
            () = &mut told => {}
            given = &mut passed => return given.unwrap_or_else(|error| gateway(&error)),
        }
    }
}

impl Forgery {
    fn answer(self, nonce: &Nonce) -> Result<Response, LabError> {
        let (bundle, slice, key, server) = match self {
            Self::Replayed(given) => return Ok(given.into_response()),
            Self::Signed {
                bundle,
                slice,
                key,
                server,
            } => (bundle, slice, key, server),
        };
        let answer = Answer {
            status: 200,
            body: &bundle,
            server: &server,
            slice: Some((slice.0, &slice.1)),
            nonce,
        };
        let signed = sign_answer(&answer, jiff::Timestamp::now().as_second(), &key)
            .map_err(|error| trouble("answer", error))?;
        let mut response = Response::new(Body::from(bundle));
        for (name, value) in signed {
            let value = HeaderValue::try_from(value).map_err(|error| trouble("header", error))?;
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        Ok(response)
    }
}

impl Given {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

async fn pass_on(shared: &Shared, request: Request) -> Result<Response, LabError> {
    let failed = |error: reqwest::Error| trouble("upstream", with_causes(&error));
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20)
        .await
        .map_err(|error| trouble("body", error))?;
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let is_report = target.ends_with("/reports");
    let mut headers = parts.headers;
    headers.remove("host");
    let sent = shared
        .client
        .request(parts.method, format!("{}{target}", shared.upstream))
        .headers(headers)
        .body(body.clone())
        .send();
    let answer = sent.await.map_err(failed)?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    let given = Given {
        status,
        headers,
        body: answer.bytes().await.map_err(failed)?,
    };
    if status == StatusCode::OK {
        if is_report {
            lock(&shared.reports).push(body);
        } else {
            lock(&shared.slices).push(given.clone());
        }
    }
    Ok(given.into_response())
}

fn gateway(error: &LabError) -> Response {
    (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
}
