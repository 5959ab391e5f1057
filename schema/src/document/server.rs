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
#[serde(try_from = "Written")]
pub struct WebPorts {
    /// Address to listen on. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Plain HTTP, for redirects and certificate challenges.
    pub http: u16,
    /// HTTPS.
    pub https: u16,
    /// First of up to 10,000 loopback ports that sites are published at; from 1024. Those above are left out.
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

/// As written: nothing is known to fit together yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    address: Option<IpAddr>,
    http: u16,
    https: u16,
    sites: u16,
}

impl Default for Written {
    fn default() -> Self {
        let WebPorts {
            address,
            http,
            https,
            sites,
        } = WebPorts::default();
        Self {
            address,
            http,
            https,
            sites,
        }
    }
}

impl TryFrom<Written> for WebPorts {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            address,
            http,
            https,
            sites,
        } = written;
        if http == 0 || https == 0 {
            return Err("ports go from 1 to 65535".to_owned());
        }
        if http == https {
            return Err(format!("`http` and `https` cannot both be port {http}"));
        }
        if sites < LOWEST_SITE {
            return Err(format!(
                "`sites` begins at {LOWEST_SITE} or above: the ports below are the system's own"
            ));
        }
        Ok(Self {
            address,
            http,
            https,
            sites,
        })
    }
}

/// Lowest port that a site may be published at.
const LOWEST_SITE: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_cannot_be_are_refused() {
        let read = |text: &str| serde_json::from_str::<WebPorts>(text);
        assert_eq!(read("{}").unwrap(), WebPorts::default());
        assert_eq!(read(r#"{"http": 8080}"#).unwrap().http, 8080);
        let refused = |text: &str, why: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(r#"{"http": 0}"#, "from 1 to 65535");
        refused(r#"{"https": 80}"#, "both be port 80");
        refused(r#"{"sites": 80}"#, "begins at 1024");
        refused(r#"{"htps": 80}"#, "unknown field");
        refused(r#"{"http": 70000}"#, "");
    }
}
