//! Which version of a stack an order's tool should run: of its pin, of the branch, or of a revision by hand.

use super::{FOLLOW, Linker, hint};
use crate::catalogue::{CompiledStack, Templates};
use crate::codes;
use crate::desired::Pinned;
use crate::input::locate;
use crate::object::ObjectId;
use crate::waiting::WaitingOn;
use std::sync::Arc;
use tenantry_schema::document::{Automation, Tool, ToolDecision};
use tenantry_schema::id::ToolName;
use tenantry_schema::{Diagnostic, Severity};

/// A version of a stack with the templates that go with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Version {
    pub(super) stack: Option<Arc<CompiledStack>>,
    pub(super) templates: Option<Arc<Templates>>,
    /// Why it is the pinned one although another is wanted.
    pub(super) stays: Option<WaitingOn>,
}

impl Version {
    fn tree(&self) -> Option<ObjectId> {
        self.stack.as_ref().map(|stack| stack.tree)
    }
}

impl Linker<'_, '_> {
    /// The trees of a pin.
    pub(super) fn pin(&mut self, name: &ToolName, decided: &ToolDecision) -> Option<Pinned> {
        let tree = |text: &str| ObjectId::try_from(text);
        match (tree(&decided.pin.tree), tree(&decided.pin.nginx)) {
            (Ok(stack), Ok(nginx)) => Some(Pinned { stack, nginx }),
            (Err(why), _) | (_, Err(why)) => {
                let path = format!(
                    "fleet/decisions/{}/{}/tools/{name}.yaml",
                    self.documents.id, self.id
                );
                let place = locate(self.context.text_of, &path, &["pin"], true);
                self.findings
                    .push(Diagnostic::error(codes::BAD_VALUE, place, why.to_string()));
                None
            }
        }
    }

    /// What should run. Findings about the order's values are those against that version.
    pub(super) fn version(
        &mut self,
        name: &ToolName,
        document: &Tool,
        pin: Option<Pinned>,
    ) -> Version {
        let catalogue = self.context.catalogue;
        let pinned = Version {
            stack: pin.and_then(|pin| catalogue.trees.get(&pin.stack).cloned()),
            templates: pin.and_then(|pin| catalogue.nginx_trees.get(&pin.nginx).cloned()),
            stays: None,
        };
        let branch_templates = || catalogue.nginx.clone().or_else(|| pinned.templates.clone());
        let paused = self.document.automation == Automation::Paused;
        let revision = document
            .revision
            .as_deref()
            .filter(|revision| *revision != FOLLOW);
        let stack = document.stack(name);
        let by_hand = revision.map(|revision| self.revision(name, stack, revision));
        let wanted = match (by_hand, pin) {
            // Nothing moves while an order is paused.
            (_, Some(_)) if paused => pinned.clone(),
            (Some(tree), _) if tree.is_some() && tree == pin.map(|pin| pin.stack) => pinned.clone(),
            (Some(Some(tree)), _) => Version {
                stack: catalogue.trees.get(&tree).cloned(),
                templates: branch_templates(),
                stays: None,
            },
            // It is an error already; the values are looked at all the same.
            (Some(None), _) => Version {
                stack: catalogue
                    .branch
                    .get(stack)
                    .and_then(|branch| branch.compiled.clone()),
                templates: None,
                stays: None,
            },
            (None, Some(_)) if document.revision.is_none() => pinned.clone(),
            (None, _) => {
                let branch = catalogue.branch.get(stack);
                if branch.is_none() {
                    self.unknown_tool(name, stack);
                }
                branch
                    .map(|branch| Version {
                        stack: branch.compiled.clone(),
                        templates: branch_templates(),
                        stays: None,
                    })
                    .unwrap_or_default()
            }
        };
        let wanted = self.stay(name, wanted, &pinned);
        self.fit(name, document, wanted, pinned, revision.is_none())
    }

    /// `pinned` in the place of a version that tools do not move to for now.
    fn stay(&mut self, name: &ToolName, wanted: Version, pinned: &Version) -> Version {
        let (Some(stays), Some(stack), Some(pin)) =
            (self.context.stays, &wanted.stack, &pinned.stack)
        else {
            return wanted;
        };
        let target = (name.clone(), stack.tree);
        if stack.tree == pin.tree || !stays.targets.contains(&target) {
            return wanted;
        }
        if !self.findings.waiting.contains(&stays.why) {
            self.findings.waiting.push(stays.why.clone());
        }
        pinned.clone()
    }

    /// `wanted`, or `pinned` where `wanted` is broken or asks for other values than the order has: a change of a stack must not freeze
    /// those who follow it, and an override file is compiled again before a pin moves.
    fn fit(
        &mut self,
        name: &ToolName,
        document: &Tool,
        wanted: Version,
        pinned: Version,
        follows: bool,
    ) -> Version {
        let fallback = pinned.stack.is_some() && pinned.templates.is_some() && follows;
        if wanted.stack.is_none() {
            let left = if fallback { pinned } else { wanted };
            return self.customised(name, document, left);
        }
        let before = self.findings.list.len();
        let moved = wanted.tree() != pinned.tree();
        let wanted = self.checked(name, document, wanted);
        if self.findings.list.len() == before || !fallback || !moved {
            return wanted;
        }
        let found = self.findings.list.split_off(before);
        let pinned = self.checked(name, document, pinned);
        if self.findings.list.len() > before {
            self.findings.list.truncate(before);
            self.findings.list.extend(found);
            return wanted;
        }
        let because = found.first().map(|first| {
            let line = Some(first.place.line).filter(|line| *line > 0);
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            format!("{}{line}: {}", first.place.file, first.message)
        });
        let stays = format!("{name} stays at its version until the order fits the newest one");
        self.findings.list.extend(found.into_iter().map(|finding| {
            Diagnostic {
                severity: Severity::Warning,
                ..finding
            }
            .note(stays.clone())
        }));
        Version {
            stays: because.map(|because| WaitingOn::NewVersion {
                tool: name.clone(),
                because,
            }),
            ..pinned
        }
    }

    /// A version with the order's override file on top, and everything that the order says against it.
    fn checked(&mut self, name: &ToolName, document: &Tool, version: Version) -> Version {
        let before = self.findings.list.len();
        let version = self.customised(name, document, version);
        // What else is wrong may come of that.
        if self.findings.list.len() == before
            && let Some(stack) = &version.stack
        {
            self.check_values(name, document, stack, version.templates.as_deref());
        }
        version
    }

    fn unknown_tool(&mut self, name: &ToolName, stack: &ToolName) {
        let known = self
            .context
            .catalogue
            .branch
            .keys()
            .map(ToString::to_string);
        let hint = hint(
            stack.as_str(),
            known,
            "the catalogue is empty; stacks are folders under stacks/",
        );
        self.error(
            codes::UNKNOWN_TOOL,
            &["tools", name.as_str()],
            true,
            format!("unknown tool `{stack}`"),
            "not in the catalogue",
            hint,
        );
    }

    fn revision(&mut self, name: &ToolName, stack: &ToolName, revision: &str) -> Option<ObjectId> {
        let tree = self
            .context
            .catalogue
            .revisions
            .get(&(stack.clone(), revision.to_owned()))
            .copied()
            .flatten();
        if tree.is_none() {
            let message = format!("revision `{revision}` of {name} cannot be found");
            let note = "write the id of a commit that has this stack (40 digits), or `main` to follow the branch".to_owned();
            self.error(
                codes::UNKNOWN_REVISION,
                &["tools", name.as_str(), "revision"],
                false,
                message,
                "no such commit on this branch, or it has no such stack",
                note,
            );
        }
        tree
    }
}
