//! Splitting a command string into words as Compose does, and refusing what Compose would silently cut off.

/// Splits `text` like a shell would: blanks separate, quotes and backslashes protect.
///
/// Compose does not run a shell here. It stops reading at an unquoted `;`, `&`, `|`, `<` or `>` without a word, which
/// is an error here instead.
pub(crate) fn split(text: &str) -> Result<Vec<String>, &'static str> {
    const NO_SHELL: &str = "the command is not run by a shell, so `;`, `&`, `|`, `<`, `>`, `(`, `)` and backticks have no meaning in it";
    let mut words = Vec::new();
    let mut word = String::new();
    let mut begun = false;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => {
                match characters.next() {
                    Some(escaped) => word.push(escaped),
                    None => return Err("a backslash at the end of the command"),
                }
                begun = true;
            }
            (_, Some(open)) if character == open => quote = None,
            (_, Some(_)) => word.push(character),
            ('"' | '\'', None) => {
                quote = Some(character);
                begun = true;
            }
            (' ' | '\t' | '\r' | '\n', None) => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
            }
            (';' | '&' | '|' | '<' | '>' | '(' | ')' | '`', None) => return Err(NO_SHELL),
            (_, None) => {
                word.push(character);
                begun = true;
            }
        }
    }
    if quote.is_some() {
        return Err("a quote in the command is never closed");
    }
    if begun {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_and_quotes() {
        for (text, words) in [
            ("", vec![]),
            ("  a  b\n", vec!["a", "b"]),
            ("sh -c 'a; b && c'", vec!["sh", "-c", "a; b && c"]),
            (r#"a "b \"c\" $x" d\ e"#, vec!["a", "b \"c\" $x", "d e"]),
            (r"'a\b'", vec![r"a\b"]),
            (r#""a\nb" \t"#, vec!["anb", "t"]),
            ("a '' b", vec!["a", "", "b"]),
            ("--x=\"y z\"w", vec!["--x=y zw"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
        for text in [
            "a 'b", "a \"b", "a \\", "a && b", "a; b", "a > b", "`a`", "a $(b)",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
