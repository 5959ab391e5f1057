//! Parts of schemas that no derive can know: patterns of text types, and what the reader takes beyond the strict type.

use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

/// A text with a pattern, beside other types that are written without quotes.
pub(crate) fn patterned(types: &[&str], pattern: &str, examples: &[&str]) -> Schema {
    let types = match types {
        [one] => json!(one),
        many => json!(many),
    };
    let mut schema = json_schema!({ "type": types, "pattern": pattern });
    if !examples.is_empty() {
        schema.insert("examples".to_owned(), json!(examples));
    }
    schema
}

/// An IP address. Version 4 and 6 have formats of their own.
pub(crate) fn address(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": "ipv4", "pattern": r"^[0-9.]+$" },
            { "type": "string", "format": "ipv6", "pattern": ":" },
        ],
        "examples": ["192.0.2.17", "2001:db8::17"],
    })
}

/// Exactly one of these keys.
pub(crate) fn one_act(keys: &[&str]) -> Value {
    keys.iter()
        .map(|key| json!({ "required": [key] }))
        .collect()
}

/// Exactly one of these groups of keys, and all of it.
pub(crate) fn one_group(groups: &[&[&str]]) -> Value {
    let group = |keys: &&[&str]| {
        let others = groups.iter().copied().flatten().copied();
        let others = others.filter(|key| !keys.contains(key));
        let never: serde_json::Map<String, Value> = others
            .map(|key| (key.to_owned(), json!({ "type": "null" })))
            .collect();
        json!({ "required": keys, "properties": never })
    };
    groups.iter().map(group).collect()
}

/// A file in SOPS format: values are sealed, `sops` holds for whom.
pub(crate) fn sealed_map(description: &str, names: Value) -> Schema {
    let sealed = json!({
        "description": "A sealed value. Null and the empty text are never sealed.",
        "anyOf": [
            { "type": "string", "pattern": r"^(ENC\[AES256_GCM,data:.*,iv:.+,tag:.+,type:[a-z]+\])?$" },
            { "type": "null" },
            { "type": "array", "items": { "$ref": "#/$defs/Sealed" } },
            { "type": "object", "additionalProperties": { "$ref": "#/$defs/Sealed" } },
        ],
    });
    let recipient = json!({
        "type": "object",
        "required": ["recipient", "enc"],
        "properties": {
            "recipient": { "type": "string", "description": "The age recipient." },
            "enc": { "type": "string", "description": "The key of this file, encrypted to the recipient." },
        },
    });
    json_schema!({
        "description": description,
        "type": "object",
        "required": ["sops"],
        "properties": {
            "sops": {
                "description": "Written by `sops` or Tenantry: who can open the file, and the seal over its content.",
                "type": "object",
                "required": ["lastmodified", "mac", "version"],
                "properties": {
                    "age": { "type": "array", "items": recipient, "description": "Who can open the file." },
                    "lastmodified": { "type": "string" },
                    "mac": { "type": "string", "pattern": r"^ENC\[" },
                    "version": { "type": "string" },
                },
            },
        },
        "propertyNames": names,
        "patternProperties": { ".*_unencrypted$": true },
        "additionalProperties": { "$ref": "#/$defs/Sealed" },
        "$defs": { "Sealed": sealed },
    })
}

/// What our reader takes beyond the strict types, so that editor and `check` agree:
/// free text takes whatever is written without quotes, and a list or mapping that has to hold nothing may be left empty.
pub(super) fn widen(schema: &mut Schema) {
    Widen.transform(schema);
}

#[derive(Clone)]
struct Widen;

impl Transform for Widen {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        // Sizes of integers say nothing that their bounds do not.
        if object
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(|format| format.starts_with("uint"))
        {
            object.remove("format");
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = text
                .replace("[`", "`")
                .replace("`]", "`")
                .replace('\n', " ");
        }
        let free = !["pattern", "format", "enum", "const"]
            .iter()
            .any(|key| object.contains_key(*key));
        let empty_is_fine = !object.contains_key("required") && !object.contains_key("minItems");
        let Some(types) = object.get_mut("type") else {
            return;
        };
        let mut names: Vec<String> = match &*types {
            Value::String(one) => vec![one.clone()],
            Value::Array(many) => many
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => return,
        };
        let has = |names: &[String], name: &str| names.iter().any(|own| own == name);
        if free && has(&names, "string") {
            names.extend(["number", "boolean"].map(str::to_owned));
        }
        if empty_is_fine && (has(&names, "object") || has(&names, "array")) {
            names.push("null".to_owned());
        }
        let mut seen = Vec::new();
        names.retain(|name| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
        *types = match names.as_slice() {
            [one] => json!(one),
            many => json!(many),
        };
    }
}
