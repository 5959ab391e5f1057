//! `tenantry secrets edit`: a file as plain text in the person's editor, in memory, checked before it is saved.

use super::{Desk, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::config;
use crate::secrets::Target;
use crate::secrets::change::Saved;
use crate::secrets::editor::{MemoryFile, split_words};
use anyhow::bail;
use inquire::Confirm;
use std::io::{BufRead, IsTerminal, Write};
use tenantry_sops::{ExposeSecret, SecretString};

/// Arguments of `secrets edit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Opens VISUAL, else EDITOR, else vi, on a file that is in memory only (XDG_RUNTIME_DIR or /dev/shm) and that only you can read; it
is gone when the editor ends, also when you are interrupted. Nothing is saved before it is valid: on a mistake you are asked
whether to go back into the editor. Values that you leave alone keep their ciphertext, so that `git diff` shows what changed.

Personal data (`acme/person`) is encrypted to a key of that customer, which is made where it is missing.")]
pub(super) struct Args {
    /// The file: `acme`, `acme/person`, `acme/website/umami`, `hub`, or a path.
    file: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
}

const NEW_SECRETS: &str =
    "# One secret a line, name: value. Lines that begin with # are comments.\n";
const NEW_PERSON: &str = "name:\ncompany:\nemail:\n";

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let target = Target::parse(&args.file)?;
    let desk = Desk::open(&args.place, &args.key)?;
    let writer = desk.writer();
    let draft = writer.draft(&target)?;
    let Some(editor) = split_words(&config::editor()).filter(|words| !words.is_empty()) else {
        bail!("VISUAL or EDITOR has a quote that is not closed");
    };
    let blank = if matches!(target, Target::Person(_)) {
        NEW_PERSON
    } else {
        NEW_SECRETS
    };
    let before = draft.plain(&target)?;
    let start = before.clone().unwrap_or_else(|| SecretString::from(blank));
    let name = format!("{}.yaml", target.to_string().replace(['/', '.'], "-"));
    let file = MemoryFile::new(&config::memory_folders(), &name, &start)?;
    loop {
        let text = file.edit(&editor)?;
        if text.expose_secret() == start.expose_secret() {
            say("nothing was changed");
            return Ok(Outcome::Clean);
        }
        match writer.replace(&target, &draft, &text) {
            Ok(Saved::Unchanged) => say("nothing was changed"),
            Ok(_) => {
                say(format!("{}: saved", target.path()));
                let names = changed_names(before.as_ref(), &text);
                desk.tell_restarts(&target, &names)?;
            }
            Err(error) => {
                super::super::output::complain(&error.into());
                if again()? {
                    continue;
                }
                bail!("nothing was saved");
            }
        }
        return Ok(Outcome::Clean);
    }
}

/// Whether to go back into the editor. No answer means no, and so does an interrupt.
fn again() -> anyhow::Result<bool> {
    const QUESTION: &str = "back into the editor?";
    if std::io::stdin().is_terminal() {
        let asked = Confirm::new(QUESTION).with_default(true).prompt();
        return Ok(asked.unwrap_or(false));
    }
    eprint!("{QUESTION} [Y/n] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line)?;
    let no = ["n", "no"]
        .iter()
        .any(|no| line.trim().eq_ignore_ascii_case(no));
    Ok(read > 0 && !no)
}

/// Names whose lines differ, as far as lines tell.
fn changed_names(before: Option<&SecretString>, after: &SecretString) -> Vec<String> {
    let old: Vec<&str> = before
        .map(|text| text.expose_secret().lines().collect())
        .unwrap_or_default();
    let changed = after
        .expose_secret()
        .lines()
        .filter(|line| !old.contains(line));
    let name = |line: &str| {
        Some(
            line.split_once(':')?
                .0
                .trim()
                .trim_matches(['"', '\''])
                .to_owned(),
        )
    };
    changed
        .filter(|line| !line.starts_with('#'))
        .filter_map(name)
        .collect()
}
