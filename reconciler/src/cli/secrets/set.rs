//! `tenantry secrets set`: one value, from standard input or a prompt, never from the command line, where other people of the machine and the
//! shell's history would see it.

use super::{Desk, Effect, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::secrets::change::{Saved, name};
use crate::secrets::{Target, follow};
use anyhow::{Context, bail};
use inquire::error::InquireError;
use inquire::{Password, PasswordDisplayMode};
use std::io::{IsTerminal, Read};
use tenantry_sops::{Change, Path, SecretString, SopsFile, Value};
use zeroize::Zeroizing;

/// Longest value that is taken, in bytes.
const MAX_VALUE: u64 = 256 * 1024;

/// Arguments of `secrets set`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The value is read from standard input, or asked for without showing it:
  tenantry secrets set acme smtp_password
  pass show acme/smtp | tenantry secrets set acme smtp_password
  tenantry secrets set acme tls_key < key.pem
One line end at its end is dropped, unless it has several lines.

A file that is not there yet is made by the rules of .sops.yaml. Comments, order and all other values stay as they are.
Secrets of a tool that follow this one (`share_with`, `derive` in stack.yaml) are replaced with it.
Personal data (`acme/person`) is encrypted to a key of that customer, which is made where it is missing.

--json: {path, saved, changed, removed, restarts, stale}, as of `secrets edit`.")]
pub(super) struct Args {
    /// The file: `acme`, `acme/person`, `acme/website/umami`, `hub`, or a path.
    file: String,
    /// The name of the secret. Inside of mappings: names with dots between them.
    name: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let target = Target::parse(&args.file)?;
    let desk = Desk::open(&args.place, &args.key)?;
    let path = target.path();
    let text = desk.tree.read(&path)?;
    let file = text
        .as_deref()
        .map(SopsFile::parse)
        .transpose()
        .ok()
        .flatten();
    let at = name(file.as_ref(), &args.name)?;
    let value = read_value(&args.name)?;
    let (saved, names) = write(&desk, &target, &at, value)?;
    if args.json {
        let changed = match saved {
            Saved::Unchanged => Effect::nothing(&target),
            _ => Effect::new(&desk, &target, names, Vec::new())?,
        };
        return changed.print();
    }
    let name = at.to_string();
    match saved {
        Saved::Created => say(format!("{path}: made, with `{name}`")),
        Saved::Changed if names.contains(&name) => say(format!("{path}: `{name}` set")),
        _ => say(format!("{path}: `{name}` has that value already")),
    }
    if saved != Saved::Unchanged {
        let declared = desk.declared(&target)?;
        let followers = declared.as_ref().map(|found| found.followers(&name));
        for (follower, how) in followers.into_iter().flatten() {
            if names.iter().any(|changed| changed == follower) {
                say(format!("`{follower}` goes with `{name}` ({how})"));
            }
        }
        desk.tell_effects(&target, &names)?;
    }
    Ok(Outcome::Clean)
}

/// Writes the value, for a tool together with those of what follows it; with the names of all that are new.
fn write(
    desk: &Desk,
    target: &Target,
    at: &Path,
    value: SecretString,
) -> anyhow::Result<(Saved, Vec<String>)> {
    let writer = desk.writer();
    let name = at.to_string();
    let Some(declared) = desk.declared(target)? else {
        return Ok((writer.set(target, at, value)?, vec![name]));
    };
    let draft = writer.draft(target)?;
    let there = draft.values(target)?;
    let values = follow::given(&declared, target, &name, value, &there)?;
    let names = follow::changed(&values, &there);
    let path_of = |of: &str| {
        if of == name {
            at.clone()
        } else {
            Path::from(of)
        }
    };
    let changes: Vec<Change> = values
        .into_iter()
        .map(|(name, value)| Change::Set {
            path: path_of(&name),
            value: Value::from(value),
        })
        .collect();
    Ok((writer.apply(target, &draft, &changes)?, names))
}

fn read_value(name: &str) -> anyhow::Result<SecretString> {
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        Zeroizing::new(ask(name)?)
    } else {
        let mut text = Zeroizing::new(String::new());
        let read = stdin.lock().take(MAX_VALUE + 1).read_to_string(&mut text);
        read.context("the value is not text (UTF-8)")?;
        if text.len() as u64 > MAX_VALUE {
            bail!("the value is longer than {} KiB", MAX_VALUE / 1024);
        }
        text
    };
    let lines = text.matches('\n').count();
    let value = if lines == 1 {
        text.strip_suffix('\n').unwrap_or(&text)
    } else {
        &text
    };
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        bail!("no value was given: nothing was changed");
    }
    Ok(SecretString::from(value))
}

/// Asks on the terminal, without showing what is typed. Whoever interrupts is left with a terminal that shows again what is typed.
fn ask(name: &str) -> anyhow::Result<String> {
    let question = format!("value of `{name}`:");
    let asked = Password::new(&question)
        .without_confirmation()
        .with_display_mode(PasswordDisplayMode::Hidden)
        .prompt();
    asked.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            anyhow::anyhow!("cancelled; nothing was changed")
        }
        error => anyhow::Error::new(error)
            .context("cannot ask without showing what is typed; use a pipe"),
    })
}
