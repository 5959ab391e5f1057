//! Pages that explain codes: Markdown with a title, what the code means, files that are wrong, and the same files mended.

use std::fmt::Write as _;
use tenantry_schema::diagnostic::Code;

/// The page of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// The kind of mistake in a few words.
    pub title: &'static str,
    /// What it means and what to do, in Markdown.
    pub meaning: &'static str,
    /// Files that bring it about.
    pub wrong: Vec<Example>,
    /// The same files, mended. Empty where nothing is to be mended.
    pub right: Vec<Example>,
    /// Words beside, or in the place of, the mended files.
    pub remark: &'static str,
}

/// A file of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its path in the fleet repository.
    pub path: &'static str,
    /// How it is stored, where that is the point: `latin-1`.
    pub stored: Option<&'static str>,
    /// Its text.
    pub text: &'static str,
}

impl Page {
    pub(super) fn parse(code: u16, text: &'static str) -> Self {
        let (head, rest) = text.split_once("\n## Wrong\n").unwrap_or((text, ""));
        let (wrong, right) = rest.split_once("\n## Right\n").unwrap_or((rest, ""));
        let (title, meaning) = head.split_once('\n').unwrap_or((head, ""));
        let remark = if right.contains(FENCE) {
            ""
        } else {
            right.trim()
        };
        Self {
            code: Code(code),
            title: title.trim_start_matches("# "),
            meaning: meaning.trim(),
            wrong: examples(wrong),
            right: examples(right),
            remark,
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = format!("{}: {}\n\n{}\n", self.code, self.title, self.meaning);
        for (heading, examples) in [("Wrong", &self.wrong), ("Right", &self.right)] {
            if !examples.is_empty() {
                let _ = write!(out, "\n{heading}:\n");
            }
            for example in examples {
                let stored = example
                    .stored
                    .map(|how| format!(" (stored as {how})"))
                    .unwrap_or_default();
                let _ = write!(out, "\n    # {}{stored}\n", example.path);
                for line in example.text.lines() {
                    let line: String = line.chars().take(LONGEST).collect();
                    let _ = writeln!(out, "    {line}");
                }
            }
        }
        if !self.remark.is_empty() {
            let _ = write!(out, "\n{}\n", self.remark);
        }
        out
    }
}

/// Longest line of an example on a terminal.
const LONGEST: usize = 160;

const FENCE: &str = "```yaml\n# ";

fn examples(text: &'static str) -> Vec<Example> {
    text.split(FENCE)
        .skip(1)
        .filter_map(|part| {
            let (body, _) = part.split_once("```")?;
            let (head, text) = body.split_once('\n')?;
            let (path, stored) = match head.split_once(" | ") {
                Some((path, stored)) => (path, Some(stored)),
                None => (head, None),
            };
            Some(Example { path, stored, text })
        })
        .collect()
}

/// All pages as one, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Diagnostics\n\nMade from the program by `tenantry schema --reference`; `tenantry explain T0107` shows one page.\n\n| code | what |\n| --- | --- |\n",
    );
    for page in super::pages() {
        let anchor = page.code.to_string().to_lowercase();
        let _ = writeln!(out, "| [{}](#{anchor}) | {} |", page.code, page.title);
    }
    for page in super::pages() {
        let _ = write!(
            out,
            "\n## {}\n\n**{}**\n\n{}\n",
            page.code, page.title, page.meaning
        );
        for (heading, examples) in [("Wrong", &page.wrong), ("Right", &page.right)] {
            if !examples.is_empty() {
                let _ = write!(out, "\n{heading}:\n");
            }
            for example in examples {
                let stored = example
                    .stored
                    .map(|how| format!(", stored as {how}"))
                    .unwrap_or_default();
                let _ = write!(
                    out,
                    "\n```yaml\n# {}{stored}\n{}```\n",
                    example.path, example.text
                );
            }
        }
        if !page.remark.is_empty() {
            let _ = write!(out, "\n{}\n", page.remark);
        }
    }
    out
}
