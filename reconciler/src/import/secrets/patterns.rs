//! Patterns of texts with passwords in them: addresses and command lines.

use std::ops::Range;
use tenantry_compose::template::Template;

/// Passwords within a value: `scheme://user:password@host`, `password=...;`. With the host, if there is one.
pub(super) fn in_address(value: &str, template: &Template) -> Vec<(Range<usize>, String)> {
    // Variables may hold every sign that is looked for.
    let mut masked = value.as_bytes().to_vec();
    for (variable, nested) in template.variables() {
        if !nested {
            masked[variable.source.clone()].fill(b'V');
        }
    }
    let masked = String::from_utf8_lossy(&masked).into_owned();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = masked[from..].find("://") {
        let start = from + at + 3;
        let end = masked[start..]
            .find(['/', '?', '#', ' ', ',', '"', '\''])
            .map_or(masked.len(), |at| start + at);
        if let Some(sign) = masked[start..end].rfind('@')
            && let Some(colon) = masked[start..start + sign].find(':')
            && colon + 1 < sign
        {
            let host = masked[start + sign + 1..end]
                .split(':')
                .next()
                .unwrap_or_default();
            found.push((start + colon + 1..start + sign, host.to_owned()));
        }
        from = end.max(start);
    }
    let lower = masked.to_ascii_lowercase();
    for word in ["password=", "pwd="] {
        for (at, _) in lower.match_indices(word) {
            let start = at + word.len();
            let alone = at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric();
            let end = masked[start..]
                .find([';', '&', ' ', '"', '\''])
                .map_or(masked.len(), |at| start + at);
            if alone && end > start {
                found.push((start..end, String::new()));
            }
        }
    }
    found
}

/// Where values of an option stand in a command line.
pub(super) fn options_in(text: &str, option: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(option) {
        let rest = &text[at + option.len()..];
        if !rest.starts_with([' ', '=']) {
            continue;
        }
        let start =
            at + option.len() + (rest.len() - rest.trim_start_matches([' ', '=', '"', '\'']).len());
        let end = text[start..]
            .find([' ', '"', '\'', '\n'])
            .map_or(text.len(), |at| start + at);
        if end > start && !text[start..end].starts_with('-') {
            found.push(start..end);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(value: &str) -> Vec<&str> {
        let template = Template::parse(value).unwrap();
        in_address(value, &template)
            .into_iter()
            .map(|(range, _)| &value[range])
            .collect()
    }

    #[test]
    fn passwords_in_addresses() {
        assert_eq!(passwords("postgres://u:p4ss@db:5432/x"), ["p4ss"]);
        assert_eq!(passwords("redis://:p@cache"), ["p"]);
        assert_eq!(
            passwords("postgres://${U:-a:b}:${P:-c@d}@db/x"),
            ["${P:-c@d}"]
        );
        assert_eq!(passwords("http://a:1/,amqp://u:q@mq"), ["q"]);
        assert_eq!(passwords("Host=db;Password=x;User=y"), ["x"]);
        assert!(passwords("http://db:5432/x@y").is_empty());
        assert!(passwords("nopassword=1").is_empty());
    }

    #[test]
    fn options() {
        let text = "redis-server --requirepass 'x y' --password=z --password --quiet";
        let parts: Vec<&str> = options_in(text, "--password")
            .into_iter()
            .map(|range| &text[range])
            .collect();
        assert_eq!(parts, ["z"]);
    }
}
