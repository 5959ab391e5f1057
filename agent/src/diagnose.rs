//! Answers what operators ask: reads, and changes nothing. Every answer is bounded, and secrets are cut out of it.
//!
//! # Guarantees
//! - Nothing but what [`Inquiry`] names is answered; what is unknown is refused.
//! - Only containers, sites and volumes of this server's own slice are looked at.
//! - Two questions are worked on at once; others wait, until nobody waits for them any more.

mod inspect;
mod ports;
mod probe;
mod tail;
mod volumes;

use crate::containers::{Engine, container_of_service, end_of_log};
use crate::desired::Desired;
use crate::execute::sentence;
use crate::link::Link;
use crate::redact::Redactor;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{Answer, AnswerOutcome, Inquiry, LARGEST_ANSWER, MOST_LINES, Question};
use tokio::sync::Semaphore;

/// Questions that are worked on at once.
const AT_ONCE: usize = 2;
/// Time for one, however long somebody would wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is needed to answer.
#[derive(Debug)]
pub struct Answerer {
    link: Link,
    engine: Engine,
    http: reqwest::Client,
    /// Logs of the web server.
    logs: PathBuf,
    room: Semaphore,
}

/// What may be asked about: this server's own.
#[derive(Debug)]
pub struct Own {
    keeper: String,
    instances: BTreeSet<InstanceName>,
    sites: BTreeMap<DomainName, u16>,
    redactor: Rc<Redactor>,
}

impl Own {
    /// Everything of the slice. `redactor`: knows its secrets.
    pub fn of(desired: &Desired, redactor: Rc<Redactor>) -> Self {
        Self {
            keeper: desired.keeper.clone(),
            instances: desired.instances.keys().cloned().collect(),
            sites: desired
                .sites
                .iter()
                .map(|(host, site)| (host.clone(), site.port))
                .collect(),
            redactor,
        }
    }
}

/// Text, and which end of it matters where it is too long.
#[derive(Debug)]
struct Found {
    text: String,
    end: bool,
    /// Whether there was more already where it was read.
    cut: bool,
}

impl Found {
    fn from_start(text: String) -> Self {
        let (end, cut) = (false, false);
        Self { text, end, cut }
    }

    fn from_end((bytes, cut): (Vec<u8>, bool)) -> Self {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let end = true;
        Self { text, end, cut }
    }
}

impl Answerer {
    /// `logs`: where the web server writes.
    pub fn new(link: Link, engine: Engine, http: reqwest::Client, logs: PathBuf) -> Self {
        Self {
            link,
            engine,
            http,
            logs,
            room: Semaphore::new(AT_ONCE),
        }
    }

    /// Works on a question, and sends the answer.
    pub async fn answer(&self, question: Question, own: Option<Own>) {
        let left = question.until.duration_since(Timestamp::now());
        let patience = Duration::try_from(left)
            .unwrap_or(Duration::ZERO)
            .min(PATIENCE);
        let worked = async {
            let _room = self.room.acquire().await;
            self.outcome(question.inquiry.clone(), own).await
        };
        let outcome = tokio::time::timeout(patience, worked)
            .await
            .unwrap_or_else(|_| refused("it takes too long on this server".to_owned()));
        tracing::info!(by = question.by, inquiry = %question.inquiry, answered = matches!(outcome, AnswerOutcome::Answered { .. }), "an operator asked");
        let answer = Answer {
            id: question.id,
            outcome,
        };
        if let Err(error) = self.link.answer(&answer).await {
            tracing::warn!(error = sentence(&error), "an answer does not reach the hub");
        }
    }

    /// What is said.
    async fn outcome(&self, inquiry: serde_json::Value, own: Option<Own>) -> AnswerOutcome {
        let Ok(inquiry) = serde_json::from_value::<Inquiry>(inquiry) else {
            return refused(
                "this agent does not know such a question; is it older than the hub?".into(),
            );
        };
        let Some(own) = own else {
            return refused("there is no slice on this server yet".into());
        };
        said(self.look(&inquiry, &own).await, &own.redactor)
    }

    async fn look(&self, inquiry: &Inquiry, own: &Own) -> Result<Found, String> {
        match inquiry {
            Inquiry::Logs {
                instance,
                service,
                lines,
            } => {
                let id = self.container(own, instance, service).await?;
                let lines = (*lines).clamp(1, MOST_LINES) as usize;
                let text = end_of_log(&self.engine, &id, lines, LARGEST_ANSWER).await;
                text.map(Found::from_end).map_err(|error| sentence(&error))
            }
            Inquiry::SiteLog { host, lines } => {
                own.sites
                    .get(host)
                    .ok_or_else(|| format!("{host} is no site of this server"))?;
                let lines = (*lines).clamp(1, MOST_LINES) as usize;
                let path = self.logs.join(format!("{host}.error.log"));
                tail::tail(&path, lines, LARGEST_ANSWER as u64).map(Found::from_end)
            }
            Inquiry::Inspect { instance, service } => {
                let id = self.container(own, instance, service).await?;
                let told = inspect::inspect(&self.engine, &id).await;
                told.map(Found::from_start)
            }
            Inquiry::Probe { host } => {
                let port = own
                    .sites
                    .get(host)
                    .ok_or_else(|| format!("{host} is no site of this server"))?;
                let told = probe::probe(&self.http, host, *port).await;
                Ok(Found::from_start(told))
            }
            Inquiry::Volumes {} => volumes::volumes(&self.engine, &own.instances)
                .await
                .map(Found::from_start),
            Inquiry::Ports {} => ports::ports().await.map(Found::from_start),
            Inquiry::Matches {} => Err("the hub answers this itself".to_owned()),
        }
    }

    async fn container(
        &self,
        own: &Own,
        instance: &InstanceName,
        service: &str,
    ) -> Result<String, String> {
        if !own.instances.contains(instance) {
            return Err(format!(
                "{instance} is not on this server; there are: {}",
                list(&own.instances)
            ));
        }
        let found =
            container_of_service(&self.engine, &own.keeper, instance.as_str(), service).await;
        found
            .map_err(|error| sentence(&error))?
            .ok_or_else(|| format!("{instance} has no container of a service {service}"))
    }
}

fn list(names: &BTreeSet<InstanceName>) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn refused(reason: String) -> AnswerOutcome {
    AnswerOutcome::Refused { reason }
}

/// What leaves the server: whatever was found, it steers no terminal, holds no secrets and is bounded.
fn said(found: Result<Found, String>, redactor: &Redactor) -> AnswerOutcome {
    let clean = |text: &str| redactor.clean(&readable(text));
    match found {
        Ok(found) => {
            let (text, cut) = bounded(&clean(&found.text), found.end);
            let cut = cut || found.cut;
            AnswerOutcome::Answered { text, cut }
        }
        Err(reason) => refused(clean(&reason)),
    }
}

/// Text that steers no terminal.
fn readable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// No more than [`LARGEST_ANSWER`] bytes, of the end or the beginning, and whether that is less than all.
fn bounded(text: &str, end: bool) -> (String, bool) {
    if text.len() <= LARGEST_ANSWER {
        return (text.to_owned(), false);
    }
    let part = if end {
        let mut from = text.len() - LARGEST_ANSWER;
        while !text.is_char_boundary(from) {
            from += 1;
        }
        &text[from..]
    } else {
        let mut to = LARGEST_ANSWER;
        while !text.is_char_boundary(to) {
            to -= 1;
        }
        &text[..to]
    };
    (part.to_owned(), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_bounded_at_the_end_that_matters() {
        assert_eq!(bounded("short", true), ("short".to_owned(), false));
        let long = format!("a{}z", "ä".repeat(LARGEST_ANSWER));
        let (end, cut) = bounded(&long, true);
        assert!(cut && end.ends_with('z') && end.len() <= LARGEST_ANSWER);
        let (start, cut) = bounded(&long, false);
        assert!(cut && start.starts_with('a') && start.len() <= LARGEST_ANSWER);
    }

    #[test]
    fn whatever_was_found_is_cleaned() {
        let secret = tenantry_schema::Secret::new("hunter2-hunter2".to_owned());
        let redactor = Redactor::new([&secret]);
        let text = "a\x1b[2J hunter2-\x07hunter2\n".to_owned();
        let found = Found::from_start(text.clone());
        let AnswerOutcome::Answered { text: told, cut } = said(Ok(found), &redactor) else {
            panic!("it is answered");
        };
        assert_eq!((told.as_str(), cut), ("a[2J [redacted]\n", false));
        let AnswerOutcome::Refused { reason } = said(Err(text), &redactor) else {
            panic!("it is refused");
        };
        assert_eq!(reason, told);
        let end = Found::from_end((b"end\n".to_vec(), true));
        let told = said(Ok(end), &redactor);
        let whole = AnswerOutcome::Answered {
            text: "end\n".into(),
            cut: true,
        };
        assert_eq!(told, whole);
    }

    proptest! {
        #[test]
        fn nothing_steers_a_terminal(text in any::<String>(), end in any::<bool>(), refusal in any::<bool>()) {
            let cut = false;
            let found = if refusal { Err(text) } else { Ok(Found { text, end, cut }) };
            let (AnswerOutcome::Answered { text, .. } | AnswerOutcome::Refused { reason: text }) = said(found, &Redactor::default());
            let calm = text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t');
            prop_assert!(calm);
        }
    }
}
