//! `tenantry schema`: the JSON Schemas of documents printed, written to a folder, or wired into an editor; and the reference pages.

mod install;
mod jsonc;

use super::Outcome;
use super::output::{count, json, say};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use tenantry_planner::codes;
use tenantry_schema::json::{KINDS, kind, reference};

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
--json: without options [{name, places}], every kind with the places of its documents; with --output, --reference or --install the
folders: {output, reference, schemas, settings, documents}, null where none was asked for. The schema of one kind is JSON as it is.")]
pub(super) struct Args {
    /// Print the schema of this kind of document. Without it and without options: list the kinds.
    #[arg(conflicts_with_all = ["output", "install", "reference"])]
    kind: Option<String>,
    /// Write every schema into this folder, as KIND.schema.json.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Wire editors in the fleet in DIR (default: here): schemas, and the settings of VS Code and its relatives.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    install: Option<PathBuf>,
    /// With --install: name the schema in the first line of every document as well, for editors that read nothing else.
    #[arg(long, requires = "install")]
    modelines: bool,
    /// Write the reference of documents and diagnostics into this folder.
    #[arg(long, value_name = "DIR")]
    reference: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(name) = &args.kind {
        let Some(kind) = kind(name) else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            match tenantry_yaml::suggest(name, &names) {
                Some(near) => {
                    bail!("there is no kind of document `{name}`; did you mean `{near}`?")
                }
                None => bail!(
                    "there is no kind of document `{name}`; there are {}",
                    names.join(", ")
                ),
            }
        };
        say(kind.schema_text());
    }
    if let Some(folder) = &args.output {
        write_all(folder)?;
    }
    if let Some(folder) = &args.reference {
        write(&folder.join("documents.md"), &reference())?;
        write(&folder.join("diagnostics.md"), &codes::reference())?;
    }
    let installed = match &args.install {
        Some(fleet) => Some(install::install(fleet, args.modelines)?),
        None => None,
    };
    if let Some(done) = installed.as_ref().filter(|_| !args.json) {
        let documents = if args.modelines {
            format!(", and {}", count(done.documents, "document"))
        } else {
            String::new()
        };
        say(format!(
            "{} in {}, settings in {}{documents}",
            count(KINDS.len(), "schema"),
            done.schemas.display(),
            done.settings.display()
        ));
    }
    let options = args.output.is_some() || args.reference.is_some() || args.install.is_some();
    if args.json && options {
        let done = installed.as_ref();
        json(&serde_json::json!({
            "output": args.output,
            "reference": args.reference,
            "schemas": done.map(|done| &done.schemas),
            "settings": done.map(|done| &done.settings),
            "documents": done.map(|done| done.documents),
        }))?;
    } else if args.json && args.kind.is_none() {
        let kinds = KINDS
            .iter()
            .map(|kind| serde_json::json!({ "name": kind.name, "places": kind.places }));
        json(&kinds.collect::<Vec<_>>())?;
    } else if args.kind.is_none() && !options {
        for kind in &KINDS {
            say(format!("{:<18} {}", kind.name, kind.places.join("  ")));
        }
    }
    Ok(Outcome::Clean)
}

/// Writes every schema. A file of a kind that is no more is removed.
fn write_all(folder: &Path) -> anyhow::Result<()> {
    for kind in &KINDS {
        write(
            &folder.join(format!("{}.schema.json", kind.name)),
            &kind.schema_text(),
        )?;
    }
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let stale = name
            .strip_suffix(".schema.json")
            .is_some_and(|name| kind(name).is_none());
        if stale {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes a file where its content differs, and the folders to it.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}
