//! A Compose file with the files beside it: the entry points for files that refer to others (`include`, `extends`, `env_file`).

use crate::assemble::assemble;
use crate::interpolate::Values;
use crate::project::{self, Project};
use crate::texts::Texts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_yaml::{Problem, Span};

/// The variable that names the active profiles, separated by commas, as for Compose.
pub const PROFILES: &str = "COMPOSE_PROFILES";

/// The name under which Compose, and we, find the file that is laid on top of `compose.yaml`.
pub const OVERRIDE_FILE: &str = "compose.override.yaml";

/// Texts of the files of a stack, by path from its folder, such as `files/app.env`.
pub trait Files {
    /// The text; `None` where there is no such file, or it is no text.
    fn text(&self, path: &str) -> Option<&str>;
}

impl Files for () {
    fn text(&self, _: &str) -> Option<&str> {
        None
    }
}

impl Files for BTreeMap<String, Arc<[u8]>> {
    fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.get(path)?).ok()
    }
}

impl Files for BTreeMap<String, Vec<u8>> {
    fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.get(path)?).ok()
    }
}

impl Files for BTreeMap<&str, &str> {
    fn text(&self, path: &str) -> Option<&str> {
        self.get(path).copied()
    }
}

/// A Compose file, an override file on top of it, and what they may refer to.
///
/// Problems in other files are located at the place of the Compose file that refers to them; their message begins with the other
/// file's name and line.
#[derive(Clone, Copy)]
pub struct ComposeFile<'a> {
    pub(crate) text: &'a str,
    pub(crate) over: Option<&'a str>,
    pub(crate) files: &'a dyn Files,
}

impl<'a> ComposeFile<'a> {
    /// Without files beside it: a reference to one is a problem.
    pub fn alone(text: &'a str) -> Self {
        Self::new(text, &())
    }

    /// With the files of its folder.
    pub fn new(text: &'a str, files: &'a dyn Files) -> Self {
        Self {
            text,
            over: None,
            files,
        }
    }

    /// With a second file on top, as Compose reads `compose.override.yaml`: mappings are merged, lists joined, single values replaced.
    #[must_use]
    pub fn with_override(self, over: &'a str) -> Self {
        Self {
            over: Some(over),
            ..self
        }
    }

    /// A problem that stands in the override file, with its place there. None: it stands in the Compose file.
    pub fn in_override(&self, problem: &Problem) -> Option<Problem> {
        let (over, start) = (self.over?, Texts::behind(self.text.len()));
        if problem.span.start < start {
            return None;
        }
        let shift = |span: Span| {
            let within = |at: usize| at.saturating_sub(start).min(over.len());
            Span::new(within(span.start), within(span.end))
        };
        let mut problem = problem.clone();
        problem.span = shift(problem.span);
        // What it is compared with may stand in the other file.
        problem.related.retain(|(span, _)| span.start >= start);
        for (span, _) in &mut problem.related {
            *span = shift(*span);
        }
        Some(problem)
    }

    /// Interpolates and types it. `lookup` gives the value of a variable; one that has none and no default is a problem.
    /// Of the services with profiles those run whose profile [`PROFILES`] names.
    pub fn load(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Project, Vec<Problem>> {
        let named = lookup(PROFILES).unwrap_or_default();
        let profiles: Vec<&str> = named.split(',').map(str::trim).collect();
        self.load_with(lookup, &profiles)
    }

    /// Like [`ComposeFile::load`] with these profiles; `*` stands for all.
    pub fn load_with(
        &self,
        lookup: &dyn Fn(&str) -> Option<String>,
        profiles: &[&str],
    ) -> Result<Project, Vec<Problem>> {
        match project::read(self, &Values::Real(lookup), profiles) {
            (Some(project), problems) if problems.is_empty() => Ok(project),
            (_, problems) => Err(problems),
        }
    }

    /// What is wrong with it whatever the values are; see [`crate::check`].
    pub fn check(&self, known: &dyn Fn(&str) -> bool) -> Vec<Problem> {
        self.outline(known).1
    }

    /// Like [`ComposeFile::check`], with the project as far as it is known; see [`crate::outline`].
    pub fn outline(&self, known: &dyn Fn(&str) -> bool) -> (Option<Project>, Vec<Problem>) {
        project::read(self, &Values::Known(known), &["*"])
    }

    /// Names of all variables, also of the files that it refers to.
    pub fn variables(&self) -> BTreeSet<String> {
        self.gather().1
    }

    /// Paths of the files that it refers to for its own text; files that are mounted are not among them.
    pub fn referred(&self) -> BTreeSet<String> {
        self.gather().0
    }

    fn gather(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let asked = std::cell::RefCell::new(BTreeSet::new());
        let known = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            true
        };
        let values = Values::Known(&known);
        let assembly = assemble(self, &values);
        let mut referred = assembly.referred.clone();
        if let Some(root) = assembly.root {
            let typed = project::type_tree(self, &root, &assembly.text, &values, &["*"]);
            referred.extend(typed.referred);
            let profiled = |project: &Project| {
                let mut services = project.services.values();
                services.any(|service| !service.profiles.is_empty())
            };
            if typed.project.as_ref().is_some_and(profiled) {
                asked.borrow_mut().insert(PROFILES.to_owned());
            }
        }
        (referred, asked.into_inner())
    }
}
