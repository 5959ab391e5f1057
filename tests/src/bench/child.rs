//! Parts of measurements that run in a process of their own: this program once more, in a role, with its answer as the last line of its output.

use super::BenchError;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::de::DeserializeOwned;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs this program in `role` and reads its answer. What it says on standard error goes to ours.
pub(super) fn ask<T: DeserializeOwned>(role: &str, arguments: &[&str]) -> Result<T, BenchError> {
    let output = command(role, arguments)?
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(role, error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(failed(role, format!("{}: {text}", output.status)));
    }
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .map_err(|error| failed(role, error))
}

/// This program in a role.
pub(super) fn command(role: &str, arguments: &[&str]) -> Result<Command, BenchError> {
    let own = std::env::current_exe().map_err(|error| failed(role, error))?;
    let mut command = Command::new(own);
    command
        .args(["--role", role])
        .args(arguments)
        .stdin(Stdio::null());
    Ok(command)
}

fn failed(role: &str, problem: impl ToString) -> BenchError {
    BenchError::Child {
        role: role.to_owned(),
        problem: problem.to_string(),
    }
}

/// Greatest resident memory so far of the process `pid` (or `self`), in megabytes: `VmHWM` of `/proc/<pid>/status`.
pub(super) fn peak_memory(pid: &str) -> f64 {
    memory(pid, "VmHWM:")
}

/// Resident memory of the process `pid` (or `self`) now, in megabytes: `VmRSS`.
pub(super) fn resident_memory(pid: &str) -> f64 {
    memory(pid, "VmRSS:")
}

fn memory(pid: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.map_or(f64::NAN, |kibibytes| kibibytes * 1024.0 / 1e6)
}

/// Time that all threads of the process `pid` (or `self`) have run, kernel included: the first numbers of `schedstat`, in nanoseconds
/// (Linux, `Documentation/scheduler/sched-stats`). Threads that have ended are not in it.
pub(super) fn busy(pid: &str) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Keeps the calling thread, and those that it starts from now on, on one core. False where the system does not let it.
pub(super) fn stay_on_core(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

/// Milliseconds of a duration.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_has_run() {
        assert!(resident_memory("self") > 1.0);
        assert!(peak_memory("self") >= resident_memory("self") * 0.9);
        assert!(busy("self") > Duration::ZERO);
        assert!(peak_memory("nobody").is_nan());
    }
}
