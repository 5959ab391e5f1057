//! What the hub hands in: files of one commit, already read. Nothing here reads anything itself.

use crate::object::ObjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::id::{CustomerId, ToolName};

/// One file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path in the repository.
    pub path: String,
    /// Object id of its content.
    pub id: ObjectId,
    /// Its content, or why it cannot be read (a link, too large, not UTF-8).
    pub text: Result<Arc<str>, &'static str>,
}

/// All files of one customer: `fleet/customers/<id>` and `fleet/decisions/<id>`.
#[derive(Debug, Clone)]
pub struct CustomerFiles {
    /// The customer.
    pub id: CustomerId,
    /// In path order.
    pub files: Vec<SourceFile>,
}

/// The files of `fleet/` itself.
#[derive(Debug, Clone, Default)]
pub struct HeadFiles {
    /// In path order.
    pub files: Vec<SourceFile>,
}

/// One tree of a stack, with all files below it.
#[derive(Debug, Clone)]
pub struct StackFiles {
    /// The tool.
    pub tool: ToolName,
    /// Object id of the tree.
    pub tree: ObjectId,
    /// By path relative to the tree; links are not carried.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// Paths that cannot be taken (links, submodules, too large), with the reason.
    pub refused: BTreeMap<String, &'static str>,
    /// Files with the executable bit. It is not carried: on a server those can be executed that [`can_run`](tenantry_schema::wire::can_run)
    /// says.
    pub executable: BTreeSet<String>,
}

/// One tree of `nginx/`.
#[derive(Debug, Clone)]
pub struct NginxFiles {
    /// Object id of the tree.
    pub tree: ObjectId,
    /// Templates by name without `.conf`.
    pub templates: BTreeMap<String, Arc<str>>,
}

/// Answers with the text of a file of the commit that is being compiled, so that a finding can show its line.
pub type TextOf<'a> = dyn Fn(&str) -> Option<Arc<str>> + Sync + 'a;

/// Finds places in one YAML file, which is read and parsed once.
#[derive(Debug)]
pub struct Finder {
    path: String,
    parsed: Option<(Arc<str>, tenantry_yaml::Node)>,
}

impl Finder {
    /// Reads the file. One that cannot be read is shown as a whole.
    pub fn new(text_of: &TextOf<'_>, path: &str) -> Self {
        let parse = |text: Arc<str>| {
            let root = tenantry_yaml::parse(&text, &tenantry_yaml::Limits::default()).ok()?;
            Some((text, root))
        };
        Self {
            path: path.to_owned(),
            parsed: text_of(path).and_then(parse),
        }
    }

    /// The place of `keys`: the last key itself where `at_key`, else its value. What is not there is shown at what is above it.
    pub fn place(&self, keys: &[&str], at_key: bool) -> Place {
        let Some((text, root)) = &self.parsed else {
            return Place::file(&self.path);
        };
        let mut keys = keys;
        loop {
            let Some((last, above)) = keys.split_last() else {
                return Place::file(&self.path);
            };
            let span = if at_key {
                root.key_span_at(keys)
            } else {
                root.at(keys).map(|node| node.span)
            };
            // In a list (`tools: [html]`) the last key is an item.
            let item = || {
                let items = root.at(above)?.as_sequence()?;
                items
                    .iter()
                    .find(|item| item.as_str() == Some(last))
                    .map(|item| item.span)
            };
            if let Some(span) = span.or_else(item) {
                return Place::of(&self.path, text, span.start, span.end);
            }
            keys = above;
        }
    }
}

/// One place; see [`Finder`].
pub fn locate(text_of: &TextOf<'_>, path: &str, keys: &[&str], at_key: bool) -> Place {
    Finder::new(text_of, path).place(keys, at_key)
}

/// Turns a reader's problem into a diagnostic of `path`.
pub fn diagnose(path: &str, text: &str, code: u16, problem: &tenantry_yaml::Problem) -> Diagnostic {
    let place = Place::of(path, text, problem.span.start, problem.span.end);
    let mut diagnostic =
        Diagnostic::error(code, place, problem.message.clone()).label(problem.label.clone());
    if let Some(help) = &problem.help {
        diagnostic = diagnostic.note(help.clone());
    }
    for (span, why) in &problem.related {
        diagnostic = diagnostic.related(Place::of(path, text, span.start, span.end), why.clone());
    }
    diagnostic
}
