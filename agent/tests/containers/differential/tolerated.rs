//! Differences between what Compose makes and what the agent makes, each with its reason.

use std::fmt;

/// One value that is not the same.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) theirs: Option<String>,
    pub(super) ours: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            f,
            "{}: Compose {}, agent {}",
            self.path,
            shown(&self.theirs),
            shown(&self.ours)
        )
    }
}

impl Difference {
    fn ends(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }

    fn has(&self, part: &str) -> bool {
        self.path.contains(part)
    }

    fn theirs(&self) -> &str {
        self.theirs.as_deref().unwrap_or_default()
    }

    fn ours(&self) -> &str {
        self.ours.as_deref().unwrap_or_default()
    }
}

/// A kind of difference that is as it should be.
pub(super) struct Tolerated {
    pub(super) why: &'static str,
    pub(super) is: fn(&Difference) -> bool,
}

pub(super) const TOLERATED: &[Tolerated] = &[
    Tolerated {
        why: "the agent's own labels: whose it is, and the digest of what it is made from",
        is: |d| d.has(".Labels.dev.tenantry.") && d.theirs.is_none(),
    },
    Tolerated {
        why: "each has its own digest of the configuration, and names its own release",
        is: |d| d.ends(".com.docker.compose.config-hash") || d.ends(".com.docker.compose.version"),
    },
    Tolerated {
        why: "an override that comes or goes makes no container anew that it leaves as it is: the label names the file that is always there",
        is: |d| {
            let ours = d.ours.as_deref().unwrap_or_default();
            let both = format!(
                "{ours},{}",
                ours.replace("compose.yaml", "compose.override.yaml")
            );
            d.ends(".com.docker.compose.project.config_files") && d.theirs() == both
        },
    },
    Tolerated {
        why: "Compose may watch the output of what it starts; nobody watches the agent's containers, logs are the same",
        is: |d| (d.ends(".AttachStdout") || d.ends(".AttachStderr")) && d.theirs() == "true",
    },
    Tolerated {
        why: "no restart policy and `no` are the same to the engine",
        is: |d| d.ends(".RestartPolicy.Name") && d.theirs.is_none() && d.ours() == "no",
    },
    Tolerated {
        why: "Compose adds the container's name to its aliases; the engine resolves that name by itself",
        is: |d| {
            let own = d.path.split('.').next().unwrap_or_default();
            let own = format!("\"{}\"", own.trim_start_matches("container "));
            let rest = d.theirs().replacen(&format!("{own}, "), "", 1);
            d.ends(".Aliases") && rest == d.ours()
        },
    },
    Tolerated {
        why: "the engine chooses address ranges of its own pools",
        is: |d| {
            let pool = |text: &str| text.contains("\"172.") || text.contains("\"192.168.");
            d.ends(".IPAM.Config") && pool(d.theirs()) && pool(d.ours())
        },
    },
    Tolerated {
        why: "an empty address configuration is none",
        is: |d| d.ends(".IPAMConfig") && d.theirs() == "{}" && d.ours.is_none(),
    },
    Tolerated {
        why: "the agent asks for binds as mounts, so that a missing source is an error and no new folder; the mounts that result are compared",
        is: |d| {
            d.ends(".HostConfig.Binds") && d.ours.is_none()
                || d.ends(".HostConfig.Mounts") && d.ours().contains("bind\\\"")
                || d.has(".Mounts./") && d.ends(".Mode") && d.ours.is_none()
        },
    },
    Tolerated {
        why: "a tmpfs in the short syntax is a mount, too; the engine mounts both with the same options",
        is: |d| {
            d.ends(".HostConfig.Mounts") && d.ours().contains("tmpfs\\\"")
                || d.has(".Mounts./") && d.theirs.is_none() && TMPFS.iter().any(|at| d.has(at))
        },
    },
    Tolerated {
        why: "options of a tmpfs in another order, and its size in bytes",
        is: |d| d.has(".HostConfig.Tmpfs./") && d.ours() == "noexec,size=67108864,mode=1777",
    },
    Tolerated {
        why: "Compose copies secrets and configs that are no files into the container, where they stay on disk; the agent mounts them from memory",
        is: |d| d.has(".Mounts./") && d.theirs.is_none() && WRITTEN.iter().any(|at| d.has(at)),
    },
    Tolerated {
        why: "a container without mounts of Compose's has one of the agent's, see above",
        is: |d| d.ends("-1.Mounts") && d.theirs() == "{}" && d.ours.is_none(),
    },
    Tolerated {
        why: "a declared port without a protocol is TCP",
        is: |d| d.ends(".ExposedPorts.7000") || d.ends(".ExposedPorts.7000/tcp"),
    },
    Tolerated {
        why: "the engine counts whole seconds: half a second is one for the agent, and none, which means ten, for Compose",
        is: |d| d.ends(".StopTimeout") && d.theirs.is_none() && d.ours() == "1",
    },
];

/// Where the corpus has a tmpfs in the short syntax without options.
const TMPFS: [&str; 3] = [".Mounts./run.", ".Mounts./tmp.", ".Mounts./data."];
/// Where it has secrets and configs that are no files.
const WRITTEN: [&str; 3] = [
    ".Mounts./inline.",
    ".Mounts./etc/outside.",
    ".Mounts./run/secrets/token.",
];
