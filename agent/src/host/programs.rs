//! Programs of the operating system, with argument lists, never through a shell.

use futures_util::future::LocalBoxFuture;
use std::fmt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A program that may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// Packages.
    AptGet,
    /// fail2ban.
    Fail2banClient,
    /// Trims disks.
    Fstrim,
    /// Groups.
    Groupadd,
    /// The journal.
    Journalctl,
    /// Writes the head of a swap file.
    Mkswap,
    /// The firewall.
    Nft,
    /// Logs in.
    Ssh,
    /// The SSH server.
    Sshd,
    /// Makes keys.
    SshKeygen,
    /// Ends swapping to a file.
    Swapoff,
    /// Begins it.
    Swapon,
    /// Units.
    Systemctl,
    /// Makes users.
    Useradd,
    /// Changes users.
    Usermod,
    /// Checks sudoers.
    Visudo,
}

impl Program {
    /// Where Debian has it.
    pub fn path(self) -> &'static str {
        match self {
            Self::AptGet => "/usr/bin/apt-get",
            Self::Fail2banClient => "/usr/bin/fail2ban-client",
            Self::Fstrim => "/usr/sbin/fstrim",
            Self::Groupadd => "/usr/sbin/groupadd",
            Self::Journalctl => "/usr/bin/journalctl",
            Self::Mkswap => "/usr/sbin/mkswap",
            Self::Nft => "/usr/sbin/nft",
            Self::Ssh => "/usr/bin/ssh",
            Self::Sshd => "/usr/sbin/sshd",
            Self::SshKeygen => "/usr/bin/ssh-keygen",
            Self::Swapoff => "/usr/sbin/swapoff",
            Self::Swapon => "/usr/sbin/swapon",
            Self::Systemctl => "/usr/bin/systemctl",
            Self::Useradd => "/usr/sbin/useradd",
            Self::Usermod => "/usr/sbin/usermod",
            Self::Visudo => "/usr/sbin/visudo",
        }
    }

    /// Longest that it may take. apt waits for others and for mirrors.
    pub fn patience(self) -> Duration {
        match self {
            Self::AptGet => Duration::from_mins(20),
            Self::Fstrim | Self::Mkswap | Self::Swapoff | Self::Journalctl => {
                Duration::from_mins(10)
            }
            _ => Duration::from_mins(1),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        f.write_str(path.rsplit('/').next().unwrap_or(path))
    }
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Call {
    /// Calls `program` so.
    pub fn new<S: Into<String>>(program: Program, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program, arguments }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program)?;
        self.arguments.iter().try_for_each(|it| write!(f, " {it}"))
    }
}

/// Why a program did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It is not there, or cannot be started.
    #[error("{} cannot be started: {why}", program.path())]
    Start {
        /// Which.
        program: Program,
        /// What the kernel says.
        why: String,
    },
    /// It ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which.
        program: Program,
        /// What it said, in one line.
        said: String,
    },
    /// It took too long and was ended.
    #[error("{0} took too long and was ended")]
    Slow(Program),
}

/// Starts programs.
pub trait Programs: fmt::Debug {
    /// Runs a program to its end, with `input` on its standard input. What it wrote to standard output, if it succeeded.
    fn run<'a>(
        &'a self,
        call: &'a Call,
        input: Option<&'a [u8]>,
    ) -> LocalBoxFuture<'a, Result<String, ProgramError>>;
}

/// The programs of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Installed;

impl Programs for Installed {
    fn run<'a>(
        &'a self,
        call: &'a Call,
        input: Option<&'a [u8]>,
    ) -> LocalBoxFuture<'a, Result<String, ProgramError>> {
        Box::pin(run(call, input))
    }
}

async fn run(call: &Call, input: Option<&[u8]>) -> Result<String, ProgramError> {
    let program = call.program;
    let start = |error: std::io::Error| ProgramError::Start {
        program,
        why: error.to_string(),
    };
    let mut child = command(program)
        .args(&call.arguments)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let pipe = child.stdin.take();
    let feed = async {
        if let (Some(mut pipe), Some(input)) = (pipe, input) {
            // It may have ended already, which its code will tell.
            let _ = pipe.write_all(input).await;
        }
    };
    let work = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = tokio::time::timeout(program.patience(), work)
        .await
        .map_err(|_| ProgramError::Slow(program))?
        .map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = said(&output.stderr).or_else(|| said(&output.stdout));
    let said = said.unwrap_or_else(|| format!("it says nothing ({})", output.status));
    Err(ProgramError::Failed { program, said })
}

/// Nothing of our own environment goes along.
pub(crate) fn command(program: Program) -> Command {
    let mut command = Command::new(program.path());
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_MODE", "a")
        .current_dir("/")
        // dpkg that is cut off leaves packages half installed.
        .kill_on_drop(program != Program::AptGet);
    command
}

/// The last lines, in one.
fn said(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("W: "))
        .collect();
    let last = lines.len().saturating_sub(4);
    let text = lines.get(last..)?.join("; ");
    (!text.is_empty()).then(|| text.chars().filter(|c| !c.is_control()).take(600).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_heard_and_its_failure_told() {
        let list = Call::new(Program::SshKeygen, ["-l", "-f", "/dev/stdin"]);
        let key =
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48\n";
        let said = Installed.run(&list, Some(key)).await.unwrap();
        assert!(
            said.contains("SHA256:") && said.contains("ED25519"),
            "{said}"
        );
        let error = Installed.run(&list, Some(b"no key\n")).await.unwrap_err();
        assert!(
            error.to_string().starts_with("ssh-keygen failed: "),
            "{error}"
        );
        assert!(error.to_string().contains("not a public key"), "{error}");
    }

    #[test]
    fn the_end_of_what_was_said_on_one_line() {
        let text = b"a\n\n b \nW: never mind\nc\nd\ne\n";
        assert_eq!(said(text).unwrap(), "b; c; d; e");
        assert_eq!(said(b"\n \n"), None);
    }
}
