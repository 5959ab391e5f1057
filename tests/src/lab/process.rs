//! Child processes with captured output. Ends only what it started, together with its children.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::LabError;
use super::wait::{TimedOut, wait_until_blocking};

/// How long a process gets between SIGTERM and SIGKILL when it is dropped.
const GRACE: Duration = Duration::from_secs(5);

/// A running (or ended) child process in a process group of its own.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `command`. Its standard output and error are kept line by line ([`Process::lines`]) and, if `log` is
    /// given, appended to that file. Standard input is empty.
    pub fn spawn(name: &str, mut command: Command, log: Option<&Path>) -> Result<Self, LabError> {
        let file = log
            .map(|path| {
                std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(LabError::io(format!("cannot open {}", path.display())))
            })
            .transpose()?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(LabError::io(format!("cannot start {name}")))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let file = Arc::new(Mutex::new(file));
        if let Some(output) = child.stdout.take() {
            collect(output, Arc::clone(&lines), Arc::clone(&file));
        }
        if let Some(output) = child.stderr.take() {
            collect(output, Arc::clone(&lines), file);
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a line that contains `text` and returns the first one, which may be an old one.
    pub fn wait_for_line(&self, timeout: Duration, text: &str) -> Result<String, LabError> {
        let what = format!("a line with {text:?}");
        wait_until_blocking(timeout, &what, || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter().find(|line| line.contains(text)).cloned()
        })
        .map_err(|timed_out| self.problem(&timed_out))
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus, LabError> {
        let child = &mut self.child;
        wait_until_blocking(timeout, "its end", || child.try_wait().ok().flatten())
            .map_err(|timed_out| self.problem(&timed_out))
    }

    /// Asks it to end (SIGTERM to the process alone).
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal to the process alone. A process that has ended gets none.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            // It may end in between; then there is nobody left to signal.
            let _ = kill_process(self.pid(), signal);
        }
    }

    /// Kills it and its children at once (SIGKILL), as a power cut would, and waits for its end.
    pub fn kill9(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn problem(&self, timed_out: &TimedOut) -> LabError {
        let lines = self.lines();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n  ");
        LabError::Program {
            program: self.name.clone(),
            problem: format!("{timed_out}; its last lines:\n  {tail}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.terminate();
            let _ = self.wait(GRACE);
        }
        // While the leader was not reaped its group id could not be reused; now only children that are left have it.
        self.kill9();
    }
}

/// Reads lines in a thread until the pipe closes.
fn collect(
    output: impl Read + Send + 'static,
    lines: Arc<Mutex<Vec<String>>>,
    file: Arc<Mutex<Option<std::fs::File>>>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line)
                .trim_end_matches('\r')
                .to_owned();
            if let Some(file) = file.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                // A full disk must not end the test's view of the lines.
                let _ = writeln!(file, "{line}");
            }
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("sh", command, None).unwrap()
    }

    #[test]
    fn output_is_captured_and_the_end_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let mut process = Process::spawn("sh", command, Some(&log)).unwrap();
        process
            .wait_for_line(Duration::from_secs(5), "two")
            .unwrap();
        process
            .wait_for_line(Duration::from_secs(5), "one")
            .unwrap();
        assert_eq!(
            process.wait(Duration::from_secs(5)).unwrap().code(),
            Some(3)
        );
        assert!(!process.is_running());
        assert!(std::fs::read_to_string(log).unwrap().contains("one\n"));
    }

    #[test]
    fn children_end_with_their_parent() {
        let mut process = shell("sleep 600 & echo child $!; wait");
        let line = process
            .wait_for_line(Duration::from_secs(5), "child")
            .unwrap();
        let child = line.trim_start_matches("child ").to_owned();
        let status = format!("/proc/{child}/status");
        assert!(process.is_running());
        process.kill9();
        wait_until_blocking(Duration::from_secs(5), "the child's end", || {
            // Where nobody reaps orphans the ended child stays as a zombie.
            let state = std::fs::read_to_string(&status).unwrap_or_default();
            (state.is_empty() || state.contains("State:\tZ")).then_some(())
        })
        .unwrap();
    }

    #[test]
    fn a_missing_line_is_told_with_what_was_said() {
        let process = shell("echo hello; sleep 5");
        process
            .wait_for_line(Duration::from_secs(5), "hello")
            .unwrap();
        let error = process
            .wait_for_line(Duration::from_millis(50), "goodbye")
            .unwrap_err();
        assert!(error.to_string().contains("hello"), "{error}");
    }
}
