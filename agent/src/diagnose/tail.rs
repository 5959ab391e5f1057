//! The last lines of a file, read from its end.

use crate::redact::without_cut_line;
use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The last `lines`, whole, and no more than `most` bytes; also whether that is less than was asked for. The file is one that the web
/// server writes; a link in its place is not followed.
pub(super) fn tail(path: &Path, lines: usize, most: u64) -> Result<(Vec<u8>, bool), String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok((Vec::new(), false)),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    read(file, lines, most).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn read(mut file: File, lines: usize, most: u64) -> std::io::Result<(Vec<u8>, bool)> {
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let from = facts.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    if from > 0 {
        without_cut_line(&mut text);
    }
    let ends = text
        .iter()
        .rev()
        .skip(1)
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    let begin = ends
        .map(|(at, _)| text.len() - 1 - at)
        .nth(lines.saturating_sub(1));
    text.drain(..begin.unwrap_or(0));
    let got = text.split_inclusive(|byte| *byte == b'\n').count();
    Ok((text, from > 0 && got < lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        let tail = |lines, most| {
            let (text, cut) = tail(&path, lines, most).unwrap();
            (String::from_utf8(text).unwrap(), cut)
        };
        let whole = |text: &str| (text.to_owned(), false);
        assert_eq!(tail(5, 100), whole(""));
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(2, 100), whole("two\nthree\n"));
        assert_eq!(tail(1, 100), whole("three\n"));
        assert_eq!(tail(9, 100), whole("one\ntwo\nthree\n"));
        // Half of a line may hold half of a secret.
        assert_eq!(tail(9, 8), ("three\n".to_owned(), true));
        assert_eq!(tail(1, 8), whole("three\n"));
        assert_eq!(tail(9, 4), (String::new(), true));
        std::fs::write(&path, "").unwrap();
        assert_eq!(tail(1, 100), whole(""));
        let link = folder.path().join("link.log");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(super::tail(&link, 1, 100).is_err());
        assert!(super::tail(folder.path(), 1, 100).is_err());
    }
}
