//! Names without parsing: what a planner asks of thousands of files. Never looks at values.

use std::borrow::Cow;

use crate::cipher::Sealed;
use crate::{Error, SopsFile};

/// Whether the text looks like a SOPS file: a top-level `sops:` and, below it, a `mac`.
/// A quick test for choosing a reader; [`SopsFile::parse`] decides.
pub fn is_sops(text: &str) -> bool {
    let mut lines = text.lines();
    let head = |line: &str| {
        line.trim_end() == "sops:" || line.starts_with("sops: {") || line.trim_end() == "\"sops\":"
    };
    match lines.find(|line| head(line)) {
        Some(line) if line.contains('{') => text.contains("mac"),
        Some(_) => lines.any(|line| line.starts_with(' ') && line.trim_start().starts_with("mac:")),
        None => text.trim_start().starts_with('{') && SopsFile::parse(text).is_ok(),
    }
}

/// The top-level keys in order, without `sops`. Takes microseconds, because it only looks at line starts; anything but
/// the plain block layout goes through the full parser, with its errors.
pub fn top_level_keys(text: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    if let Some(scan) = scan(text).filter(|scan| scan.metadata) {
        return Ok(scan.keys);
    }
    Ok(owned_keys(&SopsFile::parse(text)?))
}

/// Like [`top_level_keys`], for a file that is fit to be committed: somebody can open it, and whatever its rule says is encrypted is.
/// What `sops` leaves as it is (empty texts, null) may be clear.
///
/// # Errors
/// Those of [`SopsFile::parse`], [`Error::NoRecipients`], [`Error::BadRecipient`], and [`Error::ClearText`] for the first leaf that everybody can read.
pub fn sealed_keys(text: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    let damaged = Sealed::first_damaged(text).is_some();
    if !damaged && let Some(scan) = scan(text).filter(|scan| scan.metadata && scan.sealed) {
        return Ok(scan.keys);
    }
    let file = SopsFile::parse(text)?;
    if damaged {
        file.check_whole()?;
    }
    let mut recipients = file.recipients().peekable();
    if recipients.peek().is_none() {
        return Err(Error::NoRecipients);
    }
    if let Some(other) = recipients.find(|recipient| !is_age(recipient)) {
        return Err(Error::BadRecipient {
            recipient: other.to_owned(),
        });
    }
    match file.first_exposed() {
        Some(path) => Err(Error::ClearText {
            path: path.to_string(),
        }),
        None => Ok(owned_keys(&file)),
    }
}

fn owned_keys(file: &SopsFile) -> Vec<Cow<'static, str>> {
    file.top_level_keys()
        .map(|key| Cow::Owned(key.to_owned()))
        .collect()
}

/// What the starts of lines tell.
struct Scan<'t> {
    keys: Vec<Cow<'t, str>>,
    /// Whether `sops` is among the keys.
    metadata: bool,
    /// Whether every value is surely encrypted, and for somebody.
    sealed: bool,
}

/// `None` where the layout is not plain enough to be sure.
fn scan(text: &str) -> Option<Scan<'_>> {
    let mut keys: Vec<Cow<'_, str>> = Vec::new();
    let (mut metadata, mut in_metadata, mut all_sealed) = (false, false, true);
    let mut seen = Seen::default();
    for line in text.lines() {
        match line.as_bytes().first() {
            None | Some(b'#') => continue,
            Some(b' ') => {
                all_sealed &= in_metadata;
                seen.take(line);
                continue;
            }
            _ => {}
        }
        let end = line.match_indices(':').find_map(|(at, _)| {
            matches!(line.as_bytes().get(at + 1), None | Some(b' ')).then_some(at)
        })?;
        let key = simple_key(&line[..end])?;
        in_metadata = key == "sops";
        if in_metadata {
            metadata = true;
        } else if keys.contains(&Cow::Borrowed(key)) {
            return None;
        } else {
            all_sealed &= line[end + 1..].trim_start().starts_with("ENC[AES256_GCM,");
            keys.push(Cow::Borrowed(key));
        }
    }
    Some(Scan {
        keys,
        metadata,
        sealed: all_sealed && seen.complete(),
    })
}

/// Which lines of the metadata were seen.
#[derive(Default)]
struct Seen {
    recipients: bool,
    mac: bool,
    time: bool,
    version: bool,
    /// Something that only the full parser judges.
    doubtful: bool,
}

impl Seen {
    fn take(&mut self, line: &str) {
        let line = line.trim_start();
        let line = line.strip_prefix("- ").unwrap_or(line);
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim();
        match key {
            "recipient" if is_age(value) => self.recipients = true,
            "recipient" => self.doubtful = true,
            "mac" => self.mac = value.starts_with("ENC[AES256_GCM,"),
            "lastmodified" => self.time = !value.is_empty(),
            "version" => self.version = !value.is_empty(),
            "age" | "enc" | "mac_only_encrypted" => {}
            _ if value == "[]" || key.ends_with("_suffix") || key.ends_with("_regex") => {}
            _ => self.doubtful = true,
        }
    }

    fn complete(&self) -> bool {
        self.recipients && self.mac && self.time && self.version && !self.doubtful
    }
}

/// The shape of an age X25519 recipient.
fn is_age(text: &str) -> bool {
    let shape = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() == 62 && text.starts_with("age1") && text.bytes().all(shape)
}

/// An unquoted key of name-like characters, or one of those in double quotes.
fn simple_key(text: &str) -> Option<&str> {
    let name = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
    };
    if let Some(quoted) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        return name(quoted).then_some(quoted);
    }
    // A first letter or underscore and no reserved word: surely a text.
    let first = text.bytes().next()?;
    let reserved = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null"
    );
    ((first.is_ascii_alphabetic() || first == b'_') && name(text) && !reserved).then_some(text)
}
