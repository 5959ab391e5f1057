//! The stack as it takes shape: changes of the text, files, notes, refusals.

use super::edits::Edits;
use super::scalars::Scalars;
use super::tree::Tree;
use super::{Found, Imported, Input, Note, parse_env_file};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tenantry_compose::template::{Rule, Template};
use tenantry_yaml::{Node, Problem, ProblemKind, Span};

/// What is collected on the way.
pub(super) struct Draft<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) tree: Tree<'a>,
    pub(super) edits: Edits,
    pub(super) scalars: Scalars<'a>,
    pub(super) brackets: HashSet<Span>,
    pub(super) changes: BTreeSet<Note>,
    pub(super) warnings: BTreeSet<Note>,
    pub(super) refused: Vec<Problem>,
    /// Values that `.env` gives.
    pub(super) values: BTreeMap<String, String>,
    /// Files that the stack takes along.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Volumes of the stack, with the services that mount them.
    pub(super) volumes: BTreeMap<String, BTreeSet<String>>,
    /// Volumes that the file does not declare yet.
    pub(super) new_volumes: Vec<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a Input<'a>, tree: Tree<'a>) -> Self {
        let values = match input.beside.look(".env") {
            Found::File(text) => parse_env_file(&String::from_utf8_lossy(&text))
                .into_iter()
                .collect(),
            _ => BTreeMap::new(),
        };
        Self {
            input,
            tree,
            edits: Edits::default(),
            scalars: Scalars::default(),
            brackets: tree.within_brackets(),
            changes: BTreeSet::new(),
            warnings: BTreeSet::new(),
            refused: Vec::new(),
            values,
            files: BTreeMap::new(),
            volumes: BTreeMap::new(),
            new_volumes: Vec::new(),
        }
    }

    pub(super) fn changed(&mut self, node: &Node, text: impl Into<String>) {
        let (at, text) = (node.span.start, text.into());
        self.changes.insert(Note { at, text });
    }

    pub(super) fn warn(&mut self, node: &Node, text: impl Into<String>) {
        let (at, text) = (node.span.start, text.into());
        self.warnings.insert(Note { at, text });
    }

    pub(super) fn refuse(
        &mut self,
        node: &Node,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::new(node.span, ProblemKind::Unsupported, message).with_help(help);
        self.refused.push(problem);
    }

    /// What a text is with the values of `.env` and the defaults that are written; `Err` names the variable that has neither.
    pub(super) fn resolved(&self, text: &str) -> Result<String, String> {
        let Ok(template) = Template::parse(text) else {
            return Ok(text.to_owned());
        };
        let lookup = |name: &str| self.values.get(name).cloned();
        template.resolve(&lookup).map_err(|missing| {
            missing
                .into_iter()
                .next()
                .map_or(String::new(), |first| first.name)
        })
    }

    /// The value of a variable: from `.env`, else the default that is written.
    pub(super) fn value_of(&self, name: &str, rule: &Rule) -> Option<String> {
        if let Some(value) = self.values.get(name) {
            return Some(value.clone());
        }
        match rule {
            Rule::Default { value, .. } => {
                value.resolve(&|name| self.values.get(name).cloned()).ok()
            }
            _ => None,
        }
    }

    /// The image of a service, values put in.
    pub(super) fn image(&self, service: &Node) -> String {
        let image = service
            .get("image")
            .and_then(Node::as_str)
            .unwrap_or_default();
        self.resolved(image).unwrap_or_default()
    }

    pub(super) fn into_refused(self) -> Vec<Problem> {
        let mut refused = self.refused;
        refused.sort_by(|a, b| (a.span, &a.message).cmp(&(b.span, &b.message)));
        refused.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        refused
    }

    pub(super) fn finish(mut self, manifest: String) -> Imported {
        self.scalars
            .write(self.tree, &self.brackets, &mut self.edits);
        let mut compose = self.edits.apply(self.tree.text).replace("\r\n", "\n");
        let trimmed = compose.trim_start_matches('\n').trim_end().len();
        let skipped = compose.len() - compose.trim_start_matches('\n').len();
        compose = compose[skipped..skipped + trimmed].to_owned() + "\n";
        self.files
            .insert("compose.yaml".to_owned(), compose.into_bytes());
        self.files
            .insert("stack.yaml".to_owned(), manifest.into_bytes());
        Imported {
            files: self.files,
            changes: self.changes.into_iter().collect(),
            warnings: self.warnings.into_iter().collect(),
        }
    }
}
