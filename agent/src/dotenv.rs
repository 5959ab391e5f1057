//! `.env` files as Compose reads them, as far as the hub writes them: no interpolation in values. Nothing is looked up here.

use std::collections::BTreeMap;

/// `NAME=value` a line. A value in single quotes is taken as it is; in double quotes `\n`, `\r`, `\t` and escaped characters are
/// resolved; without quotes blanks around it and a comment behind ` #` are dropped. Later lines win.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    pairs.map(|(name, written)| (name.trim().to_owned(), value(written.trim()))).collect()
}

fn value(written: &str) -> String {
    if let Some(inner) = written.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    if let Some(inner) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return unescape(inner);
    }
    written.split_once(" #").map_or(written, |(value, _)| value).trim_end().to_owned()
}

fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            (other, false) => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ways_to_write_a_value() {
        let text = "# a comment\nA=plain text # why\nB='it is $HOME \\n'\n C = \"two\\nlines \\\"quoted\\\"\"\nD=\nexport E=a=b\nF=x#y\nno value\nA=again\n";
        let expected = [("A", "again"), ("B", "it is $HOME \\n"), ("C", "two\nlines \"quoted\""), ("D", ""), ("E", "a=b"), ("F", "x#y")];
        let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(parse(text), expected);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = parse(&text);
        }
    }
}
