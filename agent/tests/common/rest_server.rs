//! A place for backups that keeps to its word: `rclone serve restic`, with the log-ins and the limits that it is given.
#![allow(unreachable_pub, reason = "several test programs include this file")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Holds whoever logs in to appending, below their own folder.
pub const APPEND_ONLY: [&str; 2] = ["--append-only", "--private-repos"];

/// A server that runs until it is dropped.
pub struct RestServer {
    child: Child,
    /// Where it listens, of this machine.
    pub port: u16,
}

impl Drop for RestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl RestServer {
    /// Serves `folder` to those whom `htpasswd` names, with these options besides.
    pub fn start(folder: &Path, htpasswd: &Path, more: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new("rclone")
            .args(["serve", "restic", "--config", "/dev/null"])
            .arg(folder)
            .arg("--addr")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--htpasswd")
            .arg(htpasswd)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("rclone serve restic never listened");
    }
}
