//! The interpolation grammar of Compose (`${NAME:-default}`): parsing and resolving one string; no YAML.
//!
//! Grammar: Compose Specification, "Interpolation", and compose-go's `template` package for what the text leaves open
//! (a closing brace is found by counting braces).

use std::ops::Range;

/// Deepest nesting of `${A:-${B:-...}}`; people need two.
const MAX_DEPTH: usize = 16;

/// Most variables in one string; finding the place of each costs a look through the whole string.
const MAX_VARIABLES: usize = 1000;

/// Stands for a value that is not known yet; a private-use character, so nobody's text holds it by chance.
pub const OPAQUE: char = '\u{e000}';

/// A string with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(Variable),
}

/// One `$NAME` or `${NAME...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What happens when it is not there.
    pub rule: Rule,
    /// As written, dollar sign and braces included: bytes of the string that was parsed.
    pub source: Range<usize>,
}

/// What stands behind the name. `or_empty` is the form with a colon: an empty value counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `$NAME`, `${NAME}`
    Plain,
    /// `${NAME-default}`, `${NAME:-default}`
    Default {
        /// Used when absent.
        value: Template,
        /// Written with a colon.
        or_empty: bool,
    },
    /// `${NAME?message}`, `${NAME:?message}`
    Required {
        /// Shown when absent.
        message: Template,
        /// Written with a colon.
        or_empty: bool,
    },
    /// `${NAME+value}`, `${NAME:+value}`
    Alternative {
        /// Used when present; nothing otherwise.
        value: Template,
        /// Written with a colon.
        or_empty: bool,
    },
}

/// A string that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Which part of the string, in bytes.
    pub source_range: Range<usize>,
    /// What is wrong with it.
    pub message: &'static str,
}

/// A variable without a value where one is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unresolved {
    /// Its name.
    pub name: String,
    /// As in [`Variable::source`].
    pub source_range: Range<usize>,
    /// Why, in a sentence.
    pub message: String,
}

impl Template {
    /// Parses a string. Without `$` this cannot fail.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse(text, 0, 0)
    }

    /// Whether there is nothing to resolve.
    pub fn is_literal(&self) -> bool {
        self.parts
            .iter()
            .all(|part| matches!(part, Part::Literal(_)))
    }

    /// The variables, outer before inner; the flag says that the variable stands inside of another's default,
    /// message or alternative.
    pub fn variables(&self) -> Vec<(&Variable, bool)> {
        let mut found = Vec::new();
        self.collect(false, &mut found);
        found
    }

    fn collect<'t>(&'t self, nested: bool, found: &mut Vec<(&'t Variable, bool)>) {
        for part in &self.parts {
            if let Part::Variable(variable) = part {
                found.push((variable, nested));
                match &variable.rule {
                    Rule::Plain => {}
                    Rule::Default { value: inner, .. }
                    | Rule::Required { message: inner, .. }
                    | Rule::Alternative { value: inner, .. } => inner.collect(true, found),
                }
            }
        }
    }

    /// The text with its variables as `${NAME}`: a message may be shown, a value not.
    fn unresolved_text(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Variable(variable) => format!("${{{}}}", variable.name),
            })
            .collect()
    }

    /// Puts [`OPAQUE`] where a value will come from a source that is known, and defaults where they are written.
    ///
    /// A default is taken even if the variable has a source, because it is the one value that can be checked.
    pub fn sample(&self, known: &dyn Fn(&str) -> bool) -> Result<String, Vec<Unresolved>> {
        let mut text = String::new();
        let mut missing = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable(variable) => match variable.sample(known) {
                    Ok(value) => text.push_str(&value),
                    Err(more) => missing.extend(more),
                },
            }
        }
        if missing.is_empty() {
            Ok(text)
        } else {
            Err(missing)
        }
    }

    /// Puts values in. `lookup` gives the value of a name, `None` if it has none.
    ///
    /// Unlike Compose, which warns and goes on with an empty string, `${NAME}` without a value is an error.
    pub fn resolve(
        &self,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, Vec<Unresolved>> {
        let mut text = String::new();
        let mut missing = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable(variable) => match variable.resolve(lookup) {
                    Ok(value) => text.push_str(&value),
                    Err(more) => missing.extend(more),
                },
            }
        }
        if missing.is_empty() {
            Ok(text)
        } else {
            Err(missing)
        }
    }
}

impl Variable {
    fn resolve(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Unresolved>> {
        let found = lookup(&self.name);
        let present = |or_empty: &bool| {
            found
                .as_ref()
                .filter(|value| !*or_empty || !value.is_empty())
        };
        match &self.rule {
            Rule::Plain => {
                let missing = || self.missing(format!("the variable `{}` has no value", self.name));
                found.clone().ok_or_else(missing)
            }
            Rule::Default { value, or_empty } => match present(or_empty) {
                Some(found) => Ok(found.clone()),
                None => value.resolve(lookup),
            },
            Rule::Alternative { value, or_empty } => match present(or_empty) {
                Some(_) => value.resolve(lookup),
                None => Ok(String::new()),
            },
            Rule::Required { message, or_empty } => present(or_empty).cloned().ok_or_else(|| {
                let why = message.unresolved_text();
                let colon = if why.is_empty() { "" } else { ": " };
                self.missing(format!(
                    "the variable `{}` is required{colon}{why}",
                    self.name
                ))
            }),
        }
    }

    fn sample(&self, known: &dyn Fn(&str) -> bool) -> Result<String, Vec<Unresolved>> {
        let opaque = || OPAQUE.to_string();
        let is_known = known(&self.name);
        match &self.rule {
            Rule::Default { value, .. } => match value.sample(known) {
                Ok(text) if text.is_empty() && is_known => Ok(opaque()),
                Err(_) if is_known => Ok(opaque()),
                other => other,
            },
            Rule::Alternative { value, .. } if is_known => value.sample(known),
            Rule::Alternative { .. } => Ok(String::new()),
            Rule::Plain | Rule::Required { .. } if is_known => Ok(opaque()),
            Rule::Plain | Rule::Required { .. } => {
                Err(self.missing(format!("the variable `{}` has no source", self.name)))
            }
        }
    }

    fn missing(&self, message: String) -> Vec<Unresolved> {
        vec![Unresolved {
            name: self.name.clone(),
            source_range: self.source.clone(),
            message,
        }]
    }
}

/// Parses `text`, which begins at byte `base` of the whole string.
fn parse(text: &str, base: usize, depth: usize) -> Result<Template, TemplateError> {
    let error = |range: Range<usize>, message| TemplateError {
        source_range: base + range.start..base + range.end,
        message,
    };
    if depth > MAX_DEPTH {
        return Err(error(0..text.len(), "variables are nested too deeply"));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        literal.push_str(&text[at..dollar]);
        let rest = &text[dollar + 1..];
        if rest.starts_with('$') {
            literal.push('$');
            at = dollar + 2;
            continue;
        }
        let variable = if let Some(inner) = rest.strip_prefix('{') {
            let Some(length) = closing_brace(inner) else {
                return Err(error(dollar..text.len(), "`${` is never closed"));
            };
            let end = dollar + 2 + length + 1;
            at = end;
            let inner = &inner[..length];
            let name = name_length(inner);
            if name == 0 {
                return Err(error(dollar..end, "no variable name behind `${`"));
            }
            let rule = rule(&inner[name..], base + dollar + 2 + name, depth)?.ok_or_else(|| {
                error(
                    dollar..end,
                    "only `-`, `?` and `+`, with or without `:`, can stand behind the name",
                )
            })?;
            Variable {
                name: inner[..name].to_owned(),
                rule,
                source: base + dollar..base + end,
            }
        } else {
            let name = name_length(rest);
            if name == 0 {
                return Err(error(dollar..dollar + 1, "a `$` without a variable name"));
            }
            at = dollar + 1 + name;
            Variable {
                name: rest[..name].to_owned(),
                rule: Rule::Plain,
                source: base + dollar..base + at,
            }
        };
        if parts.len() > 2 * MAX_VARIABLES {
            return Err(error(dollar..at, "more than 1000 variables in one text"));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Variable(variable));
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(Template { parts })
}

/// `None` if what stands behind the name is no rule.
fn rule(text: &str, base: usize, depth: usize) -> Result<Option<Rule>, TemplateError> {
    if text.is_empty() {
        return Ok(Some(Rule::Plain));
    }
    let or_empty = text.starts_with(':');
    let operator = &text[usize::from(or_empty)..];
    let Some(kind @ ('-' | '?' | '+')) = operator.chars().next() else {
        return Ok(None);
    };
    let inner = parse(&operator[1..], base + usize::from(or_empty) + 1, depth + 1)?;
    Ok(Some(match kind {
        '-' => Rule::Default {
            value: inner,
            or_empty,
        },
        '?' => Rule::Required {
            message: inner,
            or_empty,
        },
        _ => Rule::Alternative {
            value: inner,
            or_empty,
        },
    }))
}

fn name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if bytes.first().is_none_or(u8::is_ascii_digit) {
        return 0;
    }
    bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count()
}

/// Where the brace closes that was opened just before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}
