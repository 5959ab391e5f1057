//! Certificates of an authority: which are asked for now. What is due is decided in [`crate::certificates::plan`]; here it is told which
//! sites there are, and becomes steps. Pure.

use super::{Input, Plan};
use crate::certificates::plan::{self, Due, Site};
use crate::step::{Lane, Step};
use std::collections::BTreeMap;
use tenantry_schema::document::State;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{CertificateWait, FALLBACK_SITE};

pub(super) fn plan(input: &Input<'_>, whole: &mut Plan) {
    let (Some(authority), Ok(web)) = (&input.desired.host.certificates, &input.state.web) else {
        return;
    };
    let sites = sites(input);
    let made = plan::plan(&plan::Input {
        authority,
        sites: &sites,
        facts: &web.certificates,
        memory: &input.state.certificates,
        now: input.now,
    });
    whole.wake(made.next);
    whole.certificates = made.standing;
    for (host, due) in made.due {
        let (of, step) = match due {
            Due::Issue(order) => (order.of.clone(), Step::Issue(Box::new(order))),
            Due::Advice(question) => (question.id.clone(), Step::Advice(Box::new(question))),
        };
        let lane = Lane::Certificate(host);
        // Only what could not even be noted is told by this failure: everything else is in the memory, with longer pauses.
        match input.history.failure(&lane, &of) {
            Some(failure) if failure.waits(input.now) => whole.wake(Some(failure.retry)),
            _ => whole.add(lane, &of, vec![step]),
        }
    }
    for lane in &input.history.busy {
        let Lane::Certificate(host) = lane else {
            continue;
        };
        // The attempt that is under way counts already, in case this server does not live to see how it ends.
        if let Some(standing) = whole.certificates.get_mut(host)
            && let Some(CertificateWait::Retry { .. }) = standing.waiting
        {
            standing.waiting = Some(CertificateWait::Requested);
            standing.attempts = standing.attempts.saturating_sub(1);
        }
    }
}

/// Everything that is to be reached from outside.
fn sites(input: &Input<'_>) -> BTreeMap<DomainName, Site> {
    let served = |host: &DomainName| {
        let web = input.state.web.as_ref();
        web.is_ok_and(|web| {
            web.running && (web.sites.contains_key(host) || web.sites.contains_key(FALLBACK_SITE))
        })
    };
    let instances = &input.desired.instances;
    let wanted = input.desired.sites.iter().filter(|(_, site)| {
        let instance = instances.get(&site.instance);
        instance.is_some_and(|instance| instance.spec.state == State::Running)
    });
    let sites = wanted.map(|(host, site)| {
        let names = std::iter::once(host).chain(&site.also).cloned().collect();
        let site = Site {
            names,
            served: served(host),
        };
        (host.clone(), site)
    });
    sites.collect()
}
