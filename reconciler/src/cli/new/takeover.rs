//! `tenantry new stack --from`: hands a Compose file and its folder to [`crate::import`], and shows what came of it.

use super::super::output::diagnostics;
use super::ask::Asker;
use super::folder::Folder;
use crate::import::{Imported, Input, Note, Outcome, SiteWish, import};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::Path;
use tenantry_planner::codes;
use tenantry_planner::input::diagnose;
use tenantry_schema::id::ToolName;
use tenantry_yaml::LineIndex;

/// A stack, and what is to be said about it.
pub(super) struct Taken {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) notes: Vec<String>,
}

/// Takes a Compose file over.
pub(super) fn take(
    tool: &ToolName,
    title: &str,
    file: &Path,
    sites: &[SiteWish],
    volumes: &[String],
    asker: &mut Asker,
) -> anyhow::Result<Taken> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("`{}` is not UTF-8", file.display());
    };
    let folder = Folder(file.parent().map(Path::to_owned).unwrap_or_default());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut input = Input {
        tool,
        title,
        file: &name,
        text: &text,
        beside: &folder,
        sites,
        volumes,
    };
    let outcome = import(&input);
    let chosen;
    let outcome = if let Outcome::WhichSite(candidates) = outcome {
        let question = "Which one do visitors reach?";
        let Some(one) = asker.one("--site SERVICE:PORT", question, &candidates)? else {
            let names: Vec<String> = candidates
                .iter()
                .map(|candidate| format!("  --site {candidate:<20} {}", candidate.image))
                .collect();
            bail!(
                "several services could be the one that visitors reach; choose with one of\n{}\nor several, each with a name: --site {} --site admin=SERVICE:PORT",
                names.join("\n"),
                candidates[0]
            );
        };
        chosen = [SiteWish {
            name: None,
            service: one.service,
            port: one.port,
        }];
        input.sites = &chosen;
        import(&input)
    } else {
        outcome
    };
    match outcome {
        Outcome::Stack(stack) => Ok(Taken {
            notes: notes(&stack, &text, &name),
            files: stack.files,
        }),
        Outcome::Refused(problems) => {
            let shown = file.display().to_string();
            let found: Vec<_> = problems
                .iter()
                .map(|problem| diagnose(&shown, &text, codes::COMPOSE, problem))
                .collect();
            diagnostics(&found);
            bail!(
                "`{}` cannot become a stack: {}",
                file.display(),
                match found.len() {
                    1 => "one thing stands in the way".to_owned(),
                    number => format!("{number} things stand in the way"),
                }
            )
        }
        Outcome::WhichSite(_) => bail!("which service do visitors reach? Give --site SERVICE:PORT"),
    }
}

fn notes(stack: &Imported, text: &str, file: &str) -> Vec<String> {
    let index = LineIndex::new(text);
    let line = |note: &Note| format!("  {file}:{}: {}", index.position(note.at).line, note.text);
    let mut notes = Vec::new();
    if !stack.changes.is_empty() {
        notes.push("\nchanged on the way:".to_owned());
        notes.extend(stack.changes.iter().map(line));
    }
    if !stack.warnings.is_empty() {
        notes.push("\nlook at:".to_owned());
        notes.extend(stack.warnings.iter().map(line));
    }
    notes
}
