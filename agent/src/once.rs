//! `converge --once`: fetches the newest slice, makes the server what it says, reports, and ends.

use crate::agent::{Agent, AgentError, Look};
use crate::diff;
use crate::files::FilesError;
use crate::link::deliver::{Delivered, deliver_batch};
use crate::link::troubles::{About, Now, Troubles};
use crate::link::{Link, LinkError, Next};
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::cell::RefCell;
use std::fmt;
use std::time::Duration;
use tenantry_schema::wire::AreaState;

/// Between two looks while nothing can be done but wait.
const PAUSE: Duration = Duration::from_millis(250);

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The last look.
    pub look: Look,
    /// Whether anything was changed.
    pub changed: bool,
    /// What stands between this server and its hub.
    pub hub_troubles: Now,
    /// Reports that the hub does not have.
    pub waiting_reports: usize,
}

/// Why it could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// Nobody knows what the server should be. What the hub says about that, if it was asked and said anything.
    #[error("no slice has been accepted yet{}", said(.0))]
    NoSlice(Now),
    /// The agent itself.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// Its files.
    #[error("the agent's own files cannot be used")]
    Files(#[from] FilesError),
}

fn said(troubles: &Now) -> String {
    let mut all = vec![String::new()];
    all.extend(troubles.values().map(|trouble| trouble.message.clone()));
    all.join(": ")
}

impl Outcome {
    /// Whether the server is as it should be, or would be left alone.
    pub fn is_good(&self) -> bool {
        let areas = &mut self.look.plan.areas.values();
        let ails = areas.any(|it| matches!(it.state, AreaState::Failed | AreaState::Refused));
        (self.look.plan.converged && !ails) || self.would()
    }

    /// Whether something would be done if it were allowed.
    pub fn would(&self) -> bool {
        !self.look.plan.would.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", diff::diff(&self.look))?;
        for trouble in self.hub_troubles.values() {
            writeln!(f, "hub: {}", trouble.message)?;
        }
        match self.waiting_reports {
            0 => Ok(()),
            1 => writeln!(f, "1 report waits for the hub"),
            many => writeln!(f, "{many} reports wait for the hub"),
        }
    }
}

/// Works until the server is as it should be, or `patience` is over. `offline`: the hub is not asked.
pub async fn converge<W: WebServer>(
    agent: &mut Agent<W>,
    offline: bool,
    patience: Duration,
) -> Result<Outcome, OnceError> {
    let mut troubles = agent.troubles()?;
    let link = if offline { None } else { Some(agent.link()?) };
    if let Some(link) = &link {
        fetch(agent, link, &mut troubles).await;
    }
    if agent.have().is_none() {
        let said = link.map_or_else(Now::new, |_| troubles.now().clone());
        return Err(OnceError::NoSlice(said));
    }
    let (look, changed) = work(agent, patience).await?;
    let mut outbox = agent.outbox()?;
    agent.post(agent.report(&look), &mut outbox, Timestamp::now())?;
    let outbox = RefCell::new(outbox);
    if let Some(link) = &link {
        let ledger = agent.hands().ledger.borrow().get().id.clone();
        match deliver_all(link, &ledger, &outbox).await {
            Ok(()) => troubles.served(About::Reports),
            Err(error) => troubles.refused(About::Reports, &error, Timestamp::now()),
        }
    }
    Ok(Outcome {
        look,
        changed,
        hub_troubles: link.map_or_else(Now::new, |_| troubles.now().clone()),
        waiting_reports: outbox.borrow().len(),
    })
}

/// Without an answer it goes on with the slice that was accepted last.
async fn fetch<W: WebServer>(agent: &mut Agent<W>, link: &Link, troubles: &mut Troubles) {
    match link.next(agent.have().as_ref(), 0).await {
        Ok(next) => {
            troubles.served(About::Slices);
            if let Next::Bundle(bytes) = next {
                agent.offer(&bytes, true, Timestamp::now());
            }
        }
        Err(error) => troubles.refused(About::Slices, &error, Timestamp::now()),
    }
}

async fn work<W: WebServer>(
    agent: &mut Agent<W>,
    patience: Duration,
) -> Result<(Look, bool), FilesError> {
    let started = tokio::time::Instant::now();
    let mut changed = false;
    loop {
        let look = agent.look(Timestamp::now()).await;
        agent.note_converged(&look.plan)?;
        let over = started.elapsed() > patience;
        let well = look.plan.converged && look.plan.steps.is_empty();
        let done = well || look.plan.is_given_up() || look.state.paused.is_some();
        if done || !look.plan.would.is_empty() || over {
            return Ok((look, changed));
        }
        if look.plan.steps.is_empty() {
            tokio::time::sleep(PAUSE).await;
        } else {
            changed |= agent.take(&look.plan).await;
        }
    }
}

async fn deliver_all(
    link: &Link,
    ledger: &str,
    outbox: &RefCell<crate::outbox::Outbox>,
) -> Result<(), LinkError> {
    while deliver_batch(link, ledger, outbox).await? != Delivered::None {}
    Ok(())
}
