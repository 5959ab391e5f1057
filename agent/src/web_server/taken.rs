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
/// As much of the log is read at once, and as much of it is kept.
const MOST: usize = 64 << 10;
/// Levels at which nginx tells why it does not go on.
const GRAVE: [&str; 3] = ["[emerg]", "[alert]", "[crit]"];

/// The web server as it was before it was told something.
#[derive(Debug)]
pub(super) struct Before {
    master: i32,
    workers: BTreeSet<i32>,
    log: Log,
}

impl Before {
    /// What can be told of the nginx with this process and this log. None where it works without workers: nothing about it changes visibly.
    pub(super) fn of(master: i32, mut log: Log) -> Option<Self> {
        let workers = children(master);
        log.by = Some(master);
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

/// What nginx itself writes to its log from now on.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// The process whose lines count. Absent: any of nginx.
    by: Option<i32>,
    /// Up to where it was read.
    at: u64,
    /// The beginning of a line whose end was not there yet.
    piece: Vec<u8>,
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
        let at = std::fs::metadata(&path).map_or(0, |it| it.len());
        Self {
            path,
            by: None,
            at,
            piece: Vec::new(),
            news: String::new(),
        }
    }

    /// Its grave lines since then. What cannot be read says nothing, and neither does what clients caused.
    pub(super) fn news(&mut self) -> &str {
        while let Some(bytes) = self.read_on() {
            self.at += bytes.len() as u64;
            self.piece.extend_from_slice(&bytes);
            let Some(end) = self.piece.iter().rposition(|byte| *byte == b'\n') else {
                if self.piece.len() > MOST {
                    // nginx writes no line that is so long.
                    self.piece.clear();
                }
                continue;
            };
            let rest = self.piece.split_off(end + 1);
            let whole = std::mem::replace(&mut self.piece, rest);
            for line in String::from_utf8_lossy(&whole).lines() {
                if is_own(line, self.by) && self.news.len() < MOST {
                    self.news.push_str(line);
                    self.news.push('\n');
                }
            }
        }
        &self.news
    }

    /// What was written since it was read last.
    fn read_on(&self) -> Option<Vec<u8>> {
        // Reading something else, such as a pipe, could wait for ever.
        let found = std::fs::metadata(&self.path).ok()?;
        if !found.is_file() || found.len() <= self.at {
            return None;
        }
        let mut file = std::fs::File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.at)).ok()?;
        let mut bytes = Vec::new();
        file.take(MOST as u64).read_to_end(&mut bytes).ok()?;
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Whether nginx says of itself that something is gravely wrong: `2026/11/28 10:00:00 [emerg] 12#12: bind() to ...`, with the numbers of
/// process and thread. A line about a connection has its number after these (`12#12: *5 ...`), and what a client sends can hold anything, a
/// line end included; but no client knows the number of the process.
fn is_own(line: &str, by: Option<i32>) -> bool {
    let grave = GRAVE.iter().find_map(|level| line.split_once(level));
    let Some((before, said)) = grave else {
        return false;
    };
    let digits = |c: char| c.is_ascii_digit();
    let process = said.trim_start();
    let rest = process.trim_start_matches(digits);
    let number = &process[..process.len() - rest.len()];
    let said = rest.trim_start_matches(|c: char| digits(c) || "#: ".contains(c));
    let its = by.is_none_or(|by| number.parse() == Ok(by));
    its && !before.contains('[') && !said.starts_with('*') && !said.contains(", client: ")
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
        let new = "[emerg] 1#1: new\n";
        std::fs::write(&path, format!("old\n{new}")).unwrap();
        assert_eq!(log.news(), new);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(log.news(), new);
    }

    #[test]
    fn what_clients_cause_is_no_word_of_nginx() {
        let own = "2026/11/28 10:00:00 [emerg] 12#12: bind() to 0.0.0.0:80 failed (98: Address already in use)";
        assert!(is_own(own, Some(12)) && is_own(own, None));
        assert!(is_own("nginx: [emerg] still could not bind()", None));
        for other in [
            format!(
                "2026/11/28 10:00:00 [error] 12#12: *5 open() \"/srv/{GIVEN_UP}\" failed, client: 192.0.2.1"
            ),
            format!("2026/11/28 10:00:00 [crit] 12#12: *5 SSL_do_handshake() failed {GIVEN_UP}"),
            format!(
                "2026/11/28 10:00:00 [crit] 12#12: connect() failed {GIVEN_UP}, client: 192.0.2.1"
            ),
            format!("2026/11/28 10:00:00 [error] 12#12: [emerg] 12#12: {GIVEN_UP}"),
            format!("2026/11/28 10:00:00 [notice] 12#12: {GIVEN_UP}"),
            format!("2026/11/28 10:00:00 [emerg] 13#13: {GIVEN_UP}"),
            format!("[emerg] : {GIVEN_UP}"),
            String::new(),
        ] {
            assert!(!is_own(&other, Some(12)), "{other}");
        }
    }

    #[test]
    fn a_busy_log_is_read_on_and_not_again() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut log = Log::of("error_log error.log;", folder.path());
        let client = format!("[crit] 1#1: *5 x, client: {}\n", "y".repeat(100));
        file.write_all(client.repeat(2 * MOST / client.len()).as_bytes())
            .unwrap();
        assert_eq!(log.news(), "");
        let own = format!("[emerg] 1#1: {GIVEN_UP}\n");
        let (begin, rest) = own.split_at(12);
        file.write_all(begin.as_bytes()).unwrap();
        assert_eq!(log.news(), "", "its end is not there yet");
        file.write_all(rest.as_bytes()).unwrap();
        assert_eq!(log.news(), own);
        assert_eq!(log.at, std::fs::metadata(&path).unwrap().len());
        assert_eq!(log.news(), own, "once");
    }

    #[test]
    fn a_log_that_is_no_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(Log::of("error_log error.log;", folder.path()).news(), "");
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
        // What clients made nginx write.
        let by = "[error] 1#1: *1 x, client: still could not bind()\n[emerg] 1#1: still could not bind()\n";
        std::fs::write(&path, format!("{by}[emerg] {own}#{own}: {GIVEN_UP}\n")).unwrap();
        before.master = i32::try_from(one.id().unwrap()).unwrap();
        before.workers.clear();
        let said = before.until_taken().await.unwrap_err();
        assert_eq!(said, format!("[emerg] {own}#{own}: {GIVEN_UP}\n"));

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
