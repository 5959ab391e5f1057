//! Trying a program: it runs as a child of this one and has to become healthy. Only then it is installed.

use super::memory::{Told, Trying, UpdateFile};
use super::{Candidate, PREFIX, digest_of_file, place};
use crate::config::{self, Config};
use crate::faults;
use crate::files::FilesError;
use jiff::Timestamp;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::Permissions;
use std::io::ErrorKind;
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
    /// This machine could not try it, which says nothing about the program: it is fetched and tried again later.
    Failed(String),
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
    faults::changed();
    let told = |reason: &String| Told {
        release: candidate.release,
        sha256: candidate.sha256.clone(),
        at: Timestamp::now(),
        reason: reason.clone(),
    };
    match result {
        Verdict::Good => {
            install(&config.program, &program).map_err(|error| TrialError::Install {
                path: config.program.clone(),
                error,
            })?;
            memory.update(|memory| *memory = super::memory::Memory::default())?;
        }
        Verdict::Rejected(ref reason) => {
            memory.update(|memory| {
                memory.trying = None;
                memory.rejected = Some(told(reason));
            })?;
            let _ = std::fs::remove_file(&program);
        }
        Verdict::Failed(ref reason) => {
            memory.update(|memory| {
                memory.trying = None;
                memory.failed = Some(told(reason));
            })?;
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
    match digest_of_file(program) {
        Ok(digest) if digest == candidate.sha256.as_str() => {}
        Ok(_) => {
            let _ = std::fs::remove_file(program);
            return Verdict::Failed("it is not what was fetched any more".into());
        }
        Err(error) => return Verdict::Failed(format!("{}: {error}", program.display())),
    }
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(config_file)
        .arg("trial")
        .arg("--mark")
        .arg(mark)
        .env(config::TRIED_BY, std::process::id().to_string());
    if candidate.hub {
        command.arg("--hub");
    }
    let mut child = match command.stdin(Stdio::null()).kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) => {
            let why = format!("it cannot be started: {error}");
            return if is_its_own(&error) {
                Verdict::Rejected(why)
            } else {
                Verdict::Failed(why)
            };
        }
    };
    faults::changed();
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
    faults::changed();
    verdict
}

/// Whether what kept a program from being started is wrong with the program: it is no program, or asks for one that is not here. A machine
/// without memory, with too many files open, or that lets nothing run there, may start it another time.
fn is_its_own(error: &std::io::Error) -> bool {
    let errors = [Errno::NOEXEC, Errno::NOENT];
    Errno::from_io_error(error).is_some_and(|error| errors.contains(&error))
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

/// Makes the installed program a link to the new one, in one step. The one before stays beside it; older ones go first, so that nothing is
/// left to be done once the new one is in its place.
fn install(installed: &Path, new: &Path) -> std::io::Result<()> {
    let folder = installed.parent().unwrap_or(Path::new("/"));
    let before = match std::fs::symlink_metadata(installed) {
        Ok(there) if there.is_symlink() => std::fs::read_link(installed)?,
        Ok(_) => {
            let kept = folder.join(format!("{PREFIX}before"));
            let _ = std::fs::remove_file(&kept);
            std::fs::hard_link(installed, &kept)?;
            faults::changed();
            kept
        }
        Err(error) if error.kind() == ErrorKind::NotFound => PathBuf::new(),
        Err(error) => return Err(error),
    };
    std::fs::set_permissions(new, Permissions::from_mode(0o755))?;
    let target = new
        .file_name()
        .map_or_else(|| new.to_owned(), PathBuf::from);
    let kept = [target.file_name(), before.file_name()];
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if ours && !kept.contains(&Some(&*name)) && std::fs::remove_file(entry.path()).is_ok() {
            faults::changed();
        }
    }
    let link = folder.join(format!("{PREFIX}link.new"));
    std::os::unix::fs::symlink(&target, &link)?;
    faults::changed();
    std::fs::rename(&link, installed)?;
    faults::changed();
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::document::{Release, Sha256};

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

    #[test]
    fn only_what_is_wrong_with_a_program_is_held_against_it() {
        let own = |errno: Errno| is_its_own(&errno.into());
        assert!(own(Errno::NOEXEC) && own(Errno::NOENT));
        for errno in [
            Errno::MFILE,
            Errno::ACCESS,
            Errno::PERM,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::IO,
            Errno::TXTBSY,
        ] {
            assert!(!own(errno), "{errno}");
        }
    }

    #[tokio::test]
    async fn a_program_that_was_damaged_here_is_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(format!("{PREFIX}1.1.0-b"));
        std::fs::write(&program, "damaged").unwrap();
        let candidate = Candidate {
            release: Release::try_from("1.1.0".to_owned()).unwrap(),
            sha256: Sha256::try_from("b".repeat(64)).unwrap(),
            hub: false,
        };
        let mark = folder.path().join("healthy");
        let watch = || {
            watch(
                &program,
                Path::new("/no-configuration"),
                &mark,
                &candidate,
                PATIENCE,
                std::future::pending(),
            )
        };
        let expected = "it is not what was fetched any more".to_owned();
        assert_eq!(watch().await, Verdict::Failed(expected));
        assert!(!program.exists());
        let verdict = watch().await;
        assert!(
            matches!(&verdict, Verdict::Failed(why) if why.contains("No such file")),
            "{verdict:?}"
        );
    }
}
