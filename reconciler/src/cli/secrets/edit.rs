//! `tenantry secrets edit`: a file as plain text in the person's editor, in memory, checked before it is saved.

use super::{Desk, Effect, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::config;
use crate::secrets::Target;
use crate::secrets::change::Saved;
use crate::secrets::editor::{MemoryFile, split_words};
use crate::secrets::gone::Gone;
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

Values that go are listed. Where every value would go, or one that was never committed, you are asked first.

Personal data (`acme/person`) is encrypted to a key of that customer, which is made where it is missing.

--json: {path, saved, changed, removed, restarts, stale}. `saved` is whether the file has changed; `changed` and `removed` are names,
`restarts` what is made anew with the new values, a line a tool, `stale` names that follow a changed one (`share_with`, `derive` in
stack.yaml) and were not made from it.")]
pub(super) struct Args {
    /// The file: `acme`, `acme/person`, `acme/website/umami`, `hub`, or a path.
    file: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
    /// For programs.
    #[arg(long)]
    json: bool,
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
            return unchanged(args, &target);
        }
        let gone = match &draft.file {
            Some(file) => Gone::of(&desk.tree, &target.path(), file, text.expose_secret())?,
            None => Gone::default(),
        };
        if gone.asks() && !agreed(&target, &gone)? {
            bail!("nothing was saved: the file has all its values");
        }
        match writer.replace(&target, &draft, &text) {
            Ok(Saved::Unchanged) => return unchanged(args, &target),
            Ok(_) => {
                let names = changed_names(before.as_ref(), &text);
                if args.json {
                    let changed = Effect::new(&desk, &target, names, gone.names)?;
                    return changed.print();
                }
                say(format!("{}: saved", target.path()));
                if !gone.names.is_empty() {
                    say(format!("removed: {}", gone.names.join(", ")));
                }
                desk.tell_effects(&target, &names)?;
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

fn unchanged(args: &Args, target: &Target) -> anyhow::Result<Outcome> {
    if args.json {
        return Effect::nothing(target).print();
    }
    say("nothing was changed");
    Ok(Outcome::Clean)
}

/// Whether values may go that most likely should not.
fn agreed(target: &Target, gone: &Gone) -> anyhow::Result<bool> {
    let path = target.path();
    eprintln!(
        "these values would go from {path}: {}",
        gone.names.join(", ")
    );
    if !gone.for_good.is_empty() {
        eprintln!(
            "not in the newest commit, so gone for good: {}",
            gone.for_good.join(", ")
        );
    }
    let question = if gone.all {
        "remove every value of the file?"
    } else {
        "remove them?"
    };
    ask(question, false)
}

/// Whether to go back into the editor.
fn again() -> anyhow::Result<bool> {
    ask("back into the editor?", true)
}

/// Asks. An empty line means `default`; no answer means no, and so does an interrupt.
fn ask(question: &str, default: bool) -> anyhow::Result<bool> {
    if std::io::stdin().is_terminal() {
        let asked = Confirm::new(question).with_default(default).prompt();
        return Ok(asked.unwrap_or(false));
    }
    eprint!("{question} {} ", if default { "[Y/n]" } else { "[y/N]" });
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line)?;
    let is = |words: [&str; 2]| {
        words
            .iter()
            .any(|word| line.trim().eq_ignore_ascii_case(word))
    };
    Ok(if default {
        read > 0 && !is(["n", "no"])
    } else {
        is(["y", "yes"])
    })
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
