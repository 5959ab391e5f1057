//! What lies beside a Compose file: files that it mounts, `.env`, environment files.

use std::collections::BTreeMap;

/// Looks at paths below the Compose file's folder.
pub trait Beside {
    /// What is at `path`, relative to the folder, without `..`.
    fn look(&self, path: &str) -> Found;
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A file with this content.
    File(Vec<u8>),
    /// A folder with these files, by path from it.
    Folder(BTreeMap<String, Vec<u8>>),
    /// Something that cannot be taken, with the reason.
    Refused(String),
}

/// Reads `.env` and environment files: `NAME=value` a line, quotes and `export` allowed, comments left out. Values are as written, quotes removed.
pub fn parse_env_file(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let quoted = ['"', '\''].iter().find_map(|quote| {
            let inner = value.strip_prefix(*quote)?;
            inner.find(*quote).map(|end| &inner[..end])
        });
        let value = match quoted {
            Some(inner) => inner,
            // A comment needs a space before it.
            None => value.split(" #").next().unwrap_or_default().trim_end(),
        };
        if !name.is_empty() {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::parse_env_file;

    #[test]
    fn lines_of_an_environment_file() {
        let text = "# a\nA=1\nexport B = \"x # y\"\nC='z' # c\nD=v # d\nE=\n=x\nF\n";
        let found = parse_env_file(text);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("A", "1"),
                ("B", "x # y"),
                ("C", "z"),
                ("D", "v"),
                ("E", "")
            ]
        );
    }
}
