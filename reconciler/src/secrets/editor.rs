//! A person's editor on a plaintext that never touches a disk: a file in memory, readable by its owner alone, gone afterwards however it ends.

use super::SecretsError;
use rustix::fs::statfs;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenantry_sops::{ExposeSecret, SecretString};
use zeroize::Zeroize;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// A plaintext in memory, under a name that an editor can open.
pub struct MemoryFile {
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    signals: Signals,
}

impl MemoryFile {
    /// Writes `text` to a new file called `name`, in the first of `places` that is in memory.
    pub fn new(places: &[PathBuf], name: &str, text: &SecretString) -> Result<Self, SecretsError> {
        // Before the file is there: from now on a signal lets us clean up.
        let signals = Signals::catch()?;
        let place = places.iter().find(|place| is_in_memory(place)).ok_or_else(|| {
            let tried: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
            SecretsError::refused(format!(
                "there is no folder in memory (tmpfs) to edit in; tried {}. Mount one, or use `tenantry secrets set`",
                tried.join(", ")
            ))
        })?;
        let folder = tempfile::Builder::new()
            .prefix("tenantry-edit-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(place)
            .map_err(SecretsError::io("make a folder in", place))?;
        let path = folder.path().join(name);
        let file = Self {
            path,
            folder: Some(folder),
            signals,
        };
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file.path)
            .and_then(|mut open| open.write_all(text.expose_secret().as_bytes()));
        written.map_err(SecretsError::io("write", &file.path))?;
        Ok(file)
    }

    /// Runs the editor and gives what the person saved.
    pub fn edit(&self, editor: &[String]) -> Result<SecretString, SecretsError> {
        let Some((program, arguments)) = editor.split_first() else {
            return Err(SecretsError::refused(
                "no editor is set: set VISUAL or EDITOR",
            ));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&self.path)
            .spawn()
            .map_err(SecretsError::io("start the editor", Path::new(program)))?;
        let status = self
            .wait(&mut child)
            .map_err(SecretsError::io("wait for", Path::new(program)))?;
        match status {
            Some(status) if status.success() => {}
            Some(status) => {
                return Err(SecretsError::refused(format!(
                    "the editor ended with {status}: nothing was changed"
                )));
            }
            None => return Err(SecretsError::refused("interrupted: nothing was changed")),
        }
        let text = fs::read_to_string(&self.path).map_err(SecretsError::io("read", &self.path))?;
        Ok(SecretString::from(text))
    }

    /// Waits for the editor. None where we are told to end: the editor is ended first.
    fn wait(&self, child: &mut Child) -> std::io::Result<Option<std::process::ExitStatus>> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if self.signals.end.load(Ordering::Relaxed) {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MemoryFile {
    /// The folder with all that the editor left beside the file.
    fn drop(&mut self) {
        if let Ok(length) = fs::metadata(&self.path).map(|found| found.len()) {
            let mut blank = vec![0; usize::try_from(length).unwrap_or_default()];
            let _ = fs::write(&self.path, &blank);
            blank.zeroize();
        }
        drop(self.folder.take());
    }
}

/// Signals that would end the program before it has cleaned up. Interrupts from the keyboard go to the editor, as with Git.
struct Signals {
    end: Arc<AtomicBool>,
    ids: Vec<signal_hook::SigId>,
}

impl Signals {
    fn catch() -> Result<Self, SecretsError> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let end = Arc::new(AtomicBool::new(false));
        let ignored = Arc::new(AtomicBool::new(false));
        let mut ids = Vec::new();
        for (signal, flag) in [
            (SIGTERM, &end),
            (SIGHUP, &end),
            (SIGINT, &ignored),
            (SIGQUIT, &ignored),
        ] {
            let id = signal_hook::flag::register(signal, flag.clone());
            ids.push(id.map_err(SecretsError::io(
                "catch signals for",
                Path::new("the editor"),
            ))?);
        }
        Ok(Self { end, ids })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in &self.ids {
            signal_hook::low_level::unregister(*id);
        }
    }
}

fn is_in_memory(place: &Path) -> bool {
    statfs(place).is_ok_and(|found| IN_MEMORY.contains(&(found.f_type as u64)))
}

/// Splits a command line into words as a shell would, without starting one: spaces part words, quotes and backslashes keep them together.
/// None where a quote is not closed.
pub fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (Some(_), '\\') => {
                let next = chars.next()?;
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(chars.next()?),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_would_see_them() {
        let words = |line| split_words(line).map(|words| words.join("|"));
        assert_eq!(words("vim"), Some("vim".into()));
        assert_eq!(words("  code  --wait "), Some("code|--wait".into()));
        assert_eq!(
            words("'my editor' -x \"a b\" c\\ d ''"),
            Some("my editor|-x|a b|c d|".into())
        );
        assert_eq!(words(r#""a\"b\n""#), Some(r#"a"b\n"#.into()));
        assert_eq!(words("'open"), None);
        assert_eq!(words(""), Some(String::new()));
    }

    #[test]
    fn a_disk_is_no_memory() {
        assert!(!is_in_memory(Path::new("/proc")));
        assert!(!is_in_memory(Path::new("/nowhere")));
    }
}
