//! Trying a program: it runs as a child of this one and has to become healthy. Only then it is installed.

use super::memory::{Told, Trying, UpdateFile};
use super::{Candidate, PREFIX, digest_of_file, place};
use crate::config::Config;
use crate::files::FilesError;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a program may take to become healthy, unless the configuration says otherwise.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is healthy and installed: this process is to become it.
    Good,
    /// It was given up.
    Rejected(String),
    /// This agent was asked to end meanwhile.
    Stopped,
}

/// Why there was no trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// What is remembered.
    #[error("it cannot be noted")]
    Files(#[from] FilesError),
    /// The new program cannot take its place.
    #[error("{}: {error}", path.display())]
    Install {
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        error: std::io::Error,
    },
}

/// Where a child says that it is healthy.
pub fn mark(state: &Path) -> PathBuf {
    state.join("program/healthy")
}

/// Tries the candidate, and installs it if it is good. `config_file`: what it is started with. Must be called while no agent is open.
pub async fn run(
    config: &Config,
    config_file: &Path,
    candidate: &Candidate,
    stop: impl Future<Output = ()>,
) -> Result<Verdict, TrialError> {
    let mut memory = UpdateFile::of(&config.state)?;
    memory.update(|memory| {
        let times = memory
            .trying
            .take()
            .filter(|it| it.sha256 == candidate.sha256);
        memory.trying = Some(Trying {
            sha256: candidate.sha256.clone(),
            times: times.map_or(0, |it| it.times) + 1,
        });
    })?;
    let program = place(&config.program, candidate.release, &candidate.sha256);
    let mark = mark(&config.state);
    let _ = std::fs::remove_file(&mark);
    let result = watch(
        &program,
        config_file,
        &mark,
        candidate,
        config.trial(),
        stop,
    )
    .await;
    let _ = std::fs::remove_file(&mark);
    match result {
        Verdict::Good => {
            install(&config.program, &program).map_err(|error| TrialError::Install {
                path: config.program.clone(),
                error,
            })?;
            memory.update(|memory| *memory = super::memory::Memory::default())?;
        }
        Verdict::Rejected(ref reason) => {
            let told = Told {
                release: candidate.release,
                sha256: candidate.sha256.clone(),
                at: Timestamp::now(),
                reason: reason.clone(),
            };
            memory.update(|memory| {
                memory.trying = None;
                memory.rejected = Some(told);
            })?;
            let _ = std::fs::remove_file(&program);
        }
        // A trial that people ended says nothing about the program.
        Verdict::Stopped => memory.update(|memory| memory.trying = None)?,
    }
    Ok(result)
}

async fn watch(
    program: &Path,
    config_file: &Path,
    mark: &Path,
    candidate: &Candidate,
    patience: Duration,
    stop: impl Future<Output = ()>,
) -> Verdict {
    // It may have been changed since it was fetched.
    if !digest_of_file(program).is_ok_and(|digest| digest == candidate.sha256.as_str()) {
        return Verdict::Rejected("it is not what was fetched any more".into());
    }
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(config_file)
        .arg("trial")
        .arg("--mark")
        .arg(mark);
    if candidate.hub {
        command.arg("--hub");
    }
    let mut child = match command.stdin(Stdio::null()).kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) => return Verdict::Rejected(format!("it cannot be started: {error}")),
    };
    tokio::pin!(stop);
    let begun = Instant::now();
    let verdict = loop {
        if mark.exists() {
            break Verdict::Good;
        }
        if begun.elapsed() > patience {
            let seconds = patience.as_secs();
            break Verdict::Rejected(format!(
                "it did not become healthy within {seconds} seconds"
            ));
        }
        tokio::select! {
            () = &mut stop => break Verdict::Stopped,
            ended = child.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Verdict::Rejected(format!("it ended by itself ({how})"));
            }
            () = sleep(PAUSE) => {}
        }
    };
    end(&mut child).await;
    verdict
}

/// The two must not work at once.
async fn end(child: &mut Child) {
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Makes the installed program a link to the new one, in one step. The one before stays beside it; older ones go.
fn install(installed: &Path, new: &Path) -> std::io::Result<()> {
    let folder = installed.parent().unwrap_or(Path::new("/"));
    let before = match std::fs::symlink_metadata(installed) {
        Ok(there) if there.is_symlink() => std::fs::read_link(installed)?,
        Ok(_) => {
            let kept = folder.join(format!("{PREFIX}before"));
            let _ = std::fs::remove_file(&kept);
            std::fs::hard_link(installed, &kept)?;
            kept
        }
        Err(_) => PathBuf::new(),
    };
    std::fs::set_permissions(new, Permissions::from_mode(0o755))?;
    let link = folder.join(format!("{PREFIX}link.new"));
    let _ = std::fs::remove_file(&link);
    let target = new
        .file_name()
        .map_or_else(|| new.to_owned(), PathBuf::from);
    std::os::unix::fs::symlink(&target, &link)?;
    std::fs::rename(&link, installed)?;
    std::fs::File::open(folder)?.sync_all()?;
    let kept = [target.file_name(), before.file_name()];
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if ours && !kept.contains(&Some(&*name)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_takes_the_place_and_one_before_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let installed = at("tenantry-agent");
        std::fs::write(&installed, "first").unwrap();
        let mut last = String::new();
        for (name, text) in [
            ("1.1.0-b", "second"),
            ("1.2.0-c", "third"),
            ("1.3.0-d", "fourth"),
        ] {
            let new = at(&format!("{PREFIX}{name}"));
            std::fs::write(&new, text).unwrap();
            install(&installed, &new).unwrap();
            assert_eq!(std::fs::read_to_string(&installed).unwrap(), text);
            last = text.to_owned();
        }
        assert_eq!(last, "fourth");
        assert!(at(&format!("{PREFIX}1.2.0-c")).exists());
        assert!(
            !at(&format!("{PREFIX}1.1.0-b")).exists() && !at(&format!("{PREFIX}before")).exists()
        );
    }
}
