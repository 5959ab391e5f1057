//! Asks a forge: reads the status of a commit and posts one. The token goes to the forge's own address and nowhere else.

use super::{CommitStatus, Forge, Posted, Settings, vendor};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, redirect};
use serde_json::Value;
use std::time::Duration;
use tenantry_schema::Secret;

/// Time for one question.
const SLOWEST: Duration = Duration::from_secs(20);
/// Largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// Longest pause that a forge may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// Characters of a forge's complaint that are repeated.
const COMPLAINT: usize = 200;

/// Why a forge was not told, or did not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// It does not answer, or not in time, or with an error of its own. Worth another try.
    #[error("the forge at {0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// It asks to be left alone for a while.
    #[error("the forge at {0} asks to come back in {1:?}")]
    Busy(String, Duration),
    /// It does not know the commit, or keeps this one's status from us.
    #[error("the forge does not take a status of commit {commit}: {why}")]
    Commit {
        /// The commit.
        commit: String,
        /// Its words.
        why: String,
    },
    /// It refuses the token, or what it may do.
    #[error(
        "the forge refuses the token (`forge.token` in fleet/hub.yaml): {0}. It takes one that may write commit statuses of that repository"
    )]
    Token(String),
    /// It sends elsewhere. The token is not taken there.
    #[error(
        "the forge sends to {0}, where the token is not sent: put the right address or name into `forge:` of fleet/hub.yaml"
    )]
    Redirected(String),
    /// What it says is not what such a forge says.
    #[error(
        "the answer of {0} is not that of such a forge ({1}): look at `forge.url` and `forge.kind` in fleet/hub.yaml"
    )]
    Strange(String, String),
    /// The token cannot be sent.
    #[error("the token of the forge holds characters that cannot be sent")]
    BadToken,
}

impl ForgeError {
    /// Whether it is about one commit, and others may fare better.
    pub fn is_about_a_commit(&self) -> bool {
        matches!(self, Self::Commit { .. })
    }
}

/// Whether an address is on this machine: a proxy elsewhere would look for it on its own.
pub(crate) fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    address.is_ok_and(|address| address.is_loopback())
        || host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
}

/// Speaks with one forge.
pub struct Client {
    http: reqwest::Client,
    forge: &'static dyn Forge,
    api: String,
    repository: String,
    /// For keeping it out of what is said.
    token: Secret,
}

impl Client {
    /// For the forge of `settings`. Connects to nothing yet.
    pub fn new(settings: &Settings, token: Secret) -> Result<Self, ForgeError> {
        let forge = vendor(settings.kind);
        let (name, before) = forge.token_header();
        let carried = Secret::new(format!("{before}{}", token.expose().trim()));
        let mut value =
            HeaderValue::from_str(carried.expose()).map_err(|_| ForgeError::BadToken)?;
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), value);
        for (name, value) in forge.headers() {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // A redirect could lead anywhere, and take the token along.
            .redirect(redirect::Policy::none())
            .timeout(SLOWEST)
            .connect_timeout(SLOWEST / 2);
        let here = reqwest::Url::parse(settings.url.as_str());
        if here.is_ok_and(|url| is_loopback(&url)) {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|error| ForgeError::Unreachable(settings.url.to_string(), words(&error)))?;
        Ok(Self {
            http,
            forge,
            api: forge.api(settings.url.as_str()),
            repository: settings.repository.to_string(),
            token,
        })
    }

    /// Whether `posted` says what `status` does.
    pub fn says(&self, posted: &Posted, status: &CommitStatus) -> bool {
        posted.state == self.forge.word(status.state) && posted.description == status.description
    }

    /// The status that stands at `commit` in our name.
    pub async fn current(&self, commit: &str) -> Result<Option<Posted>, ForgeError> {
        let path = self.forge.read(&self.repository, commit);
        let (code, body) = self.ask(Method::GET, &path, None).await?;
        if !code.is_success() {
            return Err(self.refusal(commit, code, &body));
        }
        let answer: Value =
            serde_json::from_slice(&body).map_err(|_| self.strange("it is not JSON"))?;
        self.forge.find(&answer).map_err(|why| self.strange(why))
    }

    /// Puts a status to `commit`.
    pub async fn post(&self, commit: &str, status: &CommitStatus) -> Result<(), ForgeError> {
        let path = self.forge.write(&self.repository, commit);
        let body = self.forge.body(status);
        let (code, body) = self.ask(Method::POST, &path, Some(&body)).await?;
        if code.is_success() {
            // A page that says "200 OK, sign in" has taken no status.
            return match serde_json::from_slice::<Value>(&body) {
                Ok(Value::Object(_)) => Ok(()),
                _ => Err(self.strange("it is not a status")),
            };
        }
        if self
            .forge
            .is_so_already(code.as_u16(), &self.complaint(&body))
        {
            return Ok(());
        }
        Err(self.refusal(commit, code, &body))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), ForgeError> {
        let unreachable =
            |error: &reqwest::Error| ForgeError::Unreachable(self.api.clone(), words(error));
        let mut request = self.http.request(method, format!("{}{path}", self.api));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let code = answer.status();
        if code.is_redirection() {
            return Err(ForgeError::Redirected(self.host_of(&answer)));
        }
        if let Some(pause) = pause(&answer) {
            return Err(ForgeError::Busy(self.api.clone(), pause));
        }
        let body = bounded(answer)
            .await
            .map_err(|error| unreachable(&error))?
            .ok_or_else(|| self.strange("it is larger than 1 MiB"))?;
        if code.is_server_error() {
            let why = format!("{code} {}", self.complaint(&body));
            return Err(ForgeError::Unreachable(
                self.api.clone(),
                why.trim().to_owned(),
            ));
        }
        Ok((code, body))
    }

    /// Where a redirect leads, without path and query, which could hold anything.
    fn host_of(&self, answer: &Response) -> String {
        let location = answer.headers().get(LOCATION);
        let location = location
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match answer.url().join(location) {
            // Without the name and password that an address may hold.
            Ok(url) => url.origin().ascii_serialization(),
            Err(_) => "nowhere".to_owned(),
        }
    }

    fn refusal(&self, commit: &str, code: StatusCode, body: &[u8]) -> ForgeError {
        let why = format!("{code} {}", self.complaint(body)).trim().to_owned();
        match code.as_u16() {
            401 | 403 => ForgeError::Token(why),
            // A token that may not see a repository gets the same answer as for one that is not there.
            400 | 404 | 409 | 410 | 422 => ForgeError::Commit {
                commit: commit.to_owned(),
                why,
            },
            _ => self.strange(&why),
        }
    }

    fn strange(&self, why: &str) -> ForgeError {
        ForgeError::Strange(self.api.clone(), why.to_owned())
    }

    /// `message` of the answer, cut, without control characters and without the token, whoever put it there.
    fn complaint(&self, body: &[u8]) -> String {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = answer.get("message").or_else(|| answer.get("error"));
        let text = match message {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let token = self.token.expose().trim();
        let text = if token.is_empty() {
            text
        } else {
            text.replace(token, "***")
        };
        text.chars()
            .filter(|c| !c.is_control())
            .take(COMPLAINT)
            .collect()
    }
}

/// How long a forge asks to be left alone: `Retry-After`, or GitHub's `X-RateLimit-Reset` where nothing is left.
fn pause(answer: &Response) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> {
        answer
            .headers()
            .get(name)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let code = answer.status();
    let limited = code == StatusCode::TOO_MANY_REQUESTS
        || (code == StatusCode::FORBIDDEN && number("x-ratelimit-remaining") == Some(0));
    let after = number(RETRY_AFTER.as_str());
    let asked = match (limited, after) {
        (_, Some(seconds))
            if limited
                || code == StatusCode::FORBIDDEN
                || code == StatusCode::SERVICE_UNAVAILABLE =>
        {
            Duration::from_secs(seconds)
        }
        (true, _) => Duration::from_mins(1),
        _ => return None,
    };
    Some(asked.clamp(Duration::from_secs(1), LONGEST_PAUSE))
}

/// The body, unless it is larger than [`LARGEST`].
async fn bounded(mut answer: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LARGEST {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// What went wrong, with its causes, without the address, which is said beside it.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut text = if error.is_timeout() {
        "it does not answer in time".to_owned()
    } else {
        String::new()
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    if text.is_empty() {
        text = cause.to_string();
    }
    text
}
