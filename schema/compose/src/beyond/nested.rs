//! Mounts whose source lies in what a container may write to: it could put a link there, and the engine, which is root, would follow
//! it at the next start, to wherever it leads.

use crate::mount::{BindSource, MountKind, ProjectPath};
use crate::parts::FileSource;
use crate::project::Project;
use crate::service::Service;

/// A mount of a service: its name, the key that leads there, and what it reaches.
pub(super) type Nested<'p> = (&'p str, &'static str, String);

/// Binds, and secrets and configs from files, below a source that a service mounts writable.
pub(super) fn nested(project: &Project) -> Vec<Nested<'_>> {
    let of = |service: &'_ Service| {
        let binds = service.volumes.iter();
        binds
            .filter_map(|mount| Some((own(&mount.kind)?.clone(), mount.read_only)))
            .collect::<Vec<_>>()
    };
    let writable: Vec<(&str, ProjectPath)> = project
        .services
        .iter()
        .flat_map(|(name, service)| of(service).into_iter().map(move |bind| (name, bind)))
        .filter(|(_, (_, read_only))| !read_only)
        .map(|(name, (path, _))| (name.as_str(), path))
        .collect();
    let mut found = Vec::new();
    for (name, service) in &project.services {
        for (key, source) in sources(project, service) {
            let writer = writable.iter().find(|(_, above)| is_below(source, above));
            if let Some((writer, _)) = writer {
                let what = format!(
                    "`./{}`, which lies in a folder that `{writer}` may change and so can be led out of the stack",
                    source.as_str()
                );
                found.push((name.as_str(), key, what));
            }
        }
    }
    found
}

/// Everything of the project's folder that a service mounts, with the key that says so.
fn sources<'p>(project: &'p Project, service: &'p Service) -> Vec<(&'static str, &'p ProjectPath)> {
    let mounts = service.all_mounts();
    mounts
        .filter_map(|mount| match &mount.kind {
            MountKind::Secret { name, .. } => {
                file(project.secrets.get(name)?).map(|path| ("secrets", path))
            }
            MountKind::Config { name, .. } => {
                file(project.configs.get(name)?).map(|path| ("configs", path))
            }
            kind => own(kind).map(|path| ("volumes", path)),
        })
        .collect()
}

fn file(source: &FileSource) -> Option<&ProjectPath> {
    match source {
        FileSource::File(path) => Some(path),
        FileSource::Environment { .. } | FileSource::Content(_) => None,
    }
}

fn own(kind: &MountKind) -> Option<&ProjectPath> {
    match kind {
        MountKind::Bind {
            source: BindSource::Project(path),
            ..
        } => Some(path),
        _ => None,
    }
}

/// Strictly: what is mounted itself cannot be put elsewhere from within.
fn is_below(path: &ProjectPath, above: &ProjectPath) -> bool {
    let (path, above) = (path.as_str(), above.as_str());
    let rest = path.strip_prefix(above);
    match above {
        "" => !path.is_empty(),
        _ => rest.is_some_and(|rest| rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let project = Project::load(text, &|_| None).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let found = nested(&project).into_iter();
        found
            .map(|(service, key, what)| format!("{service}.{key}: {what}"))
            .collect()
    }

    const WHY: &str = "may change and so can be led out of the stack";

    #[test]
    fn what_lies_in_a_writable_folder_is_found() {
        for (services, found) in [
            (
                "a: {image: x, volumes: ['./files:/a', './files/data:/b:ro']}",
                format!("a.volumes: `./files/data`, which lies in a folder that `a` {WHY}"),
            ),
            (
                "a: {image: x, volumes: ['./:/a']}\n  b: {image: x, volumes: [{type: bind, source: ./files, target: /b}]}",
                format!("b.volumes: `./files`, which lies in a folder that `a` {WHY}"),
            ),
            (
                "a: {image: x, volumes: ['./files:/a']}\n  b: {image: x, secrets: [s]}",
                format!("b.secrets: `./files/s/key`, which lies in a folder that `a` {WHY}"),
            ),
            (
                "a: {image: x, volumes: ['./files/s/:/a']}\n  b: {image: x, configs: [c]}",
                format!("b.configs: `./files/s/conf`, which lies in a folder that `a` {WHY}"),
            ),
        ] {
            let text = format!(
                "services:\n  {services}\nsecrets: {{s: {{file: ./files/s/key}}}}\nconfigs: {{c: {{file: files/s/./conf}}}}\n"
            );
            assert_eq!(told(&text), [found], "{services}");
        }
    }

    #[test]
    fn only_what_lies_strictly_below_is_found() {
        let text = "
services:
  a: {image: x, volumes: ['./files:/a:ro', './files/data:/b', './files-2/x:/c', 'v:/v'], secrets: [s]}
  b: {image: x, volumes: ['./files/data:/b', './files-2/x/y:/d:ro'], tmpfs: [/t]}
volumes: {v: {}}
secrets: {s: {file: ./files/key}}
";
        assert_eq!(
            told(text),
            [format!(
                "b.volumes: `./files-2/x/y`, which lies in a folder that `a` {WHY}"
            )]
        );
    }
}
