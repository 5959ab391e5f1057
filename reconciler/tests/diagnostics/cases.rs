//! The format of the corpus: a sentence, what a validator says to it (`schema: ...`), then files. `--- path | how it is stored` begins a file or adds to
//! it.

use crate::fleet::{Files, Stored, root};
use std::path::{Path, PathBuf};

/// What a JSON Schema validator says to the documents of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It refuses all of them.
    Refuses,
    /// It refuses these and no others.
    RefusesOf(Vec<String>),
    /// It accepts all of them: what is wrong is not in their shape.
    Accepts,
    /// It is not asked, for this reason.
    NotAsked(String),
}

impl Verdict {
    /// Reads `refuses`, `refuses PATH, PATH`, `accepts`, `not asked (why)`.
    fn read(case: &str, text: &str) -> Self {
        if let Some(why) = text.strip_prefix("not asked (") {
            let why = why.strip_suffix(')').unwrap_or_default().trim();
            assert!(
                !why.is_empty(),
                "{case}: `schema: not asked (why)` says why"
            );
            return Self::NotAsked(why.to_owned());
        }
        match text.split_once(' ').unwrap_or((text, "")) {
            ("accepts", "") => Self::Accepts,
            ("refuses", "") => Self::Refuses,
            ("refuses", paths) => Self::RefusesOf(paths.split(", ").map(str::to_owned).collect()),
            _ => panic!(
                "{case}: its second line is no verdict of a validator: `schema: accepts`, `schema: refuses`, `schema: refuses PATH, PATH` or `schema: not asked (why)`"
            ),
        }
    }
}

/// One case of the corpus.
pub(crate) struct Case {
    /// `group/name`.
    pub(crate) name: String,
    /// What is wrong.
    pub(crate) about: String,
    /// What a JSON Schema validator must say. None: nobody has asked it yet, which `validator.rs` does not let pass.
    pub(crate) schema: Option<Verdict>,
    pub(crate) files: Files,
    /// Beside the case: what is to be said.
    pub(crate) golden: PathBuf,
}

/// Every case, in the order of their names.
pub(crate) fn all() -> Vec<Case> {
    let folder = root().join("tests/corpus/cases");
    let mut paths: Vec<PathBuf> = Vec::new();
    for group in std::fs::read_dir(&folder).unwrap() {
        let group = group.unwrap().path();
        paths.extend(
            std::fs::read_dir(group)
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    paths.sort();
    paths.iter().map(|path| read(&folder, path)).collect()
}

fn read(folder: &Path, path: &Path) -> Case {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path
        .strip_prefix(folder)
        .unwrap()
        .with_extension("")
        .display()
        .to_string();
    let mut parts = text.split("--- ");
    let head = parts.next().unwrap();
    let (about, more) = head.split_once('\n').unwrap();
    let mut files = Files::new();
    for part in parts {
        let (file, body) = part.split_once('\n').unwrap();
        let (path, how) = file.split_once(" | ").unwrap_or((file, ""));
        let added = stored(&name, how, body);
        match (files.get_mut(path), added) {
            (Some(Stored::File(before)), Stored::File(more)) => {
                // A piece that is repeated goes on where the one before ended.
                if before.last() == Some(&b'\n') && before.ends_with(b" \n") {
                    before.pop();
                }
                before.extend(more);
            }
            (_, added) => drop(files.insert(path.to_owned(), added)),
        }
    }
    Case {
        about: about.to_owned(),
        schema: more
            .trim()
            .strip_prefix("schema: ")
            .map(|verdict| Verdict::read(&name, verdict)),
        files,
        golden: path.with_extension("out"),
        name,
    }
}

/// `body` as it is stored.
pub(crate) fn stored(case: &str, how: &str, body: &str) -> Stored {
    let bytes = |text: String| Stored::File(text.into_bytes());
    let utf_16 =
        |order: fn(u16) -> [u8; 2]| Stored::File(body.encode_utf16().flat_map(order).collect());
    match how.split_once(' ').unwrap_or((how, "")) {
        ("", _) => bytes(body.to_owned()),
        ("bom", _) => bytes(format!("\u{feff}{body}")),
        ("crlf", _) => bytes(body.replace('\n', "\r\n")),
        ("cr", _) => bytes(body.replace('\n', "\r")),
        ("escape", _) => bytes(unescape(body)),
        ("latin-1", _) => Stored::File(
            body.chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect(),
        ),
        ("utf-16", _) => utf_16(u16::to_le_bytes),
        ("utf-16be", _) => utf_16(u16::to_be_bytes),
        ("repeat", times) => bytes(body.trim_end_matches('\n').repeat(times.parse().unwrap())),
        ("symlink", _) => Stored::Link(body.trim().into()),
        ("submodule", _) => Stored::Submodule,
        ("executable", _) => Stored::Executable(body.into()),
        _ => panic!("{case}: no way to store a file is called `{how}`"),
    }
}

/// `\u{1b}` to the character, `\\` to a backslash.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix("u{") {
            let (digits, after) = after.split_once('}').unwrap();
            out.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
            rest = after;
        } else {
            out.push('\\');
            rest = after.strip_prefix('\\').unwrap_or(after);
        }
    }
    out + rest
}
