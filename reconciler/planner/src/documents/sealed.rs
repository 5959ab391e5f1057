//! Files of secrets, as far as they can be looked at without a key: whether they are SOPS files, whole, and settled.

use super::{SecretsFile, text};
use crate::codes;
use crate::input::{Finder, SourceFile};
use std::borrow::Cow;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;

pub(super) fn read_secrets(file: &SourceFile, found: &mut Vec<Diagnostic>) -> Option<SecretsFile> {
    let text = text(file, found)?;
    found.extend(unsettled(file, text));
    match tenantry_sops::sealed_keys(text) {
        Ok(names) => Some(SecretsFile {
            blob: file.id,
            names: names.into_iter().map(Cow::into_owned).collect(),
        }),
        Err(why) => {
            found.push(not_sealed(file, text, &why));
            None
        }
    }
}

fn not_sealed(file: &SourceFile, text: &str, why: &tenantry_sops::Error) -> Diagnostic {
    let at = |path: &str| {
        let key = path.split(['.', '[']).next().unwrap_or_default();
        let finder = Finder::new(&|_| Some(text.into()), &file.path);
        without_value(finder.place(&[key], true))
    };
    let (place, message) = match why {
        tenantry_sops::Error::ClearText { path } => {
            (at(path), format!("`{path}` is in clear text"))
        }
        tenantry_sops::Error::BadValue { path, reason } => {
            let message = format!("`{path}` is damaged, so that no key opens it: it {reason}");
            return damaged(file, at(path), message);
        }
        tenantry_sops::Error::BadMetadata { field, reason } if field == "mac" => {
            let message = format!("the file is damaged, so that no key opens it: `mac` {reason}");
            return damaged(file, Place::file(&file.path), message);
        }
        why => (
            Place::file(&file.path),
            format!("not a SOPS-encrypted file: {why}"),
        ),
    };
    let path = &file.path;
    let mend = match why {
        tenantry_sops::Error::NotSops => {
            format!("encrypt it before it is committed: `tenantry secrets updatekeys {path}`")
        }
        tenantry_sops::Error::ClearText { .. } => {
            "take the value out of the file, and set it with `tenantry secrets set`".to_owned()
        }
        _ => format!("encrypt it before it is committed: `sops -e -i {path}`"),
    };
    Diagnostic::error(codes::NOT_ENCRYPTED, place, message)
        .note(mend)
        .note("if it was committed in clear text, its secrets are known to everyone who can read the repository: replace them")
}

fn damaged(file: &SourceFile, place: Place, message: String) -> Diagnostic {
    Diagnostic::error(codes::NOT_ENCRYPTED, place, message).note(format!(
        "take it back from Git's history (`git log -p -- {}`), or set it anew: `tenantry secrets set`",
        file.path
    ))
}

/// Begins the line that `git merge` leaves in a file of secrets where two branches set one value.
pub const CONFLICT: &str = "# CONFLICT ";

/// Merges of secrets that nobody has settled: ours is in force meanwhile.
fn unsettled<'t>(file: &'t SourceFile, text: &'t str) -> impl Iterator<Item = Diagnostic> + 't {
    let marked = text
        .match_indices(CONFLICT)
        .filter(|(at, _)| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n'));
    marked.map(|(at, _)| {
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        let place = Place::of(&file.path, text, at, end);
        Diagnostic::warning(
            codes::UNSETTLED_SECRET,
            place,
            "a merge left a choice between two values",
        )
        .label("ours is in force until somebody chooses")
        .note("choose the value (`tenantry secrets set`), then delete this line")
    })
}

/// The place of a key, without what stands behind it on its line: that is a secret.
fn without_value(place: Place) -> Place {
    let end = place.column.saturating_sub(1).saturating_sub(place.skipped) + place.width;
    let shown: String = place.source.chars().take(end as usize).collect();
    let source = if place.line == 0 {
        shown
    } else {
        format!("{shown}: ...")
    };
    Place { source, ..place }
}
