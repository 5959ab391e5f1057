//! From files to `Desired`, the way the hub does it: what has not changed is kept, customers with errors stay at their last good version.

use super::files::id;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::catalogue::{BranchStack, Catalogue, compile_stack, compile_templates};
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::{self, HeadDocuments};
use tenantry_planner::domains::DomainIndex;
use tenantry_planner::input::{CustomerFiles, HeadFiles, NginxFiles, SourceFile, StackFiles};
use tenantry_planner::link::{self, Context};
use tenantry_planner::{Desired, ObjectId};
use tenantry_schema::Diagnostic;
use tenantry_schema::id::{CustomerId, ToolName};

type Files = BTreeMap<String, String>;

/// Keeps what was compiled.
#[derive(Default)]
pub(crate) struct Compiler {
    catalogue: Catalogue,
    head: Option<(String, Arc<HeadDocuments>)>,
    customers: HashMap<CustomerId, Known>,
    domains: Option<(String, Arc<DomainIndex>)>,
}

struct Known {
    made_from: String,
    desired: Option<Arc<CustomerDesired>>,
    /// The newest documents that were good, for when those of today are not.
    good: Option<Files>,
    found: Vec<Diagnostic>,
}

impl Compiler {
    pub(crate) fn compile(&mut self, files: &Files) -> (Option<Desired>, Vec<Diagnostic>) {
        let mut found = self.read_catalogue(files);
        let catalogue_key = self.catalogue_key();
        let head = below(files, |path| {
            path.starts_with("fleet/") && path.matches('/').count() == 1
        });
        let head_key = key(&head);
        if self
            .head
            .as_ref()
            .is_none_or(|(made_from, _)| *made_from != head_key)
        {
            let (documents, more) = documents::head(&HeadFiles {
                files: sources(&head),
            });
            found.extend(more);
            let Some(documents) = documents else {
                return (None, found);
            };
            self.head = Some((head_key.clone(), Arc::new(documents)));
        }
        let head = self.head.as_ref().unwrap().1.clone();
        let names: BTreeSet<CustomerId> = files
            .keys()
            .filter_map(|path| {
                path.strip_prefix("fleet/customers/")?
                    .split('/')
                    .next()?
                    .try_into()
                    .ok()
            })
            .collect();
        self.customers.retain(|id, _| names.contains(id));
        for id in &names {
            self.customer(files, id, &head, &format!("{catalogue_key} {head_key}"));
            found.extend(self.customers[id].found.iter().cloned());
        }
        let customers: BTreeMap<CustomerId, Arc<CustomerDesired>> = names
            .iter()
            .filter_map(|id| Some((id.clone(), self.customers[id].desired.clone()?)))
            .collect();
        let rules = files.get(".sops.yaml").map_or("", String::as_str);
        let (rules, wrong) = tenantry_planner::sealing::SealingRules::read(rules);
        found.extend(wrong);
        let desired = Desired {
            commit: id("commit"),
            generation: 7,
            head,
            domains: self.domains(&customers),
            broken: names
                .into_iter()
                .filter(|id| !customers.contains_key(id))
                .collect(),
            held: BTreeSet::new(),
            lost: tenantry_planner::lost::LostDecisions::default(),
            rules,
            customers,
        };
        (Some(desired), found)
    }

    fn read_catalogue(&mut self, files: &Files) -> Vec<Diagnostic> {
        let nginx = below(files, |path| path.starts_with("nginx/"));
        let name = |path: &str| {
            path.strip_prefix("nginx/")
                .and_then(|path| path.strip_suffix(".conf"))
                .map(str::to_owned)
        };
        let templates = nginx
            .iter()
            .filter_map(|(path, text)| Some((name(path)?, text.as_str().into())))
            .collect();
        let (templates, mut found) = compile_templates(&NginxFiles {
            tree: id(&key(&nginx)),
            templates,
        });
        let templates = templates.map(Arc::new);
        self.catalogue.nginx.clone_from(&templates);
        if let Some(templates) = &templates {
            self.catalogue
                .nginx_trees
                .insert(templates.tree, templates.clone());
        }
        let tools: BTreeSet<&str> = files
            .keys()
            .filter_map(|path| path.strip_prefix("stacks/")?.split('/').next())
            .collect();
        self.catalogue.branch.clear();
        for tool in tools {
            let prefix = format!("stacks/{tool}/");
            let stack = below(files, |path| path.starts_with(&prefix));
            let tree = id(&key(&stack));
            let files = stack
                .iter()
                .map(|(path, text)| (path[prefix.len()..].to_owned(), text.as_bytes().into()))
                .collect();
            let files = StackFiles {
                tool: tool.try_into().unwrap(),
                tree,
                files,
                refused: BTreeMap::new(),
                executable: BTreeSet::new(),
            };
            let (compiled, more) = compile_stack(&files, templates.as_deref());
            found.extend(more);
            let compiled = compiled.map(|stack| {
                self.catalogue
                    .trees
                    .entry(tree)
                    .or_insert_with(|| Arc::new(stack))
                    .clone()
            });
            let tool: ToolName = tool.try_into().unwrap();
            self.catalogue.revisions.insert(
                (tool.clone(), tree.to_string()),
                compiled.as_ref().map(|_| tree),
            );
            self.catalogue
                .branch
                .insert(tool, BranchStack { tree, compiled });
        }
        found
    }

    fn catalogue_key(&self) -> String {
        let parts = self
            .catalogue
            .branch
            .iter()
            .map(|(tool, stack)| format!("{tool} {} {}", stack.tree, stack.compiled.is_some()));
        let nginx = self
            .catalogue
            .nginx
            .as_ref()
            .map_or_else(String::new, |nginx| nginx.tree.to_string());
        parts.chain([nginx]).collect()
    }

    fn customer(&mut self, all: &Files, id: &CustomerId, head: &HeadDocuments, context_key: &str) {
        let folder = |part: &str| {
            let prefix = format!("fleet/{part}/{id}/");
            below(all, move |path| path.starts_with(&prefix))
        };
        let (documents, decisions) = (folder("customers"), folder("decisions"));
        let made_from = format!("{}{}{context_key}", key(&documents), key(&decisions));
        let before = self.customers.remove(id);
        if let Some(before) = before
            .as_ref()
            .filter(|before| before.made_from == made_from)
        {
            let known = Known {
                made_from,
                desired: before.desired.clone(),
                good: before.good.clone(),
                found: before.found.clone(),
            };
            self.customers.insert(id.clone(), known);
            return;
        }
        let (mut desired, found) = self.link(id, &documents, &decisions, head);
        let mut good = before.and_then(|before| before.good);
        if desired.is_some() {
            good = Some(documents);
        } else if let Some(good) = &good {
            desired = self.link(id, good, &decisions, head).0;
        }
        self.customers.insert(
            id.clone(),
            Known {
                made_from,
                desired: desired.map(Arc::new),
                good,
                found,
            },
        );
    }

    fn link(
        &self,
        id: &CustomerId,
        documents: &Files,
        decisions: &Files,
        head: &HeadDocuments,
    ) -> (Option<CustomerDesired>, Vec<Diagnostic>) {
        let mut files = documents.clone();
        files.extend(decisions.clone());
        let (documents, mut found) = documents::customer(&CustomerFiles {
            id: id.clone(),
            files: sources(&files),
        });
        let Some(documents) = documents else {
            return (None, found);
        };
        let text_of = |path: &str| files.get(path).map(|text| text.as_str().into());
        let context = Context {
            head,
            catalogue: &self.catalogue,
            text_of: &text_of,
            stays: None,
        };
        let (desired, more) = link::customer(context, &documents);
        found.extend(more);
        (desired, found)
    }

    fn domains(
        &mut self,
        customers: &BTreeMap<CustomerId, Arc<CustomerDesired>>,
    ) -> Arc<DomainIndex> {
        let mut key = String::new();
        for (id, customer) in customers {
            for (order, desired) in &customer.orders {
                let paused = desired.document.automation;
                key += &format!(
                    "{id}/{order} {} {:?} {} {paused:?}\n",
                    desired.document.domain, desired.claim, desired.claim_generation
                );
            }
        }
        if let Some((made_from, domains)) = &self.domains
            && *made_from == key
        {
            return domains.clone();
        }
        let domains = Arc::new(DomainIndex::build(customers.values().map(AsRef::as_ref)));
        self.domains = Some((key, domains.clone()));
        domains
    }
}

fn below(files: &Files, wanted: impl Fn(&str) -> bool) -> Files {
    files
        .iter()
        .filter(|(path, _)| wanted(path))
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect()
}

fn key(files: &Files) -> String {
    files
        .iter()
        .map(|(path, text)| format!("{path} {}\n", id(text)))
        .collect()
}

pub(crate) fn sources(files: &Files) -> Vec<SourceFile> {
    files
        .iter()
        .map(|(path, text)| SourceFile {
            path: path.clone(),
            id: id(text),
            text: Ok(text.as_str().into()),
        })
        .collect()
}

/// The tree of a stack in these files.
pub(crate) fn tree_of(files: &Files, tool: &str) -> ObjectId {
    let prefix = format!("stacks/{tool}/");
    id(&key(&below(files, |path| path.starts_with(&prefix))))
}
