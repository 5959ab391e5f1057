//! A program from start to end: how long it took, how large it grew, what it said.

use super::super::child::{ms, peak_memory};
use super::super::{BenchError, Doing};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a run came to.
pub(super) struct Ran {
    pub(super) took_ms: f64,
    /// Greatest resident memory, looked at every millisecond.
    pub(super) peak_mb: f64,
    pub(super) code: Option<i32>,
    pub(super) said: String,
}

impl Ran {
    /// Fails unless it ended with `code` and said all of `words`.
    pub(super) fn expect(self, code: i32, words: &[&str]) -> Result<Self, BenchError> {
        let missing = words.iter().find(|word| !self.said.contains(**word));
        if self.code == Some(code) && missing.is_none() {
            return Ok(self);
        }
        let said: String = self.said.chars().take(2_000).collect();
        Err(BenchError::Wrong(format!(
            "exit code {:?} instead of {code}, or not a word of {missing:?}: {said}",
            self.code
        )))
    }
}

/// Runs `command` with a home folder of its own.
pub(super) fn run(command: &mut Command, home: &Path) -> Result<Ran, BenchError> {
    command
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let child = command.spawn().doing("starting a program")?;
    let (pid, over) = (child.id().to_string(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(peak_memory(&pid));
                std::thread::sleep(Duration::from_millis(1));
            }
            peak
        });
        let output = child.wait_with_output();
        let took_ms = ms(begun.elapsed());
        over.store(true, Ordering::Relaxed);
        let output = output.doing("waiting for a program")?;
        Ok(Ran {
            took_ms,
            peak_mb: watcher.join().unwrap_or(f64::NAN),
            code: output.status.code(),
            said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        })
    })
}
