//! Secrets in clear in `hub.yaml`: a token that somebody wrote in the place of its name is not told around.
//!
//! Where the text is YAML, everything is hidden that stands at such a key and is no name of a secret. Where it is not, everything is that may belong to it.

use std::ops::Range;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_yaml::{Kind, Limits, Node, parse_partial};

/// Keys at which secrets are named.
const KEYS: [&str; 3] = ["token", "webhook", "password"];
/// Keys of `forge:` at which there is none.
const OPEN: [&str; 3] = ["kind", "url", "repository"];
/// What a message says instead.
const HIDDEN: &str = "(hidden)";
/// So much of a value is quoted in messages, in characters.
const QUOTED: usize = 40;
/// Shorter ones are part of other words, in bytes.
const TELLING: usize = 6;
const NOTE: &str = "a secret in clear is not shown: put it into fleet/secrets.yaml (`tenantry secrets set hub forge_token`), write `{ secret: forge_token }` here, and make a new one where it was committed";

/// Takes secrets in clear out of what is said about `hub.yaml`, which stands at `path` and has this text.
pub(super) fn redact(found: &mut [Diagnostic], path: &str, text: &str) {
    if found.is_empty() {
        return;
    }
    let clear = Clear::of(text);
    if clear.spans.is_empty() {
        return;
    }
    let masked = clear.masked(text);
    let lines: Vec<&str> = masked.lines().collect();
    let mask = |place: &mut Place| place.file == path && hide(place, &lines);
    for diagnostic in found {
        let mut hidden = mask(&mut diagnostic.place);
        hidden |= clear.leave_out(&mut diagnostic.message);
        hidden |= clear.leave_out(&mut diagnostic.label);
        for (place, why) in &mut diagnostic.related {
            hidden |= mask(place);
            hidden |= clear.leave_out(why);
        }
        for note in &mut diagnostic.notes {
            hidden |= clear.leave_out(note);
        }
        if hidden {
            diagnostic.notes.push(NOTE.to_owned());
        }
    }
}

/// Shows the line of a place as it is in `lines`. Whether that is something else.
fn hide(place: &mut Place, lines: &[&str]) -> bool {
    let line = (place.line as usize).checked_sub(1);
    let Some(line) = line.and_then(|line| lines.get(line)) else {
        return false;
    };
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let shown = line.chars().skip(place.skipped as usize);
    let shown: String = shown.take(place.source.chars().count()).collect();
    let differs = shown != place.source;
    place.source = shown;
    differs
}

/// What is hidden of a text.
#[derive(Debug, Default)]
struct Clear {
    /// Where it stands, in bytes.
    spans: Vec<Range<usize>>,
    /// What messages may quote of it, longest first.
    values: Vec<String>,
}

impl Clear {
    fn of(text: &str) -> Self {
        let mut clear = Self::default();
        let (root, problems) = parse_partial(text, &Limits::default());
        if let Some(root) = &root {
            clear.look(root, false);
        }
        if root.is_none() || !problems.is_empty() {
            clear.lines(text);
        }
        clear
            .values
            .sort_by_key(|value| (std::cmp::Reverse(value.len()), value.clone()));
        clear.values.dedup();
        // Behind an anchor, or in a comment.
        for value in clear.values.iter().filter(|value| value.len() >= TELLING) {
            let places = text.match_indices(value.as_str());
            clear
                .spans
                .extend(places.map(|(at, _)| at..at + value.len()));
        }
        clear
    }

    fn look(&mut self, node: &Node, forge: bool) {
        for item in node.as_sequence().unwrap_or_default() {
            self.look(item, false);
        }
        for (key, value) in node.as_mapping().unwrap_or_default() {
            let name = key.as_str().unwrap_or_default();
            if KEYS.contains(&name) || forge && !OPEN.contains(&name) {
                self.hide(value);
            } else {
                self.look(value, name == "forge");
            }
        }
    }

    /// Hides everything in a node but names of secrets.
    fn hide(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar { value, .. } => {
                self.spans.push(node.span.start..node.span.end);
                self.value(value);
            }
            Kind::Sequence(items) => items.iter().for_each(|item| self.hide(item)),
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    let scalar = matches!(value.kind, Kind::Scalar { .. });
                    // A key alone, as in `{ s3cret }`, may be one.
                    if scalar && value.is_null() {
                        self.hide(key);
                    } else if !(scalar && key.as_str() == Some("secret")) {
                        self.hide(value);
                    }
                }
            }
        }
    }

    fn value(&mut self, value: &str) {
        let line = value.lines().next().unwrap_or_default();
        let quoted = line.char_indices().nth(QUOTED).map(|(end, _)| &line[..end]);
        let all = [Some(value), Some(line), quoted].into_iter().flatten();
        let all = all.map(str::trim).filter(|value| !value.is_empty());
        self.values.extend(all.map(str::to_owned));
    }

    /// Hides what stands behind the keys in a text without form: the rest of the line, and the lines that are indented more.
    fn lines(&mut self, text: &str) {
        let mut at = 0;
        // From which indentation on, in characters, lines belong to a key; and whether the next one does however it is indented.
        let mut below: Option<(usize, bool)> = None;
        for whole in text.split_inclusive('\n') {
            let (start, line) = (at, whole.trim_end());
            at += whole.len();
            let content = line.trim_start();
            if content.is_empty() {
                continue;
            }
            let indent = line.len() - content.len();
            below = below.filter(|(from, any)| *any || indent > *from);
            if let Some((from, _)) = below {
                below = Some((from, false));
                self.unformed(text, start + indent..start + line.len());
                continue;
            }
            let Some(from) = behind_key(line) else {
                continue;
            };
            let rest = line[from..].trim_start();
            self.unformed(text, start + line.len() - rest.len()..start + line.len());
            below = Some((indent, rest.is_empty() || rest.starts_with(['|', '>'])));
        }
    }

    fn unformed(&mut self, text: &str, span: Range<usize>) {
        if span.is_empty() {
            return;
        }
        let words = text[span.clone()].trim_start_matches(['{', ' ']);
        let words = words.trim_start_matches(['"', '\'']);
        // A name, and nothing that hides behind it.
        let name = words
            .strip_prefix("secret")
            .map(|rest| rest.trim_start_matches(['"', '\'', ' ']));
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-. {}\"'".contains(c);
        if name.is_some_and(|rest| {
            rest.strip_prefix(':')
                .is_some_and(|rest| rest.chars().all(plain))
        }) {
            return;
        }
        for word in words.split(|c: char| c.is_whitespace() || "`\"',{}[]".contains(c)) {
            self.value(word);
        }
        self.spans.push(span);
    }

    /// The text with what is hidden of it as asterisks: what stands around it stays in its column.
    fn masked(&self, text: &str) -> String {
        let mut spans = self.spans.clone();
        spans.sort_unstable_by_key(|span| span.start);
        let mut out = String::with_capacity(text.len());
        let mut spans = spans.into_iter().peekable();
        let mut until = 0;
        for (at, character) in text.char_indices() {
            while let Some(span) = spans.next_if(|span| span.start <= at) {
                until = until.max(span.end);
            }
            let hidden = at < until && !matches!(character, '\n' | '\r');
            out.push(if hidden { '*' } else { character });
        }
        out
    }

    /// Takes values out of a message. Whether there were any.
    fn leave_out(&self, text: &mut String) -> bool {
        let mut hidden = false;
        for value in &self.values {
            let mut replace = |what: &str, with: &str| {
                if text.contains(what) {
                    *text = text.replace(what, with);
                    hidden = true;
                }
            };
            if value.len() >= TELLING {
                replace(value, HIDDEN);
            } else {
                for quote in ["`", "\""] {
                    let quoted = |text: &str| format!("{quote}{text}{quote}");
                    replace(&quoted(value), &quoted(HIDDEN));
                }
            }
        }
        hidden
    }
}

/// Where the first of the keys ends in a line, with its colon.
fn behind_key(line: &str) -> Option<usize> {
    let ends = KEYS.iter().flat_map(|key| {
        line.match_indices(key).filter_map(move |(at, _)| {
            let end = at + key.len();
            let rest = line[end..].trim_start_matches(['"', '\'']).trim_start();
            let value = rest.strip_prefix(':')?;
            Some(line.len() - value.len())
        })
    });
    ends.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents;
    use crate::input::{HeadFiles, SourceFile};
    use crate::object::ObjectId;
    use proptest::prelude::*;

    /// Everything that is said about a `hub.yaml`.
    fn said(text: &str) -> String {
        let file = SourceFile {
            path: "fleet/hub.yaml".into(),
            id: ObjectId([0; 20]),
            text: Ok(text.into()),
        };
        let files = HeadFiles { files: vec![file] };
        let (_, found) = documents::head(&files);
        let said: Vec<String> = found
            .iter()
            .map(|found| format!("{}\n{found:?}", found.render()))
            .collect();
        said.join("\n")
    }

    fn spans(text: &str) -> Vec<&str> {
        let spans = Clear::of(text).spans;
        spans.into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn names_of_secrets_are_no_secrets() {
        for text in [
            "forge:\n  token: { secret: forge_token }\n",
            "forge:\n  token:\n    secret: forge_token\n",
            "forge: { kind: gitea, token: {secret: forge_token}, webhook: { secret: hook } }\n",
            "forge: { kind: gitea }\nurl: https://forge.example\n",
            "token\n",
            // Without form.
            "forge:\n  token: { secret: forge_token }\nplans: [\n",
            "forge:\n  token:\n    secret: forge_token\nplans: [\n",
        ] {
            assert_eq!(spans(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_secret_however_it_is_written() {
        let long = "github_pat_11ABCDEFG0123456789_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVW";
        for (value, parts) in [
            ("ghp_abcdef", vec!["ghp_"]),
            (long, vec!["github_pat", "ABCDEFG0"]),
            (
                "\"ghp,abc def#ghi}jkl\"  # mine",
                vec!["ghp", "def", "ghi", "jkl"],
            ),
            ("'it''s, a #pass} phrase'", vec!["it'", "pass", "phrase"]),
            (
                "\"es\\x63aped \\\" quote\"",
                vec!["x63", "escaped", "quote"],
            ),
            ("qzx", vec!["qzx"]),
            ("73519", vec!["73519"]),
            (
                "|\n    first-line\n    second-line",
                vec!["first", "second"],
            ),
            (
                ">-\n    first-line\n\n    second-line",
                vec!["first", "second"],
            ),
            ("two words\n    on-two lines", vec!["two words", "on-two"]),
            ("\n    alone", vec!["alone"]),
            ("[ghp_abcdef, qzx]", vec!["ghp_", "qzx"]),
            ("{ value: ghp_abcdef }", vec!["ghp_"]),
            ("{ secret: { of: ghp_abcdef } }", vec!["ghp_"]),
            ("{ qzx }", vec!["qzx"]),
            ("&it ghp_abcdef\n  kind: *it", vec!["ghp_"]),
            ("!qzx ghp_abcdef", vec!["qzx", "ghp_"]),
            // The end of a quote is missing: it has no form.
            ("\"ghp,abc def#ghi}jkl", vec!["ghp", "def", "ghi", "jkl"]),
            (
                "|\n    first-line\n    second-line\n   third: [",
                vec!["first", "second", "third"],
            ),
        ] {
            for key in ["token", "webhook", "'token' ", "tokne"] {
                let text = format!("fleet_id: test\nforge:\n  {key}: {value}\n  url: 1\nplan: 2\n");
                let formless = tenantry_yaml::parse(&text, &Limits::default()).is_err();
                if key == "tokne" && formless {
                    continue;
                }
                let said = said(&text);
                assert!(!said.is_empty());
                for part in &parts {
                    assert!(!said.contains(part), "{part} of\n{text}\nin\n{said}");
                }
            }
        }
        let said = said("forge: { token: ghp_abcdef, kind: nonsense }\n");
        assert!(
            said.contains("nonsense") && !said.contains("ghp_"),
            "{said}"
        );
        assert!(said.contains("token: **********, kind"), "{said}");
    }

    #[test]
    fn the_rest_of_the_line_goes_where_the_text_has_no_form() {
        let text = "forge: { token: ghp_a, kind: gitea\nplans: [\n";
        assert_eq!(spans(text)[0], "ghp_a, kind: gitea");
        let text = "forge:\n  webhook:\n  ghp_a\n  kind: gitea\nplans: [\n";
        assert_eq!(spans(text), ["ghp_a"]);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(token|webhook|secret|forge|[ :{}|\"'\n#,a-zé])*") {
            let clear = Clear::of(&text);
            prop_assert_eq!(clear.masked(&text).chars().count(), text.chars().count());
            let _ = said(&text);
        }

        /// Quoted as YAML wants it, any value is left out of all that is said.
        #[test]
        fn no_value_is_told(value in "[ -~]{0,30}Zq9[ -~é]{0,60}", key in "token|webhook") {
            let quoted = serde_json::to_string(&value).unwrap();
            for text in [
                format!("forge:\n  {key}: {quoted}\n"),
                format!("forge: {{ {key}: {quoted}, kind: 1 }}\n"),
                format!("forge: {{ kind: 1, {key}: {quoted}\n"),
            ] {
                let said = said(&text);
                prop_assert!(!said.contains("Zq9"), "{}\n{}", text, said);
            }
        }
    }
}
