//! Getting one certificate: noted before anything is asked for, and again afterwards. What is asked for was decided in [`super::plan`].

use super::authority::{CertificateAuthority, Order, Question, Trouble, TroubleKind};
use super::budget::registered;
use super::desk::Desk;
use super::memory::MemoryFile;
use super::{Certificate, inspect, plan};
use crate::files::{FilesError, Root};
use jiff::Timestamp;
use std::cell::RefCell;
use tenantry_schema::name::DomainName;

/// Longest account of a failure that is kept and reported.
const LONGEST: usize = 500;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The authority, or the way to it.
    #[error("no certificate: {0}")]
    Trouble(Trouble),
    /// What must not be forgotten could not be noted.
    #[error("cannot keep account of certificates")]
    Files(#[from] FilesError),
}

/// Asks for the certificate of `order`, and has `put` put it in place. `clock` tells the time.
///
/// A kill at any instant leaves something that the next call goes on from: the attempt is noted before it begins, with a pause after it; the
/// order and its key before the authority validates anything; the certificate in the budget before it is issued.
pub async fn issue(
    authority: &impl CertificateAuthority,
    memory: &RefCell<MemoryFile>,
    challenges: &Root,
    order: &Order,
    put: impl FnOnce(&Certificate) -> Result<(), Trouble>,
    clock: impl Fn() -> Timestamp,
) -> Result<(), IssueError> {
    let begun = clock();
    begin(memory, order, begun)?;
    let desk = Desk::new(order, memory, challenges);
    let result = match authority.issue(order, &desk).await {
        Ok(certificate) => usable(&certificate, order, clock()).and_then(|()| put(&certificate)),
        Err(trouble) => Err(trouble),
    };
    match result {
        Ok(()) => {
            desk.forget_and(|memory| {
                let site = memory.site(&order.host);
                (site.attempts, site.next, site.error) = (0, None, None);
                memory.spare(&order.names, begun);
                memory.forget_old(clock());
            })?;
            Ok(())
        }
        Err(trouble) => {
            // An authority that was not reached, or not asked, validated nothing, so nothing of what it allows is used up.
            let reached = desk.has_answered()
                || !matches!(trouble.kind, TroubleKind::Unreachable | TroubleKind::Local);
            note_failure(
                memory,
                order,
                &trouble,
                (!reached).then_some(begun),
                clock(),
            )?;
            Err(IssueError::Trouble(trouble))
        }
    }
}

/// Asks when a certificate is to be renewed. That this is not to be had is no failure: there is a rule without it.
pub async fn ask(
    authority: &impl CertificateAuthority,
    memory: &RefCell<MemoryFile>,
    question: &Question,
    clock: impl Fn() -> Timestamp,
) -> Result<(), FilesError> {
    let answer = authority.advice(question).await;
    let now = clock();
    let mut memory = memory.borrow_mut();
    memory.update(|memory| {
        let site = memory.site(&question.host);
        site.renewal = Some(match answer {
            Ok(advice) => plan::advised(question, advice, now),
            Err(trouble) => {
                tracing::debug!(host = %question.host, %trouble, "no advice on renewal");
                plan::unadvised(question, site.renewal.as_ref(), now)
            }
        });
    })
}

fn begin(memory: &RefCell<MemoryFile>, order: &Order, now: Timestamp) -> Result<(), FilesError> {
    memory.borrow_mut().update(|memory| {
        memory.attempt(&order.names, now);
        let site = memory.site(&order.host);
        if site.of != order.of {
            site.of.clone_from(&order.of);
            (site.attempts, site.error) = (0, None);
        }
        site.attempts = site.attempts.saturating_add(1);
        site.next = Some(plan::next_attempt(
            site.attempts,
            &order.host,
            None,
            None,
            now,
        ));
    })
}

/// `spared`: when the attempt began, if it is not to count as a validation that failed.
fn note_failure(
    memory: &RefCell<MemoryFile>,
    order: &Order,
    trouble: &Trouble,
    spared: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), FilesError> {
    let message: String = trouble.message.chars().take(LONGEST).collect();
    memory.borrow_mut().update(|memory| {
        if let Some(begun) = spared {
            memory.spare(&order.names, begun);
        }
        let site = memory.site(&order.host);
        let next = plan::next_attempt(
            site.attempts,
            &order.host,
            Some(trouble.kind),
            trouble.not_before,
            now,
        );
        site.next = Some(next);
        site.error = Some(message.clone());
        // The authority names the domain that it has issued too much for; else it means these names alone.
        if trouble.kind == TroubleKind::RateLimited {
            let domains = order.names.iter().map(registered);
            for domain in domains.filter(|domain| mentions(&message, domain)) {
                memory.limited.insert(domain.to_owned(), next);
            }
        }
    })
}

/// Whether a sentence holds a domain as a word: `acme.example`, and not `www.acme.example`.
fn mentions(sentence: &str, domain: &str) -> bool {
    sentence
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
        .any(|word| word.trim_matches('.') == domain)
}

/// A certificate that would not serve is not put in place of one that does.
fn usable(certificate: &Certificate, order: &Order, now: Timestamp) -> Result<(), Trouble> {
    let (chain, key) = (certificate.chain.as_bytes(), certificate.key.expose());
    let facts = inspect(chain, key.as_bytes(), &order.host);
    let missing = |name: &&DomainName| {
        facts
            .as_ref()
            .is_none_or(|facts| !facts.names.contains(*name))
    };
    let Some(facts) = &facts else {
        return Err(refused(
            "the authority sent something that is no certificate for this key and name",
        ));
    };
    if let Some(name) = order.names.iter().find(missing) {
        return Err(refused(&format!(
            "the authority's certificate is not for {name}"
        )));
    }
    if now >= facts.until {
        return Err(refused(
            "the authority's certificate has expired; is the clock of this server right?",
        ));
    }
    Ok(())
}

fn refused(message: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Refused,
        message: message.to_owned(),
        not_before: None,
    }
}

#[cfg(test)]
mod tests;
