//! From a Compose file and the files it refers to, to one tree: `include` taken in, `extends` written out. No typing.
//!
//! The texts of all files stand one after the other in one text, the Compose file first, then the override file, so that every node of the
//! tree has one place. [`Texts::settle`] brings the places of other files back to the reference in those two that led there.

use crate::extend;
use crate::files::ComposeFile;
use crate::interpolate::{self, Values};
use crate::merge;
use crate::rebase;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_yaml::{Kind, Limits, LineIndex, Node, Problem, Span, parse_partial};

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

/// All texts in one.
pub(crate) struct Texts {
    pub(crate) all: String,
    parts: Vec<Part>,
}

/// A file in the text.
struct Part {
    start: usize,
    path: String,
    /// Where it was first referred to.
    from: Span,
}

impl Texts {
    /// The Compose file, and what lies on top of it: both are read themselves, and not because something refers to them.
    fn new(main: &str, over: Option<&str>) -> Self {
        let mut all = main.to_owned();
        if let Some(over) = over {
            // A file that ends without a line break must not run into the next.
            all.push('\n');
            all.push_str(over);
        }
        Self {
            all,
            parts: Vec::new(),
        }
    }

    fn part(&self, at: usize) -> Option<&Part> {
        self.parts.iter().rev().find(|part| part.start <= at)
    }

    /// Problems with places in the Compose file alone.
    pub(crate) fn settle(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let settled = problems.into_iter().map(|mut problem| {
            problem
                .related
                .retain(|(span, _)| self.part(span.start).is_none());
            let Some(part) = self.part(problem.span.start) else {
                return problem;
            };
            let end = self.parts.iter().map(|part| part.start);
            let end = end.filter(|start| *start > part.start).min();
            let own = &self.all[part.start..end.unwrap_or(self.all.len())];
            let at = LineIndex::new(own).position(problem.span.start - part.start);
            problem.message = format!("{}:{}: {}", part.path, at.line, problem.message);
            "in the file named here".clone_into(&mut problem.label);
            problem.span = part.from;
            while let Some(part) = self.part(problem.span.start) {
                problem.span = part.from;
            }
            problem
        });
        settled.collect()
    }
}

/// Reads everything. What `extends` and `include` say is gone from the tree.
pub(crate) fn assemble(file: &ComposeFile<'_>, values: &Values<'_>) -> Assembly {
    let (root, problems) = parse_partial(file.text, &Limits::with_merge_keys());
    let mut assembler = Assembler {
        file,
        values,
        text: Texts::new(file.text, file.over),
        problems,
        read: BTreeMap::new(),
        referred: BTreeSet::new(),
        copied: 0,
        chain: Vec::new(),
    };
    let root = root.map(|root| {
        let root = interpolate::apply(&root, file.text, values, &mut assembler.problems);
        assembler.complete(root, "")
    });
    let over = file.over.and_then(|over| assembler.read_override(over));
    let root = match (root, over) {
        (Some(root), Some(over)) => Some(merge::files(&root, &over)),
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
    referred: BTreeSet<String>,
    /// Nodes that `extends` copied so far.
    pub(crate) copied: usize,
    /// Files that are being included, outermost first.
    chain: Vec<String>,
}

impl Assembler<'_> {
    /// The tree of the file on top, complete by itself. None where it says nothing, or cannot be read.
    fn read_override(&mut self, over: &str) -> Option<Node> {
        let start = self.file.text.len() + 1;
        let root = self.read_text(over, start)?;
        if root.is_null() {
            return None;
        }
        if root.as_mapping().is_none() {
            self.invalid(root.span, "an override file is a mapping", "");
            return None;
        }
        Some(self.complete(root, ""))
    }

    /// Reads a text that stands at `start` of all texts.
    fn read_text(&mut self, text: &str, start: usize) -> Option<Node> {
        let (root, mut problems) = parse_partial(text, &Limits::with_merge_keys());
        let root = root.map(|root| interpolate::apply(&root, text, self.values, &mut problems));
        let shift = |span: Span| Span::new(span.start + start, span.end + start);
        for mut problem in problems {
            problem.span = shift(problem.span);
            problem.related.clear();
            self.problems.push(problem);
        }
        let mut root = root?;
        moved(&mut root, &shift);
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
        if self.text.parts.len() >= MAX_FILES || self.text.all.len() + text.len() > MAX_BYTES {
            self.invalid(from, "too many files, or too large ones", why);
            return None;
        }
        // A file that ends without a line break must not run into the next.
        self.text.all.push('\n');
        let start = self.text.all.len();
        self.text.all.push_str(text);
        self.text.parts.push(Part {
            start,
            path: path.to_owned(),
            from,
        });
        let mut root = self.read_text(text, start)?;
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
