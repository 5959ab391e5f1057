//! Documents of customers against settings and catalogue; where that fails, against the last good version.

use super::fallback::Fallback;
use super::known::{ContextKey, Known, link_one};
use super::read::text_of;
use super::{Customers, renamed};
use crate::git::{GitError, Objects};
use crate::load::Revision;
use crate::load::catalogue::Catalogues;
use crate::load::limit::Held;
use rayon::prelude::*;
use std::sync::Arc;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::link::{Context, Stays};
use tenantry_schema::id::CustomerId;

/// What customers are resolved with.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) objects: &'a Objects,
    pub(super) head: &'a Arc<HeadDocuments>,
    pub(super) revision: Revision,
    pub(super) stays: Option<&'a Stays>,
}

impl Customers {
    /// Resolves those that were not resolved against this. Returns who they are.
    pub(super) fn link(
        &mut self,
        around: Around<'_>,
        catalogues: &mut Catalogues,
        key: &ContextKey,
        held: &Held,
    ) -> Result<Vec<CustomerId>, GitError> {
        let Around {
            objects,
            head,
            revision,
            stays,
        } = around;
        let catalogue = catalogues.catalogue();
        let text_of = |path: &str| text_of(objects, revision.tree, path);
        let context = Context {
            head,
            catalogue: &catalogue,
            text_of: &text_of,
            stays,
        };
        let stale: Vec<(&CustomerId, &mut Known)> = self
            .known
            .iter_mut()
            .filter(|(_, known)| {
                known
                    .linked
                    .as_ref()
                    .is_none_or(|(made_with, _)| made_with != key)
            })
            .collect();
        let linked: Vec<(CustomerId, bool)> = stale
            .into_par_iter()
            .map(|(id, known)| {
                let mut linked = link_one(context, &known.read);
                if let Some(documents) = &known.read.documents {
                    let unknown = renamed::unknown(objects, revision, documents, &text_of)?;
                    linked.by_history = unknown.is_some();
                    linked.found.extend(unknown.into_iter().flatten());
                }
                let broken = linked.desired.is_none();
                known.linked = Some((key.clone(), linked));
                Ok((id.clone(), broken))
            })
            .collect::<Result<_, GitError>>()?;
        let broken: Vec<&CustomerId> = linked
            .iter()
            .filter(|(_, broken)| *broken)
            .map(|(id, _)| id)
            .collect();
        if !broken.is_empty() {
            let mut fallback = Fallback::new(around, catalogues)?;
            for id in broken {
                if let Some(known) = self.known.get_mut(id) {
                    known.fall_back(id, &mut fallback)?;
                }
            }
        }
        self.hold_back(around, catalogues, held, &linked)?;
        Ok(linked.into_iter().map(|(id, _)| id).collect())
    }
}
