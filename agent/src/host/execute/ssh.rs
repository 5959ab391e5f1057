//! Other settings for the SSH server, such that nobody is locked out.
//!
//! Expected flow: a second server with the new settings is started on a loopback port of its own, and somebody who is to get in logs in to
//! it with a key made for this one moment. Only then the settings are put in their place and the real server reads them; if it does not
//! answer at its port afterwards, the old ones are put back, and the new ones are not tried again.

use super::{Ground, HostError};
use crate::faults;
use crate::files::FilesError;
use crate::host::memory::Rejected;
use crate::host::programs::{Call, Program, command};
use crate::host::step::SshChange;
use crate::host::{SSHD, path};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tenantry_schema::document::HostArea;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn change(
    ground: &Ground,
    change: &SshChange,
    now: Timestamp,
) -> Result<(), HostError> {
    let stage = Stage::make(ground)?;
    stage.try_out(ground, change).await?;
    drop(stage);
    let before = ground.root.read(&path(SSHD), 1 << 20)?;
    let Err(why) = put_in_place(ground, change).await else {
        return Ok(());
    };
    tracing::error!(
        "the SSH server does not take its new settings, and the old ones are put back: {why}"
    );
    ground.put_back(&path(SSHD), before.as_deref(), 0o644)?;
    if let Err(error) = reload(ground, change.systemd).await {
        tracing::error!("the SSH server cannot be told to read its old settings: {error}");
    }
    let rejected = Rejected {
        of: change.of.clone(),
        at: now,
        why: why.clone(),
    };
    ground
        .memory
        .borrow_mut()
        .update(|memory| drop(memory.rejected.insert(HostArea::Ssh, rejected)))?;
    Err(HostError::Ssh(why))
}

async fn put_in_place(ground: &Ground, change: &SshChange) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| crate::execute::sentence(error);
    ground
        .root
        .write(&path(SSHD), change.text.as_bytes())
        .map_err(|error| text(&error))?;
    // All files as they are now, the new one among them.
    judge(ground, change, None).await?;
    reload(ground, change.systemd).await?;
    if answers(change.port).await {
        Ok(())
    } else {
        Err(format!("it does not answer at port {}", change.port))
    }
}

/// Connections that are open stay open.
async fn reload(ground: &Ground, systemd: bool) -> Result<(), String> {
    if systemd {
        let call = Call::new(Program::Systemctl, ["reload-or-restart", "ssh.service"]);
        let done = ground.programs.run(&call, None).await;
        return done
            .map(|_| faults::changed())
            .map_err(|error| error.to_string());
    }
    let file = ground.root.path().join("run/sshd.pid");
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let pid = text
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| format!("{} names no process", file.display()))?;
    let told = kill_process(pid, Signal::HUP);
    told.map(|()| faults::changed())
        .map_err(|error| format!("process {}: {error}", text.trim()))
}

/// Whether an SSH server answers at a port of this machine.
async fn answers(port: u16) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if timeout(Duration::from_secs(5), greets(port)).await == Ok(true) {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return false;
    };
    let mut banner = [0; 4];
    stream.read_exact(&mut banner).await.is_ok() && &banner == b"SSH-"
}

/// A folder for the second server, gone afterwards.
struct Stage(PathBuf);

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    fn make(ground: &Ground) -> Result<Self, HostError> {
        let folder = ground.root.path().join("run/tenantry-ssh-test");
        // Of somebody who was killed in the middle.
        let _ = std::fs::remove_dir_all(&folder);
        let failed = |error| FilesError::io(&folder, &error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // The server reads keys with the rights of the user; the private one is for root alone.
        open_to_all(&folder, 0o755).map_err(failed)?;
        Ok(Self(folder))
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    async fn try_out(&self, ground: &Ground, change: &SshChange) -> Result<(), HostError> {
        let root = ground.root.path();
        let unusable =
            |error: std::io::Error| HostError::Ssh(format!("it cannot be tried out: {error}"));
        // Where it keeps apart what it does with few rights; systemd makes it only when the server is started.
        std::fs::create_dir_all(root.join("run/sshd")).map_err(unusable)?;
        let key = self.at("key");
        let make = [
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "tenantry-test",
            "-f",
            &key,
        ];
        ground
            .programs
            .run(&Call::new(Program::SshKeygen, make), None)
            .await?;
        faults::changed();
        open_to_all(&self.0.join("key.pub"), 0o644).map_err(unusable)?;
        let config = self.at("sshd_config");
        std::fs::write(&config, &*change.whole).map_err(unusable)?;
        let judged = judge(ground, change, Some(&config)).await;
        judged.map_err(HostError::Ssh)?;
        self.log_in(ground, change, &config, &key).await
    }

    async fn log_in(
        &self,
        ground: &Ground,
        change: &SshChange,
        config: &str,
        key: &str,
    ) -> Result<(), HostError> {
        let port = free_port().map_err(|error| HostError::Ssh(error.to_string()))?;
        let mut server =
            second_server(config, &self.at("key.pub"), port, &self.0).map_err(|error| {
                HostError::Ssh(format!("a second server cannot be started: {error}"))
            })?;
        faults::changed();
        let result = async {
            if !answers(port).await {
                return Err("a second server with the new settings does not answer".to_owned());
            }
            let call = client(&change.user, key, port);
            ground
                .programs
                .run(&call, None)
                .await
                .map(drop)
                .map_err(|error| {
                    format!(
                        "{} cannot log in to a second server with the new settings: {error}",
                        change.user
                    )
                })
        };
        let result = result.await;
        let _ = server.kill().await;
        result.map_err(|why| {
            let log = std::fs::read_to_string(self.0.join("log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(3).collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            HostError::Ssh(format!("{why}; it says: {}", last.join("; ")))
        })
    }
}

/// Whatever the umask says.
fn open_to_all(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn free_port() -> std::io::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

/// Listens on the loopback address alone, and takes the one key of this moment.
fn second_server(
    config: &str,
    key: &str,
    port: u16,
    folder: &Path,
) -> std::io::Result<tokio::process::Child> {
    let log = std::fs::File::create(folder.join("log"))?;
    command(Program::Sshd)
        .args(["-D", "-e", "-f", config, "-p", &port.to_string()])
        .args(["-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none"])
        .arg("-o")
        .arg(format!("AuthorizedKeysFile={key}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

fn client(user: &str, key: &str, port: u16) -> Call {
    let port = port.to_string();
    let options = [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "PreferredAuthentications=publickey",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "ConnectTimeout=10",
        "LogLevel=ERROR",
    ];
    let options = options.iter().flat_map(|option| ["-o", option]);
    let fixed = ["-F", "none", "-i", key, "-p", &port];
    let target = ["-l", user, "127.0.0.1", "true"];
    Call::new(Program::Ssh, fixed.into_iter().chain(options).chain(target))
}

/// What the server makes of all its settings, for one person after the other: `Match` may say something else to each. `file`: another main
/// file than its own.
async fn judge(ground: &Ground, change: &SshChange, file: Option<&str>) -> Result<(), String> {
    for person in &change.people {
        // Whoever comes from the network (RFC 5737).
        let connection = format!(
            "user={person},host=client.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport={}",
            change.port
        );
        let file = file.iter().flat_map(|file| ["-f", *file]);
        let arguments = ["-T", "-C", &connection].into_iter().chain(file);
        let call = Call::new(Program::Sshd, arguments);
        let said = ground.programs.run(&call, None).await;
        let said = said.map_err(|error| error.to_string())?;
        effective(&said, change.port, person, change.root)?;
    }
    Ok(())
}

/// What the server would do with somebody (`sshd -T -C`) must be what is asked for.
fn effective(said: &str, port: u16, person: &str, root: bool) -> Result<(), String> {
    let value = |key: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        lines
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.trim())
    };
    let ports: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("port "))
        .collect();
    if ports != [port.to_string().as_str()] {
        return Err(format!(
            "it would listen at {} instead of {port} alone",
            ports.join(", ")
        ));
    }
    let root_login: &[&str] = if root {
        &["without-password", "prohibit-password"]
    } else {
        &["no"]
    };
    let is_root = person == "root";
    for (key, wanted, counts) in [
        ("passwordauthentication", &["no"][..], true),
        ("kbdinteractiveauthentication", &["no"], true),
        ("permitrootlogin", root_login, is_root),
        ("pubkeyauthentication", &["yes"], !is_root || root),
    ] {
        if counts && !value(key).is_some_and(|value| wanted.contains(&value)) {
            return Err(format!(
                "other files in /etc/ssh win: `{key}` would not be `{}` for {person}",
                wanted[0]
            ));
        }
    }
    let mut keys = value("authorizedkeysfile").unwrap_or_default().split(' ');
    let known =
        keys.any(|file| [".ssh/authorized_keys", "%h/.ssh/authorized_keys"].contains(&file));
    if !known && (!is_root || root) {
        return Err(format!(
            "other files in /etc/ssh have the server look for the keys of {person} elsewhere than in .ssh/authorized_keys: remove `AuthorizedKeysFile` there"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "port 22022\naddressfamily any\npermitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\npubkeyauthentication yes\nauthorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\n";

    fn jo(said: &str) -> Result<(), String> {
        effective(said, 22_022, "jo", false)
    }

    #[test]
    fn what_others_say_is_noticed() {
        assert_eq!(jo(GOOD), Ok(()));
        let other = effective(GOOD, 22, "jo", false).unwrap_err();
        assert!(other.contains("22022 instead of 22 alone"), "{other}");
        assert!(
            jo(&format!("port 22\n{GOOD}"))
                .unwrap_err()
                .contains("22, 22022")
        );
        let with = |from: &str, to: &str| jo(&GOOD.replace(from, to));
        let open = with("passwordauthentication no", "passwordauthentication yes").unwrap_err();
        assert!(
            open.contains("passwordauthentication") && open.contains("for jo"),
            "{open}"
        );
        for elsewhere in ["/etc/ssh/keys/%u", "none", ".ssh/keys"] {
            let list = ".ssh/authorized_keys .ssh/authorized_keys2";
            let said = with(list, elsewhere).unwrap_err();
            assert!(said.contains("the keys of jo elsewhere"), "{said}");
        }
        assert_eq!(
            with(".ssh/authorized_keys ", "/keys/%u %h/.ssh/authorized_keys "),
            Ok(())
        );
        assert!(jo("").is_err());
    }

    #[test]
    fn root_is_let_in_as_asked_for() {
        let root = |said: &str, may| effective(said, 22_022, "root", may);
        assert_eq!(root(GOOD, false), Ok(()));
        let open = GOOD.replace("permitrootlogin no", "permitrootlogin yes");
        for (said, may) in [(GOOD, true), (&open, false), (&open, true)] {
            assert!(root(said, may).unwrap_err().contains("permitrootlogin"));
        }
        assert_eq!(jo(&open), Ok(()), "it is about root");
        let keys = open.replace(" yes\npass", " without-password\npass");
        assert_eq!(root(&keys, true), Ok(()));
        // Whoever may not log in needs no keys.
        let closed = GOOD.replace(".ssh/authorized_keys .ssh/authorized_keys2", "none");
        assert_eq!(root(&closed, false), Ok(()));
    }
}
