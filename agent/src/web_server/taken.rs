//! Whether nginx took a new configuration: it is only told to by a signal, and keeps the old one without a word to the sender where it
//! cannot use the new one, such as when somebody else has the port that it is to listen on.

use std::collections::BTreeSet;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where nginx tells what is wrong, unless its configuration says otherwise (Debian's default).
const DEFAULT_LOG: &str = "/var/log/nginx/error.log";
/// nginx tries for half a second, five times, to get a port; and a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// What nginx says when it gives up getting a port.
const GIVEN_UP: &str = "still could not bind()";
/// As much of the log is read.
const MOST: u64 = 64 << 10;

/// The web server as it was before it was told something.
#[derive(Debug)]
pub(super) struct Before {
    master: i32,
    workers: BTreeSet<i32>,
    log: Log,
}

impl Before {
    /// What can be told of the nginx with this process, configured by `text`. None where it works without workers: nothing about it
    /// changes visibly.
    pub(super) fn of(master: i32, log: Log) -> Option<Self> {
        let workers = children(master);
        (!workers.is_empty()).then_some(Self {
            master,
            workers,
            log,
        })
    }

    /// Waits for workers with the new configuration. The error is what nginx says instead.
    pub(super) async fn until_taken(mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if !children(self.master).is_subset(&self.workers) {
                return Ok(());
            }
            let late = begun.elapsed() > PATIENCE;
            if late || self.log.news().contains(GIVEN_UP) {
                let said = self.log.news().to_owned();
                return Err(if said.is_empty() {
                    "it keeps its old configuration and does not say why".to_owned()
                } else {
                    said
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Processes that this one started.
fn children(of: i32) -> BTreeSet<i32> {
    let threads = std::fs::read_dir(format!("/proc/{of}/task"));
    let lists = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let parse = |list: String| -> Vec<i32> {
        let ids = list.split_ascii_whitespace();
        ids.filter_map(|id| id.parse().ok()).collect()
    };
    lists.flat_map(parse).collect()
}

/// What is written to nginx's log from now on.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    from: u64,
    news: String,
}

impl Log {
    /// The log of the nginx that is configured by `text`.
    pub(super) fn of(text: &str, folder: &Path) -> Self {
        let named = text.lines().find_map(|line| {
            let words = line.trim().strip_suffix(';')?.strip_prefix("error_log")?;
            words.starts_with(char::is_whitespace).then_some(words)
        });
        let named = named.and_then(|words| words.split_whitespace().next());
        let named = named.map(|word| folder.join(word.trim_matches(['"', '\''])));
        let path = named.unwrap_or_else(|| DEFAULT_LOG.into());
        let from = std::fs::metadata(&path).map_or(0, |it| it.len());
        Self {
            path,
            from,
            news: String::new(),
        }
    }

    /// Everything since then. What cannot be read says nothing.
    pub(super) fn news(&mut self) -> &str {
        let length = std::fs::metadata(&self.path).map_or(0, |it| it.len());
        if length > self.from + self.news.len() as u64
            && let Ok(mut file) = std::fs::File::open(&self.path)
            && file.seek(SeekFrom::Start(self.from)).is_ok()
        {
            let mut bytes = Vec::new();
            let _ = file.take(MOST).read_to_end(&mut bytes);
            self.news = String::from_utf8_lossy(&bytes).into_owned();
        }
        &self.news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_where_the_configuration_says_and_read_from_now_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        std::fs::write(&path, "old\n").unwrap();
        let at = |text: &str| Log::of(text, folder.path()).path;
        assert_eq!(
            at("user www;\nerror_log /var/x.log warn;\n"),
            Path::new("/var/x.log")
        );
        assert_eq!(at("error_log_x /y;\n"), Path::new(DEFAULT_LOG));
        let mut log = Log::of("  error_log \"error.log\";\n", folder.path());
        assert_eq!(log.path, path);
        assert_eq!(log.news(), "");
        std::fs::write(&path, "old\nnew\n").unwrap();
        assert_eq!(log.news(), "new\n");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(log.news(), "new\n");
    }

    #[tokio::test]
    async fn other_workers_are_noticed_and_what_is_said_instead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        let log = || Log::of("error_log error.log;", folder.path());
        let own = i32::try_from(std::process::id()).unwrap();
        let mut one = tokio::process::Command::new("sleep");
        let mut one = one.arg("100").kill_on_drop(true).spawn().unwrap();
        let Some(mut before) = Before::of(own, log()) else {
            panic!("this very process has a child");
        };
        std::fs::write(&path, format!("1#1: {GIVEN_UP}\n")).unwrap();
        before.master = i32::try_from(one.id().unwrap()).unwrap();
        before.workers.clear();
        assert!(before.until_taken().await.unwrap_err().contains(GIVEN_UP));

        let nobody = Before::of(i32::try_from(one.id().unwrap()).unwrap(), log());
        assert!(nobody.is_none(), "it works without workers");
        let before = Before::of(own, log()).unwrap();
        let mut other = tokio::process::Command::new("sleep");
        let mut other = other.arg("100").kill_on_drop(true).spawn().unwrap();
        before.until_taken().await.unwrap();
        one.kill().await.unwrap();
        other.kill().await.unwrap();
    }
}
