//! Interpolation over a tree: every scalar value (no key) outside of `x-` entries; before any typing.

use crate::template::{Rule, Template, TemplateError, Unresolved};
use std::ops::Range;
use tenantry_yaml::{Kind, Node, Problem, ProblemKind, Span, Tag};

/// Where the values of variables come from.
pub(crate) enum Values<'a> {
    /// The real ones.
    Real(&'a dyn Fn(&str) -> Option<String>),
    /// Only whether there is one; see [`Template::sample`].
    Known(&'a dyn Fn(&str) -> bool),
}

impl Values<'_> {
    fn resolve(&self, template: &Template) -> Result<String, Vec<Unresolved>> {
        match self {
            Self::Real(lookup) => template.resolve(lookup),
            Self::Known(known) => template.sample(known),
        }
    }

    /// The value of a variable that is named outside of a template (`environment: [NAME]`).
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        match self {
            Self::Real(lookup) => lookup(name),
            Self::Known(known) => known(name).then(|| crate::template::OPAQUE.to_string()),
        }
    }

    pub(crate) fn are_samples(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

/// A variable and where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// Its name.
    pub name: String,
    /// `${NAME...}` as written, or the scalar if the variable cannot be found in its text.
    pub span: Span,
    /// The file works without a value, because a default or an alternative is written.
    pub default: bool,
    /// Written with `?`: the file itself demands a value.
    pub required: bool,
    /// Stands inside of another variable's default, message or alternative, so it may never be needed.
    pub nested: bool,
}

/// A copy of the tree with values in place. Scalars with variables are text from here on, never null or numbers.
pub(crate) fn apply(
    root: &Node,
    text: &str,
    values: &Values<'_>,
    problems: &mut Vec<Problem>,
) -> Node {
    let mut walk = Walk {
        text,
        values,
        problems,
    };
    walk.copy(root, "")
}

struct Walk<'a, 'p> {
    text: &'a str,
    values: &'a Values<'a>,
    problems: &'p mut Vec<Problem>,
}

impl Walk<'_, '_> {
    fn copy(&mut self, node: &Node, path: &str) -> Node {
        let kind = match &node.kind {
            Kind::Scalar { value, .. } if value.contains('$') => self.scalar(node, value, path),
            Kind::Scalar { .. } => node.kind.clone(),
            Kind::Sequence(items) => {
                let items = items.iter().enumerate();
                Kind::Sequence(
                    items
                        .map(|(at, item)| self.copy(item, &format!("{path}[{at}]")))
                        .collect(),
                )
            }
            Kind::Mapping(entries) => Kind::Mapping(
                entries
                    .iter()
                    .map(|(key, value)| {
                        let above = path;
                        let path = join(path, key.as_str().unwrap_or_default());
                        let value = if is_extension(key) && !holds_names(above) {
                            self.check_only(value, &path);
                            value.clone()
                        } else {
                            self.copy(value, &path)
                        };
                        (key.clone(), value)
                    })
                    .collect(),
            ),
        };
        Node {
            span: node.span,
            kind,
        }
    }

    /// Compose interpolates `x-` entries, too: what is no template fails there, and what has no value does not.
    fn check_only(&mut self, node: &Node, path: &str) {
        match &node.kind {
            Kind::Scalar { value, .. } => {
                if let Err(error) = Template::parse(value) {
                    self.no_template(node, value, &error, path);
                }
            }
            Kind::Sequence(items) => items.iter().for_each(|item| self.check_only(item, path)),
            Kind::Mapping(entries) => {
                let values = entries.iter().map(|(_, value)| value);
                values.for_each(|value| self.check_only(value, path));
            }
        }
    }

    fn no_template(&mut self, node: &Node, value: &str, error: &TemplateError, path: &str) {
        let span = locate(self.text, node, value, error.source_range.clone());
        let problem = Problem::invalid(span, error.message)
            .with_help("write `${NAME}`, or `$$` for a dollar sign")
            .with_path(path);
        self.problems.push(problem);
    }

    fn scalar(&mut self, node: &Node, value: &str, path: &str) -> Kind {
        let unset = |missing: Unresolved| {
            let span = locate(self.text, node, value, missing.source_range);
            Problem::new(span, ProblemKind::UnsetVariable, missing.message).with_path(path)
        };
        let resolved = match Template::parse(value) {
            Ok(template) => match self.values.resolve(&template) {
                Ok(resolved) => resolved,
                Err(missing) => {
                    self.problems.extend(missing.into_iter().map(unset));
                    // Opaque, so that the missing value is not complained about again as a wrong one.
                    crate::template::OPAQUE.to_string()
                }
            },
            Err(error) => {
                self.no_template(node, value, &error, path);
                crate::template::OPAQUE.to_string()
            }
        };
        Kind::Scalar {
            value: resolved.into(),
            plain: false,
            tag: Tag::None,
        }
    }
}

/// All variables that the tree uses, in document order, those of `x-` entries excepted.
///
/// Beside `${NAME}` these are `environment` entries without a value and `environment:` of top-level secrets and
/// configs, which name a variable without a dollar sign. What is not a template is left out; loading reports it.
pub fn variables(root: &Node, text: &str) -> Vec<VariableUse> {
    let mut found = Vec::new();
    templates(root, text, "", &mut found);
    let named = |name: &str, span: Span| VariableUse {
        name: name.to_owned(),
        span,
        default: false,
        required: false,
        nested: false,
    };
    for (_, service) in children(root.get("services")) {
        match service.get("environment").map(|node| &node.kind) {
            Some(Kind::Mapping(entries)) => {
                for (key, _) in entries.iter().filter(|(_, value)| value.is_null()) {
                    found.push(named(key.as_str().unwrap_or_default(), key.span));
                }
            }
            Some(Kind::Sequence(items)) => {
                for item in items {
                    match item.as_str() {
                        Some(name) if !name.contains(['=', '$']) => {
                            found.push(named(name, item.span));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    for section in ["secrets", "configs"] {
        for (_, entry) in children(root.get(section)) {
            if let Some(node) = entry.get("environment")
                && let Some(name) = node.as_str()
                && !name.contains('$')
            {
                found.push(named(name, node.span));
            }
        }
    }
    found.sort_by_key(|variable| variable.span);
    found
}

fn children(node: Option<&Node>) -> impl Iterator<Item = (&Node, &Node)> {
    node.and_then(Node::as_mapping)
        .unwrap_or_default()
        .iter()
        .map(|(key, value)| (key, value))
}

fn templates(node: &Node, text: &str, above: &str, found: &mut Vec<VariableUse>) {
    match &node.kind {
        Kind::Scalar { value, .. } => {
            let Ok(template) = Template::parse(value) else {
                return;
            };
            for (variable, nested) in template.variables() {
                found.push(VariableUse {
                    name: variable.name.clone(),
                    span: locate(text, node, value, variable.source.clone()),
                    default: matches!(
                        variable.rule,
                        Rule::Default { .. } | Rule::Alternative { .. }
                    ),
                    required: matches!(variable.rule, Rule::Required { .. }),
                    nested,
                });
            }
        }
        Kind::Sequence(items) => items
            .iter()
            .for_each(|item| templates(item, text, "", found)),
        Kind::Mapping(entries) => entries
            .iter()
            .filter(|(key, _)| !is_extension(key) || holds_names(above))
            .for_each(|(key, value)| {
                templates(value, text, key.as_str().unwrap_or_default(), found);
            }),
    }
}

/// Sections whose keys people choose, so that `x-` at their beginning means nothing.
const NAMES: [&str; 16] = [
    "annotations",
    "aux_addresses",
    "configs",
    "depends_on",
    "driver_opts",
    "environment",
    "extra_hosts",
    "labels",
    "networks",
    "options",
    "secrets",
    "services",
    "storage_opt",
    "sysctls",
    "ulimits",
    "volumes",
];

/// Whether the keys at this path are names.
fn holds_names(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    NAMES.contains(&last)
}

pub(crate) fn is_extension(key: &Node) -> bool {
    key.as_str().is_some_and(|key| key.starts_with("x-"))
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The place in the text of a part of a scalar. Escapes and folding move things, so this searches for the same
/// occurrence of the same characters, and gives the scalar itself where there is none.
fn locate(text: &str, node: &Node, value: &str, range: Range<usize>) -> Span {
    let Some(wanted) = value.get(range.clone()).filter(|wanted| !wanted.is_empty()) else {
        return node.span;
    };
    let before = value[..range.start].matches(wanted).count();
    let raw = node.span.of(text);
    match raw.match_indices(wanted).nth(before) {
        Some((at, _)) => Span::new(node.span.start + at, node.span.start + at + wanted.len()),
        None => node.span,
    }
}
