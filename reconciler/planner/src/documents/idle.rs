//! What a customer's documents say and nothing acts on yet: it is said so, and what would otherwise be taken for something else is made safe.

use super::CustomerDocuments;
use crate::input::{CustomerFiles, Finder};
use crate::references::not_yet;
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{Automation, Kind, Manage, Provider, classify};

/// A key, what it is called, and what is done meanwhile.
type Said<'s> = (&'s [&'s str], &'s str, Option<&'s str>);

/// Says what nothing acts on. `automation: manual` becomes `paused`, and `manage: adopt` becomes `observe`: less than is asked for, never more.
pub(super) fn settle(documents: &mut CustomerDocuments, files: &CustomerFiles) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let id = documents.id.clone();
    let mut say = |kind: Kind, said: &[Said<'_>]| {
        if said.is_empty() {
            return;
        }
        let Some(file) = files.files.iter().find(|file| classify(&file.path) == kind) else {
            return;
        };
        let text = file.text.clone().ok();
        let finder = Finder::new(&|_| text.clone(), &file.path);
        found.extend(said.iter().map(|(keys, what, meanwhile)| {
            let mut told = not_yet(finder.place(keys, true), what);
            told.notes.extend(meanwhile.map(str::to_owned));
            told
        }));
    };
    let customer = &documents.customer;
    let mut said: Vec<Said<'_>> = Vec::new();
    if !customer.notify.is_empty() {
        said.push((&["notify"], "`notify`", None));
    }
    if customer.brand.sender.is_some() {
        said.push((&["brand", "sender"], "`brand.sender`", None));
    }
    say(Kind::Customer(id.clone()), &said);
    for (order, document) in &mut documents.orders {
        let mut said: Vec<Said<'_>> = Vec::new();
        if document.automation == Automation::Manual {
            said.push((
                &["automation"],
                "`automation: manual`",
                Some("until then the order is paused"),
            ));
            Arc::make_mut(document).automation = Automation::Paused;
        }
        if document.trial_ends.is_some() {
            said.push((&["trial_ends"], "`trial_ends`", None));
        }
        say(Kind::Order(id.clone(), order.clone()), &said);
    }
    for (server, document) in &mut documents.servers {
        let mut said: Vec<Said<'_>> = Vec::new();
        if document.provider != Provider::Static {
            said.push((
                &["provider"],
                "providers of machines",
                Some("until then the machine is taken for one that is there already"),
            ));
        }
        if document.size.is_some() {
            said.push((&["size"], "`size`", None));
        }
        if document.manage == Manage::Adopt {
            said.push((
                &["manage"],
                "`manage: adopt`",
                Some("until then the agent only observes"),
            ));
            Arc::make_mut(document).manage = Manage::Observe;
        }
        say(Kind::Server(id.clone(), server.clone()), &said);
    }
    found
}
