//! Our schemas in the hands of a validator that is not ours (`check-jsonschema` of PyPI): what is good for one is good for the other, and what is
//! wrong by its shape is wrong for both.

use crate::cases::all;
use crate::fleet::{Bench, Stored, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry_schema::json::{DocumentKind, KINDS};

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where peers are by their environment"
)]
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("CHECK_JSONSCHEMA").map(PathBuf::from);
    let cache = std::env::var_os("TENANTRY_CACHE").map(PathBuf::from);
    let cached = cache.map(|cache| cache.join("tools/check-jsonschema/bin/check-jsonschema"));
    let found = named.or(cached).filter(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("TENANTRY_REQUIRE_PEERS").is_none(),
            "check-jsonschema is required but not installed"
        );
        eprintln!("skipped: check-jsonschema is not installed");
    }
    found
}

/// Which of `files` the validator refuses.
fn refused(program: &Path, schema: &Path, files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let output = Command::new(program)
        .args([
            "--output-format",
            "json",
            "--default-filetype",
            "yaml",
            "--schemafile",
        ])
        .arg(schema)
        .args(files)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let lists =
        ["errors", "parse_errors"].map(|list| report[list].as_array().cloned().unwrap_or_default());
    lists
        .iter()
        .flatten()
        .filter_map(|error| error["filename"].as_str())
        .map(PathBuf::from)
        .collect()
}

fn kind_of(path: &str) -> Option<&'static DocumentKind> {
    KINDS.iter().find(|kind| kind.holds(path))
}

/// Documents below `folder`, by kind.
fn documents(folder: &Path, prefix: &str, out: &mut BTreeMap<&'static str, Vec<PathBuf>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            documents(&entry.path(), &format!("{path}/"), out);
        } else if let Some(kind) = kind_of(&path) {
            out.entry(kind.name).or_default().push(entry.path());
        }
    }
}

fn schema_file(folder: &Path, kind: &DocumentKind) -> PathBuf {
    let path = folder.join(format!("{}.schema.json", kind.name));
    std::fs::write(&path, kind.schema_text()).unwrap();
    path
}

#[test]
fn schemas_are_schemas() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = KINDS
        .iter()
        .map(|kind| schema_file(folder.path(), kind))
        .collect();
    let output = Command::new(program)
        .arg("--check-metaschema")
        .args(&files)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn what_is_good_is_good_for_both() {
    let Some(program) = program() else { return };
    let mut good = BTreeMap::new();
    for fleet in ["", "examples/quickstart", "tests/corpus/base"] {
        for part in ["fleet", "stacks"] {
            let folder = root().join(fleet).join(part);
            if folder.is_dir() {
                documents(&folder, &format!("{part}/"), &mut good);
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for kind in &KINDS {
        let mut files = good.remove(kind.name).unwrap_or_default();
        files.push(root().join(format!("schema/samples/{}.yaml", kind.name)));
        seen += files.len();
        let refused = refused(&program, &schema_file(folder.path(), kind), &files);
        assert!(refused.is_empty(), "{} refuses {refused:?}", kind.name);
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn what_is_wrong_by_its_shape_is_wrong_for_both() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut by_kind: BTreeMap<&str, Vec<(PathBuf, String, bool)>> = BTreeMap::new();
    for case in all() {
        let Some(verdict) = &case.schema else {
            continue;
        };
        for (path, stored) in &case.files {
            let (Some(kind), Stored::File(bytes)) = (kind_of(path), stored) else {
                continue;
            };
            // The last document of a case is the one that it is about, except for stacks, whose manifest comes first.
            let file = folder.path().join(format!(
                "{}-{}.yaml",
                case.name.replace('/', "-"),
                kind.name
            ));
            std::fs::write(&file, bytes).unwrap();
            let about = case.name.split('/').next().unwrap_or_default();
            let helper = ["operations", "overrides"].contains(&about) && kind.name == "order";
            if !helper {
                by_kind.entry(kind.name).or_default().push((
                    file,
                    case.name.clone(),
                    verdict == "refuses",
                ));
            }
        }
    }
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (name, files) in &by_kind {
        let kind = tenantry_schema::json::kind(name).unwrap();
        let list: Vec<PathBuf> = files.iter().map(|(path, ..)| path.clone()).collect();
        let refused = refused(&program, &schema_file(folder.path(), kind), &list);
        for (path, case, expected) in files {
            seen += 1;
            if refused.contains(path) != *expected {
                wrong.push(format!(
                    "{case}: the validator {}",
                    if *expected {
                        "accepts it"
                    } else {
                        "refuses it"
                    }
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "{seen}");
    // Ours refuses every case: see the corpus. What it says about good files is tested here.
    assert!(Bench::new().said(&crate::fleet::Files::new()).is_empty());
}
