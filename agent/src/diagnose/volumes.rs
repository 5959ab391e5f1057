//! Bytes that volumes take, by adding up their files. Reads names and sizes, no content.

use crate::containers::{Engine, Place, volumes_of};
use crate::execute::sentence;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tenantry_schema::id::InstanceName;

/// Files that are added up for one question; more are said to be more.
const MOST_FILES: u64 = 2_000_000;
/// Time for one question.
const PATIENCE: Duration = Duration::from_secs(25);

/// The volumes of these instances, in lines.
pub(super) async fn volumes(
    engine: &Engine,
    instances: &BTreeSet<InstanceName>,
) -> Result<String, String> {
    let projects: BTreeSet<_> = instances.iter().map(ToString::to_string).collect();
    let places = volumes_of(engine, &projects)
        .await
        .map_err(|error| sentence(&error))?;
    tokio::task::spawn_blocking(move || add_up(&places))
        .await
        .map_err(|_| "adding up broke off".to_owned())
}

fn add_up(places: &[Place]) -> String {
    let mut rest = Rest {
        files: MOST_FILES,
        until: Instant::now() + PATIENCE,
    };
    let mut out = String::from("       bytes      files  volume\n");
    for place in places {
        let line = match &place.folder {
            Some(folder) => {
                let sum = rest.sum(folder.clone());
                let more = if sum.whole {
                    ""
                } else {
                    "  (at least: there is more than could be added up)"
                };
                format!("{:>12} {:>10}  {}{more}", sum.bytes, sum.files, place.name)
            }
            None => format!(
                "{:>12} {:>10}  {}  (not on this server's disk)",
                "?", "?", place.name
            ),
        };
        let _ = writeln!(out, "{line}");
    }
    out
}

struct Rest {
    files: u64,
    until: Instant,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    files: u64,
    whole: bool,
}

impl Rest {
    /// Everything below a folder; links are not followed, and other file systems are not entered.
    fn sum(&mut self, folder: PathBuf) -> Sum {
        let device = device(&folder);
        let mut sum = Sum {
            whole: true,
            ..Sum::default()
        };
        let mut folders = vec![folder];
        // A file with several names takes room once.
        let mut seen = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if self.files == 0 || Instant::now() >= self.until {
                    sum.whole = false;
                    return sum;
                }
                self.files -= 1;
                let Ok(facts) = entry.metadata() else {
                    continue;
                };
                if facts.is_dir() {
                    if device == Some(facts.dev()) {
                        folders.push(entry.path());
                    }
                } else if facts.nlink() == 1 || seen.insert(facts.ino()) {
                    sum.files += 1;
                    sum.bytes = sum.bytes.saturating_add(facts.blocks().saturating_mul(512));
                }
            }
        }
        sum
    }
}

fn device(folder: &Path) -> Option<u64> {
    std::fs::symlink_metadata(folder)
        .ok()
        .map(|facts| facts.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_added_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("inner")).unwrap();
        std::fs::write(path("inner/a"), vec![1; 100_000]).unwrap();
        std::fs::hard_link(path("inner/a"), path("b")).unwrap();
        std::os::unix::fs::symlink("/", path("root")).unwrap();
        let mut rest = Rest {
            files: 100,
            until: Instant::now() + PATIENCE,
        };
        let sum = rest.sum(folder.path().to_owned());
        assert!(
            sum.whole && sum.files == 2 && (100_000..300_000).contains(&sum.bytes),
            "{sum:?}"
        );
        let mut little = Rest {
            files: 1,
            until: Instant::now() + PATIENCE,
        };
        assert!(!little.sum(folder.path().to_owned()).whole);
        let text = add_up(&[
            Place {
                name: "x_data".into(),
                folder: Some(folder.path().to_owned()),
            },
            Place {
                name: "x_far".into(),
                folder: None,
            },
        ]);
        assert!(
            text.contains("x_data") && text.contains("not on this server's disk"),
            "{text}"
        );
    }
}
