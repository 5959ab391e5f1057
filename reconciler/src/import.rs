//! A Compose file becomes a stack of the catalogue: `compose.yaml` with as few changes as possible, a proposed `stack.yaml`, and the files beside it.
//! Pure: what lies beside the Compose file is asked of [`Beside`].
//!
//! The text is edited, not written anew, so that comments and order stay. What a stack cannot have is refused with its line; what can be said in
//! Tenantry's words is said in them (secrets, sites, volumes); every change is a [`Note`].

mod beside;
mod databases;
mod draft;
mod edits;
mod environment;
mod images;
mod keys;
mod manifest;
mod mounts;
pub(crate) mod names;
mod ports;
mod refuse;
mod scalars;
mod secrets;
#[cfg(test)]
mod tests;
mod tree;
mod variables;

pub use beside::{Beside, Found, parse_env_file};
pub use ports::{Candidate, SiteWish};

use draft::Draft;
use std::collections::BTreeMap;
use tenantry_schema::id::ToolName;
use tenantry_yaml::{Limits, Problem, parse_partial};
use tree::Tree;

/// What is to be turned into a stack.
pub struct Input<'a> {
    /// The stack's name.
    pub tool: &'a ToolName,
    /// Its title for people.
    pub title: &'a str,
    /// File name of the Compose file, for comments.
    pub file: &'a str,
    /// The Compose file.
    pub text: &'a str,
    /// What lies beside it.
    pub beside: &'a dyn Beside,
    /// Which services answer to visitors. Empty: found by port and image.
    pub sites: &'a [SiteWish],
    /// Paths of the server that become volumes of the stack.
    pub volumes: &'a [String],
}

/// A sentence about a place of the Compose file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where, in bytes of the Compose file.
    pub at: usize,
    /// What was changed, or is worth a look.
    pub text: String,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// A stack.
    Stack(Imported),
    /// Several services could be the one that answers to visitors.
    WhichSite(Vec<Candidate>),
    /// The file asks for what a stack cannot have.
    Refused(Vec<Problem>),
}

/// A stack that is not written yet.
#[derive(Debug)]
pub struct Imported {
    /// Its files, by path from the stack's folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What was changed, by place.
    pub changes: Vec<Note>,
    /// What a person should look at, by place.
    pub warnings: Vec<Note>,
}

/// Turns a Compose file into a stack.
pub fn import(input: &Input<'_>) -> Outcome {
    // `!reset` and `!override` are for files that lie on top of others.
    let (root, problems) = parse_partial(
        input.text,
        &Limits {
            tags: &[],
            ..Limits::compose()
        },
    );
    let Some(root) = root.filter(|_| problems.is_empty()) else {
        return Outcome::Refused(problems);
    };
    let tree = Tree::new(input.text, &root);
    let mut draft = Draft::new(input, tree);
    keys::tidy(&mut draft);
    mounts::take(&mut draft);
    let sites = match ports::take(&mut draft) {
        ports::Choice::Sites(sites) => sites,
        ports::Choice::Ask(candidates) => {
            refuse::check(&mut draft);
            if draft.refused.is_empty() {
                return Outcome::WhichSite(candidates);
            }
            return Outcome::Refused(draft.into_refused());
        }
    };
    let environment = environment::read(&mut draft, &sites);
    let secrets = secrets::find(&mut draft, &environment);
    let parameters = variables::settle(&mut draft, &environment, &secrets, &sites);
    environment::insert(&mut draft, &environment);
    databases::look_after(&mut draft);
    refuse::check(&mut draft);
    if !draft.refused.is_empty() {
        return Outcome::Refused(draft.into_refused());
    }
    let manifest = manifest::write(&draft, &sites, &parameters, &secrets);
    let stack = draft.finish(manifest);
    let left = refuse::left_over(input.text, &stack);
    if left.is_empty() {
        Outcome::Stack(stack)
    } else {
        Outcome::Refused(left)
    }
}
