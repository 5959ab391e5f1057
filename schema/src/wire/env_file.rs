//! The `.env` file of an instance, as hub and agent agree on it and Compose reads it: one variable a line, always quoted, so that no value can become a second line or be expanded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use crate::name::VariableName;

/// Writes variables in name order. Values without quotes and line ends stand in single quotes (literal), others in double quotes with escapes.
pub fn write(variables: &BTreeMap<VariableName, String>) -> String {
    let mut out = String::new();
    for (name, value) in variables {
        if value.contains(['\'', '\n', '\r', '\\']) {
            let _ = writeln!(out, "{name}=\"{}\"", escape(value));
        } else {
            let _ = writeln!(out, "{name}='{value}'");
        }
    }
    out
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' | '"' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Reads what [`write`] wrote. None where the text has another form.
pub fn parse(text: &str) -> Option<BTreeMap<VariableName, String>> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = if let Some(quoted) = value.strip_prefix('\'') {
                quoted.strip_suffix('\'')?.to_owned()
            } else {
                unescape(value.strip_prefix('"')?.strip_suffix('"')?)?
            };
            Some((VariableName::try_from(name).ok()?, value))
        })
        .collect()
}

fn unescape(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                other => other,
            }),
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn read_back(values in proptest::collection::vec("(.|\n|\r){0,20}", 0..5)) {
            let variables: BTreeMap<VariableName, String> = values
                .into_iter()
                .enumerate()
                .map(|(n, value)| (VariableName::try_from(format!("V{n}")).unwrap(), value))
                .collect();
            let text = write(&variables);
            prop_assert_eq!(text.lines().count(), variables.len());
            prop_assert_eq!(parse(&text), Some(variables));
        }
    }
}
