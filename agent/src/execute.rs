//! Takes steps: one match, one arm a step, nothing chosen. Each is right to take twice.

mod rollout;

#[cfg(test)]
pub(crate) use rollout::note;

use crate::certificates::acme::AcmeAuthority;
use crate::certificates::authority::{Order, Trouble};
use crate::certificates::issue::{IssueError, ask, issue};
use crate::certificates::memory::MemoryFile;
use crate::certificates::{self, CertificateError};
use crate::containers::{self, Engine, EngineError, Ensured};
use crate::files::{FilesError, Root, digest};
use crate::host::execute::{self as machine, Ground, HostError};
use crate::ledger::{Ledger, LedgerFile, SmokeRecord};
use crate::secrets::SecretFiles;
use crate::smoke;
use crate::step::{SmokeStep, Step};
use crate::web_server::{Complaints, Target, WebError, WebServer};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::SmokeResult;

/// Everything that steps are taken with.
#[derive(Debug)]
pub struct Hands<W> {
    /// The container engine.
    pub engine: Engine,
    /// Files of instances.
    pub live: Root,
    /// Secret files.
    pub secrets: SecretFiles,
    /// What must not be forgotten. Never borrowed across an await.
    pub ledger: RefCell<LedgerFile>,
    /// The web server.
    pub web: W,
    /// Who issues certificates.
    pub authority: AcmeAuthority,
    /// What must not be forgotten about certificates. Never borrowed across an await.
    pub certificates: RefCell<MemoryFile>,
    /// The machine beneath.
    pub host: Ground,
    /// Asks services whether they work.
    pub http: reqwest::Client,
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A file.
    #[error("a file cannot be written")]
    Files(#[from] FilesError),
    /// The container engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The web server.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate of an authority.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The machine beneath.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The service does not work.
    #[error("the smoke check failed: {0}")]
    Smoke(String),
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Something is different now.
    Changed,
    /// It was so already.
    Unchanged,
    /// What it expects does not hold: look again.
    PlanAgain,
    /// The sites are live that are not complained about.
    Published(Complaints),
}

/// Takes one step.
pub async fn execute<W: WebServer>(
    hands: &Hands<W>,
    step: &Step,
    now: Timestamp,
) -> Result<Done, StepError> {
    match step {
        Step::WriteSecret { path, file } => changed(hands.secrets.write(path, file)),
        Step::RemoveSecret { path } => removed(hands.secrets.remove(path)),
        Step::OwnFiles { paths } => changed(
            hands
                .ledger
                .borrow_mut()
                .update(|ledger| ledger.files.extend(paths.iter().cloned())),
        ),
        Step::WriteFile { path, data, .. } => changed(hands.live.write(path, data)),
        Step::RemoveFile { path } => {
            hands.live.remove(path)?;
            changed(hands.ledger.borrow_mut().update(|ledger| {
                ledger.files.remove(path);
            }))
        }
        Step::RemoveImage { image } => remove_image(hands, image).await,
        Step::Container(step) => {
            let done = match containers::execute(&hands.engine, step).await? {
                Ensured::Created => {
                    note_fetched(hands, step)?;
                    Done::Changed
                }
                Ensured::Changed => Done::Changed,
                Ensured::Unchanged => Done::Unchanged,
                Ensured::PlanAgain => return Ok(Done::PlanAgain),
            };
            if let Some((name, told)) = step.tells() {
                let note = |ledger: &mut Ledger| drop(ledger.told.insert(name, told));
                hands.ledger.borrow_mut().update(note)?;
            }
            Ok(done)
        }
        Step::Smoke(step) => check(hands, step).await,
        Step::Rollout(step) => rollout::mark(hands, step).await,
        Step::Certificate { host, also } => {
            let made = certificates::self_signed(host, also, now)?;
            hands.web.put_certificate(host, &made)?;
            Ok(Done::Changed)
        }
        Step::Issue(order) => certify(hands, order).await,
        Step::Advice(question) => {
            let asked = ask(
                &hands.authority,
                &hands.certificates,
                question,
                Timestamp::now,
            );
            changed(asked.await)
        }
        Step::RotateLogs(rotation) => {
            hands.web.rotate(rotation, now).await?;
            Ok(Done::Changed)
        }
        Step::Publish { sites, .. } => publish(hands, sites).await,
        Step::ReloadWebServer => {
            hands.web.reload_or_start().await?;
            Ok(Done::Changed)
        }
        Step::Host(step) => Ok(match machine::take(&hands.host, step, now).await? {
            machine::Done::Changed => Done::Changed,
            machine::Done::Unchanged => Done::Unchanged,
        }),
    }
}

fn changed(result: Result<(), FilesError>) -> Result<Done, StepError> {
    result.map(|()| Done::Changed).map_err(StepError::Files)
}

fn removed(result: Result<bool, FilesError>) -> Result<Done, StepError> {
    Ok(if result? {
        Done::Changed
    } else {
        Done::Unchanged
    })
}

/// The web server reads it with the next pass, which sees that there is another one.
async fn certify<W: WebServer>(hands: &Hands<W>, order: &Order) -> Result<Done, StepError> {
    let challenges = hands.web.challenges()?;
    issue(
        &hands.authority,
        &hands.certificates,
        &challenges,
        order,
        |certificate| {
            let put = hands.web.put_certificate(&order.host, certificate);
            put.map_err(|error| Trouble::local(sentence(&error)))
        },
        Timestamp::now,
    )
    .await?;
    Ok(Done::Changed)
}

/// What we fetched may be removed one day, when nothing needs it any more.
fn note_fetched<W>(hands: &Hands<W>, step: &containers::Step) -> Result<(), StepError> {
    if let containers::Action::EnsureImage { image, .. } = &step.action {
        hands.ledger.borrow_mut().update(|ledger| {
            ledger.pulled.insert(image.clone());
        })?;
    }
    Ok(())
}

/// Removed from the engine first: what the ledger has forgotten would stay for ever.
async fn remove_image<W>(hands: &Hands<W>, image: &str) -> Result<Done, StepError> {
    let removed = containers::remove_image(&hands.engine, image).await?;
    hands.ledger.borrow_mut().update(|ledger| {
        ledger.pulled.remove(image);
    })?;
    Ok(match removed {
        Ensured::Created | Ensured::Changed => Done::Changed,
        Ensured::Unchanged | Ensured::PlanAgain => Done::Unchanged,
    })
}

async fn check<W>(hands: &Hands<W>, step: &SmokeStep) -> Result<Done, StepError> {
    let result = smoke::check(&hands.http, &step.host, step.port, &step.smoke).await;
    let record = SmokeRecord {
        of: step.of.clone(),
        result: result.clone(),
    };
    hands
        .ledger
        .borrow_mut()
        .update(|ledger| drop(ledger.smoke.insert(step.instance.clone(), record)))?;
    match result {
        SmokeResult::Failed { reason } => Err(StepError::Smoke(reason)),
        SmokeResult::Passed | SmokeResult::NotRun => Ok(Done::Changed),
    }
}

async fn publish<W: WebServer>(
    hands: &Hands<W>,
    sites: &BTreeMap<DomainName, Target>,
) -> Result<Done, StepError> {
    let complaints = hands.web.publish(sites).await?;
    hands.ledger.borrow_mut().update(|ledger| {
        ledger.published.retain(|host, _| sites.contains_key(host));
        for (host, target) in sites {
            match target {
                Target::Text(text) if !complaints.contains_key(host) => {
                    ledger
                        .published
                        .insert(host.clone(), digest(text.as_bytes()));
                }
                Target::Text(_) | Target::Keep => {}
            }
        }
    })?;
    Ok(Done::Published(complaints))
}

/// An error and everything below it, in one sentence.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
