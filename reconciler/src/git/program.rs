//! Runs the `git` program: arguments as a list, no shell, no terminal, bounded time and output.

use super::error::GitError;
use super::location::redact;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Output beyond this is dropped; the hub only looks at a few lines.
const KEPT_OUTPUT: u64 = 256 * 1024;
/// How often it is looked how much a run has written.
const MEASURED: Duration = Duration::from_millis(200);
/// A program that is ended has this long to tidy up: one that is killed outright leaves its lock files behind.
const TIDYING: Duration = Duration::from_secs(1);

/// Variables that would lead `git` to another repository than the one it is told, when the hub itself was started by a hook.
const LEADING_ASTRAY: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
    "GIT_PREFIX",
];

/// Durability settings for everything that the program writes, and a connection that says nothing for half a minute is dropped.
const SETTINGS: [&str; 5] = [
    "core.fsync=all",
    "core.fsyncMethod=fsync",
    "core.hooksPath=/dev/null",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=30",
];

/// `ssh` asks nobody anything, gives up on who does not answer, and drops a connection that says nothing for half a minute. Whoever has set a command
/// of their own keeps it.
const SSH: &str = "core.sshCommand=ssh -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15 -oServerAliveCountMax=2";

fn has_own_ssh() -> bool {
    static OWN: OnceLock<bool> = OnceLock::new();
    *OWN.get_or_init(crate::config::has_own_ssh)
}

/// Ends what another thread does with a remote, as soon as nobody wants it any more. Copies are one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Now, and for good.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a run may use.
pub(crate) struct Bounds<'a> {
    /// Time.
    pub(crate) time: Duration,
    /// Bytes of output that are kept.
    pub(crate) output: u64,
    /// A folder, and the bytes that it may grow by.
    pub(crate) growth: Option<(&'a Path, u64)>,
    /// Largest piece of memory that the program may ask for at once, as `git` reads it (`GIT_ALLOC_LIMIT`).
    pub(crate) memory: Option<&'static str>,
    /// More settings.
    pub(crate) settings: &'static [&'static str],
    /// The index to look at, where it is not the repository's own.
    pub(crate) index: Option<&'a Path>,
    /// Ends it before its time.
    pub(crate) stop: Option<&'a Stop>,
}

impl Bounds<'_> {
    /// For what comes from those who may be trusted not to be malicious.
    pub(crate) const fn of(time: Duration) -> Self {
        Self {
            time,
            output: KEPT_OUTPUT,
            growth: None,
            memory: None,
            settings: &[],
            index: None,
            stop: None,
        }
    }
}

/// How a run ended.
pub(crate) struct Ran {
    /// The exit status.
    pub(crate) status: ExitStatus,
    /// Standard output, cut at 256 KiB.
    pub(crate) stdout: String,
    /// Standard error, likewise, without credentials.
    pub(crate) stderr: String,
}

impl Ran {
    /// The end of what the program complained about, in one line.
    pub(crate) fn complaint(&self) -> String {
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with("hint:"))
            .collect();
        match lines.len() {
            0 => self.status.to_string(),
            n => lines[n.saturating_sub(4)..].join("; "),
        }
    }
}

/// Runs `git <command> <arguments>` in the bare repository `git_dir`. An exit status other than 0 is not an error here.
pub(crate) fn git(
    git_dir: &Path,
    command: &'static str,
    arguments: &[&str],
    limit: Duration,
) -> Result<Ran, GitError> {
    git_within(git_dir, command, arguments, &Bounds::of(limit))
}

/// As [`git`], within bounds of more than time.
pub(crate) fn git_within(
    git_dir: &Path,
    command: &'static str,
    arguments: &[&str],
    bounds: &Bounds<'_>,
) -> Result<Ran, GitError> {
    let mut git = Command::new("git");
    git.arg("--git-dir").arg(git_dir);
    for setting in SETTINGS.iter().chain(bounds.settings) {
        git.args(["-c", setting]);
    }
    if !has_own_ssh() {
        git.args(["-c", SSH]);
    }
    git.arg(command).args(arguments);
    git.env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "file:https:ssh:http")
        .env("LC_ALL", "C");
    if let Some(most) = bounds.memory {
        git.env("GIT_ALLOC_LIMIT", most);
    }
    for name in LEADING_ASTRAY {
        git.env_remove(name);
    }
    if let Some(index) = bounds.index {
        git.env("GIT_INDEX_FILE", index);
    }
    // A group of its own: `ssh` and other children end with it, and none of them can read from a terminal.
    git.process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = git.spawn().map_err(GitError::NoProgram)?;
    let stdout = drain(child.stdout.take(), bounds.output);
    let stderr = drain(child.stderr.take(), KEPT_OUTPUT);
    let ended = wait(&mut child, bounds);
    if !matches!(ended, Ended::ByItself(_)) {
        end_group(&mut child);
    }
    let (stdout, stderr) = (
        stdout.join().unwrap_or_default(),
        stderr.join().unwrap_or_default(),
    );
    let status = match ended {
        Ended::ByItself(status) => status,
        Ended::TooSlow => {
            return Err(GitError::TimedOut {
                command,
                after: bounds.time,
            });
        }
        Ended::Unwanted => return Err(GitError::Stopped),
        Ended::TooMuch(most) => return Err(GitError::TooMuch { command, most }),
    };
    Ok(Ran {
        status,
        stdout,
        stderr: redact(&stderr),
    })
}

/// As [`git`], and an exit status other than 0 is an error.
pub(crate) fn git_ok(
    git_dir: &Path,
    command: &'static str,
    arguments: &[&str],
    limit: Duration,
) -> Result<Ran, GitError> {
    let ran = git(git_dir, command, arguments, limit)?;
    if ran.status.success() {
        Ok(ran)
    } else {
        Err(GitError::Program {
            command,
            message: ran.complaint(),
        })
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>, most: u64) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            // What cannot be read any more does not matter: the exit status decides.
            let _ = pipe.by_ref().take(most).read_to_end(&mut kept);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

enum Ended {
    ByItself(ExitStatus),
    TooSlow,
    /// Nobody wants what it does any more.
    Unwanted,
    /// It wrote more than this many bytes.
    TooMuch(u64),
}

fn wait(child: &mut Child, bounds: &Bounds<'_>) -> Ended {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    let before = bounds.growth.map_or(0, |(folder, _)| size(folder));
    let grown = |(folder, most): (&Path, u64)| {
        (size(folder).saturating_sub(before) > most).then_some(Ended::TooMuch(most))
    };
    let mut measured = started;
    loop {
        match child.try_wait() {
            // It may have been faster than the measuring.
            Ok(Some(status)) => {
                let grown = bounds.growth.and_then(grown);
                return grown.unwrap_or(Ended::ByItself(status));
            }
            Ok(None) if bounds.stop.is_some_and(Stop::is_asked) => return Ended::Unwanted,
            Ok(None) if started.elapsed() < bounds.time => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Ok(None) | Err(_) => return Ended::TooSlow,
        }
        if let Some(growth) = bounds.growth
            && measured.elapsed() >= MEASURED
        {
            measured = Instant::now();
            if let Some(ended) = grown(growth) {
                return ended;
            }
        }
    }
}

/// Bytes of the files directly in `folder`.
fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum()
}

fn end_group(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < TIDYING && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_and_output_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(dir.path()).unwrap();
        let ran = git_ok(
            dir.path(),
            "rev-parse",
            &["--is-bare-repository"],
            Duration::from_secs(10),
        )
        .unwrap();
        assert_eq!(ran.stdout, "true\n");
        let error = git_ok(
            dir.path(),
            "rev-parse",
            &["--verify", "nothing"],
            Duration::from_secs(10),
        )
        .err()
        .unwrap();
        assert!(
            matches!(&error, GitError::Program { command: "rev-parse", message } if message.contains("single revision")),
            "{error}"
        );
    }

    #[test]
    fn a_run_that_does_not_end_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(dir.path()).unwrap();
        let started = Instant::now();
        // An alias with `!` is the simplest way to make `git` wait for a child.
        let alias = ["alias.wait=!sleep 60"];
        let mut config = git2::Repository::open(dir.path())
            .unwrap()
            .config()
            .unwrap();
        let (name, value) = alias[0].split_once('=').unwrap();
        config.set_str(name, value).unwrap();
        let ended = git(dir.path(), "wait", &[], Duration::from_millis(200));
        assert!(matches!(ended, Err(GitError::TimedOut { .. })));
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
