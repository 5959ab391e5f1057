//! Git servers as forges run them: `git http-backend` behind a real nginx, and a real sshd, on loopback ports of their own. They end when dropped.

use super::{run, trouble, write};
use crate::lab::{LabError, Nginx, Port, Process, wait_until};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(15);

/// Who may read and write a repository over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    /// Everybody, without TLS.
    Open,
    /// Who knows this name and password; over TLS.
    Basic(&'a str, &'a str),
}

/// `git http-backend` behind nginx.
pub struct GitHttp {
    nginx: Nginx,
    _fcgi: Process,
    port: Port,
    dir: PathBuf,
    name: String,
    tls: bool,
}

impl GitHttp {
    /// Serves the bare repository `repository`. Everything it needs is written to `dir`.
    pub async fn start(
        dir: &Path,
        repository: &Path,
        access: Access<'_>,
    ) -> Result<Self, LabError> {
        let (root, name) = split(repository)?;
        // Whoever is let in may push: nginx decides who that is.
        run(Command::new("git").arg("-C").arg(repository).args([
            "config",
            "http.receivepack",
            "true",
        ]))?;
        let socket = dir.join("fcgi");
        let mut fcgi = Command::new(program(&["/usr/sbin/fcgiwrap", "/usr/bin/fcgiwrap"])?);
        fcgi.args(["-c", "8", "-s"])
            .arg(format!("unix:{}", socket.display()));
        std::fs::create_dir_all(dir).map_err(LabError::io("cannot make a folder"))?;
        let fcgi = Process::spawn("fcgiwrap", fcgi, None)?;
        wait_until(START, "fcgiwrap's socket", async || {
            socket.exists().then_some(())
        })
        .await
        .map_err(|error| trouble("fcgiwrap", error))?;
        let nginx = Nginx::start(&dir.join("nginx"))?;
        let port = Port::reserve()?;
        let server = Self {
            nginx,
            _fcgi: fcgi,
            port,
            dir: dir.to_owned(),
            name,
            tls: access != Access::Open,
        };
        server.configure(&root, &socket, access)?;
        let number = server.port.number();
        wait_until(START, "nginx", async || {
            TcpStream::connect(("127.0.0.1", number)).ok()
        })
        .await
        .map_err(|error| trouble("nginx", error))?;
        Ok(server)
    }

    fn configure(&self, root: &Path, socket: &Path, access: Access<'_>) -> Result<(), LabError> {
        let mut lines = format!(
            "server {{\n  listen 127.0.0.1:{}{};\n  client_max_body_size 0;\n",
            self.port.number(),
            if self.tls { " ssl" } else { "" }
        );
        if let Access::Basic(user, password) = access {
            self.set_password(user, password)?;
            let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])
                .map_err(|error| trouble("rcgen", error))?;
            write(&self.certificate(), &made.cert.pem())?;
            let key = self.dir.join("key.pem");
            write(&key, &made.signing_key.serialize_pem())?;
            let _ = write!(
                lines,
                "  ssl_certificate {};\n  ssl_certificate_key {};\n  auth_basic git;\n  auth_basic_user_file {};\n",
                self.certificate().display(),
                key.display(),
                self.dir.join("passwords").display()
            );
        }
        let _ = write!(
            lines,
            "  location / {{
    fastcgi_pass unix:{};
    fastcgi_read_timeout 60s;
    fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
    fastcgi_param GIT_PROJECT_ROOT {};
    fastcgi_param GIT_HTTP_EXPORT_ALL \"\";
    fastcgi_param PATH_INFO $uri;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param REMOTE_USER $remote_user;
    fastcgi_param REMOTE_ADDR $remote_addr;
  }}
}}
",
            socket.display(),
            root.display()
        );
        write(&self.nginx.sites().join("git.conf"), &lines)?;
        self.nginx.test()?;
        self.nginx.reload()
    }

    /// From now on this is the password.
    pub fn set_password(&self, user: &str, password: &str) -> Result<(), LabError> {
        write(
            &self.dir.join("passwords"),
            &format!("{user}:{{PLAIN}}{password}\n"),
        )
    }

    /// The certificate that it shows, its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("certificate.pem")
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        let (scheme, host) = if self.tls {
            ("https", "localhost")
        } else {
            ("http", "127.0.0.1")
        };
        format!("{scheme}://{host}:{}/{}", self.port.number(), self.name)
    }
}

/// A real sshd with one user's key.
pub struct GitSsh {
    process: Option<Process>,
    port: Port,
    dir: PathBuf,
    repository: PathBuf,
}

impl GitSsh {
    /// Lets the user who runs the test in with a key of its own. Everything it needs is written to `dir`.
    pub async fn start(dir: &Path, repository: &Path) -> Result<Self, LabError> {
        let mut server = Self {
            process: None,
            port: Port::reserve()?,
            dir: dir.to_owned(),
            repository: repository.to_owned(),
        };
        std::fs::create_dir_all(dir).map_err(LabError::io("cannot make a folder"))?;
        for key in ["host", "user", "other"] {
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.join(key)))?;
        }
        server.let_in("user")?;
        server.know("host")?;
        if rustix::process::geteuid().is_root() {
            // Where a started service would have made it.
            std::fs::create_dir_all("/run/sshd").map_err(LabError::io("cannot make /run/sshd"))?;
        }
        server.start_again("host").await?;
        Ok(server)
    }

    /// Starts it, again if it runs, with the host key of this name.
    pub async fn start_again(&mut self, host: &str) -> Result<(), LabError> {
        self.process = None;
        let config = self.dir.join("sshd_config");
        let dir = self.dir.display();
        write(
            &config,
            &format!(
                "Port {}\nListenAddress 127.0.0.1\nHostKey {dir}/{host}\nPidFile none\nAuthorizedKeysFile {dir}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n",
                self.port.number()
            ),
        )?;
        let mut sshd = Command::new(program(&["/usr/sbin/sshd"])?);
        sshd.args(["-D", "-e", "-f"]).arg(&config);
        let mut process = Process::spawn("sshd", sshd, None)?;
        let number = self.port.number();
        let up = wait_until(START, "sshd", async || {
            let up = TcpStream::connect(("127.0.0.1", number)).is_ok();
            (up || !process.is_running()).then_some(up)
        });
        if !matches!(up.await, Ok(true)) {
            return Err(trouble("sshd", process.lines().join("\n")));
        }
        self.process = Some(process);
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Lets the key of this name in, and no other.
    pub fn let_in(&self, key: &str) -> Result<(), LabError> {
        let public = self.dir.join(format!("{key}.pub"));
        let public = std::fs::read_to_string(public).map_err(LabError::io("cannot read a key"))?;
        write(&self.dir.join("authorized_keys"), &public)
    }

    /// Writes `known_hosts` with the host key of this name.
    fn know(&self, host: &str) -> Result<(), LabError> {
        let public = self.dir.join(format!("{host}.pub"));
        let public = std::fs::read_to_string(public).map_err(LabError::io("cannot read a key"))?;
        let key: Vec<&str> = public.split_whitespace().take(2).collect();
        let line = format!("[127.0.0.1]:{} {}\n", self.port.number(), key.join(" "));
        write(&self.dir.join("known_hosts"), &line)
    }

    /// What the environment of a `git` must hold that comes here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let dir = self.dir.display();
        let ssh = format!(
            "ssh -F none -oBatchMode=yes -oIdentitiesOnly=yes -oIdentityFile={dir}/user -oUserKnownHostsFile={dir}/known_hosts -oStrictHostKeyChecking=yes -oConnectTimeout=5"
        );
        vec![("GIT_SSH_COMMAND".into(), ssh)]
    }

    /// The repository's address.
    pub fn url(&self) -> Result<String, LabError> {
        // Who runs the test is who logs in: `id` knows the name.
        let user = run(Command::new("id").arg("-un"))?;
        Ok(format!(
            "ssh://{}@127.0.0.1:{}{}",
            user.trim(),
            self.port.number(),
            self.repository.display()
        ))
    }
}

fn split(repository: &Path) -> Result<(PathBuf, String), LabError> {
    let root = repository.parent().map(Path::to_owned);
    let name = repository
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    root.zip(name)
        .ok_or_else(|| trouble("git", "a repository has a folder and a name"))
}

fn program(places: &[&'static str]) -> Result<&'static str, LabError> {
    let found = places
        .iter()
        .copied()
        .find(|place| Path::new(place).exists());
    found.ok_or_else(|| trouble(places[0], "is not installed; `./x setup` installs it"))
}
