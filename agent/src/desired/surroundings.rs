//! What is the same for every slice: where this agent keeps things, and what its machine can do.

use crate::accept::Slice;
use crate::config::Config;
use crate::containers::InputsKey;
use crate::web_server::ipv6;
use std::path::PathBuf;

/// What is the same for every slice.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// `<fleet id>/<customer>/<server>`: marks what this agent keeps on the container engine.
    pub keeper: String,
    /// Folder of live files.
    pub live: PathBuf,
    /// Folder of secret files.
    pub secrets: PathBuf,
    /// Key of digests that others may see.
    pub key: InputsKey,
    /// Whether the web server can listen by IPv6.
    pub ipv6: bool,
}

impl Surroundings {
    /// As configured; `key` must be the same for ever.
    pub fn new(config: &Config, key: InputsKey, ipv6: bool) -> Self {
        let keeper = format!("{}/{}", config.fleet_id, config.server);
        Self {
            keeper,
            live: config.live_folder(),
            secrets: config.secrets.clone(),
            key,
            ipv6,
        }
    }

    /// The web server's configuration for `host`, as this machine can have it.
    pub(super) fn site(&self, slice: &Slice, host: &str) -> Option<String> {
        let text = slice.files.get(format!("sites/{host}.conf").as_str())?;
        Some(ipv6::as_known(&String::from_utf8_lossy(text), self.ipv6))
    }
}
