//! Where the kernel counts what a container uses, in both versions of control groups (`cgroups(7)`), and what its files say.

use std::path::{Path, PathBuf};

/// Fewer digits of an id would fit other containers.
const LEAST_ID: usize = 12;

/// Files that count for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group {
    /// All in one folder.
    Unified(PathBuf),
    /// A folder for each controller.
    Split {
        /// Of the processor.
        cpu: Option<PathBuf>,
        /// Of memory.
        memory: Option<PathBuf>,
        /// Of disks.
        io: Option<PathBuf>,
    },
}

/// The group of the container `id`, from `/proc/<pid>/cgroup`. `root`: where control groups are mounted. A path that does not name the
/// container is not believed: the process may be another one by now.
pub(super) fn find(text: &str, id: &str, root: &Path) -> Option<Group> {
    if id.len() < LEAST_ID || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut unified = None;
    let (mut cpu, mut memory, mut io) = (None, None, None);
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        if !path.contains(id) || path.split('/').any(|part| part == "..") {
            continue;
        }
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            unified = Some(root.join(path));
        }
        let folder = root.join(controllers).join(path);
        for controller in controllers.split(',') {
            match controller {
                "cpuacct" => cpu = Some(folder.clone()),
                "memory" => memory = Some(folder.clone()),
                "blkio" => io = Some(folder.clone()),
                _ => {}
            }
        }
    }
    if cpu.is_some() || memory.is_some() {
        return Some(Group::Split { cpu, memory, io });
    }
    unified.map(Group::Unified)
}

impl Group {
    /// Processor time in microseconds.
    pub(super) fn cpu(&self) -> Option<u64> {
        match self {
            Self::Unified(folder) => field(&read(folder, "cpu.stat")?, "usage_usec"),
            Self::Split { cpu, .. } => {
                let nanoseconds: u64 = number(&read(cpu.as_ref()?, "cpuacct.usage")?)?;
                Some(nanoseconds / 1000)
            }
        }
    }

    /// Bytes of memory, without files that the kernel can drop at once.
    pub(super) fn memory(&self) -> Option<u64> {
        let (folder, all, inactive) = match self {
            Self::Unified(folder) => (folder, "memory.current", "inactive_file"),
            Self::Split { memory, .. } => (
                memory.as_ref()?,
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
        };
        let all = number(&read(folder, all)?)?;
        let files = read(folder, "memory.stat").and_then(|text| field(&text, inactive));
        Some(all.saturating_sub(files.unwrap_or_default()))
    }

    /// Bytes read from and written to disks.
    pub(super) fn io(&self) -> Option<(u64, u64)> {
        match self {
            Self::Unified(folder) => Some(unified_io(&read(folder, "io.stat")?)),
            Self::Split { io, .. } => {
                split_io(&read(io.as_ref()?, "blkio.throttle.io_service_bytes")?)
            }
        }
    }
}

fn read(folder: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(file)).ok()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number behind a name, in a file of lines such as `usage_usec 17`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

/// `8:0 rbytes=1 wbytes=2 rios=…`, a line a disk.
fn unified_io(text: &str) -> (u64, u64) {
    let sum = |name: &str| {
        text.split_whitespace()
            .filter_map(|word| word.strip_prefix(name)?.parse::<u64>().ok())
            .fold(0, u64::saturating_add)
    };
    (sum("rbytes="), sum("wbytes="))
}

/// `8:0 Read 1`, a line a disk and kind. Newer kernels (6.18 is one) count nothing here for a disk that nothing limits, and say no more than
/// `Total 0`: then nobody knows.
fn split_io(text: &str) -> Option<(u64, u64)> {
    let sum = |kind: &str| {
        text.lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                (words.next()? == kind).then(|| words.next()?.parse::<u64>().ok())?
            })
            .fold(0, u64::saturating_add)
    };
    let counted = text.lines().any(|line| line.contains(':'));
    counted.then(|| (sum("Read"), sum("Write")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "700d3ac21149cfd3b77f8053cbd688d58345545749694c2f2a2f8f5c31c0bd9b";

    fn found(text: &str) -> Option<Group> {
        find(&text.replace("ID", ID), ID, Path::new("/sys/fs/cgroup"))
    }

    #[test]
    fn groups_of_both_versions_are_found() {
        assert_eq!(
            found("0::/system.slice/docker-ID.scope\n"),
            Some(Group::Unified(
                format!("/sys/fs/cgroup/system.slice/docker-{ID}.scope").into()
            ))
        );
        let path = |controller: &str| {
            Some(PathBuf::from(format!(
                "/sys/fs/cgroup/{controller}/docker/{ID}"
            )))
        };
        assert_eq!(
            found(
                "7:blkio:/docker/ID\n4:memory:/docker/ID\n2:cpu,cpuacct:/docker/ID\n0::/docker/ID\n"
            ),
            Some(Group::Split {
                cpu: path("cpu,cpuacct"),
                memory: path("memory"),
                io: path("blkio")
            })
        );
        for other in [
            "",
            "0::/\n",
            "0::/docker/0123456789ab\n",
            "0::/../../docker/ID\n",
            "x\n:\n::",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
        assert_eq!(find("0::/docker/7\n", "7", Path::new("/")), None);
    }

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().to_owned();
        (folder, path)
    }

    #[test]
    fn files_of_version_two() {
        let (_kept, path) = folder(&[
            ("cpu.stat", "usage_usec 123456\nuser_usec 1\n"),
            ("memory.current", "9000\n"),
            (
                "memory.stat",
                "anon 4000\ninactive_file 1500\nactive_file 1\n",
            ),
            (
                "io.stat",
                "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n",
            ),
        ]);
        let group = Group::Unified(path);
        assert_eq!(
            (group.cpu(), group.memory(), group.io()),
            (Some(123_456), Some(7500), Some((11, 22)))
        );
    }

    #[test]
    fn files_of_version_one() {
        let (_kept, path) = folder(&[
            ("cpuacct.usage", "29744722\n"),
            ("memory.usage_in_bytes", "9000\n"),
            ("memory.stat", "inactive_file 5\ntotal_inactive_file 1000\n"),
            (
                "blkio.throttle.io_service_bytes",
                "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n",
            ),
        ]);
        let group = Group::Split {
            cpu: Some(path.clone()),
            memory: Some(path.clone()),
            io: Some(path),
        };
        assert_eq!(
            (group.cpu(), group.memory(), group.io()),
            (Some(29744), Some(8000), Some((10, 20)))
        );
        let nothing = Group::Unified("/nowhere".into());
        assert_eq!(
            (nothing.cpu(), nothing.memory(), nothing.io()),
            (None, None, None)
        );
    }

    /// As Linux 6.18 has it for a container that wrote 40 MB.
    #[test]
    fn a_kernel_that_does_not_count_says_nothing() {
        let (_kept, path) = folder(&[("blkio.throttle.io_service_bytes", "Total 0\n")]);
        let group = Group::Split {
            cpu: None,
            memory: None,
            io: Some(path),
        };
        assert_eq!(group.io(), None);
        assert_eq!(split_io("8:0 Read 0\n8:0 Write 0\nTotal 0\n"), Some((0, 0)));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(.|\n){0,200}") {
            let _ = (find(&text, ID, Path::new("/")), field(&text, "x"), unified_io(&text), split_io(&text));
        }

        #[test]
        fn no_path_leaves_the_root(path in "[a-z./]{0,40}") {
            let group = find(&format!("0::/{path}/{ID}\n"), ID, Path::new("/sys/fs/cgroup"));
            if let Some(Group::Unified(found)) = group {
                prop_assert!(found.starts_with("/sys/fs/cgroup"));
                let leaves = found.components().any(|part| part == std::path::Component::ParentDir);
                prop_assert!(!leaves);
            }
        }
    }
}
