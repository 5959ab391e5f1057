//! Every key of every document as a table: what it takes, and what leaving it out, `null` and `{}` mean. Read from the schemas, which are made
//! from the types.

use super::{DocumentKind, KINDS};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// One step on the way to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A key of this name.
    Key(String),
    /// Any key of a map.
    AnyKey,
    /// Any item of a list.
    AnyItem,
}

/// One key of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where it stands.
    pub path: Vec<Part>,
    /// What it takes, in a few words.
    pub takes: String,
    /// Whether it can be left out.
    pub optional: bool,
    /// Whether `null`, or nothing behind the colon, is possible. It means the same as leaving the key out.
    pub null: bool,
    /// Whether `{}` is possible. It means that nothing is set inside.
    pub empty: bool,
    /// What is true where it is left out.
    pub absent: String,
    /// What it is for.
    pub meaning: String,
}

impl Field {
    /// The path as it is written: `tools.<tool>.env`.
    pub fn name(&self) -> String {
        let mut name = String::new();
        for part in &self.path {
            match part {
                Part::Key(key) if name.is_empty() => name.push_str(key),
                Part::Key(key) => name = format!("{name}.{key}"),
                Part::AnyKey if name.is_empty() => name.push_str("<id>"),
                Part::AnyKey => name.push_str(".<key>"),
                Part::AnyItem => name.push_str("[]"),
            }
        }
        name
    }
}

/// Every key of a kind of document, in alphabetical order on each level.
pub fn fields(kind: &DocumentKind) -> Vec<Field> {
    let schema = kind.schema();
    let mut walk = Walk {
        root: &schema,
        fields: Vec::new(),
    };
    walk.inside(&schema, &[], 0);
    walk.fields
}

struct Walk<'a> {
    root: &'a Value,
    fields: Vec<Field>,
}

/// No document is nested deeper; sealed values could be, without end.
const DEEPEST: usize = 6;

impl<'a> Walk<'a> {
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| self.root.pointer(target.strip_prefix('#')?));
        target.unwrap_or(schema)
    }

    /// A schema itself, and what it may be instead.
    fn choices(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolve(schema);
        let mut all = vec![schema];
        for word in ["anyOf", "allOf"] {
            for choice in schema
                .get(word)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                all.extend(self.choices(choice));
            }
        }
        all
    }

    fn inside(&mut self, schema: &'a Value, path: &[Part], depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for choice in self.choices(schema) {
            let required: Vec<&str> = strings(choice.get("required"));
            for (key, property) in
                object(choice.get("properties")).filter(|(key, _)| *key != "sops")
            {
                let at = [path, &[Part::Key(key.clone())]].concat();
                let field = self.field(at.clone(), property, required.contains(&key.as_str()));
                self.fields.push(field);
                self.inside(property, &at, depth + 1);
            }
            let patterns = object(choice.get("patternProperties")).map(|(_, value)| value);
            let others = choice
                .get("additionalProperties")
                .filter(|value| value.is_object() && choice.get("$defs").is_none());
            if let Some(value) = patterns
                .filter(|value| value.is_object())
                .chain(others)
                .next()
            {
                let at = [path, &[Part::AnyKey]].concat();
                self.inside(value, &at, depth + 1);
            }
            if let Some(items) = choice.get("items") {
                let at = [path, &[Part::AnyItem]].concat();
                self.inside(items, &at, depth + 1);
            }
        }
    }

    fn field(&self, path: Vec<Part>, property: &'a Value, required: bool) -> Field {
        let choices = self.choices(property);
        let typed = |name: &str| {
            choices
                .iter()
                .any(|choice| strings(choice.get("type")).contains(&name))
        };
        let empty = choices.iter().any(|choice| {
            strings(choice.get("type")).contains(&"object") && choice.get("required").is_none()
        });
        let text = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (meaning, said) = match text.split_once("Absent: ") {
            Some((before, after)) => {
                let (absent, rest) = after
                    .split_once(". ")
                    .unwrap_or((after.trim_end_matches('.'), ""));
                (format!("{before}{rest}"), Some(absent.to_owned()))
            }
            None => (text.to_owned(), None),
        };
        let absent = match (required, said, property.get("default")) {
            (true, _, _) => "error".to_owned(),
            (_, Some(said), _) => said,
            (_, None, Some(default)) => standing_for(default),
            (_, None, None) => "nothing is set".to_owned(),
        };
        Field {
            path,
            takes: takes(&choices),
            optional: !required,
            null: typed("null"),
            empty,
            absent,
            meaning: meaning.trim().to_owned(),
        }
    }
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn object(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn standing_for(default: &Value) -> String {
    match default {
        Value::Object(map)
            if map
                .values()
                .all(|value| matches!(value, Value::Null) || standing_for(value) == "empty") =>
        {
            "empty".to_owned()
        }
        Value::Object(map) => {
            let set = map.iter().filter(|(_, value)| !value.is_null());
            let parts: Vec<String> = set
                .map(|(key, value)| format!("{key}: {}", standing_for(value).trim_matches('`')))
                .collect();
            format!("`{}`", parts.join(", "))
        }
        Value::Array(items) if items.is_empty() => "empty".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// In a few words.
fn takes(choices: &[&Value]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: String| {
        if !words.contains(&word) {
            words.push(word);
        }
    };
    for choice in choices {
        let consts = choice
            .get("oneOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let consts: Vec<String> = consts
            .filter_map(|one| Some(format!("`{}`", one.get("const")?.as_str()?)))
            .collect();
        if !consts.is_empty() {
            add(consts.join(", "));
        }
        if let Some(one) = choice.get("const").and_then(Value::as_str) {
            add(format!("`{one}`"));
        }
        for word in strings(choice.get("enum")) {
            add(format!("`{word}`"));
        }
        let known = choice.get("const").is_some() || choice.get("enum").is_some();
        for name in strings(choice.get("type")) {
            match name {
                "string" if known => {}
                "string" => add("text".to_owned()),
                "integer" => add(match (choice.get("minimum"), choice.get("maximum")) {
                    (Some(least), Some(most)) => format!("whole number, {least} to {most}"),
                    _ => "whole number".to_owned(),
                }),
                "boolean" if strings(choice.get("type")).contains(&"string") => {}
                "boolean" => add("`true`, `false`".to_owned()),
                "object" => add("mapping".to_owned()),
                "array" => add("list".to_owned()),
                _ => {}
            }
        }
    }
    words.join(", ")
}

/// All kinds as one page, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(REFERENCE);
    for kind in &KINDS {
        let schema = kind.schema();
        let about = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let places: Vec<String> = kind
            .places
            .iter()
            .filter(|place| !place.starts_with('!'))
            .map(|place| format!("`{place}`"))
            .collect();
        let writer = if kind.by_hub {
            " Written by the hub, never by people."
        } else {
            ""
        };
        let _ = write!(
            out,
            "\n## {}\n\n{}. {about}{writer}\n\n```yaml\n{}```\n",
            kind.title,
            places.join(", "),
            kind.sample
        );
        let fields = fields(kind);
        if fields.is_empty() {
            continue;
        }
        out.push_str("\n| key | takes | left out | `null` | `{}` | meaning |\n| --- | --- | --- | --- | --- | --- |\n");
        for field in fields {
            let null = if field.null { "as left out" } else { "error" };
            let empty = if field.empty {
                "nothing is set inside"
            } else {
                "error"
            };
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {null} | {empty} | {} |",
                field.name(),
                cell(&field.takes),
                cell(&field.absent),
                cell(&field.meaning)
            );
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const REFERENCE: &str = "\
# Documents

Made from the program's types by `tenantry schema --reference`. `tenantry schema KIND` prints the JSON Schema of a kind;
`tenantry schema --install` wires an editor, so that it completes keys and underlines mistakes.

What holds for every key:

- **Left out**: the column says what is true then, or that it is an error.
- **`null`**, also written `~` or as nothing behind the colon: the same as leaving the key out, where it is possible at all.
- **`{}`**: a mapping in which nothing is set, where a mapping is possible at all. An empty list is written `[]`.
- Text may stand without quotes: `no`, `on`, `1:30` and `0755` are text where text is wanted. Where `true` or `false` is wanted, nothing else will do.
- An empty file is a document in which everything is left out.
";
