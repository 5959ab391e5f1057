//! Reading names with values: environments, labels, options.

use crate::reader::At;
use crate::values::Pairs;

/// A mapping, or a list of `name=value`. With `from_outside` a name without a value takes it from the variables,
/// as environments do; otherwise the value is empty, as with labels.
pub(crate) fn pairs(at: &At<'_>, from_outside: bool) -> Pairs {
    let mut pairs = Pairs::default();
    let mut add = |at: &At<'_>, name: &str, value: Option<&str>| {
        let value = match value {
            Some(value) => Some(value.to_owned()),
            None if from_outside => at.cx.values.named(name),
            None => Some(String::new()),
        };
        let Some(value) = value else {
            at.unset(&shown(at, name));
            return;
        };
        if name.is_empty() {
            at.invalid("an empty name");
        } else if !pairs.insert(name.to_owned(), value) {
            at.invalid(format!("{} stands twice", shown(at, name)));
        }
    };
    if at.node.as_sequence().is_some() {
        for item in at.items().unwrap_or_default() {
            if let Some(text) = item.text() {
                match text.split_once('=') {
                    Some((name, value)) => add(&item, name, Some(value)),
                    None => add(&item, text, None),
                }
            }
        }
    } else {
        for (name, _, value) in at.entries().unwrap_or_default() {
            if value.is_null() {
                add(&value, name, None);
            } else if let Some(text) = value.loose_text() {
                add(&value, name, Some(text));
            }
        }
    }
    pairs
}

/// A name for a message; as written where it may have come from a variable.
fn shown(at: &At<'_>, name: &str) -> String {
    if at.key.is_none() && at.found().contains('$') {
        at.found()
    } else {
        format!("`{name}`")
    }
}

/// Labels, none of which is written by Compose or by the agent.
pub(crate) fn labels(at: &At<'_>) -> Pairs {
    let labels = pairs(at, false);
    for (prefix, whose) in [
        ("com.docker.compose.", "Compose's own"),
        ("dev.tenantry.", "written by Tenantry"),
    ] {
        if labels.iter().any(|(name, _)| name.starts_with(prefix)) {
            at.invalid(format!("labels that begin with `{prefix}` are {whose}"));
        }
    }
    labels
}
