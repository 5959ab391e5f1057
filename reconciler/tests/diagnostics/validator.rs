//! Our schemas in the hands of a validator that is not ours (`check-jsonschema` of PyPI): what is good for one is good for the other, and what is
//! wrong by its shape is wrong for both.

use crate::cases::{Case, Verdict, all};
use crate::corpus::bless;
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

/// Documents of a case that have a schema, by path. Helpers are none of them: the order beneath an operation or an override.
fn asked(case: &Case) -> Vec<(&str, &'static DocumentKind, &[u8])> {
    let about = case.name.split('/').next().unwrap_or_default();
    let with_helper = ["operations", "overrides"].contains(&about);
    let files = case.files.iter().filter_map(|(path, stored)| {
        let (Some(kind), Stored::File(bytes)) = (kind_of(path), stored) else {
            return None;
        };
        let helper = with_helper && kind.name == "order";
        (!helper).then_some((path.as_str(), kind, bytes.as_slice()))
    });
    files.collect()
}

/// What the validator says to the documents of each case, which it is asked for a kind at a time. Cases that are not to be asked are left out.
fn verdicts(program: &Path, cases: &[Case]) -> BTreeMap<String, Verdict> {
    let folder = tempfile::tempdir().unwrap();
    let mut by_kind: BTreeMap<&str, Vec<(PathBuf, usize, &str)>> = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        if matches!(case.schema, Some(Verdict::NotAsked(_))) {
            continue;
        }
        for (place, (path, kind, bytes)) in asked(case).into_iter().enumerate() {
            let file = folder.path().join(format!("{number}-{place}.yaml"));
            std::fs::write(&file, bytes).unwrap();
            let list = by_kind.entry(kind.name).or_default();
            list.push((file, number, path));
        }
    }
    let mut said: BTreeMap<usize, Vec<(&str, bool)>> = BTreeMap::new();
    for (name, files) in &by_kind {
        let kind = tenantry_schema::json::kind(name).unwrap();
        let list: Vec<PathBuf> = files.iter().map(|(file, ..)| file.clone()).collect();
        let refused = refused(program, &schema_file(folder.path(), kind), &list);
        for (file, case, path) in files {
            let list = said.entry(*case).or_default();
            list.push((path, refused.contains(file)));
        }
    }
    let all = said.into_iter().map(|(case, documents)| {
        let mut refused: Vec<String> = documents
            .iter()
            .filter(|(_, refused)| *refused)
            .map(|(path, _)| (*path).to_owned())
            .collect();
        refused.sort();
        let verdict = match refused.len() {
            0 => Verdict::Accepts,
            all if all == documents.len() => Verdict::Refuses,
            _ => Verdict::RefusesOf(refused),
        };
        (cases[case].name.clone(), verdict)
    });
    all.collect()
}

/// A new case cannot be added without what a validator says to it: `TENANTRY_BLESS=1` writes it down where there is nothing yet.
#[test]
fn what_is_wrong_by_its_shape_is_wrong_for_both() {
    let Some(program) = program() else { return };
    let cases = all();
    let said = verdicts(&program, &cases);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for case in &cases {
        let said = said.get(&case.name);
        match (&case.schema, said) {
            (Some(Verdict::NotAsked(_)), _) => {}
            (Some(written), Some(said)) if written == said => seen += 1,
            (Some(written), said) => wrong.push(format!(
                "{}: its verdict is {written:?}, and the validator says {said:?}",
                case.name
            )),
            (None, said) if bless() => write(case, said),
            (None, said) => wrong.push(format!(
                "{}: it says nothing of a validator; TENANTRY_BLESS=1 writes what it says now: {said:?}",
                case.name
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 350 || bless(), "{seen}");
    // Ours refuses every case: see the corpus. What it says about good files is tested here.
    assert!(Bench::new().said(&crate::fleet::Files::new()).is_empty());
}

/// Writes a verdict into the second line of a case.
fn write(case: &Case, said: Option<&Verdict>) {
    let verdict = match said {
        Some(Verdict::Accepts) => "accepts".to_owned(),
        Some(Verdict::Refuses) => "refuses".to_owned(),
        Some(Verdict::RefusesOf(paths)) => format!("refuses {}", paths.join(", ")),
        Some(Verdict::NotAsked(_)) | None => {
            "not asked (no document of it has a schema)".to_owned()
        }
    };
    let path = case.golden.with_extension("txt");
    let text = std::fs::read_to_string(&path).unwrap();
    let (about, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, format!("{about}\nschema: {verdict}\n{rest}")).unwrap();
}
