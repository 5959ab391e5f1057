//! A page of Markdown: bounded, and safe whatever people typed.

/// GitHub takes 65,536 characters, others more.
pub(super) const LONGEST: usize = 60_000;

/// What is written so far, never longer than a forge takes.
#[derive(Default)]
pub(super) struct Page {
    pub(super) out: String,
    /// Whether a part did not fit.
    cut: bool,
}

impl Page {
    /// Whether there is room for a part.
    pub(super) fn fits(&self, part: &str) -> bool {
        self.out.len() + part.len() <= LONGEST
    }

    /// Writes a part whole or not at all, so that nothing in it stays open.
    pub(super) fn add(&mut self, part: String) {
        if self.fits(&part) {
            self.out.push_str(&part);
        } else {
            self.cut = true;
        }
    }

    /// The page, with a word about what did not fit.
    pub(super) fn finish(mut self) -> String {
        if self.cut {
            self.out
                .push_str("\n> There is more than a comment can hold: `tenantry plan --all` shows everything\n");
        }
        self.out
    }
}

/// Text that means nothing to Markdown, nor to HTML, nor to a forge (which would notify `@somebody`).
pub(super) fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A block of code that its content cannot end.
pub(super) fn fenced(content: &str) -> String {
    let mut fence = "```".to_owned();
    while content.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}\n{}\n{fence}", content.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_written_whole_or_not_at_all_and_that_is_said() {
        let mut page = Page::default();
        page.add("a".repeat(LONGEST - 1));
        page.add("<details>bb</details>".to_owned());
        page.add("c".to_owned());
        let out = page.finish();
        assert!(!out.contains("details") && out.contains("\n> There is more"));
        assert!(out.contains('c') && out.len() < 65_536);
        assert!(!Page::default().finish().contains("There is more"));
    }

    #[test]
    fn nothing_that_people_typed_means_anything() {
        assert_eq!(
            text("a|b `c` <img> @jo"),
            "a\\|b \\`c\\` &lt;img&gt; &#64;jo"
        );
        assert_eq!(text("x\ny"), "x y");
        assert_eq!(fenced("a ``` b"), "````\na ``` b\n````");
    }
}
