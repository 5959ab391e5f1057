//! What works beside the passes, opened with what the agent has: its link to the hub, its outbox, the reader of logs, the answerer.

use super::{Agent, AgentError};
use crate::diagnose::Answerer;
use crate::execute::Hands;
use crate::files::{FilesError, Root};
use crate::link::Link;
use crate::link::troubles::Troubles;
use crate::outbox::Outbox;
use crate::outbox::aside::Aside;
use crate::scan::Scan;
use crate::web_server::WebServer;

impl<W: WebServer> Agent<W> {
    /// A link to the hub that is configured.
    pub fn link(&self) -> Result<Link, AgentError> {
        let trusted = self.gate.trusted.clone();
        Ok(Link::new(
            &self.config.hub,
            self.config.server.clone(),
            trusted,
            self.keys.clone(),
        )?)
    }

    /// Reports that wait for the hub, and those that it will not take.
    pub fn outbox(&self) -> Result<Outbox, FilesError> {
        let root = |name: &str| Root::private(&self.config.state.join(name));
        Outbox::open(root("outbox")?, Aside::open(root("refused-reports")?))
    }

    /// What stands between this server and its hub.
    pub fn troubles(&self) -> Result<Troubles, FilesError> {
        Troubles::open(Root::private(&self.config.state.join("link"))?)
    }

    /// What is looked for in logs, and how far they were read.
    pub fn scan(&self) -> Result<Scan, FilesError> {
        let root = Root::private(&self.config.state.join("logs"))?;
        Scan::open(self.hands.engine.clone(), root)
    }

    /// Answers what operators ask.
    pub fn answerer(&self) -> Result<Answerer, AgentError> {
        let Hands { engine, http, .. } = &*self.hands;
        let logs = self.config.nginx.logs();
        Ok(Answerer::new(
            self.link()?,
            engine.clone(),
            http.clone(),
            logs,
        ))
    }
}
