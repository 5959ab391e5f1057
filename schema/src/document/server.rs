//! `customers/<id>/servers/<id>.yaml`: one machine that runs an agent.

use super::Host;
use crate::id::ServerId;
use crate::json::address;
use crate::key::PublicKeys;
use crate::size::ByteSize;
use crate::window::Window;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Who runs the machine.
    pub provider: Provider,
    /// Its public address.
    #[serde(deserialize_with = "ip")]
    #[schemars(schema_with = "address")]
    pub address: IpAddr,
    /// The id that the server had first, where its file was renamed: it stays the same server, and its agent goes on.
    /// Absent: the file's name is its id.
    #[serde(default)]
    pub moved_from: Option<ServerId>,
    /// The provider's name of its size. Absent: what the order's plan says, or it was there already.
    #[serde(default)]
    #[schemars(example = &"cx22")]
    pub size: Option<String>,
    /// When disruptive steps may be taken. Absent: at any time.
    #[serde(default)]
    pub window: Option<Window>,
    /// How much the agent may do.
    #[serde(default)]
    pub manage: Manage,
    /// What happens to what people or accidents change on it.
    #[serde(default)]
    pub drift: Drift,
    /// Memory that tools may use. Absent: what the agent reports.
    #[serde(default)]
    pub memory: Option<ByteSize>,
    /// The public keys that `tenantry-agent enrol` printed there. Absent: the server waits.
    #[serde(default)]
    pub agent: Option<PublicKeys>,
    /// Where the web server listens.
    #[serde(default)]
    pub web: WebPorts,
    /// Areas of the machine that are other than `host:` of `hub.yaml` says. Absent: none.
    #[serde(default, deserialize_with = "super::host::consistent")]
    pub host: Option<Arc<Host>>,
}

/// Who runs a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// It is there already and stays.
    Static,
    /// Hetzner Cloud.
    Hetzner,
    /// Netcup.
    Netcup,
}

/// How much the agent may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Manage {
    /// Reports what it would do.
    Observe,
    /// Takes over what runs without making it anew: until the agent can, the same as `observe`.
    Adopt,
    /// Converges everything.
    #[default]
    Full,
}

/// What happens to containers and files that are not as the slice says although they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It is put right.
    #[default]
    Repair,
    /// It is told and left as it is. Changes of the fleet are still made.
    Report,
}

impl Drift {
    /// Whether it is what holds where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Ports of the web server. Other than 80 and 443 only where something else owns those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(!try_from, default, deny_unknown_fields)]
pub struct WebPorts {
    /// Address to listen on. Absent: all, of IPv4 and of IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "address_or_none")]
    pub address: Option<IpAddr>,
    /// Plain HTTP, for redirects and certificate challenges.
    #[schemars(range(min = 1))]
    pub http: u16,
    /// HTTPS.
    #[schemars(range(min = 1))]
    pub https: u16,
    /// First of up to 10,000 loopback ports that sites are published at; from 1024. Those above are left out.
    #[schemars(range(min = LOWEST_SITE))]
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

fn ip<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "`{text}` is not an IP address: write 192.0.2.17 or 2001:db8::17"
        ))
    })
}

fn ip_or_none<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<IpAddr>, D::Error> {
    #[derive(Deserialize)]
    struct Address(#[serde(deserialize_with = "ip")] IpAddr);
    Ok(Option::<Address>::deserialize(deserializer)?.map(|address| address.0))
}

fn address_or_none(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "anyOf": [address(generator), { "type": "null" }] })
}

/// As written: nothing is known to fit together yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    #[serde(deserialize_with = "ip_or_none")]
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
