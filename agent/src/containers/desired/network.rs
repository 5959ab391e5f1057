//! Networks and volumes.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NetworkSpec {
    /// Name within the project.
    pub key: String,
    /// Somebody else's: it must be there, and is never changed.
    pub external: bool,
    /// Driver. Absent: the engine's default.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// No way out.
    pub internal: bool,
    /// Others may connect.
    pub attachable: bool,
    /// IPv6. Absent: the engine's default.
    pub ipv6: Option<bool>,
    /// Address management driver.
    pub ipam_driver: Option<String>,
    /// Options of that driver.
    pub ipam_options: BTreeMap<String, String>,
    /// Its pools.
    pub ipam: Vec<IpamPool>,
    /// Labels from the Compose file.
    pub labels: BTreeMap<String, String>,
}

/// A pool of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IpamPool {
    /// Such as `10.1.0.0/24`.
    pub subnet: Option<String>,
    /// Part of it that is given out.
    pub ip_range: Option<String>,
    /// Gateway.
    pub gateway: Option<String>,
    /// Addresses that are kept out of the pool, by host.
    pub aux: BTreeMap<String, String>,
}

/// A volume.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct VolumeSpec {
    /// Name within the project.
    pub key: String,
    /// Somebody else's: it must be there.
    pub external: bool,
    /// Driver. Absent: `local`.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels from the Compose file.
    pub labels: BTreeMap<String, String>,
}

impl fmt::Debug for VolumeSpec {
    /// Options of a network file system can hold a password, so only names are printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VolumeSpec")
            .field("key", &self.key)
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}
