//! Compiles patterns written for Go's `regexp` so that they mean the same here.
//! The differences: `\d \w \s \b` are ASCII in Go, brackets do not nest and have no set operators, `\Q…\E` quotes.

use regex::Regex;

use crate::Error;

pub(crate) fn compile(pattern: &str) -> Result<Regex, Error> {
    regex::RegexBuilder::new(&translate(pattern))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| Error::BadPattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class = false;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = escape(&mut out, rest, class),
            '[' if class => {
                // `[:alpha:]` is a named class in both; any other bracket is itself in Go.
                let named = rest.starts_with(':') && rest.contains(":]");
                if named {
                    let end = rest.find(":]").map_or(0, |at| at + 2);
                    out.push('[');
                    out.push_str(&rest[..end]);
                    rest = &rest[end..];
                } else {
                    out.push_str("\\[");
                }
            }
            '[' => {
                class = true;
                out.push('[');
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                // A bracket right after the start is itself.
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            ']' => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(c);
            }
            '-' if class && rest.starts_with('-') => out.push_str("\\-"),
            c => out.push(c),
        }
    }
    out
}

/// Handles what follows a backslash; gives back what is left.
fn escape<'a>(out: &mut String, rest: &'a str, class: bool) -> &'a str {
    let Some(c) = rest.chars().next() else {
        out.push('\\');
        return rest;
    };
    let rest = &rest[c.len_utf8()..];
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str("[\\t\\n\\f\\r ]"),
        'S' => out.push_str("[^\\t\\n\\f\\r ]"),
        'b' if !class => out.push_str("(?-u:\\b)"),
        'Q' if !class => {
            let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return after;
        }
        c => {
            out.push('\\');
            out.push(c);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_what_go_means() {
        for (pattern, text, matches) in [
            (r"^\w+$", "ä", false),
            (r"^\w+$", "a_1", true),
            (r"^[\w-]+$", "a-1", true),
            (r"^[^\d]+$", "a1", false),
            (r"[[a]x", "[x", true),
            (r"^[a&&b]$", "&", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^[]a]$", "]", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"\bpass\b", "a-pass", true),
            (r"fleet/.*\.yaml$", "fleet/a.yaml", true),
            (r"^(data|stringData)$", "stringData", true),
            (r"secrets\/x", "secrets/x", true),
        ] {
            assert_eq!(
                compile(pattern).unwrap().is_match(text),
                matches,
                "{pattern} {text}"
            );
        }
        assert!(compile("(").is_err());
        assert!(compile("\\").is_err());
        assert!(compile("(?=x)").is_err());
    }
}
