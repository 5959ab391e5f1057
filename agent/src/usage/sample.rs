//! What counters and gauges said at one moment, as plain data. Counters only grow, until what is counted begins anew.

use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::id::InstanceName;

/// Everything that was read at one moment. Absent: it could not be read (law 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When, by the server's clock. What is worked out over time uses `elapsed`, for clocks jump.
    pub at: Timestamp,
    /// Microseconds since some fixed moment, by a clock that does not jump.
    pub elapsed: u64,
    /// The whole server.
    pub host: HostSample,
    /// Containers, by instance and service.
    pub containers: BTreeMap<(InstanceName, String), ContainerSample>,
}

/// The whole server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSample {
    /// Processor time of all cores that was used, in microseconds. A counter.
    pub cpu: Option<u64>,
    /// Bytes of memory that are not available to programs.
    pub memory: Option<u64>,
    /// Bytes taken where containers keep their data, and all bytes there.
    pub disk: Option<(u64, u64)>,
    /// Bytes read from and written to disks. Counters.
    pub io: Option<(u64, u64)>,
    /// Bytes that came in and went out. Counters.
    pub network: Option<(u64, u64)>,
}

/// A container at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerSample {
    /// Its id: another container counts anew.
    pub id: String,
    /// Processor time, in microseconds. A counter.
    pub cpu: Option<u64>,
    /// Bytes of memory, without files that the kernel can drop at once.
    pub memory: Option<u64>,
    /// Bytes read and written. Counters.
    pub io: Option<(u64, u64)>,
    /// Bytes that came in and went out. Counters.
    pub network: Option<(u64, u64)>,
}
