//! Asks the hub once whether it knows this server, for whoever takes the server in. Nothing depends on the answer.

use crate::agent::AgentError;
use crate::config::Config;
use crate::execute::sentence;
use crate::keys;
use crate::link::Link;
use std::sync::Arc;
use std::time::Duration;

/// What the hub says, in a sentence, its hint included. It is waited for no longer than `patience`.
pub async fn greet(config: &Config, patience: Duration) -> Result<String, AgentError> {
    let keys = Arc::new(keys::load(&config.keys_folder())?);
    let link = Link::new(&config.hub, config.server.clone(), config.trusted()?, keys)?;
    let hub = &config.hub;
    Ok(
        match tokio::time::timeout(patience, link.next(None, 0)).await {
            Ok(Ok(_)) => format!("the hub at {hub} knows this server"),
            Ok(Err(error)) => format!("{hub}: {}", sentence(&error)),
            Err(_) => format!("{hub}: no answer within {} seconds", patience.as_secs()),
        },
    )
}
