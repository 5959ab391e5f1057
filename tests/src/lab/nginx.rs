//! A private nginx with a configuration folder, ports and pid file of its own; ends when dropped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::LabError;
use super::process::Process;
use super::wait::wait_until_blocking;

/// A running nginx that includes `tenantry/sites/*.conf` of its configuration folder.
pub struct Nginx {
    prefix: PathBuf,
    process: Process,
}

const START: Duration = Duration::from_secs(10);

impl Nginx {
    /// Starts nginx with everything it writes below `prefix`, which is made if need be. It serves nothing until a
    /// site is put into [`Nginx::sites`] and [`Nginx::reload`] is called.
    pub fn start(prefix: &Path) -> Result<Self, LabError> {
        let sites = prefix.join("conf/tenantry/sites");
        for folder in [sites.as_path(), &prefix.join("temp")] {
            std::fs::create_dir_all(folder)
                .map_err(LabError::io(format!("cannot make {}", folder.display())))?;
        }
        let main = prefix.join("conf/nginx.conf");
        std::fs::write(&main, main_configuration(prefix))
            .map_err(LabError::io(format!("cannot write {}", main.display())))?;
        let pid_file = prefix.join("nginx.pid");
        // One that a killed predecessor left behind would look like a finished start.
        let _ = std::fs::remove_file(&pid_file);
        let mut command = Self::command(prefix);
        command.args(["-g", "daemon off;"]);
        let mut process = Process::spawn("nginx", command, None)?;
        let started = wait_until_blocking(START, "its start", || {
            let written = std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n'));
            (written || !process.is_running()).then_some(written)
        });
        if !matches!(started, Ok(true)) {
            return Err(LabError::Program {
                program: "nginx".to_owned(),
                problem: format!("did not start:\n  {}", process.lines().join("\n  ")),
            });
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            process,
        })
    }

    /// The configuration folder (it holds `nginx.conf`, and `tenantry/` for what the agent writes).
    pub fn configuration(&self) -> PathBuf {
        self.prefix.join("conf")
    }

    /// The folder of the sites.
    pub fn sites(&self) -> PathBuf {
        self.prefix.join("conf/tenantry/sites")
    }

    /// The file with the process id of the master process.
    pub fn pid_file(&self) -> PathBuf {
        self.prefix.join("nginx.pid")
    }

    /// The program and its arguments that address this nginx; `-t` or `-s reload` goes behind them.
    pub fn command_line(&self) -> Vec<String> {
        let command = Self::command(&self.prefix);
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|part| part.to_string_lossy().into_owned())
            .collect()
    }

    /// Tests the configuration; the error holds what nginx says.
    pub fn test(&self) -> Result<(), LabError> {
        self.run(&["-t"])
    }

    /// Makes nginx read its configuration again. It returns before the new workers are there.
    pub fn reload(&self) -> Result<(), LabError> {
        self.run(&["-s", "reload"])
    }

    /// Its process, to be killed or looked at.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The lines of the error log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.prefix.join("error.log")).unwrap_or_default()
    }

    fn run(&self, arguments: &[&str]) -> Result<(), LabError> {
        let output = Self::command(&self.prefix)
            .args(arguments)
            .output()
            .map_err(LabError::io("cannot start nginx"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(LabError::Program {
            program: "nginx".to_owned(),
            problem: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn command(prefix: &Path) -> Command {
        // Debian keeps it in a folder that is not on everybody's path.
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .unwrap_or("nginx");
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(prefix)
            .arg("-c")
            .arg(prefix.join("conf/nginx.conf"))
            .arg("-e")
            .arg(prefix.join("error.log"));
        command
    }
}

/// `nginx.conf` for a folder of its own. Workers keep the master's user, who owns the folder.
fn main_configuration(prefix: &Path) -> String {
    let user = if rustix::process::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    let prefix = prefix.display();
    format!(
        "{user}worker_processes 1;
pid \"{prefix}/nginx.pid\";
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path \"{prefix}/temp/body\";
    proxy_temp_path \"{prefix}/temp/proxy\";
    fastcgi_temp_path \"{prefix}/temp/fastcgi\";
    uwsgi_temp_path \"{prefix}/temp/uwsgi\";
    scgi_temp_path \"{prefix}/temp/scgi\";
    server_names_hash_bucket_size 128;
    include tenantry/sites/*.conf;
}}
"
    )
}
