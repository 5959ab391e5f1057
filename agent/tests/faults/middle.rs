//! Stands between an agent and its container engine, and does to their talk what a test wants. It reads as much of HTTP/1.1 as the
//! two of them speak: requests with a length, one after the other, and streams of events in chunks.

use rand::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the engine seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it is.
    Open,
    /// It takes everything and answers nothing more.
    Hung,
    /// Whoever connects is hung up on.
    Shut,
}

/// What happens to one request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It is done, and nobody hears of it.
    LoseAnswer,
    /// It is not done; the engine says that it broke down.
    Refuse,
    /// It is not done; for a while nobody hears anything, and then the connection is gone.
    Vanish,
    /// The next container that is to be made cannot have its name.
    NameTaken,
    /// From here on the engine takes everything and answers nothing more.
    Hang,
}

/// Events that do not arrive.
#[derive(Debug)]
pub(crate) struct Loss {
    /// Services of which nothing is ever heard.
    pub(crate) silent: BTreeSet<String>,
    /// Of so many in a hundred others.
    pub(crate) percent: u32,
    pub(crate) random: StdRng,
}

/// What went by.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// Everything that was asked.
    pub(crate) requests: usize,
    /// How often somebody looked at everything.
    pub(crate) looks: usize,
    /// Requests that change something.
    pub(crate) changes: usize,
    /// When images were asked for.
    pub(crate) pulls: Vec<Instant>,
    /// Events that arrived, and that did not.
    pub(crate) events: [usize; 2],
    /// Whether the planned mishap happened.
    pub(crate) struck: bool,
}

/// The one in the middle.
pub(crate) struct Middle {
    path: PathBuf,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

struct Shared {
    engine: PathBuf,
    mood: watch::Sender<Mood>,
    plan: Mutex<Option<(usize, Mishap)>>,
    loss: Mutex<Option<Loss>>,
    seen: Mutex<Seen>,
}

impl Middle {
    pub(crate) fn before(engine: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let shared = Arc::new(Shared {
            engine: engine.to_owned(),
            mood: watch::Sender::new(Mood::Open),
            plan: Mutex::default(),
            loss: Mutex::default(),
            seen: Mutex::default(),
        });
        let theirs = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((agent, _)) = listener.accept().await {
                tokio::spawn(Talk::new(theirs.clone(), agent).go_on());
            }
        });
        Self {
            path,
            shared,
            task,
            _folder: folder,
        }
    }

    /// Where the agent finds it.
    pub(crate) fn socket(&self) -> &Path {
        &self.path
    }

    pub(crate) fn become_(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
    }

    /// Lets something happen to the change after so many others from now on.
    pub(crate) fn plan(&self, after: usize, mishap: Mishap) {
        let mut seen = self.shared.seen.lock().unwrap();
        seen.struck = false;
        *self.shared.plan.lock().unwrap() = Some((seen.changes + after, mishap));
    }

    pub(crate) fn lose(&self, loss: Loss) {
        *self.shared.loss.lock().unwrap() = Some(loss);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
        self.become_(Mood::Shut);
    }
}

/// One connection.
struct Talk {
    shared: Arc<Shared>,
    agent: UnixStream,
    mood: watch::Receiver<Mood>,
    requests: Vec<u8>,
    events: Option<Events>,
}

/// Whether the talk goes on.
type On = Option<()>;

impl Talk {
    fn new(shared: Arc<Shared>, agent: UnixStream) -> Self {
        Self {
            mood: shared.mood.subscribe(),
            shared,
            agent,
            requests: Vec::new(),
            events: None,
        }
    }

    async fn go_on(mut self) {
        let _ = self.mood.wait_for(|mood| *mood != Mood::Hung).await;
        if *self.mood.borrow() == Mood::Shut {
            return;
        }
        // An engine that is not there hangs up, too.
        let Ok(mut engine) = UnixStream::connect(&self.shared.engine).await else {
            return;
        };
        while self.turn(&mut engine).await.is_some() {}
    }

    async fn turn(&mut self, engine: &mut UnixStream) -> On {
        let (mut asked, mut told) = ([0; 4 << 10], [0; 4 << 10]);
        tokio::select! {
            read = self.agent.read(&mut asked) => {
                let read = read.ok().filter(|read| *read > 0)?;
                self.requests.extend_from_slice(&asked[..read]);
                self.calm().await?;
                while let Some(request) = whole_request(&mut self.requests) {
                    self.pass_on(&request, engine).await?;
                }
                Some(())
            }
            read = engine.read(&mut told) => {
                let read = read.ok().filter(|read| *read > 0)?;
                self.calm().await?;
                self.tell(&told[..read]).await
            }
            changed = self.mood.changed() => {
                changed.ok()?;
                self.calm().await
            }
        }
    }

    /// Waits while the engine seems to hang.
    async fn calm(&mut self) -> On {
        let mood = self.mood.wait_for(|mood| *mood != Mood::Hung).await.ok()?;
        (*mood == Mood::Open).then_some(())
    }

    async fn pass_on(&mut self, request: &[u8], engine: &mut UnixStream) -> On {
        let line = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next()?);
        self.events = line.contains("/events?").then(Events::default);
        let mishap = self.shared.note(&line);
        match mishap {
            None => engine.write_all(request).await.ok(),
            Some(Mishap::LoseAnswer) => {
                engine.write_all(request).await.ok()?;
                // It answers when it is done.
                let _ = engine.read(&mut [0; 1024]).await;
                None
            }
            Some(Mishap::Refuse | Mishap::NameTaken) => {
                let (status, text) = if mishap == Some(Mishap::Refuse) {
                    ("500 Broken", r#"{"message":"out of order"}"#)
                } else {
                    (
                        "409 Conflict",
                        r#"{"message":"Conflict. The container name is already in use"}"#,
                    )
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                self.agent.write_all(answer.as_bytes()).await.ok()
            }
            Some(Mishap::Vanish) => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                None
            }
            Some(Mishap::Hang) => {
                self.shared.mood.send_replace(Mood::Hung);
                self.calm().await?;
                None
            }
        }
    }

    async fn tell(&mut self, bytes: &[u8]) -> On {
        let Some(events) = &mut self.events else {
            return self.agent.write_all(bytes).await.ok();
        };
        let kept = events.hear(bytes, |event| self.shared.arrives(event));
        self.agent.write_all(&kept).await.ok()
    }
}

impl Shared {
    /// What is to happen to a request.
    fn note(&self, line: &str) -> Option<Mishap> {
        let mut seen = self.seen.lock().unwrap();
        seen.requests += 1;
        if line.starts_with("GET ") || line.starts_with("HEAD ") {
            seen.looks += usize::from(line.contains("/containers/json"));
            return None;
        }
        if line.contains("/images/create?") {
            seen.pulls.push(Instant::now());
        }
        let number = seen.changes;
        seen.changes += 1;
        let mut plan = self.plan.lock().unwrap();
        let (_, mishap) = plan.take_if(|(at, mishap)| match mishap {
            Mishap::NameTaken => line.contains("/containers/create?"),
            _ => *at == number,
        })?;
        seen.struck = true;
        Some(mishap)
    }

    fn arrives(&self, event: &str) -> bool {
        let mut loss = self.loss.lock().unwrap();
        let arrives = loss.as_mut().is_none_or(|loss| {
            let of = |service: &String| {
                event.contains(&format!("\"com.docker.compose.service\":\"{service}\""))
            };
            !loss.silent.iter().any(of) && loss.random.random_range(0..100) >= loss.percent
        });
        self.seen.lock().unwrap().events[usize::from(!arrives)] += 1;
        arrives
    }
}

/// Takes the first request out, once it is all there.
fn whole_request(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head = position(bytes, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    assert!(
        !text.contains("transfer-encoding"),
        "not understood: {text}"
    );
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().unwrap());
    let whole = head + length;
    (bytes.len() >= whole).then(|| bytes.drain(..whole).collect())
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// An answer that is a stream of events: a head, and chunks that hold lines.
#[derive(Debug, Default)]
struct Events {
    waiting: Vec<u8>,
    begun: bool,
}

impl Events {
    /// What is left of these bytes when those events are taken out that do not arrive.
    fn hear(&mut self, bytes: &[u8], arrives: impl Fn(&str) -> bool) -> Vec<u8> {
        self.waiting.extend_from_slice(bytes);
        let mut kept = Vec::new();
        if !self.begun {
            let Some(head) = position(&self.waiting, b"\r\n\r\n") else {
                return kept;
            };
            kept.extend(self.waiting.drain(..head + 4));
            self.begun = true;
        }
        while let Some(chunk) = self.chunk() {
            let text = String::from_utf8_lossy(&chunk);
            let lines: String = text
                .split_inclusive('\n')
                .filter(|it| arrives(it))
                .collect();
            // An empty chunk would end the stream, which is the engine's business.
            if chunk.is_empty() || !lines.is_empty() {
                kept.extend(format!("{:x}\r\n{lines}\r\n", lines.len()).into_bytes());
            }
        }
        kept
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = position(&self.waiting, b"\r\n")?;
        let size = String::from_utf8_lossy(&self.waiting[..line]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let end = line + 2 + size + 2;
        let whole: Vec<u8> =
            (self.waiting.len() >= end).then(|| self.waiting.drain(..end).collect())?;
        Some(whole[line + 2..end - 2].to_vec())
    }
}

#[test]
fn requests_and_chunks_are_taken_apart_wherever_they_are_cut() {
    let requests = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/1.1\r\n\r\n";
    let stream = b"HTTP/1.1 200 OK\r\n\r\n4\r\none\n\r\n8\r\ntwo\nsix\n\r\n0\r\n\r\n";
    for cut in 0..requests.len() {
        let mut bytes = requests[..cut].to_vec();
        let mut found = Vec::new();
        found.extend(std::iter::from_fn(|| whole_request(&mut bytes)));
        bytes.extend_from_slice(&requests[cut..]);
        found.extend(std::iter::from_fn(|| whole_request(&mut bytes)));
        assert_eq!(found.len(), 2, "{cut}");
        assert!(found[0].ends_with(b"xyz") && found[1].starts_with(b"GET"));
    }
    for cut in 0..stream.len() {
        let mut events = Events::default();
        let mut kept = Vec::new();
        for part in [&stream[..cut], &stream[cut..]] {
            kept.extend(events.hear(part, |event| !event.contains("two")));
        }
        let expected = b"HTTP/1.1 200 OK\r\n\r\n4\r\none\n\r\n4\r\nsix\n\r\n0\r\n\r\n";
        assert_eq!(
            String::from_utf8_lossy(&kept),
            String::from_utf8_lossy(expected)
        );
    }
}
