//! The program restic, at the lowest priority, with a repository of this server's own. Password and log-in go by its environment, which only
//! root can read.

mod output;

use super::tool::{BackupTool, Entry, Prepared, Saved, Snapshot, ToolError};
use crate::faults;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tenantry_schema::Secret;
use tenantry_schema::wire::parse_snapshots;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

/// Bytes of complaints that are kept.
const MOST_COMPLAINTS: usize = 4096;
/// Largest file that is read into memory.
const MOST_TEXT: u64 = 64 << 20;
/// Exit code of `restic backup` where a snapshot was made although some files could not be read.
const INCOMPLETE: i32 = 3;

/// A repository as restic reaches it.
#[derive(Debug, Clone)]
pub struct Restic {
    /// The program.
    pub program: PathBuf,
    /// The repository, with the log-in where it has one.
    pub repository: Secret,
    /// What it is encrypted with.
    pub key: Secret,
    /// Who writes: `<fleet>/<customer>/<server>`.
    pub host: String,
    /// Where it may keep what it need not fetch again.
    pub cache: PathBuf,
}

/// A place with the log-in put in, where it is one that asks for it.
pub fn address(place: &str, server: &str, user: &str, password: &Secret) -> Secret {
    let whole = format!("{place}/{server}");
    let with_login = |scheme: &str| {
        let rest = whole.strip_prefix(scheme)?;
        Some(format!("{scheme}{user}:{}@{rest}", password.expose()))
    };
    let address = with_login("rest:https://").or_else(|| with_login("rest:http://"));
    Secret::new(address.unwrap_or(whole))
}

impl Restic {
    fn command(&self, arguments: &[&str]) -> Command {
        // Whatever else happens on the server comes first.
        let mut command = Command::new("nice");
        command
            .args(["-n", "19", "ionice", "-c", "3"])
            .arg(&self.program)
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.repository.expose())
            .env("RESTIC_PASSWORD", self.key.expose())
            .env("RESTIC_CACHE_DIR", &self.cache)
            .env("RESTIC_PROGRESS_FPS", "0.01")
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it; each line of its output goes to `line`. Returns the exit code and the complaints.
    async fn run(
        &self,
        mut command: Command,
        input: Option<&[u8]>,
        mut line: impl FnMut(&[u8]),
    ) -> Result<(i32, String), ToolError> {
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let start = |error: std::io::Error| ToolError::Start {
            program: self.program.clone(),
            why: error.to_string(),
        };
        let mut child = command.spawn().map_err(start)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let told = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // What does not read its input says why elsewhere.
                let _ = stdin.write_all(input).await;
                let _ = stdin.shutdown().await;
            }
        };
        let heard = async {
            if let Some(stdout) = stdout {
                let mut lines = BufReader::new(stdout);
                let mut one = Vec::new();
                while lines.read_until(b'\n', &mut one).await.unwrap_or(0) > 0 {
                    line(&one);
                    one.clear();
                }
            }
        };
        let complained = async {
            let mut all = Vec::new();
            if let Some(mut stderr) = stderr {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut piece).await {
                    all.extend_from_slice(piece.get(..count).unwrap_or_default());
                    let more = all.len().saturating_sub(MOST_COMPLAINTS);
                    all.drain(..more);
                }
            }
            String::from_utf8_lossy(&all).into_owned()
        };
        let ((), (), complaints) = tokio::join!(told, heard, complained);
        let status = child.wait().await.map_err(start)?;
        // Ended by a signal counts as a failure like any other.
        let code = status.code().unwrap_or(-1);
        if code == 127 {
            return Err(ToolError::Start {
                program: self.program.clone(),
                why: self.quiet(&complaints),
            });
        }
        Ok((code, complaints))
    }

    /// What it complained about in one line, without anything that is secret.
    fn quiet(&self, complaints: &str) -> String {
        let lines: Vec<&str> = complaints
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let shown = lines
            .get(lines.len().saturating_sub(3)..)
            .unwrap_or_default();
        let text = shown
            .join("; ")
            .replace(self.repository.expose().as_str(), "the repository")
            .replace(self.key.expose().as_str(), "[secret]");
        let password = login(self.repository.expose());
        let text = password.map_or_else(|| text.clone(), |secret| text.replace(secret, "[secret]"));
        text.chars().take(600).collect()
    }

    fn failed(&self, what: &'static str, complaints: &str) -> ToolError {
        ToolError::Failed {
            what,
            why: self.quiet(complaints),
        }
    }

    async fn backup(
        &self,
        arguments: &[&str],
        tags: &[String],
        paths: &[PathBuf],
        input: Option<&[u8]>,
    ) -> Result<Saved, ToolError> {
        let mut command = self.command(&["backup", "--json", "--host", &self.host]);
        command.args(arguments);
        for tag in tags {
            command.arg("--tag").arg(tag);
        }
        command.arg("--").args(paths);
        let mut saved = None;
        let (code, complaints) = self
            .run(command, input, |line| {
                saved = output::saved(line).or(saved.take());
            })
            .await?;
        match (code, saved) {
            (0, Some(saved)) => {
                faults::changed();
                Ok(saved)
            }
            (0, None) => Err(ToolError::Answer("no summary of the backup".to_owned())),
            (INCOMPLETE, _) => Err(ToolError::Incomplete(self.quiet(&complaints))),
            _ => Err(self.failed("save", &complaints)),
        }
    }
}

/// The password in an address.
fn login(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let (login, _) = rest.split_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

impl BackupTool for Restic {
    async fn prepare(&self) -> Result<Prepared, ToolError> {
        let command = self.command(&["cat", "config", "--no-lock"]);
        let (code, complaints) = self.run(command, None, |_| {}).await?;
        if code == 0 {
            return Ok(Prepared::Found);
        }
        // Making one fails where there is one, and where the place cannot be reached.
        let (made, _) = self.run(self.command(&["init"]), None, |_| {}).await?;
        if made == 0 {
            faults::changed();
            Ok(Prepared::Made)
        } else {
            Err(self.failed("open the repository", &complaints))
        }
    }

    async fn save(&self, paths: &[PathBuf], tags: &[String]) -> Result<Saved, ToolError> {
        // Links are kept as links; other file systems below a volume are not its own.
        self.backup(&["--one-file-system", "--ignore-inode"], tags, paths, None)
            .await
    }

    async fn save_text(
        &self,
        name: &str,
        content: &[u8],
        tags: &[String],
    ) -> Result<Saved, ToolError> {
        self.backup(
            &["--stdin", "--stdin-filename", name],
            tags,
            &[],
            Some(content),
        )
        .await
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, ToolError> {
        let command = self.command(&["snapshots", "--json", "--no-lock", "--host", &self.host]);
        let mut all = Vec::new();
        let (code, complaints) = self
            .run(command, None, |line| all.extend_from_slice(line))
            .await?;
        if code != 0 {
            return Err(self.failed("list the snapshots", &complaints));
        }
        parse_snapshots(&all).ok_or_else(|| ToolError::Answer("not a list of snapshots".to_owned()))
    }

    async fn entries(&self, snapshot: &str) -> Result<Vec<Entry>, ToolError> {
        let command = self.command(&["ls", "--json", "--no-lock", snapshot]);
        let mut all = Vec::new();
        let (code, complaints) = self
            .run(command, None, |line| all.extend(output::entry(line)))
            .await?;
        if code == 0 {
            Ok(all)
        } else {
            Err(self.failed("list a snapshot", &complaints))
        }
    }

    async fn read(&self, snapshot: &str, path: &str) -> Result<Vec<u8>, ToolError> {
        let command = self.command(&["dump", "--no-lock", snapshot, path]);
        let (mut all, mut much) = (Vec::new(), false);
        let (code, complaints) = self
            .run(command, None, |line| {
                much |= (all.len() + line.len()) as u64 > MOST_TEXT;
                if !much {
                    all.extend_from_slice(line);
                }
            })
            .await?;
        match (code, much) {
            (0, false) => Ok(all),
            (0, true) => Err(ToolError::Answer(
                "a receipt that is far too large".to_owned(),
            )),
            _ => Err(self.failed("read from a snapshot", &complaints)),
        }
    }

    async fn restore(
        &self,
        snapshot: &str,
        paths: &[String],
        target: &Path,
    ) -> Result<(), ToolError> {
        let mut command = self.command(&["restore", "--no-lock", "--verify", snapshot]);
        command.arg("--target").arg(target);
        for path in paths {
            // Patterns would be expanded.
            let literal: String = path
                .chars()
                .flat_map(|c| {
                    let special = matches!(c, '*' | '?' | '[' | ']' | '\\');
                    special.then_some('\\').into_iter().chain([c])
                })
                .collect();
            command.arg("--include").arg(literal);
        }
        let (code, complaints) = self.run(command, None, |_| {}).await?;
        if code == 0 {
            faults::changed();
            Ok(())
        } else {
            Err(self.failed("restore", &complaints))
        }
    }

    async fn check(&self, share: &str) -> Result<Option<String>, ToolError> {
        // Locks of what was killed are of no use any more; those of others that run stay.
        let (_, _) = self.run(self.command(&["unlock"]), None, |_| {}).await?;
        let subset = format!("--read-data-subset={share}");
        let command = self.command(&["check", &subset]);
        let (code, complaints) = self.run(command, None, |_| {}).await?;
        Ok((code != 0).then(|| self.quiet(&complaints)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_goes_where_a_place_asks_for_one() {
        let password = Secret::new("hunter2".to_owned());
        let whole = |place| {
            address(place, "acme-1", "fleet.acme", &password)
                .expose()
                .clone()
        };
        assert_eq!(
            whole("rest:https://backup.example/fleet.acme"),
            "rest:https://fleet.acme:hunter2@backup.example/fleet.acme/acme-1"
        );
        assert_eq!(
            whole("/srv/backups/fleet.acme"),
            "/srv/backups/fleet.acme/acme-1"
        );
        assert_eq!(
            whole("rclone:box:b/fleet.acme"),
            "rclone:box:b/fleet.acme/acme-1"
        );
    }

    #[test]
    fn complaints_hold_no_secret() {
        let restic = Restic {
            program: "restic".into(),
            repository: Secret::new("rest:http://u:hunter2@h/x".to_owned()),
            key: Secret::new("topsecret".to_owned()),
            host: String::new(),
            cache: PathBuf::new(),
        };
        let text = restic.quiet(
            "a\nFatal: rest:http://u:hunter2@h/x: topsecret\n Get http://u:hunter2@h/x/config\n",
        );
        assert!(
            !text.contains("hunter2") && !text.contains("topsecret"),
            "{text}"
        );
        assert!(text.contains("Fatal"), "{text}");
    }
}
