//! Documents of `fleet/` that belong to no customer and freeze nobody: pools and roll-outs; and folders that no document has its place in.

use super::files;
use crate::git::{EntryKind, GitError, Objects, Oid};
use tenantry_planner::codes;
use tenantry_planner::documents;
use tenantry_planner::references::{self, Known};
use tenantry_planner::removal::FILE;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::Acknowledged;

/// Every folder of `fleet/`.
const FOLDERS: [&str; 4] = ["customers", "decisions", "pools", "rollouts"];

/// Reads and checks what is in the folder `fleet`, customers and decisions apart.
pub(super) fn check(
    objects: &Objects,
    fleet: Oid,
    known: Known<'_>,
) -> Result<Vec<Diagnostic>, GitError> {
    let mut found = Vec::new();
    let entries = objects.tree(fleet)?;
    if entries
        .iter()
        .any(|entry| FILE.ends_with(&format!("/{}", entry.name)))
    {
        for file in files::directly_in(objects, fleet, "fleet")? {
            if file.path == FILE {
                drop(documents::read::<Acknowledged>(&file, &mut found));
            }
        }
    }
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Tree) {
        let path = format!("fleet/{}", entry.name);
        match entry.name.as_str() {
            "pools" | "rollouts" => {
                let mut list = Vec::new();
                files::below(objects, entry.oid, &path, &mut list)?;
                found.extend(list.iter().flat_map(|file| references::shared(file, known)));
            }
            name if FOLDERS.contains(&name) => {}
            name => found.push(misplaced(&path, name)),
        }
    }
    Ok(found)
}

fn misplaced(path: &str, name: &str) -> Diagnostic {
    let note = match tenantry_yaml::suggest(name, &FOLDERS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("folders of fleet/: {}", FOLDERS.join(", ")),
    };
    Diagnostic::error(
        codes::MISPLACED,
        Place::file(path),
        "no document has its place in this folder",
    )
    .note(note)
}
