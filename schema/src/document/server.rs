//! `customers/<id>/servers/<id>.yaml`: one machine that runs an agent.

use crate::key::PublicKeys;
use crate::size::ByteSize;
use crate::window::Window;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Who runs the machine.
    pub provider: Provider,
    /// Its public address.
    pub address: IpAddr,
    /// When disruptive steps may be taken. Absent: at any time.
    #[serde(default)]
    pub window: Option<Window>,
    /// How much the agent may do.
    #[serde(default)]
    pub manage: Manage,
    /// Memory that tools may use. Absent: what the agent reports.
    #[serde(default)]
    pub memory: Option<ByteSize>,
    /// The public keys that `tenantry-agent enrol` printed there. Absent: the server waits.
    #[serde(default)]
    pub agent: Option<PublicKeys>,
    /// Where the web server listens.
    #[serde(default)]
    pub web: WebPorts,
}

/// Who runs a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// It is there already and stays.
    Static,
}

/// How much the agent may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manage {
    /// Reports what it would do.
    Observe,
    /// Converges everything.
    #[default]
    Full,
}

/// Ports of the web server. Other than 80 and 443 only where something else owns those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebPorts {
    /// Address to listen on. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Plain HTTP, for redirects and certificate challenges.
    pub http: u16,
    /// HTTPS.
    pub https: u16,
    /// First of up to 10,000 loopback ports that sites are published at.
    pub sites: u16,
}

impl Default for WebPorts {
    fn default() -> Self {
        Self {
            address: None,
            http: 80,
            https: 443,
            sites: 20_000,
        }
    }
}
