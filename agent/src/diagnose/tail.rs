//! The last lines of a file, read from its end.

use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The last `lines`, and no more than `most` bytes. The file is one that the web server writes; a link in its place is not followed.
pub(super) fn tail(path: &Path, lines: usize, most: u64) -> Result<Vec<u8>, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    read(file, lines, most).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn read(mut file: File, lines: usize, most: u64) -> std::io::Result<Vec<u8>> {
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let from = facts.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    let ends = text
        .iter()
        .rev()
        .skip(1)
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    let begin = ends
        .map(|(at, _)| text.len() - 1 - at)
        .nth(lines.saturating_sub(1))
        .unwrap_or(0);
    text.drain(..begin);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        assert_eq!(tail(&path, 5, 100).unwrap(), b"");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&path, 2, 100).unwrap(), b"two\nthree\n");
        assert_eq!(tail(&path, 1, 100).unwrap(), b"three\n");
        assert_eq!(tail(&path, 9, 100).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(tail(&path, 9, 4).unwrap(), b"ree\n");
        std::fs::write(&path, "").unwrap();
        assert_eq!(tail(&path, 1, 100).unwrap(), b"");
        let link = folder.path().join("link.log");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(tail(&link, 1, 100).is_err());
        assert!(tail(folder.path(), 1, 100).is_err());
    }
}
