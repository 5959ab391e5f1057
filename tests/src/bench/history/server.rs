//! One server's reports: ten tools of two containers, and what was used within a minute.

use super::super::fleet::{SERVICES, all_well};
use super::super::{BenchError, Doing};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tenantry_schema::id::{InstanceName, ServerKey};
use tenantry_schema::wire::{ContainerUsage, HostUsage, ReportBatch, Spread, UsageWindow};

const TOOLS: usize = 10;

/// A server that reports.
pub(super) struct Server {
    pub(super) key: ServerKey,
    number: usize,
    instances: Vec<InstanceName>,
    sequence: u64,
}

impl Server {
    pub(super) fn new(number: usize) -> Result<Self, BenchError> {
        let name = |tool: usize| InstanceName::try_from(format!("website-tool-{tool}"));
        let instances = (0..TOOLS).map(name).collect::<Result<_, _>>();
        Ok(Self {
            key: ServerKey {
                customer: format!("customer-{number}")
                    .try_into()
                    .doing("naming a customer")?,
                server: format!("server-{number}")
                    .try_into()
                    .doing("naming a server")?,
            },
            number,
            instances: instances.doing("naming a tool")?,
            sequence: 0,
        })
    }

    /// A report at this moment, about the minute before.
    pub(super) fn minute(&mut self, now: Timestamp) -> Result<ReportBatch, BenchError> {
        let window = self.window(now - SignedDuration::from_secs(60), 60, true);
        self.batch(now, vec![window])
    }

    /// A report about many windows: `(seconds before now, seconds that it lasts, whether with containers)`.
    pub(super) fn past(
        &mut self,
        now: Timestamp,
        windows: impl Iterator<Item = (i64, i64, bool)>,
    ) -> Result<ReportBatch, BenchError> {
        let windows = windows.map(|(before, seconds, containers)| {
            let from = now - SignedDuration::from_secs(before);
            self.window(from, seconds, containers)
        });
        let windows = windows.collect();
        self.batch(now, windows)
    }

    fn batch(
        &mut self,
        now: Timestamp,
        usage: Vec<UsageWindow>,
    ) -> Result<ReportBatch, BenchError> {
        self.sequence += 1;
        let tools = self.instances.iter().enumerate().map(|(tool, name)| {
            let tool = format!("tool-{tool}").try_into().doing("naming a tool")?;
            Ok((name.clone(), tool))
        });
        let tools = tools.collect::<Result<Vec<_>, BenchError>>()?;
        let hosts = (0..TOOLS).map(|tool| {
            let host = format!("tool-{tool}.customer-{}.example", self.number);
            host.try_into().doing("naming a site")
        });
        let hosts = hosts.collect::<Result<Vec<_>, BenchError>>()?;
        let content = format!("{:064x}", self.number);
        let mut report = all_well(
            tools.into_iter(),
            hosts.into_iter(),
            &content,
            self.sequence,
            now,
        );
        report.usage = usage;
        Ok(ReportBatch {
            ledger: format!("{:032x}", self.number),
            reports: vec![report],
        })
    }

    /// Numbers of the size of a real server's, another each time.
    fn window(&self, from: Timestamp, seconds: i64, with_containers: bool) -> UsageWindow {
        let mut random = Numbers(from.as_second().unsigned_abs() ^ (self.number as u64) << 20);
        let host = HostUsage {
            cpu: random.about(400),
            memory: random.about(5 << 30),
            disk: random.about(60 << 30),
            disk_size: Some(160 << 30),
            disk_read: random.about(200_000),
            disk_write: random.about(900_000),
            network_in: random.about(80_000),
            network_out: random.about(600_000),
        };
        let mut containers = BTreeMap::new();
        for instance in self.instances.iter().filter(|_| with_containers) {
            let services = SERVICES.map(|service| {
                let usage = ContainerUsage {
                    cpu: random.about(20),
                    memory: random.about(200 << 20),
                    disk_read: random.about(2_000),
                    disk_write: random.about(40_000),
                    network_in: random.about(4_000),
                    network_out: random.about(30_000),
                };
                (service.to_owned(), usage)
            });
            containers.insert(instance.clone(), services.into());
        }
        UsageWindow {
            from,
            until: from + SignedDuration::from_secs(seconds),
            host,
            containers,
        }
    }
}

/// Numbers that are the same every run (the generator of Knuth, MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }

    #[expect(clippy::unnecessary_wraps, reason = "what is known is an option")]
    fn about(&mut self, mean: u64) -> Option<Spread> {
        let mean = mean / 2 + self.below(mean.min(1 << 31));
        let least = mean - self.below(mean / 4);
        let greatest = mean + self.below(mean.min(1 << 31));
        Some([least, mean, greatest].into())
    }
}
