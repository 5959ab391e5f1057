//! Stacks and templates: those of the branch, and those that pins and revisions refer to. Each tree is compiled once.

use super::{files, object_id, oid};
use crate::git::{EntryKind, GitError, Objects, Oid, is_descendant};
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::ObjectId;
use tenantry_planner::catalogue::{
    BranchStack, Catalogue, Templates, compile_stack, compile_templates,
};
use tenantry_planner::input::{NginxFiles, StackFiles};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::id::ToolName;

/// Compiled stacks and templates, kept from commit to commit.
#[derive(Clone, Default)]
pub(super) struct Catalogues {
    catalogue: Arc<Catalogue>,
    /// The commit whose history `revision:` may name.
    head: Option<Oid>,
    /// Trees of `stacks` and `nginx` that the branch part was made from.
    branch: Option<(Option<Oid>, Option<Oid>)>,
    nginx_found: Vec<Diagnostic>,
    stacks_found: Vec<Diagnostic>,
}

impl Catalogues {
    /// Brings the branch part up to the root tree `root`.
    pub(super) fn read(
        &mut self,
        objects: &Objects,
        root: Oid,
    ) -> Result<Arc<Catalogue>, GitError> {
        let folder = |name| {
            Ok::<_, GitError>(
                objects
                    .lookup(root, name)?
                    .filter(|entry| entry.kind == EntryKind::Tree)
                    .map(|entry| entry.oid),
            )
        };
        let key = (folder("stacks")?, folder("nginx")?);
        if self.branch == Some(key) {
            return Ok(self.catalogue.clone());
        }
        let mut catalogue = (*self.catalogue).clone();
        self.nginx_found.clear();
        self.stacks_found.clear();
        catalogue.nginx = match key.1 {
            Some(tree) => {
                let (templates, found) = nginx(objects, tree)?;
                self.nginx_found = found;
                templates.map(Arc::new)
            }
            None => {
                let found = Diagnostic::error(
                    tenantry_planner::codes::MISSING_FILE,
                    Place::file("nginx"),
                    "the fleet has no folder `nginx/` with templates",
                );
                self.nginx_found = vec![found];
                None
            }
        };
        if let Some(templates) = &catalogue.nginx {
            catalogue
                .nginx_trees
                .insert(templates.tree, templates.clone());
        }
        catalogue.branch = self.stacks(objects, key.0, catalogue.nginx.as_deref())?;
        for stack in catalogue.branch.values() {
            if let Some(compiled) = &stack.compiled {
                catalogue.trees.insert(stack.tree, compiled.clone());
            }
        }
        self.catalogue = Arc::new(catalogue);
        self.branch = Some(key);
        Ok(self.catalogue.clone())
    }

    fn stacks(
        &mut self,
        objects: &Objects,
        tree: Option<Oid>,
        templates: Option<&Templates>,
    ) -> Result<BTreeMap<ToolName, BranchStack>, GitError> {
        let mut stacks = BTreeMap::new();
        let Some(tree) = tree else { return Ok(stacks) };
        for entry in objects
            .tree(tree)?
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::Tree)
        {
            let Ok(tool) = ToolName::try_from(entry.name.as_str()) else {
                let place = Place::file(format!("stacks/{}", entry.name));
                let message = "the folder of a stack is named by its id";
                let note = "lower-case letters, digits and single hyphens between them";
                self.stacks_found.push(
                    Diagnostic::error(tenantry_planner::codes::MISPLACED, place, message)
                        .note(note),
                );
                continue;
            };
            let (compiled, found) = stack(objects, &tool, entry.oid, templates)?;
            self.stacks_found.extend(found);
            stacks.insert(
                tool,
                BranchStack {
                    tree: object_id(entry.oid),
                    compiled,
                },
            );
        }
        Ok(stacks)
    }

    /// Makes sure that pinned trees are there. A tree that cannot be read or has errors stays absent: its users wait.
    pub(super) fn need(
        &mut self,
        objects: &Objects,
        stacks: &[(ToolName, ObjectId)],
        nginx_trees: &[ObjectId],
    ) -> Result<bool, GitError> {
        let mut changed = false;
        for (tool, tree) in stacks {
            if self.catalogue.trees.contains_key(tree) {
                continue;
            }
            if let Some(compiled) =
                found(stack(objects, tool, oid(*tree)?, None))?.and_then(|(compiled, _)| compiled)
            {
                Arc::make_mut(&mut self.catalogue)
                    .trees
                    .insert(*tree, compiled);
                changed = true;
            }
        }
        for tree in nginx_trees {
            if self.catalogue.nginx_trees.contains_key(tree) {
                continue;
            }
            if let Some(templates) =
                found(nginx(objects, oid(*tree)?))?.and_then(|(templates, _)| templates)
            {
                Arc::make_mut(&mut self.catalogue)
                    .nginx_trees
                    .insert(*tree, Arc::new(templates));
                changed = true;
            }
        }
        Ok(changed)
    }

    /// From now on `revision:` may name `commit` and what it goes back to.
    pub(super) fn follow(&mut self, commit: Oid) {
        self.head = Some(commit);
    }

    /// Makes sure that `revision:` texts are resolved.
    pub(super) fn resolve(
        &mut self,
        objects: &Objects,
        revisions: &[(ToolName, String)],
    ) -> Result<bool, GitError> {
        let mut changed = false;
        for (tool, text) in revisions {
            let key = (tool.clone(), text.clone());
            if self
                .catalogue
                .revisions
                .get(&key)
                .is_some_and(Option::is_some)
            {
                continue;
            }
            let tree = match self.head {
                Some(head) => resolve(objects, head, tool, text)?,
                None => None,
            };
            if let Some(tree) = tree {
                self.need(objects, &[(tool.clone(), tree)], &[])?;
            }
            Arc::make_mut(&mut self.catalogue)
                .revisions
                .insert(key, tree);
            changed = true;
        }
        Ok(changed)
    }

    pub(super) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.clone()
    }

    pub(super) fn diagnostics(&self) -> impl Iterator<Item = Diagnostic> {
        self.nginx_found.iter().chain(&self.stacks_found).cloned()
    }
}

/// An object that is not there is no failure of reading.
fn found<T>(result: Result<T, GitError>) -> Result<Option<T>, GitError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(GitError::Missing(_) | GitError::WrongKind { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A commit's id to the tree that the stack has there. A tree's id would not tell whose tree it is.
///
/// Only what the branch goes back to counts: the repository may hold more, such as requests of strangers that nobody has reviewed.
fn resolve(
    objects: &Objects,
    head: Oid,
    tool: &ToolName,
    text: &str,
) -> Result<Option<ObjectId>, GitError> {
    let Ok(id) = ObjectId::try_from(text) else {
        return Ok(None);
    };
    let id = oid(id)?;
    let Some(root) = found(objects.root_tree(id))? else {
        return Ok(None);
    };
    if !is_descendant(objects, id, head)? {
        return Ok(None);
    }
    let entry = objects.lookup(root, &format!("stacks/{tool}"))?;
    let tree = entry.filter(|entry| entry.kind == EntryKind::Tree);
    Ok(tree.map(|entry| object_id(entry.oid)))
}

type CompiledStack = Option<Arc<tenantry_planner::catalogue::CompiledStack>>;

fn stack(
    objects: &Objects,
    tool: &ToolName,
    tree: Oid,
    templates: Option<&Templates>,
) -> Result<(CompiledStack, Vec<Diagnostic>), GitError> {
    let below = files::bytes_below(objects, tree)?;
    let files = StackFiles {
        tool: tool.clone(),
        tree: object_id(tree),
        files: below.files,
        refused: below.refused,
        executable: below.executable,
    };
    let (compiled, found) = compile_stack(&files, templates);
    Ok((compiled.map(Arc::new), found))
}

fn nginx(objects: &Objects, tree: Oid) -> Result<(Option<Templates>, Vec<Diagnostic>), GitError> {
    let templates = files::bytes_below(objects, tree)?.files;
    let templates = templates
        .into_iter()
        .filter_map(|(path, content)| {
            let name = path
                .strip_suffix(".conf")
                .filter(|name| !name.contains('/'))?
                .to_owned();
            Some((name, String::from_utf8_lossy(&content).into()))
        })
        .collect();
    Ok(compile_templates(&NginxFiles {
        tree: object_id(tree),
        templates,
    }))
}
