//! Says when a managed file was touched. It never says what is true now: that is looked at.

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Folders in which everything is ours.
    pub folders: BTreeSet<PathBuf>,
    /// Single files in folders that others write to as well.
    pub files: BTreeSet<PathBuf>,
}

impl Watched {
    fn all_folders(&self) -> BTreeSet<PathBuf> {
        let of_files = self
            .files
            .iter()
            .filter_map(|file| file.parent())
            .map(Path::to_owned);
        self.folders.iter().cloned().chain(of_files).collect()
    }

    fn concerns(&self, path: &Path) -> bool {
        let temporary = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().ends_with(b".tmp"));
        let inside = path
            .parent()
            .is_some_and(|folder| self.folders.contains(folder));
        // A folder on the way that is gone takes files with it.
        let above = || {
            self.files
                .iter()
                .chain(&self.folders)
                .any(|ours| ours.starts_with(path))
        };
        !temporary && (inside || above())
    }
}

/// Watches files.
#[derive(Debug)]
pub struct FileWatch {
    watcher: RecommendedWatcher,
    shared: Arc<Shared>,
    now: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct Shared {
    watched: Mutex<Watched>,
    touched: Notify,
    /// Folders came or went: the kernel has forgotten their watches.
    stale: AtomicBool,
}

impl FileWatch {
    /// Watches nothing yet.
    pub fn new() -> Result<Self, notify::Error> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let watcher = notify::recommended_watcher(move |event: Result<Event, notify::Error>| {
            theirs.hear(event);
        })?;
        Ok(Self {
            watcher,
            shared,
            now: BTreeSet::new(),
        })
    }

    /// Watches these from now on. Folders that do not exist are left out until they do.
    pub fn watch(&mut self, watched: Watched) {
        let stale = self.shared.stale.swap(false, Ordering::Relaxed);
        let mut shared = self
            .shared
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *shared == watched && !stale && self.now == watched.all_folders() {
            return;
        }
        let folders = watched.all_folders();
        *shared = watched;
        drop(shared);
        for old in std::mem::take(&mut self.now) {
            if stale || !folders.contains(&old) {
                // Fails where the folder is gone, and the watch with it.
                let _ = self.watcher.unwatch(&old);
            } else {
                self.now.insert(old);
            }
        }
        for folder in folders {
            if !self.now.contains(&folder)
                && self
                    .watcher
                    .watch(&folder, RecursiveMode::NonRecursive)
                    .is_ok()
            {
                self.now.insert(folder);
            }
        }
    }

    /// Waits until one of them is touched.
    pub async fn touched(&self) {
        self.shared.touched.notified().await;
    }
}

impl Shared {
    fn hear(&self, event: Result<Event, notify::Error>) {
        let concerns = match &event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => {
                let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
                event.paths.iter().any(|path| watched.concerns(path))
            }
            // Events were lost.
            Err(_) => true,
        };
        let moved = event.is_ok_and(|event| {
            matches!(
                event.kind,
                EventKind::Create(_)
                    | EventKind::Remove(_)
                    | EventKind::Modify(ModifyKind::Name(_))
            )
        });
        if concerns {
            if moved {
                self.stale.store(true, Ordering::Relaxed);
            }
            self.touched.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn heard(watch: &FileWatch) -> bool {
        tokio::time::timeout(Duration::from_millis(500), watch.touched())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn managed_files_wake_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("mixed/deep")).unwrap();
        std::fs::create_dir(path("ours")).unwrap();
        std::fs::write(path("mixed/deep/file"), "1").unwrap();
        let watched = Watched {
            folders: [path("ours")].into(),
            files: [path("mixed/deep/file")].into(),
        };
        let mut watch = FileWatch::new().unwrap();
        watch.watch(watched.clone());

        std::fs::write(path("mixed/deep/data"), "theirs").unwrap();
        std::fs::read(path("mixed/deep/file")).unwrap();
        std::fs::write(path("ours/.x.tmp"), "ours").unwrap();
        assert!(!heard(&watch).await);
        std::fs::write(path("mixed/deep/file"), "2").unwrap();
        assert!(heard(&watch).await);
        std::fs::write(path("ours/new"), "").unwrap();
        assert!(heard(&watch).await);

        // A folder that went and came back is watched again.
        while heard(&watch).await {}
        std::fs::remove_dir_all(path("mixed/deep")).unwrap();
        assert!(heard(&watch).await);
        std::fs::create_dir(path("mixed/deep")).unwrap();
        std::fs::write(path("mixed/deep/file"), "3").unwrap();
        watch.watch(watched);
        while heard(&watch).await {}
        std::fs::write(path("mixed/deep/file"), "4").unwrap();
        assert!(heard(&watch).await);
    }
}
