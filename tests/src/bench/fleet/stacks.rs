//! The catalogue of the generated fleet: ten stacks made from the two of this repository, under other names.

use super::super::{BenchError, Doing};
use std::path::Path;

/// A file of the repository: path and content.
pub(in crate::bench) type File = (String, String);

/// Static sites; the first is the one at the domain itself.
const STATIC: [&str; 6] = ["html", "blog", "docs", "landing", "press", "portfolio"];
/// With a database and a generated secret.
const DATABASE: [&str; 4] = ["guestbook", "forum", "survey", "wiki"];

/// All tools, by name.
pub(super) fn tools() -> Vec<&'static str> {
    let mut all: Vec<&str> = STATIC.into_iter().chain(DATABASE).collect();
    all.sort_unstable();
    all
}

/// Files of `stacks/` and `nginx/`, from the repository at `root`.
pub(in crate::bench) fn files(root: &Path) -> Result<Vec<File>, BenchError> {
    let mut files = Vec::new();
    for (original, copies) in [("html", &STATIC[..]), ("guestbook", &DATABASE[..])] {
        let mut read = Vec::new();
        below(&root.join("stacks").join(original), "", &mut read)?;
        for copy in copies {
            files.extend(read.iter().map(|(path, text)| {
                (
                    format!("stacks/{copy}/{path}"),
                    renamed(path, text, original, copy),
                )
            }));
        }
    }
    let mut nginx = Vec::new();
    below(&root.join("nginx"), "nginx/", &mut nginx)?;
    files.extend(nginx);
    Ok(files)
}

/// Another title, and a name below the domain for all but the original.
fn renamed(path: &str, text: &str, original: &str, copy: &str) -> String {
    if path != "stack.yaml" || original == copy {
        return text.to_owned();
    }
    let line = |line: &str| match line {
        line if line.starts_with("title:") => Some(format!("title: {copy}\n")),
        line if line.trim() == "host: \"@\"" => None,
        line => Some(format!("{line}\n")),
    };
    text.lines().filter_map(line).collect()
}

fn below(folder: &Path, prefix: &str, out: &mut Vec<File>) -> Result<(), BenchError> {
    for entry in std::fs::read_dir(folder).doing("reading the stacks of this repository")? {
        let entry = entry.doing("reading the stacks of this repository")?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            below(&entry.path(), &format!("{path}/"), out)?;
        } else {
            out.push((
                path,
                std::fs::read_to_string(entry.path())
                    .doing("reading the stacks of this repository")?,
            ));
        }
    }
    out.sort();
    Ok(())
}
