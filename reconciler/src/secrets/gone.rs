//! What an edit takes away: names that were in a file of secrets and are not any more, and which of them nobody could bring back.

use super::{SecretsError, WorkTree};
use std::collections::BTreeSet;
use tenantry_sops::SopsFile;
use tenantry_yaml::Limits;

/// Names that go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// All of them, in the order of the file.
    pub names: Vec<String>,
    /// Whether nothing is left.
    pub all: bool,
    /// Those that are not in the newest commit: once they are gone nobody has them.
    pub for_good: Vec<String>,
}

impl Gone {
    /// Compares a file with the plaintext that is to replace it. A plaintext that is no YAML takes nothing away: it is refused anyway.
    pub fn of(
        tree: &WorkTree,
        path: &str,
        before: &SopsFile,
        after: &str,
    ) -> Result<Self, SecretsError> {
        let Some(left) = names(after) else {
            return Ok(Self::default());
        };
        let names: Vec<String> = before
            .top_level_keys()
            .filter(|name| !left.contains(*name))
            .map(str::to_owned)
            .collect();
        let committed = committed(tree, path)?;
        let lost = |name: &&String| !committed.contains(*name);
        Ok(Self {
            all: left.is_empty() && !names.is_empty(),
            for_good: names.iter().filter(lost).cloned().collect(),
            names,
        })
    }

    /// Whether somebody should be asked first: taking one line out is what an editor is for, emptying a file is most often a slip.
    pub fn asks(&self) -> bool {
        self.all || !self.for_good.is_empty()
    }
}

/// Top-level names of a plaintext; empty where it holds comments alone.
fn names(text: &str) -> Option<BTreeSet<String>> {
    let root = tenantry_yaml::parse(text, &Limits::default()).ok()?;
    if root.is_null() {
        return Some(BTreeSet::new());
    }
    let entries = root.as_mapping()?.iter();
    Some(
        entries
            .filter_map(|(key, _)| Some(key.as_str()?.to_owned()))
            .collect(),
    )
}

/// Names in the newest commit.
fn committed(tree: &WorkTree, path: &str) -> Result<BTreeSet<String>, SecretsError> {
    let repository = tree.repository();
    let Ok(object) = repository.revparse_single(&format!("HEAD:{path}")) else {
        return Ok(BTreeSet::new());
    };
    let blob = object
        .peel_to_blob()
        .map_err(SecretsError::git2("reading the newest version"))?;
    let text = String::from_utf8_lossy(blob.content());
    let keys = SopsFile::parse(&text).ok();
    Ok(keys
        .iter()
        .flat_map(SopsFile::top_level_keys)
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_first_level() {
        let read = |text| names(text).map(|found| found.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(read("a: 1\nb: {c: 2}\n"), Some("a b".into()));
        assert_eq!(read(""), Some(String::new()));
        assert_eq!(read("# a: 1\n"), Some(String::new()));
        assert_eq!(read("{}"), Some(String::new()));
        assert_eq!(read("- a\n"), None);
        assert_eq!(read("a: [\n"), None);
    }
}
