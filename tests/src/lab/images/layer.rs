//! The root file system of an image as one tar archive, made in memory without root's rights.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use tar::{Archive, Builder, EntryType, Header};

use super::LabError;

/// Parts of packages that no container needs: documentation, translations, what the just-in-time compiler of
/// PostgreSQL would use, and large programs beside the server of MySQL.
const LEFT_OUT: &[&str] = &[
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bash-completion",
    "usr/share/zoneinfo/right",
    "usr/share/zoneinfo/posix",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/lib/postgresql/15/lib/bitcode",
    "usr/lib/postgresql/15/lib/llvmjit.so",
    "etc/init.d",
    "etc/systemd",
    "usr/lib/systemd",
    "usr/bin/ibd2sdi",
    "usr/bin/innochecksum",
    "usr/bin/my_print_defaults",
    "usr/bin/myisam_ftdump",
    "usr/bin/myisamchk",
    "usr/bin/myisamlog",
    "usr/bin/myisampack",
    "usr/bin/mysql_config_editor",
    "usr/bin/mysql_migrate_keyring",
    "usr/bin/mysql_secure_installation",
    "usr/bin/mysql_tzinfo_to_sql",
    "usr/bin/mysqlbinlog",
    "usr/bin/mysqlimport",
    "usr/bin/mysqlshow",
    "usr/bin/mysqlslap",
    "usr/bin/perror",
    "usr/lib/mysql/plugin/authentication_kerberos_client.so",
    "usr/lib/mysql/plugin/authentication_oci_client.so",
    "usr/lib/mysql/plugin/authentication_openid_connect_client.so",
    "usr/lib/mysql/plugin/authentication_webauthn_client.so",
    "usr/lib/mysql/plugin/component_telemetry.so",
    "usr/lib/mysql/plugin/group_replication.so",
    "usr/lib/mysql/plugin/telemetry_client.so",
];

/// Folders that are links into `/usr` in every current Debian.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib64"];

/// Programs of busybox that the images use.
const APPLETS: &[&str] = &[
    "cat", "chmod", "chown", "cp", "date", "echo", "env", "find", "grep", "head", "id", "kill",
    "ls", "mkdir", "mktemp", "mv", "nc", "printf", "ps", "rm", "rmdir", "sed", "sh", "sleep", "su",
    "sync", "tail", "test", "touch", "true", "wget",
];

/// One addition to a layer.
#[derive(Debug, Clone)]
pub(super) struct Step {
    path: &'static str,
    mode: u32,
    owner: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    File(&'static str),
    Folder,
    Link(&'static str),
}

impl Step {
    /// A plain file.
    pub(super) fn file(path: &'static str, content: &'static str) -> Self {
        Self {
            path,
            mode: 0o644,
            owner: 0,
            kind: Kind::File(content),
        }
    }

    /// An executable file.
    pub(super) fn program(path: &'static str, content: &'static str) -> Self {
        Self {
            path,
            mode: 0o755,
            owner: 0,
            kind: Kind::File(content),
        }
    }

    /// A folder that belongs to a user and the group of the same number.
    pub(super) fn folder(path: &'static str, mode: u32, owner: u64) -> Self {
        Self {
            path,
            mode,
            owner,
            kind: Kind::Folder,
        }
    }

    /// A symbolic link.
    pub(super) fn link(path: &'static str, target: &'static str) -> Self {
        Self {
            path,
            mode: 0o777,
            owner: 0,
            kind: Kind::Link(target),
        }
    }
}

/// A growing root file system. Of two entries with one path the earlier one counts; engines refuse duplicates.
pub struct Layer {
    archive: Builder<Vec<u8>>,
    paths: BTreeSet<PathBuf>,
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    /// An empty layer.
    pub fn new() -> Self {
        Self {
            archive: Builder::new(Vec::new()),
            paths: BTreeSet::new(),
        }
    }

    /// `/bin` and the like as links into `/usr`, and a shell with the usual small programs from busybox.
    pub(super) fn add_base_links(&mut self) -> Result<(), LabError> {
        for name in MERGED {
            self.add_folder(&Path::new("usr").join(name), 0o755, 0)?;
            self.add_link(name, &format!("usr/{name}"))?;
        }
        for applet in APPLETS {
            self.add_link(&format!("usr/bin/{applet}"), "busybox")?;
        }
        Ok(())
    }

    /// Everything useful from a `.deb` archive. Its maintainer scripts do not run.
    pub(super) fn add_package(&mut self, package: &Path) -> Result<(), LabError> {
        let mut child = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(package)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(LabError::io("cannot start dpkg-deb"))?;
        if let Some(output) = child.stdout.take() {
            self.copy_entries(output)
                .map_err(LabError::io(format!("cannot read {}", package.display())))?;
        }
        let status = child
            .wait()
            .map_err(LabError::io("cannot wait for dpkg-deb"))?;
        if status.success() {
            return Ok(());
        }
        Err(LabError::Program {
            program: "dpkg-deb".to_owned(),
            problem: format!("{} cannot be read: {status}", package.display()),
        })
    }

    fn copy_entries(&mut self, mut input: impl Read) -> std::io::Result<()> {
        let mut source = Archive::new(&mut input);
        for entry in source.entries()? {
            let mut entry = entry?;
            let path = normal(&entry.path()?);
            let left_out = LEFT_OUT.iter().any(|left_out| path.starts_with(left_out));
            if path.as_os_str().is_empty() || left_out || !self.paths.insert(path.clone()) {
                continue;
            }
            let mut header = entry.header().clone();
            if let Some(target) = entry.link_name()? {
                let hard = header.entry_type().is_hard_link();
                let target = if hard {
                    normal(&target)
                } else {
                    target.into_owned()
                };
                self.archive.append_link(&mut header, &path, &target)?;
            } else {
                self.archive.append_data(&mut header, &path, &mut entry)?;
            }
        }
        // dpkg-deb must not meet a closed pipe: padding may follow the last entry.
        std::io::copy(&mut input, &mut std::io::sink())?;
        Ok(())
    }

    /// A recipe's own addition.
    pub(super) fn add(&mut self, step: &Step) -> Result<(), LabError> {
        match step.kind {
            Kind::File(content) => self.add_file(step.path, step.mode, content.as_bytes()),
            Kind::Folder => self.add_folder(Path::new(step.path), step.mode, step.owner),
            Kind::Link(target) => self.add_link(step.path, target),
        }
    }

    /// A file of root's.
    pub fn add_file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), LabError> {
        if !self.claim(Path::new(path))? {
            return Ok(());
        }
        let mut header = header(EntryType::Regular, mode, 0);
        header.set_size(content.len() as u64);
        self.archive
            .append_data(&mut header, path, content)
            .map_err(LabError::io(path))
    }

    /// A symbolic link.
    pub fn add_link(&mut self, path: &str, target: &str) -> Result<(), LabError> {
        if !self.claim(Path::new(path))? {
            return Ok(());
        }
        self.archive
            .append_link(&mut header(EntryType::Symlink, 0o777, 0), path, target)
            .map_err(LabError::io(path))
    }

    fn add_folder(&mut self, path: &Path, mode: u32, owner: u64) -> Result<(), LabError> {
        if !self.claim(path)? {
            return Ok(());
        }
        let mut header = header(EntryType::Directory, mode, owner);
        self.archive
            .append_data(&mut header, path, std::io::empty())
            .map_err(LabError::io(path.display().to_string()))
    }

    /// Makes the folders above `path`; says whether `path` itself is still free.
    fn claim(&mut self, path: &Path) -> Result<bool, LabError> {
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            self.add_folder(parent, 0o755, 0)?;
        }
        Ok(self.paths.insert(path.to_owned()))
    }

    /// The archive.
    pub fn finish(self) -> Result<Vec<u8>, LabError> {
        self.archive
            .into_inner()
            .map_err(LabError::io("cannot finish a layer"))
    }
}

fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(1_767_225_600);
    header.set_size(0);
    header
}

/// A package's path relative to the root, with `/lib` and the like moved to where they really are.
fn normal(path: &Path) -> PathBuf {
    let parts: PathBuf = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    match parts.components().next() {
        Some(Component::Normal(first)) if MERGED.iter().any(|name| first == *name) => {
            Path::new("usr").join(parts)
        }
        _ => parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_move_below_usr() {
        assert_eq!(
            normal(Path::new("./lib/x86_64-linux-gnu/libc.so.6")),
            Path::new("usr/lib/x86_64-linux-gnu/libc.so.6")
        );
        assert_eq!(normal(Path::new("./usr/lib/a")), Path::new("usr/lib/a"));
        assert_eq!(normal(Path::new("./library/a")), Path::new("library/a"));
        assert_eq!(normal(Path::new("./")), Path::new(""));
        assert_eq!(normal(Path::new("../../etc/a")), Path::new("etc/a"));
    }

    #[test]
    fn parents_come_before_children() {
        let mut layer = Layer::new();
        layer.add_file("a/b/c", 0o644, b"content").unwrap();
        layer.add_link("a/b/d", "c").unwrap();
        layer.add_file("a/b/c", 0o644, b"other").unwrap();
        let bytes = layer.finish().unwrap();
        let mut archive = Archive::new(bytes.as_slice());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        // Nothing is there twice.
        assert_eq!(names, ["a", "a/b", "a/b/c", "a/b/d"].map(PathBuf::from));
    }
}
