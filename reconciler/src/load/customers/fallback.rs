//! The last good version of a customer: where what they are now cannot be used, the newest earlier state that can.
//!
//! Commits are walked along first parents. At each that differs, two things are tried: that commit's documents with today's decisions,
//! settings and catalogue, which lets everything else move on; then the settings and the catalogue of that commit as well, for the customer
//! whose own documents are good and who lost what they refer to. Decisions stay today's as long as these can be read.
//!
//! What comes out depends on the history alone, so every hub finds the same. The walk is shared by all customers of a load, since a plan that goes
//! missing may take thousands of them along: who differs between two commits is found once, and each customer is looked at only where they do.

use super::super::catalogue::Catalogues;
use super::super::{MAX_HISTORY, head};
use super::folders::{Broken, Folders, Trees};
use super::read::{Read, gather, read};
use super::resolve::Around;
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::{CustomerDocuments, HeadDocuments};
use tenantry_planner::link::{self, Context, Stays};
use tenantry_schema::id::CustomerId;

/// How many different settings and catalogues of the past are looked at in one load.
const MAX_SURROUNDINGS: usize = 50;

/// An earlier state of a customer that can be used.
pub(super) struct Good {
    /// Since when it was so.
    pub(super) commit: Oid,
    /// The customer as they were.
    pub(super) desired: Arc<CustomerDesired>,
    /// Whether the decisions are of that commit, too.
    pub(super) held: bool,
}

/// What customers are resolved against, at some commit: ids of the files directly in `fleet/`, of `stacks` and of `nginx`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct SurroundingsKey(Arc<[Oid]>, Option<Oid>, Option<Oid>);

/// The same, read.
struct Surroundings {
    head: Arc<HeadDocuments>,
    catalogues: Catalogues,
}

/// A commit of the walk.
struct Step {
    commit: Oid,
    root: Oid,
    folders: Folders,
    around: SurroundingsKey,
}

/// Looks for the last good versions of many customers.
pub(super) struct Fallback<'a> {
    objects: &'a Objects,
    today: &'a mut Catalogues,
    head: &'a Arc<HeadDocuments>,
    stays: Option<&'a Stays>,
    steps: Vec<Step>,
    /// Steps at which a customer's trees are not those of the step before, the newest first.
    own: HashMap<CustomerId, Vec<usize>>,
    /// Steps at which something else may be different for anybody.
    others: Vec<usize>,
    next: Option<Oid>,
    surroundings: HashMap<SurroundingsKey, Option<Surroundings>>,
    /// What surrounds customers today; known not to help.
    around: SurroundingsKey,
}

impl<'a> Fallback<'a> {
    /// Looks in the history of a revision; `today` is its catalogue.
    pub(super) fn new(around: Around<'a>, today: &'a mut Catalogues) -> Result<Self, GitError> {
        let Around {
            objects,
            head,
            revision,
            stays,
        } = around;
        Ok(Self {
            objects,
            today,
            head,
            stays,
            steps: Vec::new(),
            own: HashMap::new(),
            others: Vec::new(),
            next: Some(revision.commit),
            surroundings: HashMap::new(),
            around: folders_of(objects, revision.tree)?.1,
        })
    }

    /// The newest state of a customer that can be used. `now` is what they are today, which cannot. With the decisions of today where that can be, unless
    /// `decided_then`.
    pub(super) fn find(
        &mut self,
        id: &CustomerId,
        trees: Trees,
        now: &Read,
        decided_then: bool,
    ) -> Result<Option<Good>, GitError> {
        // What was tried already: versions of the documents, and of those together with what they were resolved against.
        let mut documents_tried = HashSet::from([trees.documents]);
        let mut tried = HashSet::from([(trees, self.around.clone())]);
        let mut last = None;
        loop {
            let next = match last {
                None => Some(0),
                Some(last) => self.different_after(last, id)?,
            };
            let Some(index) = next else { break };
            last = next;
            let Some(around) = self.step(index)?.map(|step| step.around.clone()) else {
                break;
            };
            let Some(at) = self.trees(index, id)? else {
                continue;
            };
            let with_todays = with_todays(at, trees);
            if !decided_then
                && documents_tried.insert(at.documents)
                && let Some(documents) = self.read(id, with_todays, trees, now)?
                && let Some(desired) = self.link_today(&documents)?
            {
                let commit = self.begin_of(index, id, at.documents)?;
                return Ok(Some(Good {
                    commit,
                    desired,
                    held: false,
                }));
            }
            if !tried.insert((at, around)) {
                continue;
            }
            let versions = [(with_todays, false), (at, true)];
            let versions = versions
                .into_iter()
                .filter(|(version, held)| !held || *version != with_todays)
                .skip(usize::from(decided_then));
            for (version, held) in versions {
                if let Some(documents) = self.read(id, version, trees, now)?
                    && let Some(desired) = self.link_then(index, &documents)?
                {
                    let commit = self.steps.get(index).map(|step| step.commit);
                    return Ok(commit.map(|commit| Good {
                        commit,
                        desired,
                        held,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The customer as they were at the newest commit of the walk, with the settings and the catalogue of then. With the decisions of today, unless
    /// `decided_then`.
    pub(super) fn first(
        &mut self,
        id: &CustomerId,
        trees: Trees,
        now: &Read,
        decided_then: bool,
    ) -> Result<Option<Arc<CustomerDesired>>, GitError> {
        let Some(at) = self.trees(0, id)? else {
            return Ok(None);
        };
        let with_todays = with_todays(at, trees);
        let versions = [with_todays, at];
        for version in versions.into_iter().skip(usize::from(decided_then)) {
            if let Some(documents) = self.read(id, version, trees, now)?
                && let Some(desired) = self.link_then(0, &documents)?
            {
                return Ok(Some(desired));
            }
        }
        Ok(None)
    }

    /// A step of the walk, the newest commit first. None beyond its end.
    fn step(&mut self, index: usize) -> Result<Option<&Step>, GitError> {
        while self.steps.len() <= index {
            let Some(commit) = self.next.filter(|_| self.steps.len() < MAX_HISTORY) else {
                return Ok(None);
            };
            let root = self.objects.root_tree(commit)?;
            let (folders, around) = folders_of(self.objects, root)?;
            self.next = self.objects.commit_info(commit)?.parents.first().copied();
            self.note_differences(folders, &around)?;
            self.steps.push(Step {
                commit,
                root,
                folders,
                around,
            });
        }
        Ok(self.steps.get(index))
    }

    /// Notes who differs at the step to come from what they are at the last one: once for all, however many are looked for.
    fn note_differences(
        &mut self,
        folders: Folders,
        around: &SurroundingsKey,
    ) -> Result<(), GitError> {
        let (Some(last), index) = (self.steps.last(), self.steps.len()) else {
            return Ok(());
        };
        match folders.changes(last.folders, self.objects)? {
            Some(changes) if last.around == *around => {
                for (id, _) in changes {
                    self.own.entry(id).or_default().push(index);
                }
            }
            _ => self.others.push(index),
        }
        Ok(())
    }

    /// The next step at which a customer, or what surrounds all of them, may be different. Steps between are like `index`.
    fn different_after(
        &mut self,
        index: usize,
        id: &CustomerId,
    ) -> Result<Option<usize>, GitError> {
        loop {
            let after = |steps: &[usize]| {
                let from = steps.partition_point(|step| *step <= index);
                steps.get(from).copied()
            };
            let own = self.own.get(id).and_then(|steps| after(steps));
            let found = own.into_iter().chain(after(&self.others)).min();
            if found.is_some() {
                return Ok(found);
            }
            let beyond = self.steps.len().max(index + 1);
            if self.step(beyond)?.is_none() {
                return Ok(None);
            }
        }
    }

    /// A customer's trees at a step. None where there is no such step, or no such customer, or one of them is no folder.
    fn trees(&mut self, index: usize, id: &CustomerId) -> Result<Option<Trees>, GitError> {
        let objects = self.objects;
        let trees = self
            .step(index)?
            .map_or(Ok(None), |step| step.folders.of_customer(objects, id))?;
        Ok(trees.filter(|trees| trees.broken == Broken::No))
    }

    /// Documents of one version; those of today are there already.
    fn read(
        &self,
        id: &CustomerId,
        version: Trees,
        today: Trees,
        now: &Read,
    ) -> Result<Option<Arc<CustomerDocuments>>, GitError> {
        if version == today {
            return Ok(now.documents.clone());
        }
        Ok(read(self.objects, id, version)?.documents)
    }

    fn link_today(
        &mut self,
        documents: &CustomerDocuments,
    ) -> Result<Option<Arc<CustomerDesired>>, GitError> {
        link(self.objects, self.today, self.head, self.stays, documents)
    }

    /// Resolves documents against the settings and the catalogue of a step.
    fn link_then(
        &mut self,
        index: usize,
        documents: &CustomerDocuments,
    ) -> Result<Option<Arc<CustomerDesired>>, GitError> {
        let Some(step) = self.steps.get(index) else {
            return Ok(None);
        };
        if !self.surroundings.contains_key(&step.around) {
            if self.surroundings.len() >= MAX_SURROUNDINGS {
                return Ok(None);
            }
            let then = surroundings(self.objects, self.today, step.root)?;
            self.surroundings.insert(step.around.clone(), then);
        }
        match self.surroundings.get_mut(&step.around) {
            Some(Some(then)) => link(
                self.objects,
                &mut then.catalogues,
                &then.head,
                self.stays,
                documents,
            ),
            _ => Ok(None),
        }
    }

    /// The oldest commit of the stretch around a step in which the customer's documents were the same.
    fn begin_of(&mut self, index: usize, id: &CustomerId, documents: Oid) -> Result<Oid, GitError> {
        let mut at = index;
        let end = loop {
            let Some(next) = self.different_after(at, id)? else {
                break self.steps.len();
            };
            match self.trees(next, id)? {
                Some(trees) if trees.documents == documents => at = next,
                _ => break next,
            }
        };
        let step = self.step(end.saturating_sub(1))?.map(|step| step.commit);
        step.ok_or(GitError::Missing(documents))
    }
}

/// Documents of then with today's decisions.
fn with_todays(then: Trees, today: Trees) -> Trees {
    Trees {
        documents: then.documents,
        decisions: today.decisions,
        broken: match today.broken {
            Broken::Documents => Broken::No,
            broken => broken,
        },
    }
}

/// The folders of customers below a root tree, and what surrounds them.
fn folders_of(objects: &Objects, root: Oid) -> Result<(Folders, SurroundingsKey), GitError> {
    let folder = |name| {
        let entry = objects.lookup(root, name)?;
        let entry = entry.filter(|entry| entry.kind == EntryKind::Tree);
        Ok::<_, GitError>(entry.map(|entry| entry.oid))
    };
    let (mut folders, mut files) = (Folders::default(), Vec::new());
    if let Some(fleet) = folder("fleet")? {
        folders = Folders::as_far_as_there(objects, fleet)?;
        files = head::blobs(objects, fleet)?;
    }
    let around = SurroundingsKey(files.into(), folder("stacks")?, folder("nginx")?);
    Ok((folders, around))
}

/// Settings and catalogue of an earlier root tree. None where its settings have errors.
fn surroundings(
    objects: &Objects,
    today: &Catalogues,
    root: Oid,
) -> Result<Option<Surroundings>, GitError> {
    let Some(fleet) = objects.lookup(root, "fleet")? else {
        return Ok(None);
    };
    let (Some(head), _) = head::compile(objects, fleet.oid)? else {
        return Ok(None);
    };
    // Trees that were compiled already need not be again.
    let mut catalogues = today.clone();
    catalogues.read(objects, root)?;
    Ok(Some(Surroundings {
        head: Arc::new(head),
        catalogues,
    }))
}

/// Resolves documents. Findings of an old version are not shown, so their lines need not be found.
fn link(
    objects: &Objects,
    catalogues: &mut Catalogues,
    head: &HeadDocuments,
    stays: Option<&Stays>,
    documents: &CustomerDocuments,
) -> Result<Option<Arc<CustomerDesired>>, GitError> {
    gather(objects, catalogues, std::iter::once(documents))?;
    let catalogue = catalogues.catalogue();
    let context = Context {
        head,
        catalogue: &catalogue,
        text_of: &|_| None,
        stays,
    };
    let (desired, _) = link::customer(context, documents);
    Ok(desired.map(Arc::new))
}
