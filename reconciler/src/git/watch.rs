//! Wakes the hub when a branch may have moved. A wake-up carries no payload: whoever wakes looks for himself.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Events this close together are one wake-up: a push touches several files.
const SETTLE: Duration = Duration::from_millis(10);
/// How often watches are checked without any event: the kernel drops events when its queue is full.
const RECHECK: Duration = Duration::from_secs(5);

/// Why a repository cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch files (inotify): raise fs.inotify.max_user_instances or max_user_watches")]
pub struct WatchError(#[from] notify::Error);

/// An endless stream of wake-ups.
pub struct Watcher {
    wake: Arc<Notify>,
    stop: Arc<AtomicBool>,
    nudge: Option<Sender<()>>,
    poll: Duration,
    next_poll: Instant,
}

impl Watcher {
    /// Watches the Git folder `git_dir`, if there is one on this machine, and wakes every `poll` in any case. Needs a tokio runtime.
    pub fn new(git_dir: Option<&Path>, poll: Duration) -> Result<Self, WatchError> {
        let (wake, stop) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let nudge = git_dir
            .map(|dir| start(dir.to_owned(), wake.clone(), stop.clone()))
            .transpose()?;
        Ok(Self {
            wake,
            stop,
            nudge,
            poll,
            next_poll: Instant::now() + poll,
        })
    }

    /// Waits for the next wake-up. Those that came while nobody waited are one. Cancel-safe.
    pub async fn wait(&mut self) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = sleep_until(self.next_poll) => {}
        }
        self.next_poll = Instant::now() + self.poll;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(nudge) = &self.nudge {
            let _ = nudge.send(());
        }
    }
}

fn start(
    git_dir: PathBuf,
    wake: Arc<Notify>,
    stop: Arc<AtomicBool>,
) -> Result<Sender<()>, WatchError> {
    let (sender, receiver) = channel();
    let events = sender.clone();
    // As the events name it.
    let git_dir = std::path::absolute(&git_dir).unwrap_or(git_dir);
    let own = git_dir.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading makes events, too; those must not wake us.
        let matters = event.as_ref().map_or(true, |e| {
            let looked = matches!(e.kind, EventKind::Access(_));
            let is_lock = |p: &PathBuf| p.extension().is_some_and(|x| x == "lock");
            let only_locks = !e.paths.is_empty() && e.paths.iter().all(is_lock);
            // What else happens beside the folder is none of ours: somebody may keep the hub's own log there.
            let beside = !e.paths.is_empty() && !e.paths.iter().any(|p| p.starts_with(&own));
            !looked && !only_locks && !beside
        });
        if matters {
            let _ = events.send(());
        }
    })?;
    let mut watched = Watched {
        watcher,
        git_dir,
        seen: None,
    };
    watched.renew();
    std::thread::Builder::new()
        .name("fleet-watch".into())
        .spawn(move || run(&mut watched, &receiver, &wake, &stop))
        .map_err(notify::Error::io)?;
    Ok(sender)
}

fn run(watched: &mut Watched, events: &Receiver<()>, wake: &Notify, stop: &AtomicBool) {
    loop {
        let event = events.recv_timeout(RECHECK);
        if stop.load(Ordering::Relaxed) || event == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        if event.is_ok() {
            std::thread::sleep(SETTLE);
            while events.try_recv().is_ok() {}
        }
        if watched.renew() || event.is_ok() {
            wake.notify_one();
        }
    }
}

/// The watches, and what they were set on.
struct Watched {
    watcher: RecommendedWatcher,
    git_dir: PathBuf,
    /// Device and inode of the Git folder and its `refs`. Other numbers: the folder was replaced, and the old watches see nothing any more.
    seen: Option<[u64; 4]>,
}

impl Watched {
    /// Sets the watches again if the folder is another than before. Returns whether it was.
    fn renew(&mut self) -> bool {
        let now = identity(&self.git_dir);
        if now == self.seen {
            return false;
        }
        self.seen = now;
        let refs = self.git_dir.join("refs");
        for path in [&refs, &self.git_dir] {
            let _ = self.watcher.unwatch(path);
        }
        // A folder that is not there now is seen coming through its parent.
        let parent = self
            .git_dir
            .parent()
            .map(|p| (p.to_owned(), RecursiveMode::NonRecursive));
        let own = [
            (refs, RecursiveMode::Recursive),
            (self.git_dir.clone(), RecursiveMode::NonRecursive),
        ];
        for (path, mode) in own.into_iter().chain(parent) {
            if let Err(error) = self.watcher.watch(&path, mode) {
                tracing::debug!(path = %path.display(), %error, "not watched");
            }
        }
        true
    }
}

fn identity(git_dir: &Path) -> Option<[u64; 4]> {
    use std::os::unix::fs::MetadataExt;
    let (dir, refs) = (
        std::fs::metadata(git_dir).ok()?,
        std::fs::metadata(git_dir.join("refs")).ok()?,
    );
    Some([dir.dev(), dir.ino(), refs.dev(), refs.ino()])
}
