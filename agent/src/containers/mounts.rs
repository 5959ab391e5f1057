//! Which mounts of a running container show something that is not there any more: a single file that is mounted pins its inode, so
//! a container goes on seeing a file that was replaced. The kernel tells, in `/proc/<pid>/mountinfo`; nothing is remembered.

use std::path::Path;

/// What the kernel writes after the path of a mount whose file or folder was removed or replaced.
const DELETED: &str = "//deleted";

/// A mount of a container whose file or folder on the server was removed or replaced since the container started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Path of what is mounted within its file system: the end of its path on the server.
    pub root: String,
    /// Path inside.
    pub target: String,
}

impl Replaced {
    /// Whether it is the mount of `path` of the server at `target`. Inside, `target` may lead through links, which the kernel has
    /// followed; then what is mounted decides.
    pub fn is(&self, path: &Path, target: &str) -> bool {
        let path = path.to_string_lossy();
        self.target == target.trim_end_matches('/')
            || path.ends_with(&self.root)
            || self.root.ends_with(&*path)
    }
}

/// The replaced mounts of the container with this process and id. What cannot be read counts as none: nothing is done for it.
pub(super) fn replaced(pid: i64, container_id: &str) -> Vec<Replaced> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    parse(&text, container_id)
}

/// Format: proc_pid_mountinfo(5). None of a process that is not the container's: the engine mounts files from a folder with the
/// container's id into each.
fn parse(text: &str, container_id: &str) -> Vec<Replaced> {
    let mounts: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(3);
            Some((unescape(fields.next()?), unescape(fields.next()?)))
        })
        .collect();
    if !mounts.iter().any(|(root, _)| root.contains(container_id)) {
        return Vec::new();
    }
    let replaced = mounts.into_iter().filter_map(|(root, target)| {
        let root = root.strip_suffix(DELETED)?.to_owned();
        Some(Replaced { root, target })
    });
    replaced.collect()
}

/// Blanks, line ends and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|_| byte == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(octal) = octal {
            out.push(octal);
            rest = &after[3..];
        } else {
            out.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "\
611 610 0:46 / / rw,relatime - overlay overlay rw
612 611 8:1 /var/lib/docker/containers/abc123/hostname /etc/hostname rw - ext4 /dev/sda1 rw
613 611 8:1 /var/lib/tenantry-agent/live/web/files/a\\040b.conf//deleted /etc/a\\040b.conf ro - ext4 /dev/sda1 rw
614 611 8:1 /var/lib/tenantry-agent/live/web/files/www /www ro - ext4 /dev/sda1 rw
615 611 0:25 /web/TOKEN//deleted /run/secrets/token ro shared:7 - tmpfs tmpfs rw
";

    #[test]
    fn what_was_replaced_is_found() {
        let found = parse(TEXT, "abc123");
        let pairs: Vec<_> = found
            .iter()
            .map(|mount| (mount.root.as_str(), mount.target.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                (
                    "/var/lib/tenantry-agent/live/web/files/a b.conf",
                    "/etc/a b.conf"
                ),
                ("/web/TOKEN", "/run/secrets/token"),
            ]
        );
        assert_eq!(
            parse(TEXT, "other"),
            [],
            "the process is another container's"
        );
        assert_eq!(replaced(-1, "abc123"), []);
    }

    #[test]
    fn a_mount_is_known_by_its_place_or_its_source() {
        let token = &parse(TEXT, "abc123")[1];
        assert!(token.is(Path::new("/elsewhere"), "/run/secrets/token"));
        // The path inside led through a link.
        let source = Path::new("/run/tenantry/secrets/web/TOKEN");
        assert!(token.is(source, "/var/run/secrets/token"));
        assert!(!token.is(
            Path::new("/run/tenantry/secrets/web/OTHER"),
            "/run/secrets/other"
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(.|\n|\\\\|//deleted| ){0,80}") {
            let _ = parse(&text, "");
        }
    }
}
