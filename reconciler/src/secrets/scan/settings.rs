//! Settings whose names say that their values are secret: in YAML by its tree, so that quotes, blocks and braces hide nothing; elsewhere line by line.

use super::is_readable;
use crate::import::names::{can_be_secret, seems_secret};
use regex::Regex;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use tenantry_yaml::{Kind, Limits, LineIndex, Node, parse_partial};

/// A setting that seems to hold a secret in clear text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// From its name to the end of its value; 1-based.
    pub(super) lines: RangeInclusive<usize>,
    /// Its name.
    pub(super) name: String,
}

/// A word without which no name is that of a secret: most files have none, and are not parsed.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("(?i)pass|pwd|secret|token|key|salt|credential").expect("it is a regular expression")
});

/// A line that sets something: `name: value`, `name=value`, quoted or in a list.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(\s*(?:-\s+)*)(?:export\s+)?(["']?)([A-Za-z0-9_.-]+)(["']?)(\s*[:=])(\s*)(.*)$"#)
        .expect("it is a regular expression")
});

/// A hash of a password in PHC's format or crypt's, its dollars doubled or not: what it was made of is not told.
static HASH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\$\$?[a-z0-9-]{1,16}\$").expect("it is a regular expression"));

/// A variable of Compose or of a shell.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\$[A-Za-z_][A-Za-z0-9_]*$").expect("it is a regular expression")
});

/// All of them in a file, by line.
pub(super) fn named(path: &str, text: &str) -> Vec<Setting> {
    if !WORD.is_match(text) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_tree = [".yaml", ".yml", ".json"]
        .iter()
        .any(|end| path.ends_with(end));
    let mut found = Vec::new();
    let mut whole = false;
    if is_tree {
        let (root, problems) = parse_partial(text, &Limits::compose());
        whole = problems.is_empty();
        let index = LineIndex::new(text);
        let mut walk = Walk {
            line_of: &|at| index.position(at).line,
            lines: &lines,
            found: &mut found,
        };
        if let Some(root) = &root {
            walk.node(root);
        }
    }
    // What is no YAML, or none that can be read, such as a template of it.
    if !whole {
        let by_line = (0..lines.len()).filter_map(|at| on_line(path, &lines, at));
        let more: Vec<Setting> = by_line
            .filter(|one| {
                !found
                    .iter()
                    .any(|known| known.lines.contains(one.lines.start()))
            })
            .collect();
        found.extend(more);
    }
    found.sort_by_key(|setting| *setting.lines.start());
    found
}

/// A way through a tree.
struct Walk<'a> {
    line_of: &'a dyn Fn(usize) -> usize,
    lines: &'a [&'a str],
    found: &'a mut Vec<Setting>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node) {
        match &node.kind {
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    self.entry(key, value);
                    self.node(value);
                }
            }
            Kind::Sequence(items) => {
                for item in items {
                    if let Some((name, value)) = item.as_str().and_then(|text| text.split_once('='))
                        && is_name(name)
                    {
                        self.judge(name, value, item, item);
                    }
                    self.node(item);
                }
            }
            Kind::Scalar { .. } => {}
        }
    }

    fn entry(&mut self, key: &Node, value: &Node) {
        let Some(name) = key.as_str() else { return };
        // A parameter of a stack has its value in a mapping.
        let value = value.get("default").unwrap_or(value);
        if let Some(text) = value.as_str() {
            self.judge(name, text, key, value);
        }
    }

    /// Notes a setting whose value stands in clear; its name stands at `at`.
    fn judge(&mut self, name: &str, value: &str, at: &Node, end: &Node) {
        if !seems_secret(name) || !is_clear(value) {
            return;
        }
        let start = (self.line_of)(at.span.start);
        // A value that came by an alias stands elsewhere.
        let last = (self.line_of)(end.span.end.saturating_sub(1)).max(start);
        let mut lines = self.lines[start - 1..last.min(self.lines.len())].iter();
        if lines.all(|line| is_readable(line)) {
            self.found.push(Setting {
                lines: start..=last,
                name: name.to_owned(),
            });
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !text.is_empty() && text.chars().all(is_part)
}

/// A setting at the line of this index, by its form alone.
fn on_line(path: &str, lines: &[&str], at: usize) -> Option<Setting> {
    let line = lines[at];
    if !is_readable(line) {
        return None;
    }
    let parts = LINE.captures(line)?;
    let part = |number: usize| parts.get(number).map_or("", |part| part.as_str());
    let (opened, name, closed, sign) = (part(2), part(3), part(4), part(5));
    let (space, raw) = (part(6), part(7).trim_end());
    if !seems_secret(name) {
        return None;
    }
    // `"NAME=value"` is one quoted text; `NAME=value` is all value, as in lists of variables and files of them.
    let whole = (!opened.is_empty() && closed.is_empty())
        .then(|| opened.chars().next())
        .flatten();
    let literal = sign == "="
        && space.is_empty()
        && (path.ends_with(".env") || !part(1).trim().is_empty() || whole.is_some());
    let mut last = at;
    let value = match (whole, raw.chars().next()?) {
        (Some(quote), _) => raw.split(quote).next().unwrap_or_default().to_owned(),
        (None, quote @ ('"' | '\'')) => {
            let inner = &raw[1..];
            inner.split(quote).next().unwrap_or_default().to_owned()
        }
        (None, '|' | '>') if !literal => {
            let (text, end) = block(lines, at)?;
            last = end;
            text
        }
        (None, '{' | '[' | '&' | '*' | '<' | '#' | '(') if !literal => return None,
        (None, _) => {
            let text = raw.split(" #").next().unwrap_or_default().trim();
            let text = text.trim_end_matches([',', ';']);
            // More than a word is most often code or prose.
            if text.contains(' ') && !literal {
                return None;
            }
            text.to_owned()
        }
    };
    is_clear(&value).then(|| Setting {
        lines: at + 1..=last + 1,
        name: name.to_owned(),
    })
}

/// The lines of a block, as one text, and the index of the last. None where there are none.
fn block(lines: &[&str], at: usize) -> Option<(String, usize)> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let head = depth(lines[at]);
    let inner: Vec<(usize, &str)> = lines
        .iter()
        .enumerate()
        .skip(at + 1)
        .take_while(|(_, line)| line.trim().is_empty() || depth(line) > head)
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| (at, line.trim()))
        .collect();
    if inner.iter().any(|(_, line)| !is_readable(line)) {
        return None;
    }
    let last = inner.last()?.0;
    let texts: Vec<&str> = inner.into_iter().map(|(_, line)| line).collect();
    Some((texts.join(" "), last))
}

/// Whether a value, its quotes taken away, is a secret as it stands: no reference to one, no hash, nothing that only holds its place.
fn is_clear(value: &str) -> bool {
    let value = value.trim();
    let refers = value.contains("${")
        || value.contains("{{")
        || value.contains("{%")
        || VARIABLE.is_match(value);
    let is_public = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "age1"]
        .iter()
        .any(|start| value.starts_with(start));
    let mut letters = value.chars();
    let first = letters.next();
    let holds_a_place = (value.starts_with('<') && value.ends_with('>'))
        || letters.all(|letter| Some(letter) == first)
        || value.contains("...")
        || matches!(value, "string" | "required" | "optional" | "generated");
    let is_path = ["./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start));
    value.len() >= 6
        && can_be_secret(value)
        && !(refers || is_public || holds_a_place || is_path || HASH.is_match(value))
}

#[cfg(test)]
mod tests;
