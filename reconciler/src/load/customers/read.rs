//! Files of one customer to documents.

use super::super::catalogue::Catalogues;
use super::super::{MAX_FILE, files};
use super::folders::{Broken, Trees, decisions_misplaced, misplaced};
use crate::git::{GitError, Objects, Oid};
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_planner::documents::{self, CustomerDocuments};
use tenantry_planner::input::{CustomerFiles, SourceFile};
use tenantry_planner::link;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{DomainClaim, Kind, classify};
use tenantry_schema::id::{CustomerId, OrderKey};
use tenantry_schema::name::DomainName;

/// The documents of a customer, as far as they can be read.
pub(in crate::load) struct Read {
    pub(in crate::load) documents: Option<Arc<CustomerDocuments>>,
    pub(in crate::load) found: Vec<Diagnostic>,
}

/// Reads all files of a customer.
pub(in crate::load) fn read(
    objects: &Objects,
    id: &CustomerId,
    trees: Trees,
) -> Result<Read, GitError> {
    let broken = match trees.broken {
        Broken::No => None,
        Broken::Documents => Some(vec![misplaced(id.as_str())]),
        Broken::Decisions => Some(vec![decisions_misplaced(id)]),
        // Said once for all of them.
        Broken::AllDecisions => Some(Vec::new()),
    };
    if let Some(found) = broken {
        return Ok(Read {
            documents: None,
            found,
        });
    }
    let mut list = Vec::new();
    files::below(
        objects,
        trees.documents,
        &format!("fleet/customers/{id}"),
        &mut list,
    )?;
    if let Some(decisions) = trees.decisions {
        files::below(
            objects,
            decisions,
            &format!("fleet/decisions/{id}"),
            &mut list,
        )?;
    }
    let (documents, found) = documents::customer(&CustomerFiles {
        id: id.clone(),
        files: list,
    });
    Ok(Read {
        documents: documents.map(Arc::new),
        found,
    })
}

/// Domains that a customer's orders have claimed, as far as those decisions can be read.
pub(super) fn claims(
    objects: &Objects,
    id: &CustomerId,
    decisions: Option<Oid>,
) -> Result<Vec<(OrderKey, DomainName)>, GitError> {
    let mut list = Vec::new();
    if let Some(decisions) = decisions {
        files::below(
            objects,
            decisions,
            &format!("fleet/decisions/{id}"),
            &mut list,
        )?;
    }
    let claim = |file: &SourceFile| {
        let Kind::DomainClaim(customer, order) = classify(&file.path) else {
            return None;
        };
        let claim = documents::read::<DomainClaim>(file, &mut Vec::new())?;
        Some((OrderKey { customer, order }, claim.domain))
    };
    Ok(list.iter().filter_map(claim).collect())
}

/// Loads the trees that documents refer to into the catalogue.
pub(super) fn gather<'d>(
    objects: &Objects,
    catalogues: &mut Catalogues,
    all: impl Iterator<Item = &'d CustomerDocuments>,
) -> Result<(), GitError> {
    let (mut stacks, mut nginx, mut revisions) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for documents in all {
        let needed = link::needed_trees(documents);
        stacks.extend(needed.stacks);
        nginx.extend(needed.nginx);
        revisions.extend(needed.revisions);
    }
    let stacks: Vec<_> = stacks
        .into_iter()
        .map(|(tool, tree)| (tool.clone(), tree))
        .collect();
    let nginx: Vec<_> = nginx.into_iter().collect();
    let revisions: Vec<_> = revisions
        .into_iter()
        .map(|(tool, text)| (tool.clone(), text.to_owned()))
        .collect();
    catalogues.need(objects, &stacks, &nginx)?;
    catalogues.resolve(objects, &revisions)?;
    Ok(())
}

/// The text of a file of the commit with the root tree `root`.
pub(in crate::load) fn text_of(objects: &Objects, root: Oid, path: &str) -> Option<Arc<str>> {
    let entry = objects.lookup(root, path).ok()??;
    let content = objects.blob(entry.oid, MAX_FILE).ok()?;
    String::from_utf8(content).ok().map(Into::into)
}
