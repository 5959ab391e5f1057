//! Every kind of document: where it stands, its schema, and a sample that has every key.

use super::{sealed_map, shape};
use crate::document::{
    Acknowledged, Activation, Customer, DomainClaim, Erased, Fulfilled, Hub, Operation,
    OperationRecord, Order, Pool, Rollout, Server, ServerAssignment, Stack, Staff, ToolDecision,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// A kind of document.
#[derive(Debug, Clone, Copy)]
pub struct DocumentKind {
    /// Its name: that of the schema's file, without `.schema.json`.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Where such documents stand: patterns of paths in the fleet repository, as editors understand them; `!` takes away.
    pub places: &'static [&'static str],
    /// A document of this kind with every key.
    pub sample: &'static str,
    /// Whether the hub writes it, never people.
    pub by_hub: bool,
    make: fn() -> Schema,
}

macro_rules! kind {
    ($name:literal, $title:literal, $places:expr, $make:expr) => {
        kind!($name, $title, $places, $make, false)
    };
    ($name:literal, $title:literal, $places:expr, $make:expr, $by_hub:literal) => {
        DocumentKind {
            name: $name,
            title: $title,
            places: &$places,
            sample: include_str!(concat!("../../samples/", $name, ".yaml")),
            by_hub: $by_hub,
            make: $make,
        }
    };
}

/// Every kind of document. What people write comes first.
pub const KINDS: [DocumentKind; 20] = [
    kind!(
        "hub",
        "Settings of the fleet",
        ["fleet/hub.yaml"],
        of::<Hub>
    ),
    kind!("staff", "Staff", ["fleet/staff.yaml"], of::<Staff>),
    kind!(
        "customer",
        "Customer",
        ["fleet/customers/*/customer.yaml"],
        of::<Customer>
    ),
    kind!(
        "order",
        "Order",
        ["fleet/customers/*/orders/*.yaml"],
        of::<Order>
    ),
    kind!(
        "server",
        "Server",
        ["fleet/customers/*/servers/*.yaml"],
        of::<Server>
    ),
    kind!(
        "override",
        "Override of a tool's Compose file",
        ["fleet/customers/*/overrides/*.yaml"],
        over
    ),
    kind!(
        "operation",
        "Operation",
        ["fleet/customers/*/operations/*.yaml"],
        of::<Operation>
    ),
    kind!(
        "pool",
        "Pool of spare servers",
        ["fleet/pools/*.yaml"],
        of::<Pool>
    ),
    kind!(
        "rollout",
        "Roll-out",
        ["fleet/rollouts/*.yaml"],
        of::<Rollout>
    ),
    kind!(
        "acknowledged",
        "What is meant although it is held back",
        ["fleet/acknowledged.yaml"],
        of::<Acknowledged>
    ),
    kind!("stack", "Stack", ["stacks/*/stack.yaml"], of::<Stack>),
    kind!(
        "secrets",
        "Sealed secrets",
        [
            "fleet/secrets.yaml",
            "fleet/hub-key.yaml",
            "fleet/customers/*/secrets.yaml",
            "fleet/decisions/*/*/tools/*.secrets.yaml"
        ],
        secrets
    ),
    kind!(
        "person",
        "Personal data",
        ["fleet/customers/*/person.yaml"],
        person
    ),
    kind!(
        "activation",
        "Activation",
        ["fleet/activation.yaml"],
        of::<Activation>,
        true
    ),
    kind!(
        "server-assignment",
        "Decision: server",
        ["fleet/decisions/*/*/server.yaml"],
        of::<ServerAssignment>,
        true
    ),
    kind!(
        "domain-claim",
        "Decision: domain",
        ["fleet/decisions/*/*/domain.yaml"],
        of::<DomainClaim>,
        true
    ),
    kind!(
        "fulfilled",
        "Record: first fulfilment",
        ["fleet/decisions/*/*/fulfilled.yaml"],
        of::<Fulfilled>,
        true
    ),
    kind!(
        "erased",
        "Record: personal data erased",
        ["fleet/decisions/*/erased.yaml"],
        of::<Erased>,
        true
    ),
    kind!(
        "operation-record",
        "Record: an operation",
        ["fleet/decisions/*/operations.d/*.yaml"],
        of::<OperationRecord>,
        true
    ),
    kind!(
        "tool-decision",
        "Decision: pin and ports of a tool",
        [
            "fleet/decisions/*/*/tools/*.yaml",
            "!fleet/decisions/*/*/tools/*.secrets.yaml"
        ],
        of::<ToolDecision>,
        true
    ),
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static DocumentKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl DocumentKind {
    /// Whether the document at `path` is of this kind.
    pub fn holds(&self, path: &str) -> bool {
        let fits = |pattern: &str| crate::document::fits(pattern, path);
        let (without, with): (Vec<&str>, Vec<&str>) =
            self.places.iter().partition(|place| place.starts_with('!'));
        with.into_iter().any(fits) && !without.into_iter().any(|place| fits(&place[1..]))
    }

    /// Its JSON Schema (draft 2020-12).
    pub fn schema(&self) -> Value {
        let mut schema = (self.make)();
        shape::widen(&mut schema);
        schema.insert("title".to_owned(), self.title.into());
        schema.insert(
            "$id".to_owned(),
            format!("{}.schema.json", self.name).into(),
        );
        schema.to_value()
    }

    /// The text of its file: keys in alphabetical order, so that it does not depend on how the program was built.
    pub fn schema_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(&sorted(self.schema())).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

/// Only the outermost keys are told: what a service takes is the Compose Specification's business, and the compiler's.
fn over() -> Schema {
    let section = |what: &str| {
        json!({
            "description": what,
            "type": ["object", "null"],
            "additionalProperties": { "type": ["object", "null"] },
        })
    };
    schemars::json_schema!({
        "$schema": DRAFT,
        "description": "A Compose file that is laid on top of a tool's own, for one order: mappings are merged, lists joined, single values replaced. The last resort, where parameters, variables and headers do not do.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "patternProperties": { "^x-": {} },
        "properties": {
            "services": section("Services, by name: those of the stack, or more."),
            "networks": section("Networks, by name."),
            "volumes": section("Volumes, by name."),
            "secrets": section("Files with secrets, by name."),
            "configs": section("Files with settings, by name."),
        },
        "examples": [{ "services": { "web": { "mem_limit": "2g" } } }],
    })
}

fn secrets() -> Schema {
    let mut schema = sealed_map(
        "A file in SOPS format: names are open, values are encrypted. Edit it with `sops`.",
        json!({ "type": "string" }),
    );
    schema.insert("$schema".to_owned(), DRAFT.into());
    schema.insert("examples".to_owned(), json!([sealed(&["smtp_password"])]));
    schema
}

/// What a file in SOPS format looks like, with these names.
fn sealed(names: &[&str]) -> Value {
    let mut file: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                json!("ENC[AES256_GCM,data:aGVsbG8=,iv:aXY=,tag:dGFn,type:str]"),
            )
        })
        .collect();
    let sops = json!({
        "age": [{ "recipient": "age1nk5xrt4u5s7xl7vuz4hnltc758mf6zt4u2fugjra6wm6lvwpvdzq6qf6yk", "enc": "-----BEGIN AGE ENCRYPTED FILE-----" }],
        "lastmodified": "2026-11-21T04:51:56Z",
        "mac": "ENC[AES256_GCM,data:aGVsbG8=,iv:aXY=,tag:dGFn,type:str]",
        "version": "3.11.0",
    });
    file.insert("sops".to_owned(), sops);
    file.into()
}

fn person() -> Schema {
    let mut schema = sealed_map(
        "Who the customer is, encrypted to a key of this customer's own. Edit it with `sops`.",
        json!({ "type": "string" }),
    );
    schema.insert("$schema".to_owned(), DRAFT.into());
    let names = ["name", "company", "email"];
    schema.insert("examples".to_owned(), json!([sealed(&names)]));
    schema
}

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_of_one_kind() {
        for (path, name) in [
            ("fleet/customers/acme/orders/website.yaml", "order"),
            (
                "fleet/decisions/acme/website/tools/html.yaml",
                "tool-decision",
            ),
            (
                "fleet/decisions/acme/website/tools/html.secrets.yaml",
                "secrets",
            ),
            ("stacks/html/stack.yaml", "stack"),
            (
                "fleet/customers/acme/overrides/website.umami.yaml",
                "override",
            ),
        ] {
            let kinds: Vec<_> = KINDS
                .iter()
                .filter(|kind| kind.holds(path))
                .map(|kind| kind.name)
                .collect();
            assert_eq!(kinds, [name], "{path}");
        }
        assert!(
            !KINDS
                .iter()
                .any(|kind| kind.holds("stacks/html/compose.yaml"))
        );
    }

    #[test]
    fn every_schema_is_of_the_draft_and_says_what_it_is_about() {
        for kind in &KINDS {
            let schema = kind.schema();
            assert_eq!(schema["$schema"], DRAFT, "{}", kind.name);
            assert!(schema["description"].is_string(), "{}", kind.name);
            let text = kind.schema_text();
            assert!(text.contains("\"examples\""), "{}: no example", kind.name);
            described(kind.name, &schema);
            assert_eq!(kind.schema_text(), kind.schema_text());
        }
    }

    /// Every property says what it is for.
    fn described(path: &str, schema: &Value) {
        let Value::Object(map) = schema else { return };
        for (key, value) in map {
            if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                for (name, property) in properties.iter().filter(|_| !path.contains("sops")) {
                    let path = format!("{path}.{name}");
                    assert!(
                        property["description"].is_string() || name == "sops",
                        "{path}: {property}"
                    );
                }
            }
            described(&format!("{path}.{key}"), value);
        }
    }
}
