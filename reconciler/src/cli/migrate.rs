//! `tenantry migrate`: brings the documents of a fleet to the newest format. Comments, order and style stay; only what the format asks for changes.

use super::Outcome;
use super::output::{count, json, say};
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tenantry_schema::document::{FORMAT, Hub};
use tenantry_yaml::{Limits, Node};

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
--json: {from, to, written, steps: [{to, what}], files}. `from` is 0 for a fleet that says no format; `files` differ, and are as
they should be if `written`.")]
pub(super) struct Args {
    /// The folder of the fleet.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Change nothing; exit with 2 where there is something to change.
    #[arg(long)]
    check: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    from: u32,
    to: u32,
    written: bool,
    steps: Vec<&'a Migration>,
    files: Vec<&'a str>,
}

/// From one format to the next.
#[derive(Serialize)]
struct Migration {
    /// The format that it leads to.
    to: u32,
    /// What changes, for people.
    what: &'static str,
    /// The new text of a document. None: it stays.
    #[serde(skip)]
    change: fn(&str, &str) -> anyhow::Result<Option<String>>,
}

/// Every migration, the oldest first. Before the first format `hub.yaml` said none.
const MIGRATIONS: [Migration; 1] = [Migration {
    to: 1,
    what: "hub.yaml says its format",
    change: |path, text| {
        if path == HUB {
            say_format(text, 1).map(Some)
        } else {
            Ok(None)
        }
    },
}];

const HUB: &str = "fleet/hub.yaml";

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let hub = args.dir.join(HUB);
    let text =
        std::fs::read_to_string(&hub).with_context(|| format!("cannot read {}", hub.display()))?;
    let from =
        format_of(&text).with_context(|| format!("cannot tell the format of {}", hub.display()))?;
    if from > FORMAT {
        bail!(
            "the fleet is written in format {from}, this release knows formats up to {FORMAT}: use a newer release"
        );
    }
    let due: Vec<&Migration> = MIGRATIONS
        .iter()
        .filter(|migration| migration.to > from)
        .collect();
    if due.is_empty() && !args.json {
        say(format!("the fleet is in format {FORMAT}, the newest"));
        return Ok(Outcome::Clean);
    }
    let mut documents = Vec::new();
    gather(&args.dir, Path::new("fleet"), &mut documents)?;
    gather(&args.dir, Path::new("stacks"), &mut documents)?;
    let changed = migrate(documents, &due)?;
    for (path, text) in changed.iter().filter(|_| !args.check) {
        write(&args.dir.join(path), text)?;
    }
    if args.json {
        let outcome = if due.is_empty() {
            Outcome::Clean
        } else {
            Outcome::Changes
        };
        json(&Report {
            from,
            to: FORMAT,
            written: !args.check,
            steps: due,
            files: changed.iter().map(|(path, _)| path.as_str()).collect(),
        })?;
        return Ok(outcome);
    }
    for migration in &due {
        say(format!("format {}: {}", migration.to, migration.what));
    }
    for (path, _) in &changed {
        say(format!("  {path}"));
    }
    if args.check {
        say(format!("{} would change", count(changed.len(), "file")));
    } else {
        say(format!(
            "{} changed; look at `git diff`, then commit",
            count(changed.len(), "file")
        ));
    }
    Ok(Outcome::Changes)
}

/// The documents that `due` changes, with their new texts.
fn migrate(
    documents: Vec<(String, String)>,
    due: &[&Migration],
) -> anyhow::Result<Vec<(String, String)>> {
    let mut changed = Vec::new();
    for (path, before) in documents {
        let mut text = before.clone();
        for migration in due {
            let new = (migration.change)(&path, &text);
            if let Some(new) =
                new.with_context(|| format!("cannot bring {path} to format {}", migration.to))?
            {
                text = new;
            }
        }
        if text != before {
            changed.push((path, text));
        }
    }
    Ok(changed)
}

/// The format that `hub.yaml` says; 0 where it says none.
fn format_of(text: &str) -> anyhow::Result<u32> {
    let root = parsed(text)?;
    let Some(value) = root.get("format").filter(|value| !value.is_null()) else {
        return Ok(0);
    };
    let format = value.as_str().and_then(|format| format.parse().ok());
    format.with_context(|| "`format:` is not a whole number".to_owned())
}

fn parsed(text: &str) -> anyhow::Result<Node> {
    tenantry_yaml::parse(text, &Limits::default()).map_err(|problems| {
        let first = problems.into_iter().next();
        anyhow::anyhow!(
            "{}",
            first.map_or_else(String::new, |problem| problem.message)
        )
    })
}

/// `text` with `format: <format>` as its first key, or the key that is there set. What the file says beside it must stay the same.
fn say_format(text: &str, format: u32) -> anyhow::Result<String> {
    let root = parsed(text)?;
    let mut new = text.to_owned();
    if let Some((key, value)) = root.entry("format") {
        let end = if value.span.is_empty() {
            key.span.end + 1
        } else {
            value.span.end
        };
        let start = if value.span.is_empty() {
            end
        } else {
            value.span.start
        };
        let space = if value.span.is_empty() { " " } else { "" };
        new.replace_range(start..end, &format!("{space}{format}"));
    } else {
        let Some(entries) = root.as_mapping().filter(|entries| !entries.is_empty()) else {
            bail!("the file has no keys");
        };
        let first = entries[0].0.span.start;
        let before = &text[..first];
        let flow = before.trim_end().ends_with('{');
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let line = if flow {
            format!("format: {format}, ")
        } else {
            format!("format: {format}{end}")
        };
        // A quoted key begins at its quote.
        new.insert_str(first, &line);
    }
    let read = |text: &str| tenantry_yaml::from_str::<Hub>(text, &Limits::default()).ok();
    match (read(text), read(&new)) {
        (Some(mut before), Some(after)) => {
            before.format = after.format;
            if before != after {
                bail!("the file would say something else");
            }
        }
        (Some(_), None) => bail!("the file could not be read any more"),
        (None, _) => {}
    }
    if format_of(&new)? != format {
        bail!("the format could not be written");
    }
    Ok(new)
}

/// YAML files below `folder`, by path from the fleet. Links are not followed.
fn gather(fleet: &Path, folder: &Path, out: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let full = fleet.join(folder);
    if !full.is_dir() {
        return Ok(());
    }
    let failed = || format!("cannot read {}", full.display());
    let mut entries: Vec<_> = std::fs::read_dir(&full)
        .with_context(failed)?
        .collect::<Result<_, _>>()
        .with_context(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().with_context(failed)?;
        if kind.is_dir() {
            gather(fleet, &path, out)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "yaml") {
            let text = std::fs::read_to_string(entry.path());
            let text = text.with_context(|| format!("cannot read {}", entry.path().display()))?;
            if let Some(path) = path.to_str() {
                out.push((path.to_owned(), text));
            }
        }
    }
    Ok(())
}

/// Beside the file first, so that a full disk leaves the old one.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("yaml.new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REST: &str = "# our fleet\n\n# its name\nfleet_id: a   # never change it\nurl: \"https://hub.example\"\n";

    #[test]
    fn the_format_is_said_and_everything_else_stays() {
        let new = say_format(REST, 1).unwrap();
        assert_eq!(new, REST.replace("fleet_id", "format: 1\nfleet_id"));
        assert_eq!(say_format(&new, 1).unwrap(), new);
        let crlf = REST.replace('\n', "\r\n");
        assert_eq!(
            say_format(&crlf, 1).unwrap(),
            crlf.replace("fleet_id", "format: 1\r\nfleet_id")
        );
        assert_eq!(
            say_format("{ fleet_id: a }\n", 1).unwrap(),
            "{ format: 1, fleet_id: a }\n"
        );
        assert_eq!(
            say_format("a: 1\nformat:   # none yet\nb: 2\n", 1).unwrap(),
            "a: 1\nformat: 1   # none yet\nb: 2\n"
        );
        assert_eq!(
            say_format("a: 1\nformat: 0\n", 1).unwrap(),
            "a: 1\nformat: 1\n"
        );
        assert_eq!(
            say_format("\"a\": 1\n", 1).unwrap(),
            "format: 1\n\"a\": 1\n"
        );
        assert_eq!(
            say_format("\u{feff}a: 1\n", 1).unwrap(),
            "\u{feff}format: 1\na: 1\n"
        );
        assert_eq!(
            say_format("---\na: 1\n", 1).unwrap(),
            "---\nformat: 1\na: 1\n"
        );
        for bad in ["", "# nothing\n", "[a]\n", "a: [\n"] {
            assert!(say_format(bad, 1).is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_are_read() {
        assert_eq!(format_of(REST).unwrap(), 0);
        assert_eq!(format_of("format: 7\n").unwrap(), 7);
        assert_eq!(format_of("format:\n").unwrap(), 0);
        assert!(format_of("format: new\n").is_err());
    }

    #[test]
    fn a_fleet_with_comments_is_migrated_once() {
        let folder = tempfile::tempdir().unwrap();
        let hub = folder.path().join(HUB);
        let other = folder.path().join("fleet/customers/acme/customer.yaml");
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        std::fs::write(&hub, REST).unwrap();
        std::fs::write(&other, "# Acme\nlanguage:   de\n").unwrap();
        let mut args = Args {
            dir: folder.path().to_owned(),
            check: true,
            json: false,
        };
        assert_eq!(run(&args).unwrap(), Outcome::Changes);
        assert_eq!(std::fs::read_to_string(&hub).unwrap(), REST);
        args.check = false;
        assert_eq!(run(&args).unwrap(), Outcome::Changes);
        assert_eq!(
            std::fs::read_to_string(&hub).unwrap(),
            REST.replace("fleet_id", "format: 1\nfleet_id")
        );
        assert_eq!(
            std::fs::read_to_string(&other).unwrap(),
            "# Acme\nlanguage:   de\n"
        );
        assert_eq!(run(&args).unwrap(), Outcome::Clean);
        std::fs::write(&hub, "format: 99\n").unwrap();
        assert!(
            run(&args)
                .unwrap_err()
                .to_string()
                .contains("newer release")
        );
    }

    proptest! {
        #[test]
        fn lines_that_were_there_are_there(comments in prop::collection::vec("# [a-z ]{0,12}", 0..4), keys in prop::collection::btree_set("[a-e]{1,3}", 1..5)) {
            let lines = keys.iter().enumerate().flat_map(|(at, key)| {
                let comment = comments.get(at).map(|comment| format!("{comment}\n"));
                comment.into_iter().chain([format!("{key}:  [1,   2]   # {at}\n")])
            });
            let text: String = lines.collect();
            let new = say_format(&text, 1).unwrap();
            let kept: Vec<&str> = new.lines().filter(|line| *line != "format: 1").collect();
            prop_assert_eq!(kept, text.lines().collect::<Vec<_>>());
        }
    }
}
