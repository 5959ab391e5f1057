//! The texts of all files one after the other in one text, the Compose file first, then the override file, so that every node of the tree has
//! one place. [`Texts::settle`] brings the places of other files back to the reference in those two that led there.

use tenantry_yaml::{LineIndex, Problem, Span};

/// All texts in one.
pub(crate) struct Texts {
    pub(crate) all: String,
    parts: Vec<Part>,
}

/// A file in the text.
struct Part {
    start: usize,
    path: String,
    /// Where it was first referred to.
    from: Span,
}

impl Texts {
    /// The Compose file, and what lies on top of it: both are read themselves, and not because something refers to them.
    pub(crate) fn new(main: &str, over: Option<&str>) -> Self {
        let mut texts = Self {
            all: main.to_owned(),
            parts: Vec::new(),
        };
        if let Some(over) = over {
            texts.append(over);
        }
        texts
    }

    /// Where a text begins that comes behind one of `length` bytes. A file that ends without a line break must not run into the next.
    pub(crate) fn behind(length: usize) -> usize {
        length + 1
    }

    /// Puts a text behind all others; gives where it begins.
    fn append(&mut self, text: &str) -> usize {
        let start = Self::behind(self.all.len());
        self.all.push('\n');
        self.all.push_str(text);
        start
    }

    /// Puts the text of a file behind all others that `from` refers to; gives where it begins.
    pub(crate) fn refer(&mut self, text: &str, path: &str, from: Span) -> usize {
        let start = self.append(text);
        self.parts.push(Part {
            start,
            path: path.to_owned(),
            from,
        });
        start
    }

    /// How many files were referred to.
    pub(crate) fn referred(&self) -> usize {
        self.parts.len()
    }

    fn part(&self, at: usize) -> Option<&Part> {
        self.parts.iter().rev().find(|part| part.start <= at)
    }

    /// Problems with places in the Compose file alone.
    pub(crate) fn settle(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let settled = problems.into_iter().map(|mut problem| {
            problem
                .related
                .retain(|(span, _)| self.part(span.start).is_none());
            let Some(part) = self.part(problem.span.start) else {
                return problem;
            };
            let end = self.parts.iter().map(|part| part.start);
            let end = end.filter(|start| *start > part.start).min();
            let own = &self.all[part.start..end.unwrap_or(self.all.len())];
            let at = LineIndex::new(own).position(problem.span.start - part.start);
            problem.message = format!("{}:{}: {}", part.path, at.line, problem.message);
            "in the file named here".clone_into(&mut problem.label);
            problem.span = part.from;
            while let Some(part) = self.part(problem.span.start) {
                problem.span = part.from;
            }
            problem
        });
        settled.collect()
    }
}
