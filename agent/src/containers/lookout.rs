//! Looks at the engine beside everything else, so that an engine that takes requests and never answers holds nobody up.
//!
//! An observation that takes longer than somebody is willing to wait goes on by itself; whoever asks meanwhile is told at once that
//! the engine does not answer. When it comes to an end after all, [`Lookout::arrived`] says so, and the next to ask gets it.

use super::engine::Engine;
use super::error::{EngineError, ErrorKind};
use super::observe::{Observer, WHAT};
use super::state::EngineState;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

type Answer = Result<EngineState, EngineError>;

/// An observation that took so long before it failed was not answered. Others fail at once.
const HANGING: Duration = Duration::from_millis(500);

/// An [`Observer`] that nobody waits for longer than they want to.
#[derive(Debug)]
pub struct Lookout {
    engine: Engine,
    /// Absent while it is out.
    observer: Option<Observer>,
    out: Option<JoinHandle<(Observer, Answer)>>,
    begun: Instant,
    /// What came back when nobody waited.
    late: Option<Answer>,
    /// What must be forgotten as soon as the observer is back.
    forgotten: Vec<Option<String>>,
    /// Whether what is being seen now is not true any more.
    outdated: bool,
    hangs: bool,
}

impl Lookout {
    /// Has seen nothing yet.
    pub fn new(engine: Engine) -> Self {
        Self {
            observer: Some(Observer::new(engine.clone())),
            engine,
            out: None,
            begun: Instant::now(),
            late: None,
            forgotten: Vec::new(),
            outdated: false,
            hangs: false,
        }
    }

    /// As [`Observer::forget`].
    pub fn forget(&mut self, container_id: &str) {
        self.forget_some(Some(container_id.to_owned()));
    }

    /// As [`Observer::forget_all`].
    pub fn forget_all(&mut self) {
        self.forget_some(None);
    }

    fn forget_some(&mut self, which: Option<String>) {
        self.forgotten.push(which);
        self.pass_on();
    }

    /// Tells the observer what it must forget, if it is here.
    fn pass_on(&mut self) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        for which in self.forgotten.drain(..) {
            match which {
                Some(id) => observer.forget(&id),
                None => observer.forget_all(),
            }
        }
    }

    /// We did something on the engine: what was seen before says nothing.
    pub fn outdate(&mut self) {
        self.late = None;
        self.outdated = self.out.is_some();
    }

    /// Whether the engine did not answer when it was last asked, and is still being waited for or was waited for in vain.
    pub fn hangs(&self) -> bool {
        self.hangs
    }

    /// Begins to look, unless it is looking or has something to tell.
    pub fn begin(&mut self) {
        if self.out.is_some() || self.late.is_some() {
            return;
        }
        let engine = &self.engine;
        let mut observer = self
            .observer
            .take()
            .unwrap_or_else(|| Observer::new(engine.clone()));
        self.begun = Instant::now();
        self.outdated = false;
        self.out = Some(tokio::spawn(async move {
            let answer = observer.observe().await;
            (observer, answer)
        }));
    }

    /// Completes when there is something to tell; never, while nobody is out. Can be cut off anywhere.
    pub async fn arrived(&mut self) {
        while self.late.is_none() {
            let Some(out) = &mut self.out else {
                return std::future::pending().await;
            };
            let joined = out.await.ok();
            self.out = None;
            // A panic took the observer with it; the next one knows nothing.
            let (observer, answer) = joined.unzip();
            self.observer = observer;
            self.pass_on();
            let answer = answer.unwrap_or_else(|| Err(unanswered()));
            self.hangs = answer.is_err() && self.begun.elapsed() > HANGING;
            if self.outdated {
                self.begin();
            } else {
                self.late = Some(answer);
            }
        }
    }

    /// Everything that is on the engine. An answer that takes longer than `patience`, or did so the last time, is not waited for.
    pub async fn observe(&mut self, patience: Duration) -> Answer {
        self.begin();
        let patience = if self.hangs { Duration::ZERO } else { patience };
        if tokio::time::timeout(patience, self.arrived())
            .await
            .is_err()
        {
            self.hangs = true;
        }
        self.late.take().unwrap_or_else(|| Err(unanswered()))
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if let Some(out) = &self.out {
            out.abort();
        }
    }
}

fn unanswered() -> EngineError {
    EngineError::new(WHAT, ErrorKind::EngineUnreachable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tokio::net::UnixListener;

    /// A socket that accepts and never answers.
    fn mute(path: &Path) -> JoinHandle<()> {
        let listener = UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        })
    }

    #[tokio::test]
    async fn a_mute_engine_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let engine = mute(&path);
        let mut lookout = Lookout::new(Engine::at(&path));
        let patience = Duration::from_millis(600);
        let begun = Instant::now();
        let error = lookout.observe(patience).await.unwrap_err();
        assert!(error.to_string().contains("engine does not answer"));
        assert!(begun.elapsed() >= patience && lookout.hangs());
        let again = Instant::now();
        for _ in 0..50 {
            lookout.forget("abc");
            assert!(lookout.observe(patience).await.is_err());
        }
        assert!(again.elapsed() < Duration::from_millis(300));

        // It dies: that is an answer, too, and nobody has to ask for it.
        engine.abort();
        let _ = engine.await;
        lookout.arrived().await;
        assert!(lookout.observe(patience).await.is_err());
        // Nobody listens: told at once, and then the engine does not hang any more.
        let gone = Instant::now();
        lookout.begin();
        lookout.arrived().await;
        assert!(lookout.observe(patience).await.is_err());
        assert!(gone.elapsed() < Duration::from_millis(300) && !lookout.hangs());
    }

    #[tokio::test]
    async fn what_was_seen_before_we_did_something_is_not_told() {
        let mut lookout = Lookout::new(Engine::at("/nonexistent/docker.sock"));
        lookout.begin();
        lookout.arrived().await;
        assert!(lookout.late.is_some());
        lookout.outdate();
        assert!(lookout.late.is_none() && !lookout.outdated);
        lookout.begin();
        lookout.outdate();
        assert!(lookout.outdated);
        lookout.arrived().await;
        assert!(!lookout.outdated && lookout.late.is_some());
    }
}
