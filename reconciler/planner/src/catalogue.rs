//! The catalogue: stacks and web server templates, compiled and proven. A stack is identified by its Git tree, so compiling is done once a tree.

mod compile;
mod customised;
mod samples;
mod secrets;
mod services;
mod targets;
mod templates;
mod valued;

use crate::documents::Override;
use crate::object::ObjectId;
use crate::policy::Demands;
use crate::render::builtin_names;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use tenantry_compose::ComposeFile;
use tenantry_schema::document::{Site, Stack};
use tenantry_schema::id::{SiteName, ToolName};

pub use compile::compile_stack;
pub use customised::customise;
pub use templates::{FileTemplates, TEMPLATE_FUEL, Templates, compile_templates};

/// Everything that customers are resolved against.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Stacks as they are on the branch.
    pub branch: BTreeMap<ToolName, BranchStack>,
    /// Stacks by tree: those of the branch and those that are pinned.
    pub trees: HashMap<ObjectId, Arc<CompiledStack>>,
    /// Templates as they are on the branch; none where they have errors.
    pub nginx: Option<Arc<Templates>>,
    /// Templates by tree.
    pub nginx_trees: HashMap<ObjectId, Arc<Templates>>,
    /// What `revision:` texts were resolved to; none where they name nothing.
    pub revisions: HashMap<(ToolName, String), Option<ObjectId>>,
}

/// A stack as it is on the branch.
#[derive(Debug, Clone)]
pub struct BranchStack {
    /// Its tree.
    pub tree: ObjectId,
    /// None where it has errors.
    pub compiled: Option<Arc<CompiledStack>>,
}

/// A stack that was proven to fit together.
#[derive(Debug)]
pub struct CompiledStack {
    /// The tool.
    pub tool: ToolName,
    /// Its tree.
    pub tree: ObjectId,
    /// `stack.yaml`
    pub document: Stack,
    /// Its sites, the shorthand resolved.
    pub sites: BTreeMap<SiteName, Site>,
    /// `compose.yaml`
    pub compose: Arc<str>,
    /// Everything under `files/`, and what the Compose file refers to elsewhere, by path from the stack's folder.
    pub files: Arc<BTreeMap<String, Arc<[u8]>>>,
    /// Those of them that are templates (`*.j2`), parsed.
    pub templates: Arc<FileTemplates>,
    /// The file that one order lays on top of its Compose file. None: it runs as it is.
    pub over: Option<Arc<Override>>,
    /// Whether it has volumes.
    pub has_data: bool,
    /// Variables that its Compose file refers to.
    pub variables: BTreeSet<String>,
    /// What of it the policy has a word on, worked out once.
    pub(crate) demands: OnceLock<Demands>,
}

impl CompiledStack {
    /// The Compose file with the files that it refers to, and with what an order lays on top of it.
    pub fn compose_file(&self) -> ComposeFile<'_> {
        let file = ComposeFile::new(&self.compose, self.files.as_ref());
        match &self.over {
            Some(over) => file.with_override(&over.text),
            None => file,
        }
    }

    /// Variables that an order may set: those that the Compose file uses and nothing else provides.
    pub fn settable(&self) -> Vec<String> {
        let taken = |name: &str| {
            self.is_builtin(name)
                || self.document.secrets.contains_key(name)
                || self.document.parameters.contains_key(name)
        };
        self.variables
            .iter()
            .filter(|name| !taken(name))
            .cloned()
            .collect()
    }

    /// Whether its Compose file or one of its templates uses a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.variables.contains(variable) || self.templates.uses(variable)
    }

    /// Whether the hub sets this variable itself.
    pub fn is_builtin(&self, variable: &str) -> bool {
        builtin_names(self.sites.keys())
            .iter()
            .any(|name| name == variable)
    }
}
