//! Which certificates to ask for now, and how it stands with the others: pure. The same arguments give the same plan, and between `now`
//! and [`Plan::next`] nothing changes by time alone.
//!
//! A certificate is renewed at a moment within the window that its authority advises (RFC 9773), or, where it advises none, when about a
//! third of its life is left. The moment within is drawn from the name, so that servers do not all come at once, and not from dice.

use super::CertificateFacts;
use super::authority::{Advice, Order, Question, TroubleKind};
use super::budget::Budgets;
use super::memory::{Memory, Renewal, SiteMemory};
use crate::files::digest;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::document::Certificates;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{CertificateReport, CertificateWait};

/// Pauses after attempts that came to nothing, in minutes; the last is kept. Let's Encrypt allows five failures an hour and name.
const PAUSES: [i64; 7] = [1, 5, 15, 60, 240, 720, 1440];
/// The longest pause where the authority was not reached at all: nothing of what it allows was used.
const UNREACHED: i64 = 60;
/// The longest time that an authority's wish to be left alone is followed; it may be a slip.
pub(super) const LONGEST_WISH: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Advice is asked for again after no less, and no more.
const ADVICE: [SignedDuration; 2] = [
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(24),
];
/// After no advice was to be had.
const NO_ADVICE: SignedDuration = SignedDuration::from_hours(6);

/// A site that is to have a certificate.
#[derive(Debug, Clone)]
pub struct Site {
    /// All its names.
    pub names: BTreeSet<DomainName>,
    /// Whether the web server would answer a challenge for them.
    pub served: bool,
}

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Who is asked.
    pub authority: &'a Arc<Certificates>,
    /// What is to have a certificate.
    pub sites: &'a BTreeMap<DomainName, Site>,
    /// Certificates in use.
    pub facts: &'a BTreeMap<DomainName, CertificateFacts>,
    /// What was tried and issued.
    pub memory: &'a Memory,
    /// The time.
    pub now: Timestamp,
}

/// What to do now, and how things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What to do, by site.
    pub due: BTreeMap<DomainName, Due>,
    /// How it stands with each site.
    pub standing: BTreeMap<DomainName, CertificateReport>,
    /// When to plan again although nothing happened.
    pub next: Option<Timestamp>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A certificate is needed.
    Issue(Order),
    /// It is time to ask when one is to be renewed.
    Advice(Question),
}

/// What to do about the certificates of all sites.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut budgets = Budgets::new(input.memory, input.authority.weekly, input.now);
    for (host, site) in input.sites {
        let (standing, due) = one(input, &mut budgets, host, site, &mut plan.next);
        plan.standing.insert(host.clone(), standing);
        plan.due.extend(due.map(|due| (host.clone(), due)));
    }
    plan
}

fn one(
    input: &Input<'_>,
    budgets: &mut Budgets<'_>,
    host: &DomainName,
    site: &Site,
    next: &mut Option<Timestamp>,
) -> (CertificateReport, Option<Due>) {
    let facts = input.facts.get(host).filter(|facts| !facts.self_signed);
    let nothing = SiteMemory::default();
    let memory = input.memory.sites.get(host).unwrap_or(&nothing);
    let of = of(input.authority, &site.names);
    let tried = (memory.of == of).then_some(memory);
    let mut standing = CertificateReport {
        issuer: facts.map(|facts| facts.issuer.clone()),
        valid_from: facts.map(|facts| facts.from),
        attempts: tried.map_or(0, |tried| tried.attempts),
        error: tried.and_then(|tried| tried.error.clone()),
        ..CertificateReport::default()
    };
    let mut wake = |at: Timestamp| {
        *next = [*next, Some(at)].into_iter().flatten().min();
    };
    let covered = facts.filter(|facts| facts.covers(&site.names));
    if let Some(facts) = covered {
        let renews = renewal(host, facts, memory);
        standing.renews = Some(renews);
        if input.now < renews {
            // Whatever failed on the way to this certificate is over.
            (standing.attempts, standing.error) = (0, None);
            wake(renews);
            let due = advice(input, host, facts, memory, &mut wake);
            return (standing, due.map(Due::Advice));
        }
    }
    let pause = tried.and_then(|tried| tried.next);
    let pause = pause.filter(|at| is_ahead(*at, input.now, LONGEST_WISH));
    // Other names beside it make no difference to what the authority counts for a name.
    let rest = input.memory.resting(&site.names, input.now);
    if let Some(at) = pause.max(rest).filter(|at| input.now < *at) {
        wake(at);
        standing.waiting = Some(CertificateWait::Retry { at });
        return (standing, None);
    }
    if !site.served {
        standing.waiting = Some(CertificateWait::Served);
        return (standing, None);
    }
    let renewal = facts.is_some_and(|facts| facts.names == site.names);
    if let Err(spent) = budgets.take(&site.names, renewal) {
        wake(spent.until);
        let (of, until) = (spent.of, spent.until);
        standing.waiting = Some(CertificateWait::Budget { of, until });
        return (standing, None);
    }
    standing.waiting = Some(CertificateWait::Requested);
    let order = Order {
        host: host.clone(),
        names: site.names.clone(),
        authority: input.authority.clone(),
        replaces: replaced(facts, memory),
        renewal,
        of,
    };
    (standing, Some(Due::Issue(order)))
}

/// What its authority calls the certificate that another one takes the place of, if it advised when.
fn replaced(facts: Option<&CertificateFacts>, memory: &SiteMemory) -> Option<String> {
    let known = memory.renewal.as_ref().filter(|known| known.at.is_some())?;
    (facts?.id.as_ref() == Some(&known.id)).then(|| known.id.clone())
}

/// Whether it is time to ask the authority about a certificate that is still good.
fn advice(
    input: &Input<'_>,
    host: &DomainName,
    facts: &CertificateFacts,
    memory: &SiteMemory,
    wake: &mut impl FnMut(Timestamp),
) -> Option<Question> {
    let id = facts.id.clone()?;
    let known = memory.renewal.as_ref().filter(|known| known.id == id);
    if let Some(known) = known.filter(|known| input.now < known.look) {
        wake(known.look);
        return None;
    }
    Some(Question {
        host: host.clone(),
        id,
        valid: (facts.from, facts.until),
        authority: input.authority.clone(),
    })
}

/// When a certificate is to be renewed.
fn renewal(host: &DomainName, facts: &CertificateFacts, memory: &SiteMemory) -> Timestamp {
    let life = facts.until.duration_since(facts.from);
    let advised = memory
        .renewal
        .as_ref()
        .filter(|known| facts.id.as_ref() == Some(&known.id))
        .and_then(|known| known.at);
    match advised {
        // However late the authority would have it: a tenth of its life is kept for trouble.
        Some(at) => at.min(back(facts.until, life / 10)),
        None => {
            let spread = part(life / 30, host.as_str());
            back(facts.until, life / 3 + spread)
        }
    }
}

/// Names an authority and a set of names: attempts for something else say nothing.
pub fn of(authority: &Certificates, names: &BTreeSet<DomainName>) -> String {
    let mut all = authority.directory.to_string();
    for name in names {
        all.push('\n');
        all.push_str(name.as_str());
    }
    digest(all.as_bytes())[..32].to_owned()
}

/// When the next attempt may be made after `attempts` that came to nothing.
pub fn next_attempt(
    attempts: u32,
    host: &DomainName,
    kind: Option<TroubleKind>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let index = (attempts.max(1) as usize - 1).min(PAUSES.len() - 1);
    let minutes = match kind {
        Some(TroubleKind::Unreachable) => PAUSES[index].min(UNREACHED),
        _ => PAUSES[index],
    };
    let pause = SignedDuration::from_mins(minutes);
    let spread = part(pause / 10, &format!("{host} {attempts}"));
    let own = now.checked_add(pause + spread).unwrap_or(now);
    let longest = now.checked_add(LONGEST_WISH).unwrap_or(own);
    not_before.map_or(own, |wish| wish.min(longest).max(own))
}

/// What is kept of an authority's advice.
pub fn advised(question: &Question, advice: Option<Advice>, now: Timestamp) -> Renewal {
    let later = |pause| now.checked_add(pause).unwrap_or(now);
    // A window that leaves nothing of the certificate's life out says nothing.
    let (from, until) = question.valid;
    let says = |advice: &Advice| {
        advice.start <= advice.end && !(advice.start <= from && until <= advice.end)
    };
    let Some(advice) = advice.filter(says) else {
        return Renewal {
            id: question.id.clone(),
            at: None,
            look: later(NO_ADVICE),
        };
    };
    let window = advice.end.duration_since(advice.start);
    let at = advice.start.checked_add(part(window, &question.id));
    Renewal {
        id: question.id.clone(),
        at: at.ok(),
        look: advice.again.clamp(later(ADVICE[0]), later(ADVICE[1])),
    }
}

/// What is kept where the question could not be asked: what was advised before, until it is asked again.
pub fn unadvised(question: &Question, before: Option<&Renewal>, now: Timestamp) -> Renewal {
    let known = before.filter(|known| known.id == question.id);
    Renewal {
        at: known.and_then(|known| known.at),
        ..advised(question, None, now)
    }
}

/// Whether `at` is still to come, and no further off than it can be. What is noted for later than that was noted by a clock that was
/// wrong, and would hold everything up until then.
pub(super) fn is_ahead(at: Timestamp, now: Timestamp, most: SignedDuration) -> bool {
    now < at && at.duration_since(now) <= most
}

fn back(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_sub(by).unwrap_or(from)
}

/// A share of `whole`, from nothing to nearly all, always the same for the same name.
fn part(whole: SignedDuration, name: &str) -> SignedDuration {
    let drawn = digest(name.as_bytes());
    let share = u32::from_str_radix(&drawn[..6], 16).unwrap_or_default();
    let milliseconds = whole.as_millis().max(0) * i128::from(share) / (1 << 24);
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests;
