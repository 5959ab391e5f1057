//! Starting and reloading nginx, by itself or through systemd. Always a program with arguments, never a shell.

use super::WebError;
use super::taken::{Before, Log};
use crate::config::{Control, Nginx};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where nginx writes its process id, unless its configuration says otherwise (Debian's default).
const DEFAULT_PID_FILE: &str = "/run/nginx.pid";

/// Tells nginx what to do.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    nginx: Nginx,
}

impl Controller {
    pub(super) fn new(nginx: Nginx) -> Self {
        Self { nginx }
    }

    /// Whether it runs, by its own process id file.
    pub(super) fn running(&self) -> bool {
        self.recorded_pid()
            .is_some_and(|pid| Process::read(pid).is_some_and(|process| process.is_live_nginx()))
    }

    fn recorded_pid(&self) -> Option<i32> {
        std::fs::read_to_string(self.pid_file())
            .ok()?
            .trim()
            .parse()
            .ok()
            .filter(|pid| *pid > 1)
    }

    /// Ends workers whose master was killed: they would go on serving what was, and hold the ports.
    fn end_orphans(&self) {
        let Some(master) = self.recorded_pid() else {
            return;
        };
        if Process::read(master).is_some_and(|process| process.is_live_nginx()) {
            return;
        }
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            let Some(process) = Process::read(pid) else {
                continue;
            };
            let its = process.group == master || process.session == master;
            let orphan = rustix::process::Pid::from_raw(pid)
                .filter(|_| pid != master && its && process.is_live_nginx());
            if let Some(pid) = orphan {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    fn configured(&self) -> String {
        std::fs::read_to_string(&self.nginx.configuration).unwrap_or_default()
    }

    fn log(&self) -> Log {
        let folder = self.nginx.configuration.parent();
        Log::of(&self.configured(), folder.unwrap_or(Path::new("/")))
    }

    fn pid_file(&self) -> PathBuf {
        let text = self.configured();
        let named = text.lines().find_map(|line| {
            let words = line.trim().strip_suffix(';')?.strip_prefix("pid")?;
            words
                .starts_with(char::is_whitespace)
                .then(|| PathBuf::from(words.trim().trim_matches(['"', '\''])))
        });
        named
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| DEFAULT_PID_FILE.into())
    }

    /// Tests the configuration at `path`. The complaint is nginx's own, without the lines that repeat it.
    pub(super) async fn test(&self, path: &Path) -> Result<(), String> {
        let mut command = Command::new(&self.nginx.program);
        command.arg("-t").arg("-q").arg("-c").arg(path);
        run(command).await
    }

    /// Has it read its configuration anew, and waits until it works with it.
    pub(super) async fn reload(&self) -> Result<(), WebError> {
        let failed = |why| WebError::Control {
            what: "reload",
            why,
        };
        let before = self.recorded_pid();
        let before = before.and_then(|master| Before::of(master, self.log()));
        let command = match self.nginx.control {
            Control::Direct => self.direct(&["-s", "reload"]),
            Control::Systemd => systemctl("reload"),
        };
        run(command).await.map_err(failed)?;
        crate::faults::changed();
        let Some(before) = before else { return Ok(()) };
        let taken = before.until_taken().await;
        taken.map_err(|said| failed(complaint(&said, "nginx")))
    }

    /// Has it open its logs anew (signal USR1 to its master, whoever started it).
    pub(super) async fn reopen(&self) -> Result<(), WebError> {
        run(self.direct(&["-s", "reopen"]))
            .await
            .map_err(|why| WebError::Control {
                what: "open the logs of",
                why,
            })
    }

    pub(super) async fn start(&self) -> Result<(), WebError> {
        let command = match self.nginx.control {
            Control::Direct => {
                self.end_orphans();
                self.direct(&[])
            }
            Control::Systemd => systemctl("start"),
        };
        let mut log = self.log();
        let started = run(command).await.map(|()| crate::faults::changed());
        started.map_err(|why| {
            // systemctl says no more than that it failed.
            let why = match (self.nginx.control, log.news()) {
                (Control::Systemd, said) if !said.is_empty() => complaint(said, "nginx"),
                _ => why,
            };
            WebError::Control { what: "start", why }
        })
    }

    fn direct(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.nginx.program);
        command
            .arg("-c")
            .arg(&self.nginx.configuration)
            .args(arguments);
        command
    }
}

/// What `/proc/<pid>/stat` says (see `proc_pid_stat(5)`).
struct Process {
    name: String,
    state: char,
    group: i32,
    session: i32,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name stands in parentheses and may hold anything, parentheses included.
    fn parse(stat: &str) -> Option<Self> {
        let (before, after) = stat.rsplit_once(')')?;
        let mut fields = after.split_ascii_whitespace();
        Some(Self {
            name: before.split_once('(')?.1.to_owned(),
            state: fields.next()?.chars().next()?,
            group: fields.nth(1)?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
        })
    }

    /// Another program may have taken over the number, and one that was killed may not be buried yet.
    fn is_live_nginx(&self) -> bool {
        self.name == "nginx" && !matches!(self.state, 'Z' | 'X')
    }
}

fn systemctl(verb: &str) -> Command {
    let mut command = Command::new("systemctl");
    command.args([verb, "nginx.service"]);
    command
}

/// Runs a program to its end; what it says on standard error is the reason of its failure.
async fn run(mut command: Command) -> Result<(), String> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    // Standard error goes to a file: a daemon keeps a pipe open, and waiting for its end would wait for the daemon.
    let said = rustix::fs::memfd_create("stderr", rustix::fs::MemfdFlags::CLOEXEC)
        .map_err(|error| error.to_string())?;
    let said = std::fs::File::from(said);
    let writer = said.try_clone().map_err(|error| error.to_string())?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .map_err(|_| format!("{program} does not end"))?
        .map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(complaint(&read_back(said), &program))
    }
}

fn read_back(mut file: std::fs::File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    let _ = file
        .rewind()
        .and_then(|()| file.take(64 << 10).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines that say what is wrong, without time stamps and process numbers.
fn complaint(said: &str, program: &str) -> String {
    let grave = ["[emerg]", "[alert]", "[crit]", "[error]"];
    let mut lines: Vec<_> = said
        .lines()
        .filter_map(|line| grave.iter().find_map(|level| line.split_once(level)))
        .map(|(_, rest)| {
            rest.trim_start_matches(|c: char| {
                c.is_ascii_digit() || c == '#' || c == ':' || c == ' '
            })
            .trim()
        })
        .collect();
    if lines.is_empty() {
        lines = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
    }
    lines.dedup();
    let text = lines.join("; ");
    if text.is_empty() {
        format!("{program} failed and says nothing")
    } else {
        text.chars().take(1000).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_say_what_is_wrong_and_no_more() {
        let said = "2026/11/21 10:00:00 [emerg] 123#123: unknown directive \"serverr\" in /x/a.conf:1\nnginx: configuration file /x/nginx.conf test failed\n";
        assert_eq!(
            complaint(said, "nginx"),
            "unknown directive \"serverr\" in /x/a.conf:1"
        );
        let said = "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\nnginx: [emerg] still could not bind()\n";
        assert_eq!(
            complaint(said, "nginx"),
            "bind() to 0.0.0.0:80 failed (98: Address already in use); still could not bind()"
        );
        assert_eq!(complaint("Job failed.\n", "systemctl"), "Job failed.");
        assert_eq!(complaint("", "nginx"), "nginx failed and says nothing");
    }

    #[test]
    fn processes_are_told_apart() {
        let process = Process::parse("12 (nginx) S 1 34 56 0 -1").unwrap();
        assert_eq!(
            (process.group, process.session, process.is_live_nginx()),
            (34, 56, true)
        );
        assert!(
            !Process::parse("12 (nginx) Z 1 34 56 0 -1")
                .unwrap()
                .is_live_nginx()
        );
        assert!(
            !Process::parse("12 (my (nginx) S) S 1 34 56 0")
                .unwrap()
                .is_live_nginx()
        );
        assert!(Process::parse("12 (nginx").is_none());
    }

    #[tokio::test]
    async fn failures_carry_what_the_program_said() {
        assert!(
            run(Command::new("/does/not/exist"))
                .await
                .unwrap_err()
                .contains("/does/not/exist")
        );
        assert!(run(Command::new("true")).await.is_ok());
        let mut ls = Command::new("ls");
        ls.arg("/does/not/exist");
        assert!(run(ls).await.unwrap_err().contains("/does/not/exist"));
    }
}
