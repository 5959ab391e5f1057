//! Where secrets stand.

use super::super::environment::Entry;
use super::super::images::{self, Database};
use super::super::{draft::Draft, names};
use super::patterns::{in_address, options_in};
use super::{Group, Secrets, Target, Use};
use std::collections::BTreeSet;
use std::ops::Range;
use tenantry_compose::template::Template;
use tenantry_yaml::Node;

/// All places, in the order of the file.
pub(super) fn all<'a, 'e>(draft: &Draft<'a>, entries: &'e [Entry<'a>]) -> Vec<Use<'a, 'e>> {
    let mut found = Vec::new();
    for entry in entries {
        of_entry(draft, entry, &mut found);
    }
    for service in draft.tree.services() {
        for key in ["command", "entrypoint"] {
            if let Some(node) = service.node.get(key) {
                of_command(draft, service.name, node, &mut found);
            }
        }
    }
    of_equal_values(entries, &mut found);
    of_top_level(draft, &mut found);
    of_variables(draft, entries, &mut found);
    found
}

fn of_entry<'a, 'e>(draft: &Draft<'a>, entry: &'e Entry<'a>, found: &mut Vec<Use<'a, 'e>>) {
    let make = |range, variable, value, hint: &str, role| Use {
        target: Target::Entry(entry),
        range,
        variable,
        value,
        shown: if hint == entry.name {
            format!("the value of `{hint}`")
        } else {
            format!("the password in `{}`", entry.name)
        },
        given: names::is_given_by_others(hint),
        hint: hint.to_owned(),
        role,
        service: entry.service.name,
    };
    let secret = names::is_secret(&entry.name);
    let Some(value) = entry.value.as_deref() else {
        if secret {
            let known = draft.values.get(&entry.name).cloned();
            found.push(make(
                None,
                Some(entry.name.clone()),
                known,
                &entry.name,
                None,
            ));
        }
        return;
    };
    let Ok(template) = Template::parse(value) else {
        return;
    };
    let role = role(draft, entry);
    if secret && template.is_literal() {
        if names::can_be_secret(value) {
            found.push(make(
                Some(0..value.len()),
                None,
                Some(value.to_owned()),
                &entry.name,
                role,
            ));
            return;
        }
    } else if secret {
        // `KEY: ${NAME}`: the variable is a secret whatever it is called.
        for (variable, nested) in template.variables() {
            if !nested {
                let known = draft
                    .value_of(&variable.name, &variable.rule)
                    .filter(|value| !value.is_empty());
                found.push(make(
                    None,
                    Some(variable.name.clone()),
                    known,
                    &entry.name,
                    role,
                ));
            }
        }
        return;
    }
    for (range, hint) in in_address(value, &template) {
        let part = &value[range.clone()];
        let role = main_database(draft, &hint).then_some("DB_PASSWORD");
        // Who answers there is no part of the stack.
        let outside = hint.contains('.') && draft.tree.service(&hint).is_none();
        let hint = if outside {
            format!(
                "{}_PASSWORD",
                entry
                    .name
                    .trim_end_matches("_URL")
                    .trim_end_matches("_URI")
                    .trim_end_matches("_DSN")
            )
        } else {
            hint
        };
        let hint = if outside {
            hint
        } else if hint.is_empty() {
            format!("{}_PASSWORD", entry.name)
        } else {
            format!("{}_PASSWORD", names::variable(&hint))
        };
        let inner = template
            .variables()
            .into_iter()
            .find(|(variable, nested)| !nested && variable.source == range);
        match inner {
            Some((variable, _)) => {
                let known = draft
                    .value_of(&variable.name, &variable.rule)
                    .filter(|value| !value.is_empty());
                found.push(Use {
                    given: outside,
                    ..make(None, Some(variable.name.clone()), known, &hint, role)
                });
            }
            None if !part.contains('$') => found.push(Use {
                given: outside,
                ..make(Some(range), None, Some(part.to_owned()), &hint, role)
            }),
            None => {}
        }
    }
}

/// Variables with the value of a secret, and a name that does not speak against it (`DB_PW`).
fn of_equal_values<'a, 'e>(entries: &'e [Entry<'a>], found: &mut Vec<Use<'a, 'e>>) {
    let known: BTreeSet<String> = found
        .iter()
        .filter(|one| one.variable.is_none())
        .filter_map(|one| one.value.clone())
        .collect();
    for entry in entries {
        let Some(value) = entry.value.as_ref().filter(|value| known.contains(*value)) else {
            continue;
        };
        if names::may_be_secret(&entry.name) && !names::is_secret(&entry.name) {
            found.push(Use {
                target: Target::Entry(entry),
                range: Some(0..value.len()),
                variable: None,
                value: Some(value.clone()),
                hint: entry.name.clone(),
                shown: format!("the value of `{}`", entry.name),
                given: false,
                role: None,
                service: entry.service.name,
            });
        }
    }
}

/// What a database calls its passwords.
fn role(draft: &Draft<'_>, entry: &Entry<'_>) -> Option<&'static str> {
    let database = images::database(&draft.image(entry.service.node))?;
    match entry.name.as_str() {
        "MYSQL_ROOT_PASSWORD" | "MARIADB_ROOT_PASSWORD" => Some("DB_ROOT_PASSWORD"),
        _ if database.is_main() => Some("DB_PASSWORD"),
        _ => None,
    }
}

fn main_database(draft: &Draft<'_>, host: &str) -> bool {
    let service = draft.tree.service(host);
    service
        .and_then(|service| images::database(&draft.image(service.node)))
        .is_some_and(Database::is_main)
}

/// `--requirepass secret`, `--password=secret`.
fn of_command<'a>(
    draft: &Draft<'a>,
    service: &'a str,
    node: &'a Node,
    found: &mut Vec<Use<'a, '_>>,
) {
    const OPTIONS: [&str; 5] = [
        "--requirepass",
        "--masterauth",
        "--password",
        "--pass",
        "--token",
    ];
    let hint = format!("{}_PASSWORD", names::variable(service));
    let mut add = |node: &'a Node, range: Range<usize>| {
        let part = &node.as_str().unwrap_or_default()[range.clone()];
        let (variable, value, range) = match Template::parse(part) {
            Ok(template) if template.is_literal() && !part.is_empty() => {
                (None, Some(part.to_owned()), Some(range))
            }
            Ok(template) => match template.variables().first() {
                Some((variable, _)) => (
                    Some(variable.name.clone()),
                    draft.value_of(&variable.name, &variable.rule),
                    None,
                ),
                None => return,
            },
            Err(_) => return,
        };
        let shown = "the password in the command".to_owned();
        found.push(Use {
            target: Target::Scalar(node),
            range,
            variable,
            value,
            hint: hint.clone(),
            shown,
            given: false,
            role: None,
            service,
        });
    };
    if let Some(items) = node.as_sequence() {
        for (index, item) in items.iter().enumerate() {
            let text = item.as_str().unwrap_or_default();
            if OPTIONS.contains(&text) {
                if let Some(next) = items.get(index + 1) {
                    add(next, 0..next.as_str().map_or(0, str::len));
                }
            } else {
                for range in OPTIONS.iter().flat_map(|option| options_in(text, option)) {
                    add(item, range);
                }
            }
        }
    } else if let Some(text) = node.as_str() {
        for range in OPTIONS.iter().flat_map(|option| options_in(text, option)) {
            add(node, range);
        }
    }
}

/// `secrets:` at the top of the file.
fn of_top_level<'a>(draft: &Draft<'a>, found: &mut Vec<Use<'a, '_>>) {
    let entries = draft
        .tree
        .root
        .get("secrets")
        .and_then(Node::as_mapping)
        .unwrap_or_default();
    for (key, value) in entries {
        let name = key.as_str().unwrap_or_default();
        let (variable, node) = match (value.get("environment"), value.get("file")) {
            (Some(node), _) => (node.as_str().unwrap_or_default().to_owned(), node),
            (None, Some(node)) => (names::variable(name), node),
            (None, None) => continue,
        };
        let known = draft.values.get(&variable).cloned();
        found.push(Use {
            target: Target::Name(node),
            range: None,
            variable: Some(variable),
            value: known,
            hint: name.to_owned(),
            shown: format!("the secret `{name}` of services"),
            given: false,
            role: None,
            service: "",
        });
    }
}

/// Variables that are called like secrets, wherever they stand.
fn of_variables<'a, 'e>(draft: &Draft<'a>, entries: &'e [Entry<'a>], found: &mut Vec<Use<'a, 'e>>) {
    let known: BTreeSet<String> = found
        .iter()
        .filter_map(|one| one.variable.clone())
        .collect();
    let mut add = |text: &str, target: Target<'a, 'e>, service| {
        let Ok(template) = Template::parse(text) else {
            return;
        };
        let mut target = Some(target);
        for (variable, nested) in template.variables() {
            if !nested && names::is_secret(&variable.name) && !known.contains(&variable.name) {
                let value = draft
                    .value_of(&variable.name, &variable.rule)
                    .filter(|value| !value.is_empty());
                let Some(target) = target.take() else {
                    continue;
                };
                found.push(Use {
                    target,
                    range: None,
                    variable: Some(variable.name.clone()),
                    value,
                    hint: variable.name.clone(),
                    shown: format!("the value of `{}`", variable.name),
                    given: names::is_given_by_others(&variable.name),
                    role: None,
                    service,
                });
            }
        }
    };
    for (path, node) in draft.tree.values() {
        if path.first() == Some(&"services") && !draft.edits.is_gone(node.span) {
            let service = path.get(1).copied().unwrap_or_default();
            add(
                node.as_str().unwrap_or_default(),
                Target::Scalar(node),
                service,
            );
        }
    }
    for entry in entries.iter().filter(|entry| entry.is_from_file()) {
        add(
            entry.value.as_deref().unwrap_or_default(),
            Target::Entry(entry),
            entry.service.name,
        );
    }
}

/// Literal values of secrets that also stand where nothing tells that they are secrets: health checks, commands.
pub(super) fn elsewhere<'a>(
    draft: &mut Draft<'a>,
    entries: &[Entry<'a>],
    groups: &[Group<'a, '_>],
    secrets: &Secrets,
) {
    const SURE: usize = 8;
    let plain: BTreeSet<&str> = entries
        .iter()
        .filter(|entry| !names::may_be_secret(&entry.name))
        .filter_map(|entry| entry.value.as_deref())
        .collect();
    let all: Vec<(&str, &str)> = groups
        .iter()
        .zip(&secrets.list)
        .flat_map(|(group, secret)| {
            let literal = group
                .uses
                .iter()
                .filter(|one| one.variable.is_none())
                .filter_map(|one| one.value.as_deref());
            literal.map(|value| (value, secret.name.as_str()))
        })
        .collect();
    let all: BTreeSet<(&str, &str)> = all
        .into_iter()
        .filter(|(value, _)| value.len() >= 4 && !plain.contains(value))
        .collect();
    for (path, node) in draft.tree.values() {
        let spoken = path.iter().any(|key| {
            matches!(
                *key,
                "command" | "entrypoint" | "healthcheck" | "environment" | "labels"
            )
        });
        let Some(text) = node
            .as_str()
            .filter(|_| spoken && !draft.edits.is_gone(node.span))
        else {
            continue;
        };
        for (value, name) in &all {
            for (at, _) in text.match_indices(value) {
                let range = at..at + value.len();
                let part_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                let glued = part_of_word(text[range.end..].chars().next());
                let before =
                    text[..at].ends_with("-p") || !part_of_word(text[..at].chars().next_back());
                if glued || !before || draft.scalars.has(node.span, &range) {
                    continue;
                }
                if value.len() >= SURE {
                    draft.scalars.change(node, range, format!("${{{name}}}"));
                    draft.changed(node, format!("the value of `{name}` stood here too"));
                } else {
                    draft.warn(node, format!("is `{value}` here the value of the secret `{name}`? Then write `${{{name}}}`"));
                }
            }
        }
    }
}
