//! Wires an editor in a fleet: the schemas beside the documents, `.vscode/settings.json`, and lines that yaml-language-server reads.

use super::{jsonc, write, write_all};
use anyhow::{Context, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use tenantry_schema::json::{DocumentKind, KINDS};

/// What was written where.
pub(super) struct Done {
    pub(super) schemas: PathBuf,
    pub(super) settings: PathBuf,
    /// How many documents have a line now that they had not before.
    pub(super) documents: usize,
}

/// Where the schemas go: where they are already, in a repository that keeps them, else into a folder of ours.
const FOLDERS: [&str; 2] = ["schema/json", ".tenantry/schema"];

const MODELINE: &str = "# yaml-language-server: $schema=";

pub(super) fn install(fleet: &Path, modelines: bool) -> anyhow::Result<Done> {
    if !fleet.join("fleet").is_dir() {
        bail!(
            "`{}` has no folder `fleet/`: name the folder of a fleet",
            fleet.display()
        );
    }
    let [kept, own] = FOLDERS;
    let folder = if fleet.join(kept).is_dir() { kept } else { own };
    let schemas = fleet.join(folder);
    write_all(&schemas)?;
    let settings = fleet.join(".vscode/settings.json");
    let before = match std::fs::read_to_string(&settings) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{}\n".to_owned(),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", settings.display()));
        }
    };
    let text =
        wired(&before, folder).with_context(|| format!("cannot edit {}", settings.display()))?;
    write(&settings, &text)?;
    let mut documents = 0;
    if modelines {
        let mut paths = Vec::new();
        for part in ["fleet", "stacks"] {
            gather(fleet, Path::new(part), &mut paths)?;
        }
        for (path, kind) in paths {
            documents += usize::from(add_line(fleet, &path, kind, folder)?);
        }
    }
    Ok(Done {
        schemas,
        settings,
        documents,
    })
}

/// The settings with our schemas among them. Everything else stays as it is, comments included.
fn wired(settings: &str, folder: &str) -> anyhow::Result<String> {
    let mut text = settings.to_owned();
    for kind in &KINDS {
        let schema = format!("./{folder}/{}.schema.json", kind.name);
        text = jsonc::set(&text, &["yaml.schemas", &schema], &json!(kind.places))?;
    }
    Ok(text)
}

/// Documents that people write and may put a comment into, below `folder`. Links are not followed.
fn gather(
    fleet: &Path,
    folder: &Path,
    out: &mut Vec<(PathBuf, &'static DocumentKind)>,
) -> anyhow::Result<()> {
    let full = fleet.join(folder);
    if !full.is_dir() {
        return Ok(());
    }
    let entries =
        std::fs::read_dir(&full).with_context(|| format!("cannot read {}", full.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            gather(fleet, &path, out)?;
        } else if let (true, Some(text)) = (kind.is_file(), path.to_str()) {
            // A comment in a sealed file would be sealed with it, and the hub's files are the hub's.
            let open =
                |kind: &&DocumentKind| !kind.by_hub && !matches!(kind.name, "secrets" | "person");
            let found = KINDS.iter().filter(open).find(|kind| kind.holds(text));
            out.extend(found.map(|kind| (path.clone(), kind)));
        }
    }
    Ok(())
}

/// Puts the line at the head of a document, or mends the one that is there. Whether anything changed.
fn add_line(fleet: &Path, path: &Path, kind: &DocumentKind, folder: &str) -> anyhow::Result<bool> {
    let full = fleet.join(path);
    let text = std::fs::read_to_string(&full)
        .with_context(|| format!("cannot read {}", full.display()))?;
    let up = "../".repeat(path.components().count().saturating_sub(1));
    let changed = with_line(
        &text,
        &format!("{MODELINE}{up}{folder}/{}.schema.json", kind.name),
    );
    if changed == text {
        return Ok(false);
    }
    write(&full, &changed)?;
    Ok(true)
}

fn with_line(text: &str, line: &str) -> String {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let end = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let rest = match body.split_once('\n') {
        Some((first, rest)) if first.starts_with(MODELINE) => rest,
        None if body.starts_with(MODELINE) => "",
        _ => body,
    };
    format!("{mark}{line}{end}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_put_once_and_mended() {
        let line = "# yaml-language-server: $schema=../order.schema.json";
        let once = with_line("# note\nplan: pro\n", line);
        assert_eq!(once, format!("{line}\n# note\nplan: pro\n"));
        assert_eq!(with_line(&once, line), once);
        let other = with_line(&once, "# yaml-language-server: $schema=x");
        assert_eq!(
            other,
            "# yaml-language-server: $schema=x\n# note\nplan: pro\n"
        );
        assert_eq!(with_line("a: 1\r\n", line), format!("{line}\r\na: 1\r\n"));
        assert_eq!(with_line("", line), format!("{line}\n"));
    }

    #[test]
    fn settings_keep_what_is_there() {
        let before = "{\n    // ours\n    \"editor.tabSize\": 2, // two\n    \"yaml.schemas\": {\n        \"./own.json\": \"own/*.yaml\",\n    },\n}\n";
        let after = wired(before, ".tenantry/schema").unwrap();
        assert!(after.starts_with("{\n    // ours\n    \"editor.tabSize\": 2, // two\n    \"yaml.schemas\": {\n        \"./own.json\": \"own/*.yaml\",\n"), "{after}");
        assert!(after.contains("        \"./.tenantry/schema/order.schema.json\": [\"fleet/customers/*/orders/*.yaml\"]"), "{after}");
        assert_eq!(wired(&after, ".tenantry/schema").unwrap(), after);
        let new = wired("{}\n", "schema/json").unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&new).unwrap();
        assert_eq!(
            parsed["yaml.schemas"].as_object().unwrap().len(),
            KINDS.len()
        );
        assert!(wired("[]", "x").is_err());
    }
}
