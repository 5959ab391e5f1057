//! Everything that is mounted into the container of a service.

use super::service::{Seen, Translation, signed};
use super::{MountedFile, SpecError};
use crate::containers::desired::{MountSource, MountSpec};
use std::path::{Path, PathBuf};
use tenantry_compose::{self as compose, Access, BindSource, FileSource, MountKind};
use tenantry_schema::secret::Secret;

/// Compose's.
const FILE_MODE: u32 = 0o444;

impl Translation<'_> {
    pub(super) fn mount(
        &self,
        mount: &compose::Mount,
        seen: &mut Seen,
        files: &mut Vec<MountedFile>,
    ) -> Result<MountSpec, SpecError> {
        let (source, read_only) = match &mount.kind {
            MountKind::Bind {
                source,
                propagation,
                ..
            } => {
                let path = match source {
                    BindSource::Project(path) => self.own(path.as_str()),
                    BindSource::Server(path) => PathBuf::from(path),
                };
                self.see(&path, seen);
                let propagation =
                    propagation.map(|propagation| propagation_text(propagation).to_owned());
                (MountSource::Bind { path, propagation }, mount.read_only)
            }
            MountKind::Volume {
                name,
                nocopy,
                subpath,
            } => {
                let source = match name {
                    Some(name) => MountSource::Volume {
                        name: self.project.volume_name(self.name, name),
                        nocopy: *nocopy,
                        subpath: subpath.clone(),
                    },
                    None => MountSource::Anonymous,
                };
                (source, mount.read_only)
            }
            MountKind::Tmpfs {
                size,
                mode,
                options,
            } => (
                tmpfs(*size, *mode, options, mount.read_only),
                mount.read_only,
            ),
            MountKind::Secret { name, access } => {
                let source = self
                    .project
                    .secrets
                    .get(name)
                    .ok_or_else(|| self.refuse(format!("there is no secret `{name}`")))?;
                (
                    self.file(
                        source,
                        self.place.secrets,
                        name.as_str(),
                        access,
                        seen,
                        files,
                    )?,
                    true,
                )
            }
            MountKind::Config { name, access } => {
                let source = self
                    .project
                    .configs
                    .get(name)
                    .ok_or_else(|| self.refuse(format!("there is no config `{name}`")))?;
                (
                    self.file(
                        source,
                        self.place.configs,
                        name.as_str(),
                        access,
                        seen,
                        files,
                    )?,
                    true,
                )
            }
        };
        Ok(MountSpec { source, read_only })
    }

    /// A secret or config as a file that is mounted.
    fn file(
        &self,
        source: &FileSource,
        folder: &Path,
        name: &str,
        access: &Access,
        seen: &mut Seen,
        files: &mut Vec<MountedFile>,
    ) -> Result<MountSource, SpecError> {
        let (name, content) = match source {
            FileSource::File(path) => {
                let path = self.own(path.as_str());
                self.see(&path, seen);
                return Ok(MountSource::Bind {
                    path,
                    propagation: None,
                });
            }
            FileSource::Environment { variable, content } => (variable.as_str(), content),
            FileSource::Content(content) => (name, content),
        };
        let (uid, gid) = (
            self.id(access.uid.as_deref())?,
            self.id(access.gid.as_deref())?,
        );
        let mode = access.mode.unwrap_or(FILE_MODE);
        let path = folder.join(file_name(name, mode, uid, gid));
        let digest = self.place.key.file(content.expose().as_bytes());
        // Owner and permissions are seen inside as well.
        seen.files
            .insert(path.clone(), format!("{digest} {mode:o} {uid:?} {gid:?}"));
        files.push(MountedFile {
            path: path.clone(),
            content: Secret::new(content.expose().to_owned()),
            mode,
            uid,
            gid,
        });
        Ok(MountSource::Bind {
            path,
            propagation: None,
        })
    }

    fn id(&self, text: Option<&str>) -> Result<Option<u32>, SpecError> {
        text.map(|text| {
            text.parse()
                .map_err(|_| self.refuse(format!("`{text}` is not a number of a user or group")))
        })
        .transpose()
    }

    /// An empty path is the folder itself.
    fn own(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            self.place.folder.to_owned()
        } else {
            self.place.folder.join(path)
        }
    }

    /// Every known file at or below a mounted path is an input, unless it is seen through a folder by a service that takes changes in.
    fn see(&self, mounted: &Path, seen: &mut Seen) {
        let below = self
            .place
            .digests
            .range(mounted.to_owned()..)
            .take_while(|(path, _)| path.starts_with(mounted));
        for (path, digest) in below {
            let through_folder = path != mounted;
            let kind = if through_folder && self.reloads() {
                &mut seen.watched
            } else {
                &mut seen.files
            };
            kind.insert(path.clone(), digest.clone());
        }
        // What is also mounted by itself pins its inode.
        let files = &seen.files;
        seen.watched.retain(|path, _| !files.contains_key(path));
    }
}

/// Services may ask for the same in several ways: each way is a file of its own. Names of variables and configs have no `@`.
fn file_name(name: &str, mode: u32, uid: Option<u32>, gid: Option<u32>) -> String {
    if (mode, uid, gid) == (FILE_MODE, None, None) {
        return name.to_owned();
    }
    let id = |id: Option<u32>| id.map(|id| id.to_string()).unwrap_or_default();
    format!("{name}@{mode:04o}-{}-{}", id(uid), id(gid))
}

fn tmpfs(size: Option<u64>, mode: Option<u32>, options: &[String], read_only: bool) -> MountSource {
    if options.is_empty() {
        return MountSource::Tmpfs {
            size: size.map(signed),
            mode,
        };
    }
    let size = size.map(|size| format!("size={size}"));
    let mode = mode.map(|mode| format!("mode={mode:o}"));
    let read_only = read_only.then(|| "ro".to_owned());
    let all: Vec<_> = options
        .iter()
        .cloned()
        .chain(size)
        .chain(mode)
        .chain(read_only)
        .collect();
    MountSource::TmpfsOptions(all.join(","))
}

fn propagation_text(propagation: compose::Propagation) -> &'static str {
    match propagation {
        compose::Propagation::Private => "private",
        compose::Propagation::RPrivate => "rprivate",
        compose::Propagation::Shared => "shared",
        compose::Propagation::RShared => "rshared",
        compose::Propagation::Slave => "slave",
        compose::Propagation::RSlave => "rslave",
    }
}
