//! Reading typed values out of a tree while collecting problems; knows YAML scalars, no Compose key.

use crate::files::Files;
use crate::interpolate::{Values, join};
use crate::plain::is_text;
use crate::template::OPAQUE;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use tenantry_yaml::{Kind, Node, Problem, ProblemKind, Scalar, Span, resolve, suggest};

/// Keys that Compose takes without a value.
const NULLABLE: [&str; 3] = ["command", "deploy", "entrypoint"];

/// What all readers of one file share.
pub(crate) struct Cx<'a> {
    pub(crate) text: &'a str,
    pub(crate) values: &'a Values<'a>,
    pub(crate) files: &'a dyn Files,
    /// Files that were asked for.
    pub(crate) referred: RefCell<BTreeSet<String>>,
    pub(crate) problems: RefCell<Vec<Problem>>,
    next_port: Cell<u16>,
    /// Ports of the server that are not certain: given out by [`Cx::sample_port`], or a variable's default.
    uncertain_ports: RefCell<BTreeSet<u16>>,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(text: &'a str, values: &'a Values<'a>, files: &'a dyn Files) -> Self {
        Self {
            text,
            values,
            files,
            referred: RefCell::default(),
            problems: RefCell::default(),
            next_port: Cell::new(20_000),
            uncertain_ports: RefCell::default(),
        }
    }

    /// A port for a value that is not known yet: 20000 and upwards, each another one.
    pub(crate) fn sample_port(&self) -> u16 {
        let port = self.next_port.get();
        self.next_port.set(port.checked_add(1).unwrap_or(20_000));
        self.doubt_port(port);
        port
    }

    pub(crate) fn doubt_port(&self, port: u16) {
        self.uncertain_ports.borrow_mut().insert(port);
    }

    /// Whether a port may turn out as another one when the values are there.
    pub(crate) fn is_uncertain(&self, port: u16) -> bool {
        self.uncertain_ports.borrow().contains(&port)
    }

    pub(crate) fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }
}

/// A value with its surroundings.
#[derive(Clone)]
pub(crate) struct At<'a> {
    pub(crate) cx: &'a Cx<'a>,
    pub(crate) node: &'a Node,
    /// The key that leads here; the place to point at for values of several lines.
    pub(crate) key: Option<Span>,
    pub(crate) path: String,
}

impl<'a> At<'a> {
    pub(crate) fn span(&self) -> Span {
        let block = !matches!(self.node.kind, Kind::Scalar { .. });
        match self.key {
            Some(key) if block || self.node.span.is_empty() => key,
            _ => self.node.span,
        }
    }

    /// Reports; the message must not repeat the value, which may hold a secret by now.
    pub(crate) fn invalid(&self, message: impl Into<String>) {
        self.report(Problem::invalid(self.span(), message));
    }

    pub(crate) fn invalid_with(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report(Problem::invalid(self.span(), message).with_help(help));
    }

    /// A variable has no value; it is shown as the file has it.
    pub(crate) fn unset(&self, shown: &str) {
        let message = format!("the variable {shown} has no value");
        self.report(Problem::new(
            self.span(),
            ProblemKind::UnsetVariable,
            message,
        ));
    }

    pub(crate) fn unsupported(&self, message: impl Into<String>) {
        self.report(Problem::new(self.span(), ProblemKind::Unsupported, message));
    }

    pub(crate) fn report(&self, problem: Problem) {
        self.cx.push(problem.with_path(self.path.clone()));
    }

    pub(crate) fn wrong_type(&self, expected: &str) {
        self.report(self.wrong_type_problem(expected));
    }

    fn wrong_type_problem(&self, expected: &str) -> Problem {
        let found = self.found();
        let message = format!("expected {expected}, found {found}");
        let kind = ProblemKind::WrongType {
            expected: expected.to_owned(),
            found,
        };
        Problem::new(self.span(), kind, message).with_label(format!("expected {expected}"))
    }

    /// The value in words, as the file has it: before interpolation.
    pub(crate) fn found(&self) -> String {
        match &self.node.kind {
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar { .. } => {
                let written = self.node.span.of(self.cx.text);
                let line = written.lines().next().unwrap_or_default();
                let short: String = line.chars().take(40).collect();
                if short.is_empty() {
                    "nothing".to_owned()
                } else {
                    format!("`{short}`")
                }
            }
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.node.is_null()
    }

    /// Checked without values, and written with a variable: another value may come, even if there is a default.
    pub(crate) fn may_change(&self) -> bool {
        self.cx.values.are_samples() && self.has_variable()
    }

    /// Whether the value is written with a variable somewhere.
    pub(crate) fn has_variable(&self) -> bool {
        has_variable(self.node, self.cx.text)
    }

    /// The text of a scalar that holds a value that is not known yet.
    pub(crate) fn is_opaque(&self) -> bool {
        self.node.as_str().is_some_and(is_opaque)
    }

    /// Text where Compose's schema allows nothing else: unquoted numbers and booleans are refused there too.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.node.as_str();
        match text {
            Some(text) if is_text(self.node, text) => Some(text),
            Some(_) if !self.is_null() => {
                let problem = self.wrong_type_problem("text");
                self.report(problem.with_help("put quotes around it"));
                None
            }
            _ => {
                self.wrong_type("text");
                None
            }
        }
    }

    /// Text where Compose also takes numbers and booleans (environment, labels). Numbers that Compose would write
    /// in another way (`0755`, `1.10`) must be quoted.
    pub(crate) fn loose_text(&self) -> Option<&'a str> {
        let Some(text) = self.node.as_str().filter(|_| !self.is_null()) else {
            self.wrong_type("text");
            return None;
        };
        let same = match resolve(self.node) {
            Some(Scalar::Int(number)) => number.to_string() == text,
            Some(Scalar::Float(number)) => number.to_string() == text,
            Some(Scalar::Bool(bool)) => bool.to_string() == text,
            _ => is_text(self.node, text),
        };
        if same {
            Some(text)
        } else {
            self.invalid_with(
                format!(
                    "Compose would read {} as a number or date and write it differently",
                    self.found()
                ),
                "put quotes around it",
            );
            None
        }
    }

    pub(crate) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A scalar that `read` understands. Unknown values are taken as `sample`.
    pub(crate) fn parse<T>(
        &self,
        expected: &str,
        sample: T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        match self.node.as_str().filter(|_| !self.is_null()) {
            Some(text) if is_opaque(text) => Some(sample),
            Some(text) => {
                let value = read(text);
                if value.is_none() {
                    self.wrong_type(expected);
                }
                value
            }
            None => {
                self.wrong_type(expected);
                None
            }
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        self.parse("`true` or `false`", false, |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        self.parse("a whole number", 1, |text| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let octal = digits.len() > 1 && digits.starts_with('0');
            if octal || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            text.parse().ok()
        })
    }

    pub(crate) fn items(&self) -> Option<Vec<At<'a>>> {
        let Some(items) = self.node.as_sequence() else {
            self.wrong_type("a list");
            return None;
        };
        Some(
            items
                .iter()
                .enumerate()
                .map(|(at, node)| At {
                    cx: self.cx,
                    node,
                    key: None,
                    path: format!("{}[{at}]", self.path),
                })
                .collect(),
        )
    }

    /// Items of a list of texts; a single text counts as a list of one where `single` allows it.
    pub(crate) fn texts(&self, single: bool) -> Option<Vec<String>> {
        if single && matches!(self.node.kind, Kind::Scalar { .. }) {
            return self.owned().map(|text| vec![text]);
        }
        let texts = self.items()?;
        Some(texts.iter().filter_map(At::owned).collect())
    }

    /// Entries of a mapping: key, its place, value.
    pub(crate) fn entries(&self) -> Option<Vec<(&'a str, Span, At<'a>)>> {
        let Some(entries) = self.node.as_mapping() else {
            self.wrong_type("a mapping");
            return None;
        };
        Some(
            entries
                .iter()
                .map(|(key, node)| {
                    let name = key.as_str().unwrap_or_default();
                    let at = At {
                        cx: self.cx,
                        node,
                        key: Some(key.span),
                        path: join(&self.path, name),
                    };
                    (name, key.span, at)
                })
                .collect(),
        )
    }

    /// Opens a mapping with fixed keys and reports keys that are not in `known` or have no value.
    /// `refused` gives reasons for keys that exist in Compose.
    pub(crate) fn fields(&self, known: &[&str], refused: &[(&str, &str)]) -> Option<Fields<'a>> {
        // `x-` keys belong to whoever wrote them; among names of people's own choice they are names.
        let mut entries = self.entries()?;
        entries.retain(|(name, ..)| !name.starts_with("x-"));
        for (name, span, at) in &entries {
            if known.contains(name) {
                if at.is_null() && !NULLABLE.contains(name) {
                    let message = format!("`{name}` has no value, which Compose refuses");
                    at.invalid_with(message, "give it one, or leave the key out");
                }
                continue;
            }
            let problem = match refused.iter().find(|(key, _)| key == name) {
                Some((_, reason)) => Problem::new(
                    *span,
                    ProblemKind::Unsupported,
                    format!("`{name}` is not supported: {reason}"),
                )
                .with_label("not supported"),
                None => unknown(*span, name, known),
            };
            at.report(problem);
        }
        Some(Fields { entries })
    }
}

/// The problem of a key that Compose does not have here.
fn unknown(span: Span, name: &str, known: &[&str]) -> Problem {
    let near = suggest(name, known).map(str::to_owned);
    let expected: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
    let help = match &near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("possible keys: `{}`", expected.join("`, `")),
    };
    let kind = ProblemKind::UnknownField {
        field: name.to_owned(),
        expected,
        suggestion: near,
    };
    Problem::new(span, kind, format!("unknown key `{name}`"))
        .with_label("not known here")
        .with_help(help)
}

/// The entries of a mapping whose keys were checked.
pub(crate) struct Fields<'a> {
    entries: Vec<(&'a str, Span, At<'a>)>,
}

impl<'a> Fields<'a> {
    /// The value under a key; absent and null are the same.
    pub(crate) fn get(&self, key: &str) -> Option<&At<'a>> {
        self.entries
            .iter()
            .find(|(name, _, at)| *name == key && !at.is_null())
            .map(|(_, _, at)| at)
    }

    pub(crate) fn boolean(&self, key: &str) -> bool {
        self.get(key).and_then(At::boolean).unwrap_or(false)
    }

    pub(crate) fn owned(&self, key: &str) -> Option<String> {
        self.get(key).and_then(At::owned)
    }
}

fn has_variable(node: &Node, text: &str) -> bool {
    match &node.kind {
        Kind::Scalar { .. } => node.span.of(text).contains('$'),
        Kind::Sequence(items) => items.iter().any(|item| has_variable(item, text)),
        Kind::Mapping(entries) => entries.iter().any(|(_, value)| has_variable(value, text)),
    }
}

pub(crate) fn is_opaque(text: &str) -> bool {
    text.contains(OPAQUE)
}
