//! Reading mounts: both syntaxes of `volumes`, `tmpfs`, and grants of secrets and configs.

use crate::mount::{Access, BindSource, Mount, MountKind, ProjectPath, Propagation};
use crate::names::VolumeName;
use crate::reader::{At, is_opaque};
use crate::units;

/// Reads `volumes` of a service.
pub(crate) fn read(at: &At<'_>) -> Vec<Mount> {
    let items = at.items().unwrap_or_default();
    items
        .iter()
        .filter_map(|item| match item.node.as_mapping() {
            Some(_) => long(item),
            None => short(item),
        })
        .collect()
}

fn short(at: &At<'_>) -> Option<Mount> {
    let text = at.text()?;
    let mut parts = text.split(':');
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() {
        at.invalid_with("too many `:` in a volume", "write \"source:target[:ro]\"");
        return None;
    }
    let Some(target) = second else {
        return Some(Mount {
            kind: volume(None),
            target: target_path(first, at)?,
            read_only: false,
        });
    };
    let mut mount = Mount {
        kind: source(first, at)?,
        target: target_path(target, at)?,
        read_only: false,
    };
    for option in third.into_iter().flat_map(|options| options.split(',')) {
        apply_option(&mut mount, option, at)?;
    }
    Some(mount)
}

fn apply_option(mount: &mut Mount, option: &str, at: &At<'_>) -> Option<()> {
    match (option, &mut mount.kind) {
        ("rw" | "consistent" | "cached" | "delegated" | "default", _) => {}
        ("ro", _) => mount.read_only = true,
        ("nocopy", MountKind::Volume { nocopy, .. }) => *nocopy = true,
        ("z" | "Z", _) => {
            at.unsupported("the option `z` (SELinux) of a volume is not supported");
            return None;
        }
        (name, MountKind::Bind { propagation, .. }) if propagation_of(name).is_some() => {
            *propagation = propagation_of(name);
        }
        (name, _) if is_opaque(name) => {}
        _ => {
            at.invalid_with(
                "an unknown option of a volume",
                "possible: `ro`, `rw`, `nocopy`",
            );
            return None;
        }
    }
    Some(())
}

fn propagation_of(name: &str) -> Option<Propagation> {
    Some(match name {
        "private" => Propagation::Private,
        "rprivate" => Propagation::RPrivate,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::RShared,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::RSlave,
        _ => return None,
    })
}

fn volume(name: Option<VolumeName>) -> MountKind {
    MountKind::Volume {
        name,
        nocopy: false,
        subpath: None,
    }
}

/// A path or the name of a volume, told apart by the first character as Compose does.
fn source(text: &str, at: &At<'_>) -> Option<MountKind> {
    if text.starts_with(['.', '/', '~']) {
        return bind(text, at);
    }
    // A volume's name is a key of the file; it cannot come from a value that is not known.
    if is_opaque(text) {
        return Some(MountKind::Bind {
            source: BindSource::Server(text.to_owned()),
            propagation: None,
            create_host_path: true,
        });
    }
    if let Ok(name) = VolumeName::try_from(text) {
        return Some(volume(Some(name)));
    }
    at.invalid_with(
        "the source of a volume is neither a name nor a path",
        "begin a path with `./`",
    );
    None
}

fn bind(text: &str, at: &At<'_>) -> Option<MountKind> {
    let source = if text.starts_with('~') {
        at.invalid_with("`~` has no meaning on a server", "write the path out");
        return None;
    } else if text.starts_with('/') {
        if text.split('/').any(|part| part == "..") {
            at.invalid("`..` in the path of a mount");
            return None;
        }
        BindSource::Server(text.to_owned())
    } else if let Some(path) = ProjectPath::new(text) {
        BindSource::Project(path)
    } else {
        at.invalid_with(
            "the path leads out of the project's folder",
            "keep files beside the Compose file",
        );
        return None;
    };
    Some(MountKind::Bind {
        source,
        propagation: None,
        create_host_path: true,
    })
}

pub(crate) fn target_path(text: &str, at: &At<'_>) -> Option<String> {
    let fine =
        (text.starts_with('/') || is_opaque(text)) && !text.split('/').any(|part| part == "..");
    if fine {
        Some(text.to_owned())
    } else {
        at.invalid_with(
            "the target of a mount is not an absolute path",
            "begin it with `/`",
        );
        None
    }
}

fn long(at: &At<'_>) -> Option<Mount> {
    let known = [
        "type",
        "source",
        "target",
        "read_only",
        "consistency",
        "bind",
        "volume",
        "tmpfs",
    ];
    let refused = [("image", "images cannot be mounted yet")];
    let fields = at.fields(&known, &refused)?;
    let Some(kind) = fields.get("type") else {
        at.invalid_with("the mount needs a `type`", "`bind`, `volume` or `tmpfs`");
        return None;
    };
    let source_at = fields.get("source");
    let kind = match kind.text()? {
        "bind" => {
            let Some(source_at) = source_at else {
                at.invalid("a bind mount needs a `source`");
                return None;
            };
            let text = source_at.text()?;
            // `files/x` is a path here, unlike in the short syntax.
            bind_options(bind(text, source_at)?, fields.get("bind"))
        }
        "volume" => {
            let name = match source_at {
                Some(at) => Some(named_volume(at)?),
                None => None,
            };
            volume_options(name, fields.get("volume"))
        }
        "tmpfs" => tmpfs_options(fields.get("tmpfs")),
        "cluster" | "npipe" | "image" => {
            kind.unsupported("mounts of this type are not supported");
            return None;
        }
        _ => {
            kind.wrong_type("`bind`, `volume` or `tmpfs`");
            return None;
        }
    };
    let Some(target) = fields.get("target") else {
        at.invalid("the mount needs a `target`, the path in the container");
        return None;
    };
    Some(Mount {
        kind,
        target: target_path(target.text()?, target)?,
        read_only: fields.boolean("read_only"),
    })
}

fn named_volume(at: &At<'_>) -> Option<VolumeName> {
    let name = VolumeName::try_from(at.text()?);
    if let Err(error) = &name {
        at.invalid(error.to_string());
    }
    name.ok()
}

fn bind_options(kind: MountKind, at: Option<&At<'_>>) -> MountKind {
    let (MountKind::Bind { source, .. }, Some(at)) = (&kind, at) else {
        return kind;
    };
    let refused = [
        ("selinux", "the server has no SELinux"),
        (
            "recursive",
            "mounts below a bind follow the engine's default",
        ),
    ];
    let Some(fields) = at.fields(&["propagation", "create_host_path"], &refused) else {
        return kind;
    };
    let propagation = fields.get("propagation").and_then(|at| {
        at.parse(
            "a propagation such as `rprivate`",
            Propagation::RPrivate,
            propagation_of,
        )
    });
    MountKind::Bind {
        source: source.clone(),
        propagation,
        create_host_path: fields
            .get("create_host_path")
            .and_then(At::boolean)
            .unwrap_or(true),
    }
}

fn volume_options(name: Option<VolumeName>, at: Option<&At<'_>>) -> MountKind {
    let refused = [("labels", "labels belong to the top-level volume")];
    let fields = at.and_then(|at| at.fields(&["nocopy", "subpath"], &refused));
    MountKind::Volume {
        name,
        nocopy: fields
            .as_ref()
            .is_some_and(|fields| fields.boolean("nocopy")),
        subpath: fields.and_then(|fields| fields.owned("subpath")),
    }
}

fn tmpfs_options(at: Option<&At<'_>>) -> MountKind {
    let fields = at.and_then(|at| at.fields(&["size", "mode"], &[]));
    let get = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    MountKind::Tmpfs {
        size: get("size").and_then(|at| at.parse("a size such as `64m`", 0, units::bytes)),
        mode: get("mode").and_then(mode),
        options: Vec::new(),
    }
}

/// Permission bits, octal with a leading zero and without quotes: versions of Compose read quoted ones, and those
/// without a zero, as decimal. What comes from a variable is octal.
pub(crate) fn mode(at: &At<'_>) -> Option<u32> {
    const EXPECTED: &str = "permission bits such as `0440`";
    if at.node.is_quoted() && !at.has_variable() {
        at.wrong_type(EXPECTED);
        return None;
    }
    at.parse(EXPECTED, 0o444, |text| {
        let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix('0'))?;
        let fine = (1..=4).contains(&digits.len());
        u32::from_str_radix(digits, 8).ok().filter(|_| fine)
    })
}

/// Number of a user or group. Names differ from image to image, and nobody outside of it knows them.
fn number(at: &At<'_>) -> Option<String> {
    let text = at.owned()?;
    // The highest number stands for "as it is".
    let fine = text.parse::<u32>().is_ok_and(|number| number != u32::MAX);
    if !fine && !at.is_opaque() {
        at.invalid_with(
            "users and groups are given by number",
            "write the number that it has in the image, such as \"33\"",
        );
        return None;
    }
    Some(text)
}

/// Reads `tmpfs` of a service: `/path` or `/path:size=64m,mode=1777`.
pub(crate) fn read_tmpfs(at: &At<'_>) -> Vec<Mount> {
    let single = at.node.as_sequence().is_none();
    let items = if single {
        vec![at.clone()]
    } else {
        at.items().unwrap_or_default()
    };
    items.iter().filter_map(tmpfs).collect()
}

fn tmpfs(at: &At<'_>) -> Option<Mount> {
    let text = at.text()?;
    let (target, options) = match text.split_once(':') {
        Some((target, options)) => (target, options),
        None => (text, ""),
    };
    let (mut size, mut mode, mut rest, mut read_only) = (None, None, Vec::new(), false);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            _ if is_opaque(option) => {}
            Some(("size", text)) => {
                size = units::bytes(text);
                if size.is_none() {
                    at.invalid_with("the size of a tmpfs is not a size", "write `size=64m`");
                }
            }
            Some(("mode", text)) => {
                mode = u32::from_str_radix(text, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777);
                if mode.is_none() {
                    at.invalid_with("the mode of a tmpfs is not octal", "write `mode=1777`");
                }
            }
            Some(("uid" | "gid" | "nr_inodes", _)) => rest.push(option.to_owned()),
            None if option == "ro" => read_only = true,
            None if matches!(
                option,
                "rw" | "exec" | "noexec" | "suid" | "nosuid" | "dev" | "nodev"
            ) =>
            {
                rest.push(option.to_owned());
            }
            _ => at.invalid("an unknown option of a tmpfs"),
        }
    }
    Some(Mount {
        kind: MountKind::Tmpfs {
            size,
            mode,
            options: rest,
        },
        target: target_path(target, at)?,
        read_only,
    })
}

/// Reads `secrets` or `configs` of a service: name, target as written, access.
pub(crate) fn grants<'a>(at: &At<'a>) -> Vec<(At<'a>, &'a str, Option<String>, Access)> {
    let mut grants = Vec::new();
    for item in at.items().unwrap_or_default() {
        if item.node.as_mapping().is_none() {
            if let Some(name) = item.text() {
                grants.push((item.clone(), name, None, Access::default()));
            }
            continue;
        }
        let Some(fields) = item.fields(&["source", "target", "uid", "gid", "mode"], &[]) else {
            continue;
        };
        let Some(source) = fields.get("source") else {
            item.invalid("a `source` is needed");
            continue;
        };
        let access = Access {
            uid: fields.get("uid").and_then(number),
            gid: fields.get("gid").and_then(number),
            mode: fields.get("mode").and_then(mode),
        };
        if let Some(name) = source.text() {
            grants.push((source.clone(), name, fields.owned("target"), access));
        }
    }
    grants
}
