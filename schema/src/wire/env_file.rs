//! The `.env` file of an instance, as hub and agent agree on it and Compose reads it. One variable a line, always quoted, so that no value can
//! become a second line, end its quotes or be expanded.

use crate::name::VariableName;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Writes variables in name order. Values without quotes, backslashes and line ends stand in single quotes (literal), others in double quotes with
/// escapes: Compose's reader takes a backslash before the closing single quote for an escape.
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
    let line = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = if let Some(quoted) = value.strip_prefix('\'') {
            quoted
                .strip_suffix('\'')
                .filter(|inner| !inner.contains(['\'', '\\']))?
                .to_owned()
        } else {
            unescape(value.strip_prefix('"')?.strip_suffix('"')?)?
        };
        Some((VariableName::try_from(name).ok()?, value))
    };
    text.split('\n')
        .filter(|text| !text.is_empty())
        .map(line)
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
                other @ ('\\' | '"' | '$') => other,
                _ => return None,
            }),
            '"' | '$' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(value: &str) -> String {
        write(&BTreeMap::from([(
            VariableName::try_from("A").unwrap(),
            value.to_owned(),
        )]))
    }

    #[test]
    fn written_forms() {
        assert_eq!(one("20000"), "A='20000'\n");
        assert_eq!(one("$HOME ${X} \"q\" #c"), "A='$HOME ${X} \"q\" #c'\n");
        assert_eq!(one("it's $5"), "A=\"it's \\$5\"\n");
        assert_eq!(one("ends with \\"), "A=\"ends with \\\\\"\n");
        assert_eq!(one("a\nB='x'"), "A=\"a\\nB='x'\"\n");
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "A=1",
            "A='1",
            "a='1'",
            "A=\"\\x\"",
            "A=\"a\"b\"",
            "A='a'b'",
            "A=\"$B\"",
            "# A='1'",
            "A='a\\'",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn read_back(values in proptest::collection::vec("(.|\n|\r|'|\\\\){0,20}", 0..5)) {
            let variables: BTreeMap<VariableName, String> = values
                .into_iter()
                .enumerate()
                .map(|(n, value)| (VariableName::try_from(format!("V{n}")).unwrap(), value))
                .collect();
            let text = write(&variables);
            prop_assert_eq!(text.lines().count(), variables.len());
            prop_assert_eq!(parse(&text), Some(variables));
        }
        #[test]
        fn any_text_is_answered(text in "(.|\n|\"|'|=){0,40}") {
            let _ = parse(&text);
        }
    }
}
