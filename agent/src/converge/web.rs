//! The web server: which sites are live, and with which certificates. A site goes live when its instance is healthy, and then stays
//! until it is stopped or gone. Pure.

use super::{Input, SiteVerdict};
use crate::certificates::CertificateFacts;
use crate::desired::Site;
use crate::files::digest;
use crate::step::{Lane, Step};
use crate::web_server::{Target, WebState};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tenantry_schema::document::{Drift, State};
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::FALLBACK_SITE;

/// What the web server comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct WebPlan {
    pub(super) steps: Vec<Step>,
    /// Digest of all that should be live.
    pub(super) of: String,
    pub(super) sites: BTreeMap<DomainName, SiteVerdict>,
    pub(super) next: Option<Timestamp>,
}

pub(super) fn plan(input: &Input<'_>, ready: &BTreeMap<&InstanceName, bool>) -> WebPlan {
    let web = match &input.state.web {
        Ok(web) => web,
        Err(problem) => return unseen(input, problem),
    };
    let mut plan = WebPlan::default();
    let mut target = BTreeMap::new();
    for (host, site) in &input.desired.sites {
        let wish = Wish::of(
            input,
            host,
            site,
            web,
            ready.get(&site.instance).copied().unwrap_or_default(),
        );
        plan.next = [plan.next, wish.next].into_iter().flatten().min();
        plan.sites.insert(host.clone(), wish.verdict);
        if let Some(wanted) = wish.target {
            target.insert(host.clone(), wanted);
        }
    }
    fallback(input, web, &mut target, &mut plan);
    plan.of = digest(format!("{target:?}").as_bytes());
    certificates(input, web, &target, &mut plan);
    let differs = web.strays
        || web.sites.len() != target.len()
        || target
            .iter()
            .any(|(host, wanted)| differs(web, host, wanted));
    if differs {
        let repair = input.ledger.converged.as_deref() == Some(&input.desired.reference.content);
        plan.steps.push(Step::Publish {
            sites: target.clone(),
            repair,
        });
    } else if !plan.steps.is_empty() || ((!web.running || web.stale) && !target.is_empty()) {
        plan.steps.push(Step::ReloadWebServer);
    }
    hold_after_failure(input, &mut plan);
    plan
}

/// Law 7: nothing is planned for what cannot be seen.
fn unseen(input: &Input<'_>, problem: &str) -> WebPlan {
    let verdict = SiteVerdict {
        message: Some(problem.to_owned()),
        ..SiteVerdict::default()
    };
    let sites = input
        .desired
        .sites
        .keys()
        .map(|host| (host.clone(), verdict.clone()))
        .collect();
    WebPlan {
        sites,
        ..WebPlan::default()
    }
}

/// What should be live of one site.
struct Wish {
    target: Option<Target>,
    verdict: SiteVerdict,
    next: Option<Timestamp>,
}

impl Wish {
    fn of(input: &Input<'_>, host: &DomainName, site: &Site, web: &WebState, ready: bool) -> Self {
        let stopped = input
            .desired
            .instances
            .get(&site.instance)
            .is_some_and(|instance| instance.spec.state == State::Stopped);
        if stopped {
            return Self {
                target: None,
                verdict: SiteVerdict {
                    unwanted: true,
                    ..SiteVerdict::default()
                },
                next: None,
            };
        }
        // What is being put in place right now is read in a moment.
        let unread = web.unread && !input.history.busy.contains(&Lane::Web);
        let live = web.running && !unread && web.sites.get(host) == Some(&site.digest);
        let kept = web.sites.contains_key(host).then_some(Target::Keep);
        let wait = |message: String, next| Self {
            target: kept.clone(),
            verdict: SiteVerdict {
                live: false,
                message: Some(message),
                unwanted: false,
            },
            next,
        };
        if site.text.is_empty() {
            return wait("the slice holds no configuration for it".to_owned(), None);
        }
        let published = input.ledger.published.get(host) == Some(&site.digest);
        if !ready && !published {
            return wait(format!("goes live when {} is healthy", site.instance), None);
        }
        let instance = input.desired.instances.get(&site.instance);
        let reported = instance.is_some_and(|it| it.spec.drift == Drift::Report);
        if reported && published && !live {
            return wait("drifted, and drift is only reported here".to_owned(), None);
        }
        match input.history.refused(host, &site.digest) {
            Some(failure) if failure.waits(input.now) => {
                wait(failure.message.clone(), Some(failure.retry))
            }
            refused => Self {
                target: Some(Target::Text(site.text.clone())),
                verdict: SiteVerdict {
                    live,
                    message: refused.map(|failure| failure.message.clone()),
                    unwanted: false,
                },
                next: None,
            },
        }
    }
}

fn differs(web: &WebState, host: &DomainName, wanted: &Target) -> bool {
    match wanted {
        Target::Text(text) => web.sites.get(host) != Some(&digest(text.as_bytes())),
        Target::Keep => !web.sites.contains_key(host),
    }
}

/// What is answered for names that are no site's, as soon as there is to be a site: it answers challenges for certificates, too. A web
/// server that will not take it, because it has such an answer already, is asked again from time to time.
fn fallback(
    input: &Input<'_>,
    web: &WebState,
    target: &mut BTreeMap<DomainName, Target>,
    plan: &mut WebPlan,
) {
    let wanted = plan.sites.values().any(|verdict| !verdict.unwanted);
    let Some(fallback) = input.desired.fallback.as_ref().filter(|_| wanted) else {
        return;
    };
    let host = fallback.host.clone();
    match input.history.refused(&host, &fallback.digest) {
        Some(failure) if failure.waits(input.now) => {
            plan.next = [plan.next, Some(failure.retry)].into_iter().flatten().min();
            if web.sites.contains_key(&host) {
                target.insert(host, Target::Keep);
            }
        }
        _ => drop(target.insert(host, Target::Text(fallback.text.clone()))),
    }
}

/// A certificate for each site that is live or goes live; nginx would refuse the site without one. What an authority issued is never
/// replaced by one of our own, however old it is: that would serve nobody better.
fn certificates(
    input: &Input<'_>,
    web: &WebState,
    target: &BTreeMap<DomainName, Target>,
    plan: &mut WebPlan,
) {
    for host in target.keys().filter(|host| host.as_str() != FALLBACK_SITE) {
        let site = input.desired.sites.get(host);
        let also = site.map_or(&[][..], |site| &site.also);
        let found = web.certificates.get(host);
        let good = |facts: &CertificateFacts| {
            !facts.self_signed || (!facts.due(input.now) && facts.covers(also))
        };
        match found.filter(|facts| good(facts)) {
            None => plan.steps.push(Step::Certificate {
                host: host.clone(),
                also: also.to_vec(),
            }),
            Some(facts) if !facts.self_signed => {}
            Some(facts) => {
                let life = facts.until.duration_since(facts.from);
                let due = facts
                    .until
                    .checked_sub(life / 3)
                    .ok()
                    .and_then(|due| due.checked_add(SignedDuration::from_secs(1)).ok());
                plan.next = [plan.next, due].into_iter().flatten().min();
            }
        }
    }
}

fn hold_after_failure(input: &Input<'_>, plan: &mut WebPlan) {
    let Some(failure) = input.history.failure(&Lane::Web, &plan.of) else {
        return;
    };
    for verdict in plan
        .sites
        .values_mut()
        .filter(|verdict| !verdict.unwanted && !verdict.live)
    {
        verdict
            .message
            .get_or_insert_with(|| failure.message.clone());
    }
    if !plan.steps.is_empty() && failure.waits(input.now) {
        plan.steps.clear();
        plan.next = [plan.next, Some(failure.retry)].into_iter().flatten().min();
    }
}
