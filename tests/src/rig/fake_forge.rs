//! A fake forge: the commit status API of GitHub, GitLab, Gitea and Forgejo over real HTTP on the loopback interface, by their published contracts
//! (GitHub REST "Commit statuses"; GitLab REST v4 "Commits"; Gitea's Swagger file). Strict: what a contract does not allow is refused. With moods.

use crate::lab::LabError;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tenantry_schema::document::ForgeKind;

/// What a fake forge is like at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// It does what its contract says.
    Well,
    /// It answers with this status and nothing of use.
    Down(u16),
    /// It asks to be left alone for so many seconds.
    Busy(u64),
    /// It sends elsewhere.
    Elsewhere(String),
    /// It takes its time.
    Slow(Duration),
    /// It answers with this text.
    Says(String),
    /// It refuses everybody, and repeats what it was sent.
    Echo,
}

/// A status that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The commit.
    pub commit: String,
    /// The forge's word.
    pub state: String,
    /// The line.
    pub description: String,
    /// Where there is more.
    pub target_url: String,
    /// Its name.
    pub context: String,
}

/// See the module. Ends when dropped.
pub struct FakeForge {
    url: String,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

struct Inner {
    kind: ForgeKind,
    repository: String,
    token: String,
    mood: Mutex<Mood>,
    /// In the order in which they came.
    stored: Mutex<Vec<Stored>>,
    /// Method and path of every request.
    requests: Mutex<Vec<String>>,
    /// Commits that it does not know.
    unknown: Mutex<Vec<String>>,
}

impl FakeForge {
    /// Listens on a free port.
    pub async fn start(kind: ForgeKind, repository: &str, token: &str) -> Result<Self, LabError> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(LabError::io("cannot listen"))?;
        let address = listener
            .local_addr()
            .map_err(LabError::io("cannot listen"))?;
        let inner = Arc::new(Inner {
            kind,
            repository: repository.to_owned(),
            token: token.to_owned(),
            mood: Mutex::new(Mood::Well),
            stored: Mutex::default(),
            requests: Mutex::default(),
            unknown: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url: format!("http://{address}"),
            inner,
            task,
        })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes what it is like.
    pub fn feels(&self, mood: Mood) {
        *lock(&self.inner.mood) = mood;
    }

    /// From now on it does not know this commit.
    pub fn forgets(&self, commit: &str) {
        lock(&self.inner.unknown).push(commit.to_owned());
    }

    /// Everything that was posted, in order.
    pub fn posted(&self) -> Vec<Stored> {
        lock(&self.inner.stored).clone()
    }

    /// The newest status of every commit.
    pub fn stands(&self) -> BTreeMap<String, Stored> {
        let posted = self.posted().into_iter();
        posted
            .map(|status| (status.commit.clone(), status))
            .collect()
    }

    /// Method and path of every request so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.inner.requests).clone()
    }
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.to_string();
    lock(&inner.requests).push(format!("{} {path}", parts.method));
    let mood = lock(&inner.mood).clone();
    match mood {
        Mood::Well => {}
        Mood::Down(code) => {
            let code = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            return (code, "<html>no JSON at all</html>").into_response();
        }
        Mood::Busy(seconds) => {
            let headers = [(RETRY_AFTER, seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, headers).into_response();
        }
        Mood::Elsewhere(url) => {
            return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, url)]).into_response();
        }
        Mood::Slow(pause) => tokio::time::sleep(pause).await,
        Mood::Says(text) => return text.into_response(),
        Mood::Echo => {
            let sent = format!("I got {:?}", parts.headers);
            return (StatusCode::FORBIDDEN, Json(json!({ "message": sent }))).into_response();
        }
    }
    let Ok(body) = to_bytes(body, 1 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = Asked {
        inner: &inner,
        method: parts.method,
        path: path.split('?').next().unwrap_or_default(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    match asked.answer() {
        Ok((code, body)) => (code, Json(body)).into_response(),
        Err((code, message)) => {
            let body = match inner.kind {
                ForgeKind::Gitlab if code == StatusCode::BAD_REQUEST => {
                    json!({ "message": { "base": [message] } })
                }
                _ => json!({ "message": message }),
            };
            (code, Json(body)).into_response()
        }
    }
}

struct Asked<'a> {
    inner: &'a Inner,
    method: Method,
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    body: Value,
}

type Answer = Result<(StatusCode, Value), (StatusCode, String)>;

fn refuse(code: StatusCode, message: impl Into<String>) -> Answer {
    Err((code, message.into()))
}

impl Asked<'_> {
    fn answer(&self) -> Answer {
        if self.header(USER_AGENT.as_str()).is_empty() {
            return refuse(
                StatusCode::FORBIDDEN,
                "Request forbidden by administrative rules.",
            );
        }
        if !self.is_let_in() {
            let message = match self.inner.kind {
                ForgeKind::Github => "Bad credentials",
                ForgeKind::Gitlab => "401 Unauthorized",
                ForgeKind::Gitea => "invalid username, password or token",
            };
            return refuse(StatusCode::UNAUTHORIZED, message);
        }
        let Some((read, commit)) = self.parse() else {
            return refuse(StatusCode::NOT_FOUND, "404 Not Found");
        };
        let whole = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        if !whole || lock(&self.inner.unknown).contains(&commit) {
            return match self.inner.kind {
                ForgeKind::Github => refuse(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!("No commit found for SHA: {commit}"),
                ),
                _ => refuse(StatusCode::NOT_FOUND, "404 Commit Not Found"),
            };
        }
        match (read, &self.method) {
            (true, &Method::GET) => Ok((StatusCode::OK, self.read(&commit))),
            (false, &Method::POST) => self.write(&commit),
            _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed"),
        }
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    fn is_let_in(&self) -> bool {
        let token = &self.inner.token;
        match self.inner.kind {
            ForgeKind::Github => self.header("authorization") == format!("Bearer {token}"),
            ForgeKind::Gitlab => self.header("private-token") == token,
            ForgeKind::Gitea => self.header("authorization") == format!("token {token}"),
        }
    }

    /// Whether statuses are to be read or one is to be written, and of which commit.
    fn parse(&self) -> Option<(bool, String)> {
        let repository = &self.inner.repository;
        let (base, read, read_end, write) = match self.inner.kind {
            ForgeKind::Github => ("/api/v3/repos/", "/commits/", "/status", "/statuses/"),
            ForgeKind::Gitea => ("/api/v1/repos/", "/commits/", "/status", "/statuses/"),
            ForgeKind::Gitlab => (
                "/api/v4/projects/",
                "/repository/commits/",
                "/statuses",
                "/statuses/",
            ),
        };
        let repository = match self.inner.kind {
            ForgeKind::Gitlab => repository.replace('/', "%2F"),
            _ => repository.clone(),
        };
        let rest = self.path.strip_prefix(base)?.strip_prefix(&repository)?;
        if let Some(commit) = rest
            .strip_prefix(read)
            .and_then(|rest| rest.strip_suffix(read_end))
        {
            return Some((true, commit.to_owned()));
        }
        rest.strip_prefix(write)
            .map(|commit| (false, commit.to_owned()))
    }

    fn read(&self, commit: &str) -> Value {
        let stored = lock(&self.inner.stored);
        let mut newest: BTreeMap<&str, &Stored> = BTreeMap::new();
        for status in stored.iter().filter(|status| status.commit == commit) {
            newest.insert(&status.context, status);
        }
        let wanted = |status: &&&Stored| {
            self.inner.kind != ForgeKind::Gitlab
                || !self.query.contains("name=")
                || self.query.contains(&format!("name={}", status.context))
        };
        let mut statuses: Vec<Value> = newest
            .values()
            .filter(wanted)
            .map(|status| self.shown(status))
            .collect();
        // Somebody else has something to say as well.
        let other = Stored {
            commit: commit.to_owned(),
            state: "success".into(),
            description: "tests passed".into(),
            target_url: "https://ci.example.com".into(),
            context: "ci".into(),
        };
        match self.inner.kind {
            ForgeKind::Gitlab => Value::Array(statuses),
            ForgeKind::Gitea if statuses.is_empty() => {
                json!({ "state": "", "sha": commit, "total_count": 0, "statuses": null })
            }
            _ => {
                statuses.insert(0, self.shown(&other));
                json!({ "state": "success", "sha": commit, "total_count": statuses.len(), "statuses": statuses })
            }
        }
    }

    fn shown(&self, status: &Stored) -> Value {
        let mut shown = json!({
            "id": 1,
            "description": status.description,
            "target_url": status.target_url,
            "created_at": "2026-11-20T10:00:00Z",
        });
        let (name, state) = match self.inner.kind {
            ForgeKind::Github => ("context", "state"),
            ForgeKind::Gitea => ("context", "status"),
            ForgeKind::Gitlab => ("name", "status"),
        };
        shown[name] = json!(status.context);
        shown[state] = json!(status.state);
        shown
    }

    fn write(&self, commit: &str) -> Answer {
        let kind = self.inner.kind;
        let name = if kind == ForgeKind::Gitlab {
            "name"
        } else {
            "context"
        };
        let text = |key: &str| self.body[key].as_str().unwrap_or_default().to_owned();
        let status = Stored {
            commit: commit.to_owned(),
            state: text("state"),
            description: text("description"),
            target_url: text("target_url"),
            context: text(name),
        };
        let words: &[&str] = match kind {
            ForgeKind::Github => &["error", "failure", "pending", "success"],
            ForgeKind::Gitea => &["pending", "success", "error", "failure", "warning"],
            ForgeKind::Gitlab => &[
                "pending", "running", "success", "failed", "canceled", "skipped",
            ],
        };
        if !words.contains(&status.state.as_str()) {
            let code = if kind == ForgeKind::Gitlab {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            };
            return refuse(code, "state does not have a valid value");
        }
        if kind == ForgeKind::Github && status.description.chars().count() > 140 {
            return refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "description is too long (maximum is 140 characters)",
            );
        }
        let mut stored = lock(&self.inner.stored);
        let before = stored
            .iter()
            .rev()
            .find(|before| before.commit == commit && before.context == status.context);
        if kind == ForgeKind::Gitlab && before.is_some_and(|before| before.state == status.state) {
            let event = if status.state == "success" {
                "succeed"
            } else {
                "drop"
            };
            return refuse(
                StatusCode::BAD_REQUEST,
                format!(
                    "Cannot transition status via :{event} from :{} (Reason(s): Status cannot transition via \"{event}\")",
                    status.state
                ),
            );
        }
        stored.push(status.clone());
        Ok((StatusCode::CREATED, self.shown(&status)))
    }
}
