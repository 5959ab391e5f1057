//! Talking to the hub: every request signed, every answer checked before anything in it is believed. When to talk is decided in
//! [`poll`] and [`deliver`]; what to do with a slice is decided elsewhere.

pub mod backoff;
pub mod deliver;
pub mod poll;
mod refusal;
pub mod troubles;
pub mod unsaved;

pub use refusal::HubRefusal;

use crate::keys::Keys;
use reqwest::{Client, Method, StatusCode, Url, redirect::Policy};
use std::sync::Arc;
use std::time::Duration;
use tenantry_schema::document::Sha256;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{
    Answer, PROGRAM_PIECE, Questions, Receipt, RefusalKind, ReportBatch, SliceRef,
};
use tenantry_wire::VerifyingKey;
use tenantry_wire::bundle::Limits;
use tenantry_wire::http::{ExpectAnswer, HttpError, Nonce, Request, sign_request, verify_answer};

/// Seconds that the hub may hold a request while there is nothing new.
pub const WAIT: u64 = 50;
/// What an answer may take beyond that.
const PATIENCE: Duration = Duration::from_secs(30);
/// A receipt is a number.
const LARGEST_RECEIPT: usize = 64 << 10;

/// Why the hub was not heard.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection, or no answer in time.
    #[error("the hub cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It does not serve the request: it does not know this server's key, is starting, or something stands in between.
    #[error("{0}")]
    Refused(HubRefusal),
    /// An answer that cannot be believed.
    #[error("the hub's answer is not believed: {0}")]
    Untrusted(#[from] HttpError),
    /// More bytes than we read.
    #[error("the hub's answer is too large")]
    TooLarge,
    /// A believed answer that makes no sense.
    #[error("the hub's answer makes no sense")]
    Malformed,
    /// The reports that wait cannot be read or removed.
    #[error("{0}: {1}")]
    Outbox(&'static str, String),
}

impl LinkError {
    /// The kind that is reported, where it is about an answer that was refused.
    pub fn refusal(&self) -> Option<RefusalKind> {
        match self {
            Self::Untrusted(error) => Some(match error {
                HttpError::WrongNonce => RefusalKind::NotFresh,
                HttpError::WrongServer => RefusalKind::WrongServer,
                HttpError::UnknownKey => RefusalKind::WrongSigner,
                HttpError::BadSignature | HttpError::BadDigest => RefusalKind::BadSignature,
                HttpError::Missing(_) | HttpError::Repeated(_) | HttpError::Malformed(_) => {
                    RefusalKind::Malformed
                }
            }),
            Self::TooLarge => Some(RefusalKind::TooLarge),
            Self::Unreachable(_) | Self::Refused(_) | Self::Malformed | Self::Outbox(..) => None,
        }
    }

    /// Tells one kind of trouble from another, in a word or two.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Unreachable(_) => "unreachable".to_owned(),
            Self::Refused(refusal) => format!(
                "{} {}",
                refusal.status.as_u16(),
                refusal.kind.as_deref().unwrap_or_default()
            ),
            Self::Untrusted(error) => format!("untrusted: {error}"),
            Self::TooLarge => "too large".to_owned(),
            Self::Malformed => "malformed".to_owned(),
            Self::Outbox(what, _) => (*what).to_owned(),
        }
    }

    /// Addresses with their questions would only hide what is wrong.
    fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url())
    }
}

/// What the hub has for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing that we do not have.
    Unchanged,
    /// A slice, not yet looked into.
    Bundle(Vec<u8>),
    /// An operator asks something.
    Questions(Questions),
}

/// A hub that is trusted by its key, not by its address.
#[derive(Debug, Clone)]
pub struct Link {
    client: Client,
    base: Url,
    server: ServerKey,
    trusted: Arc<[VerifyingKey]>,
    keys: Arc<Keys>,
}

impl Link {
    /// The hub at `base` (`https://…`).
    pub fn new(
        base: &str,
        server: ServerKey,
        trusted: Vec<VerifyingKey>,
        keys: Arc<Keys>,
    ) -> Result<Self, LinkError> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(Policy::none())
            // The environment is not read here.
            .no_proxy()
            .user_agent(concat!("tenantry-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(LinkError::unreachable)?;
        let base = Url::parse(base).map_err(|_| LinkError::Malformed)?;
        Ok(Self {
            client,
            base,
            server,
            trusted: trusted.into(),
            keys,
        })
    }

    /// Asks for a slice other than `have`; the answer may take `wait` seconds.
    pub async fn next(&self, have: Option<&SliceRef>, wait: u64) -> Result<Next, LinkError> {
        let mut url = self.url("agent/v1/next")?;
        let (generation, content) =
            have.map_or((0, "none"), |have| (have.generation, have.content.as_str()));
        // Whoever does not wait does not stay to answer.
        let questions = wait > 0;
        url.set_query(Some(&format!(
            "generation={generation}&content={content}&wait={wait}&questions={questions}"
        )));
        let limit = Limits::default().compressed;
        match self
            .ask(Method::GET, url, None, Duration::from_secs(wait), limit)
            .await?
        {
            (StatusCode::NO_CONTENT, _) => Ok(Next::Unchanged),
            // No bundle begins so.
            (_, bytes) if bytes.first() == Some(&b'{') => serde_json::from_slice(&bytes)
                .map(Next::Questions)
                .map_err(|_| LinkError::Malformed),
            (_, bytes) => Ok(Next::Bundle(bytes)),
        }
    }

    /// A piece of the agent's program with this digest, from `offset` bytes on. A short piece is the last.
    pub async fn program(&self, sha256: &Sha256, offset: u64) -> Result<Vec<u8>, LinkError> {
        let mut url = self.url("agent/v1/program")?;
        url.set_query(Some(&format!("sha256={sha256}&offset={offset}")));
        let piece = self
            .ask(Method::GET, url, None, Duration::ZERO, PROGRAM_PIECE)
            .await?;
        Ok(piece.1)
    }

    /// Sends the answer to a question.
    pub async fn answer(&self, answer: &Answer) -> Result<(), LinkError> {
        let body = serde_json::to_vec(answer).map_err(|_| LinkError::Malformed)?;
        let url = self.url("agent/v1/answers")?;
        self.ask(
            Method::POST,
            url,
            Some(body),
            Duration::ZERO,
            LARGEST_RECEIPT,
        )
        .await
        .map(drop)
    }

    /// Delivers reports.
    pub async fn deliver(&self, batch: &ReportBatch) -> Result<Receipt, LinkError> {
        let body = serde_json::to_vec(batch).map_err(|_| LinkError::Malformed)?;
        let url = self.url("agent/v1/reports")?;
        let (_, bytes) = self
            .ask(
                Method::POST,
                url,
                Some(body),
                Duration::ZERO,
                LARGEST_RECEIPT,
            )
            .await?;
        serde_json::from_slice(&bytes).map_err(|_| LinkError::Malformed)
    }

    fn url(&self, path: &str) -> Result<Url, LinkError> {
        let mut base = self.base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        base.join(path).map_err(|_| LinkError::Malformed)
    }

    /// One signed request and its believed answer.
    async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        wait: Duration,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), LinkError> {
        let nonce = Nonce::generate(&mut rand::rng());
        let signed = Request {
            method: method.as_str(),
            path: url.path(),
            query: url.query(),
            body: body.as_deref(),
        };
        let headers = sign_request(
            &signed,
            &nonce,
            jiff::Timestamp::now().as_second(),
            &self.keys.sign,
        )?;
        let mut request = self
            .client
            .request(method, url.clone())
            .timeout(wait + PATIENCE);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let answer = request.send().await.map_err(LinkError::unreachable)?;
        self.believe(answer, &nonce, limit).await
    }

    /// Status and body of an answer, if the hub gave it to the request with this nonce.
    async fn believe(
        &self,
        answer: reqwest::Response,
        nonce: &Nonce,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), LinkError> {
        let status = answer.status();
        let headers = answer.headers().clone();
        let served = matches!(status, StatusCode::OK | StatusCode::NO_CONTENT);
        let body = if served {
            read(answer, limit).await?
        } else {
            // What a refusal says is good to know, and nothing depends on it.
            read(answer, refusal::LARGEST).await.unwrap_or_default()
        };
        let pairs: Vec<_> = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let expect = ExpectAnswer {
            server: &self.server,
            nonce,
            trusted: &self.trusted,
        };
        let verified = verify_answer(status.as_u16(), &pairs, &body, &expect);
        if served {
            verified?;
            Ok((status, body))
        } else {
            let refusal = HubRefusal::read(status, &body, verified.is_ok());
            Err(LinkError::Refused(refusal))
        }
    }
}

async fn read(mut answer: reqwest::Response, limit: usize) -> Result<Vec<u8>, LinkError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(LinkError::unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(LinkError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
