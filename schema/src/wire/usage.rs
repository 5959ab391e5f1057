//! What a server and its containers use: processor, memory, disk, network, gathered over windows of time.

use crate::id::InstanceName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Least, mean and greatest of what was seen within a window. Written as `[least, mean, greatest]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Spread {
    /// The least.
    pub least: u64,
    /// The mean.
    pub mean: u64,
    /// The greatest.
    pub greatest: u64,
}

impl From<[u64; 3]> for Spread {
    fn from([least, mean, greatest]: [u64; 3]) -> Self {
        Self {
            least,
            mean,
            greatest,
        }
    }
}

impl From<Spread> for [u64; 3] {
    fn from(spread: Spread) -> Self {
        [spread.least, spread.mean, spread.greatest]
    }
}

/// What was used within a window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageWindow {
    /// Its beginning, by the server's clock.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// By the whole server.
    pub host: HostUsage,
    /// By containers: instance, then service. What could not be read is not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<InstanceName, BTreeMap<String, ContainerUsage>>,
}

/// What a whole server uses. Absent: it could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostUsage {
    /// Processor, in thousandths of one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Spread>,
    /// Memory that is not available to programs, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Spread>,
    /// Bytes that are taken where containers keep their data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Spread>,
    /// Bytes that there are, taken or free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_size: Option<u64>,
    /// Bytes a second that are read from disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_read: Option<Spread>,
    /// Bytes a second that are written to disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_write: Option<Spread>,
    /// Bytes a second that come in, over all interfaces to the outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_in: Option<Spread>,
    /// Bytes a second that go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_out: Option<Spread>,
}

/// What a container uses. Absent: it could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUsage {
    /// Processor, in thousandths of one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Spread>,
    /// Memory without what the kernel can take back at once (inactive files), in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Spread>,
    /// Bytes a second that are read from disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_read: Option<Spread>,
    /// Bytes a second that are written to disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_write: Option<Spread>,
    /// Bytes a second that come in. Absent also for a container that uses the server's own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_in: Option<Spread>,
    /// Bytes a second that go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_out: Option<Spread>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_written_small_and_read_again() {
        let window = UsageWindow {
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::from_second(60).unwrap(),
            host: HostUsage {
                cpu: Some([1, 20, 300].into()),
                ..HostUsage::default()
            },
            containers: BTreeMap::new(),
        };
        let text = serde_json::to_string(&window).unwrap();
        assert_eq!(
            text,
            r#"{"from":"1970-01-01T00:00:00Z","until":"1970-01-01T00:01:00Z","host":{"cpu":[1,20,300]}}"#
        );
        assert_eq!(serde_json::from_str::<UsageWindow>(&text).unwrap(), window);
    }
}
