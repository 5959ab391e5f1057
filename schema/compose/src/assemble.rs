//! From a Compose file and the files it refers to, to one tree: `include` taken in, `extends` written out. No typing.

use crate::extend;
use crate::files::ComposeFile;
use crate::interpolate::{self, Values};
use crate::merge;
use crate::patch::Patch;
use crate::rebase;
use crate::texts::Texts;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_yaml::{Kind, Limits, Node, Partial, Problem, Span, parse_marked};

/// Most files that one Compose file may draw in, and their bytes together.
const MAX_FILES: usize = 64;
const MAX_BYTES: usize = 2 << 20;
/// Most nodes that `extends` may copy.
pub(crate) const MAX_COPIED: usize = 100_000;

/// The sections that `include` takes over.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];

/// One tree of everything, and what is wrong so far.
pub(crate) struct Assembly {
    pub(crate) root: Option<Node>,
    pub(crate) text: Texts,
    pub(crate) problems: Vec<Problem>,
    /// Files that were read, or should have been.
    pub(crate) referred: BTreeSet<String>,
}

/// Reads everything. What `extends` and `include` say is gone from the tree.
pub(crate) fn assemble(file: &ComposeFile<'_>, values: &Values<'_>) -> Assembly {
    let mut assembler = Assembler {
        file,
        values,
        text: Texts::new(file.text, file.over),
        problems: Vec::new(),
        read: BTreeMap::new(),
        patches: BTreeMap::new(),
        referred: BTreeSet::new(),
        copied: 0,
        chain: Vec::new(),
    };
    let root = assembler.read_text(file.text, 0, "");
    let root = root.map(|root| assembler.complete(root, ""));
    let over = file.over.and_then(|over| assembler.read_override(over));
    let root = match (root, over) {
        (Some(root), Some(over)) => Some(assembler.lay_on_top(root, &over)),
        (root, _) => root,
    };
    Assembly {
        root,
        text: assembler.text,
        problems: assembler.problems,
        referred: assembler.referred,
    }
}

pub(crate) struct Assembler<'a> {
    file: &'a ComposeFile<'a>,
    values: &'a Values<'a>,
    text: Texts,
    pub(crate) problems: Vec<Problem>,
    read: BTreeMap<String, Option<Node>>,
    /// What the files take away from what lies below them, by path. The override file comes in the place of the Compose file, which lies on nothing.
    patches: BTreeMap<String, Patch>,
    referred: BTreeSet<String>,
    /// Nodes that `extends` copied so far.
    pub(crate) copied: usize,
    /// Files that are being included, outermost first.
    chain: Vec<String>,
}

impl Assembler<'_> {
    /// The tree of the file on top, complete by itself. None where it says nothing, or cannot be read.
    fn read_override(&mut self, over: &str) -> Option<Node> {
        let start = Texts::behind(self.file.text.len());
        let root = self.read_text(over, start, "")?;
        if root.is_null() {
            return None;
        }
        if root.as_mapping().is_none() {
            self.invalid(root.span, "an override file is a mapping", "");
            return None;
        }
        Some(self.complete(root, ""))
    }

    /// The Compose file with the override file on top.
    fn lay_on_top(&mut self, mut root: Node, over: &Node) -> Node {
        if let Some(patch) = self.patches.get("") {
            patch.apply(&mut root, &mut self.problems);
        }
        merge::files(&root, over)
    }

    /// What a service of the file at `path` leaves of the one that it extends.
    pub(crate) fn patched(&mut self, path: &str, service: &str, mut base: Node) -> Node {
        if let Some(patch) = self.patches.get(path) {
            patch.apply_to_service(service, &mut base, &mut self.problems);
        }
        base
    }

    /// Reads a text that stands at `start` of all texts, the file at `path`.
    fn read_text(&mut self, text: &str, start: usize, path: &str) -> Option<Node> {
        let Partial {
            root,
            mut marked,
            mut problems,
        } = parse_marked(text, &Limits::compose());
        let root = root.map(|root| interpolate::apply(&root, text, self.values, &mut problems));
        let shift = |span: Span| Span::new(span.start + start, span.end + start);
        for mut problem in problems {
            problem.span = shift(problem.span);
            let shifted = |(span, label)| (shift(span), label);
            problem.related = problem.related.into_iter().map(shifted).collect();
            self.problems.push(problem);
        }
        let mut root = root?;
        moved(&mut root, &shift);
        for marked in &mut marked {
            marked.span = shift(marked.span);
        }
        let patch = Patch::take(&mut root, &marked, &mut self.problems);
        self.patches.insert(path.to_owned(), patch);
        Some(root)
    }

    /// `extends` and `include` of one file.
    fn complete(&mut self, mut root: Node, path: &str) -> Node {
        extend::apply(self, &mut root, path);
        let Some(include) = take(&mut root, "include") else {
            return root;
        };
        let Some(items) = include.as_sequence() else {
            self.invalid(
                include.span,
                "expected a list, found something else",
                "include",
            );
            return root;
        };
        for item in items {
            if let Some((path, span)) = self.included(item) {
                self.include(&mut root, &path, span);
            }
        }
        root
    }

    /// The path of an item of `include`.
    fn included(&mut self, item: &Node) -> Option<(String, Span)> {
        if let Some(path) = item.as_str().filter(|_| !item.is_null()) {
            return Some((path.to_owned(), item.span));
        }
        for (key, _) in item.as_mapping().unwrap_or_default() {
            let why = match key.as_str().unwrap_or_default() {
                "path" => continue,
                "env_file" => "values come from the hub: declare them under `parameters`",
                "project_directory" => "paths are relative to the folder of the included file",
                other => {
                    let message = format!("unknown key `{other}`");
                    self.invalid(key.span, message, "include");
                    continue;
                }
            };
            let message = format!("`{}` is not supported: {why}", key.as_str()?);
            let kind = tenantry_yaml::ProblemKind::Unsupported;
            self.problems
                .push(Problem::new(key.span, kind, message).with_path("include"));
        }
        let path = item.get("path");
        if let Some(text) = path.and_then(Node::as_str) {
            return Some((text.to_owned(), path?.span));
        }
        let several = path.is_some_and(|path| path.as_sequence().is_some());
        let message = if several {
            "several files that override each other cannot be included: write one item for each file"
        } else {
            "an item of `include` is a path"
        };
        self.invalid(item.span, message, "include");
        None
    }

    fn include(&mut self, root: &mut Node, path: &str, span: Span) {
        let Some(path) = self.beneath(path, span, "include") else {
            return;
        };
        if self.chain.contains(&path) {
            self.invalid(span, format!("`{path}` includes itself"), "include");
            return;
        }
        let Some(tree) = self.open(&path, span, "include") else {
            return;
        };
        self.chain.push(path.clone());
        let tree = self.complete(tree, &path);
        self.chain.pop();
        for (key, _) in tree.as_mapping().unwrap_or_default() {
            let name = key.as_str().unwrap_or_default();
            let fine = SECTIONS.contains(&name) || ["name", "version"].contains(&name);
            if !fine && !interpolate::is_extension(key) {
                self.invalid(key.span, format!("unknown key `{name}`"), "");
            }
        }
        for section in SECTIONS {
            if let Some(entries) = tree.get(section).and_then(Node::as_mapping) {
                self.take_over(root, section, entries, span);
            }
        }
    }

    fn take_over(&mut self, root: &mut Node, section: &str, more: &[(Node, Node)], span: Span) {
        let Kind::Mapping(top) = &mut root.kind else {
            return;
        };
        if !top.iter().any(|(key, _)| key.as_str() == Some(section)) {
            let empty = Node {
                span,
                kind: Kind::Mapping(Vec::new()),
            };
            top.push((Node::scalar(span, section), empty));
        }
        let there = top
            .iter_mut()
            .find(|(key, _)| key.as_str() == Some(section))
            .and_then(|(_, node)| match &mut node.kind {
                Kind::Mapping(entries) => Some(entries),
                _ => None,
            });
        let Some(there) = there else { return };
        let known: BTreeMap<String, usize> = there
            .iter()
            .enumerate()
            .filter_map(|(at, (key, _))| Some((key.as_str()?.to_owned(), at)))
            .collect();
        for (key, value) in more {
            let name = key.as_str().unwrap_or_default();
            match known.get(name) {
                Some(at) if !same(&there[*at].1, value) => {
                    let message = format!("`{section}.{name}` is already there, and differs");
                    self.problems
                        .push(Problem::invalid(span, message).with_path("include"));
                }
                Some(_) => {}
                None => there.push((key.clone(), value.clone())),
            }
        }
    }

    /// The tree of another file, interpolated, its paths relative to the stack's folder.
    pub(crate) fn open(&mut self, path: &str, from: Span, why: &str) -> Option<Node> {
        if let Some(known) = self.read.get(path) {
            return known.clone();
        }
        let tree = self.read_new(path, from, why);
        self.read.insert(path.to_owned(), tree.clone());
        tree
    }

    fn read_new(&mut self, path: &str, from: Span, why: &str) -> Option<Node> {
        let Some(text) = self.file.files.text(path) else {
            self.missing(path, from, why);
            return None;
        };
        if self.text.referred() >= MAX_FILES || self.text.all.len() + text.len() > MAX_BYTES {
            self.invalid(from, "too many files, or too large ones", why);
            return None;
        }
        let start = self.text.refer(text, path, from);
        let mut root = self.read_text(text, start, path)?;
        rebase::file(
            &mut root,
            path.rsplit_once('/').map_or("", |(folder, _)| folder),
        );
        Some(root)
    }

    fn missing(&mut self, path: &str, from: Span, why: &str) {
        let message = format!("there is no file `{path}` in the stack's folder");
        let problem = Problem::invalid(from, message)
            .with_label("not found")
            .with_help("paths are relative to the file that names them; keep the files beside it");
        self.problems.push(problem.with_path(why));
    }

    /// A path that stays beneath the stack's folder, without `.` and `..`.
    pub(crate) fn beneath(&mut self, text: &str, span: Span, why: &str) -> Option<String> {
        let shown = rebase::beneath(text);
        if let Err(message) = &shown {
            self.invalid(span, *message, why);
        }
        let path = shown.ok()?;
        self.referred.insert(path.clone());
        Some(path)
    }

    pub(crate) fn invalid(&mut self, span: Span, message: impl Into<String>, path: &str) {
        self.problems
            .push(Problem::invalid(span, message).with_path(path));
    }
}

/// Takes an entry out of a mapping.
pub(crate) fn take(node: &mut Node, key: &str) -> Option<Node> {
    let Kind::Mapping(entries) = &mut node.kind else {
        return None;
    };
    let at = entries
        .iter()
        .position(|(name, _)| name.as_str() == Some(key))?;
    Some(entries.remove(at).1)
}

fn moved(node: &mut Node, shift: &dyn Fn(Span) -> Span) {
    node.span = shift(node.span);
    match &mut node.kind {
        Kind::Scalar { .. } => {}
        Kind::Sequence(items) => items.iter_mut().for_each(|item| moved(item, shift)),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                moved(key, shift);
                moved(value, shift);
            }
        }
    }
}

/// Whether two trees say the same, wherever they stand.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Scalar { value: a, .. }, Kind::Scalar { value: b, .. }) => a == b,
        (Kind::Sequence(a), Kind::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Kind::Mapping(a), Kind::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key, value), (other_key, other))| {
                    same(key, other_key) && same(value, other)
                })
        }
        _ => false,
    }
}
