//! What `docs/reference/documents.md` says about every key is what the reader does: left out, `null`, `{}`.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use tenantry_schema::document as kinds;
use tenantry_schema::json::{DocumentKind, KINDS, Part, fields};
use tenantry_yaml::{Limits, Problem};

/// Reads a document of a kind; what was read, in words.
fn read(kind: &DocumentKind, text: &str) -> Result<String, Vec<Problem>> {
    fn of<T: DeserializeOwned + Debug>(text: &str) -> Result<String, Vec<Problem>> {
        tenantry_yaml::from_str::<T>(text, &Limits::default())
            .map(|document| format!("{document:#?}"))
    }
    match kind.name {
        "hub" => of::<kinds::Hub>(text),
        "staff" => of::<kinds::Staff>(text),
        "acknowledged" => of::<kinds::Acknowledged>(text),
        "customer" => of::<kinds::Customer>(text),
        "order" => of::<kinds::Order>(text),
        "server" => of::<kinds::Server>(text),
        "operation" => of::<kinds::Operation>(text),
        "pool" => of::<kinds::Pool>(text),
        "rollout" => of::<kinds::Rollout>(text),
        "stack" => of::<kinds::Stack>(text),
        "activation" => of::<kinds::Activation>(text),
        "server-assignment" => of::<kinds::ServerAssignment>(text),
        "domain-claim" => of::<kinds::DomainClaim>(text),
        "fulfilled" => of::<kinds::Fulfilled>(text),
        "erased" => of::<kinds::Erased>(text),
        "operation-record" => of::<kinds::OperationRecord>(text),
        "tool-decision" => of::<kinds::ToolDecision>(text),
        other => panic!("{other}"),
    }
}

fn is_open(kind: &DocumentKind) -> bool {
    !matches!(kind.name, "secrets" | "person" | "override")
}

/// Every place in `value` that `path` leads to, as JSON pointers.
fn places(value: &Value, path: &[Part], at: &str, out: &mut Vec<String>) {
    let Some((part, rest)) = path.split_first() else {
        return out.push(at.to_owned());
    };
    let mut enter = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        places(value, rest, &format!("{at}/{key}"), out);
    };
    match (part, value) {
        (Part::Key(key), Value::Object(map)) => {
            if let Some(value) = map.get(key) {
                enter(key, value);
            }
        }
        (Part::AnyKey, Value::Object(map)) => map.iter().for_each(|(key, value)| enter(key, value)),
        (Part::AnyItem, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                enter(&index.to_string(), value);
            }
        }
        _ => {}
    }
}

fn without(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    if let Some(Value::Object(map)) = document.pointer_mut(parent) {
        map.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
    document
}

fn with(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(pointer).unwrap() = value;
    document
}

/// A stack that says everything about its databases.
fn databases() -> String {
    let one = "[{ service: db, databases: [app], user: app, password: DB_PASSWORD }]";
    format!(
        "title: T\nbackup:\n  postgres: {one}\n  mysql: {one}\n  mongodb: {one}\n  sqlite: [{{ volume: data, path: app.db }}]\n"
    )
}

/// Documents of a kind that together have every key.
fn samples(kind: &DocumentKind) -> impl Iterator<Item = Value> {
    let ends = "reason: ticket 812\nexpires: 2026-11-22\n";
    let loses = format!("destroys: [everything]\n{ends}");
    let more = match kind.name {
        "stack" => vec!["title: T\nsites: { web: { service: web, port: 80, host: www, template: default, max_body: 8M, timeout: 1h, websocket: true, streaming: false, headers: { X-A: b }, redirect_from: [old] } }\n".to_owned(), databases()],
        "server" => vec![
            "provider: static\naddress: 203.0.113.7\nhost: { firewall: { open: [51820/udp] } }\n"
                .to_owned(),
        ],
        "operation" => vec![
            format!("wipe: acme-1/html\norder: website\n{loses}"),
            format!("reinstall: acme-1\n{loses}"),
            format!("erase: person\n{loses}"),
            format!("snapshot: acme-1\n{ends}"),
            format!("power_cycle: acme-1\n{ends}"),
            format!("rotate: website/umami\nsecrets: [APP_SECRET]\n{ends}"),
            format!("retry: website\n{ends}"),
            format!("move: website\nto: acme-2\n{ends}"),
            format!("scenario: website/umami\n{ends}"),
        ],
        _ => Vec::new(),
    };
    let all = std::iter::once(kind.sample.to_owned()).chain(more);
    all.map(|text| tenantry_yaml::from_str(&text, &Limits::default()).unwrap())
}

#[test]
fn left_out_null_and_empty_mean_what_the_reference_says() {
    let mut wrong = Vec::new();
    for kind in KINDS.iter().filter(|kind| is_open(kind)) {
        for field in fields(kind) {
            let name = format!("{} {}", kind.name, field.name());
            // One place of a kind is tried.
            let Some((sample, place)) = samples(kind).find_map(|sample| {
                let mut found = Vec::new();
                places(&sample, &field.path, "", &mut found);
                Some((sample, found.into_iter().next()?))
            }) else {
                wrong.push(format!("{name}: no sample has such a key"));
                continue;
            };
            let place = &place;
            // What is written with another key, or in its place, cannot be taken away alone.
            let tied = [
                "rollout waves[].",
                "acknowledged <id>.",
                "host.timers.<key>.",
            ]
            .iter()
            .any(|part| name.contains(part) && !name.ends_with(".reason"))
                || kind.name == "operation";
            let absent = read(kind, &without(&sample, place).to_string());
            if absent.is_ok() != field.optional && !tied {
                wrong.push(format!(
                    "{name}: left out gives {absent:?}, optional is {}",
                    field.optional
                ));
            }
            let null = read(kind, &with(&sample, place, Value::Null).to_string());
            match (&null, field.null) {
                (Ok(null), true) if !tied && absent.as_ref().ok() != Some(null) => {
                    wrong.push(format!("{name}: null is not as left out"));
                }
                (Ok(_), true) | (Err(_), false) => {}
                (Err(_), true) if tied && absent.is_err() => {}
                _ => wrong.push(format!(
                    "{name}: null gives {null:?}, possible is {}",
                    field.null
                )),
            }
            let empty = read(
                kind,
                &with(&sample, place, serde_json::json!({})).to_string(),
            );
            if empty.is_ok() != field.empty {
                wrong.push(format!(
                    "{name}: {{}} gives {empty:?}, possible is {}",
                    field.empty
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn samples_are_good() {
    for kind in KINDS.iter().filter(|kind| is_open(kind)) {
        if let Err(problems) = read(kind, kind.sample) {
            panic!("{}: {problems:?}", kind.name);
        }
    }
}

/// What its keys mean is the Compose Specification's business: the sample is read as it is meant, on top of a file.
#[test]
fn the_sample_of_an_override_lies_on_top_of_a_stack() {
    let kind = tenantry_schema::json::kind("override").unwrap();
    let base = "services: { web: { image: nginx } }";
    let file = tenantry_compose::ComposeFile::alone(base).with_override(kind.sample);
    assert_eq!(file.check(&|_| true), []);
    let project = file.load(&|_| Some("x".to_owned())).unwrap();
    assert_eq!((project.services.len(), project.volumes.len()), (2, 1));
}

#[test]
fn generated_files_are_current() {
    let root = crate::fleet::root();
    let check = |path: &str, text: String| {
        let there = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(
            there == text,
            "{path} is not what the program says: tenantry schema --output schema/json --reference docs/reference"
        );
    };
    for kind in &KINDS {
        check(
            &format!("schema/json/{}.schema.json", kind.name),
            kind.schema_text(),
        );
    }
    check(
        "docs/reference/documents.md",
        tenantry_schema::json::reference(),
    );
    check(
        "docs/reference/diagnostics.md",
        tenantry_planner::codes::reference(),
    );
}

#[test]
fn a_value_of_a_variable_is_the_text_that_was_written() {
    let written = [
        "0755",
        "1.10",
        "1e3",
        "yes",
        "True",
        "0x1F",
        "12:30",
        "2026-11-21",
        "-0",
        ".5",
        "a b",
    ];
    for text in written {
        let order = format!(
            "plan: p\ndomain: a.example\ntools: {{ t: {{ env: {{ A: {text} }}, parameters: {{ B: {text} }} }} }}\n"
        );
        let order: kinds::Order = tenantry_yaml::from_str(&order, &Limits::default()).unwrap();
        let tool = order.tools.values().next().unwrap();
        let plain = kinds::EnvValue::Plain(text.to_owned());
        assert_eq!(tool.env.values().next(), Some(&plain));
        assert_eq!(
            tool.parameters.values().next().map(String::as_str),
            Some(text)
        );
    }
}
