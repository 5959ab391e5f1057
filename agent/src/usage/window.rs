//! Gathers samples into windows: least, mean and greatest. Pure.
//!
//! Rates are worked out between two samples that follow each other. Where a counter begins anew (another container, a reboot, an overflow)
//! there is no rate for that step, rather than a wrong one.

use super::SAMPLES;
use super::sample::{ContainerSample, HostSample, Sample};
use std::collections::BTreeMap;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{ContainerUsage, HostUsage, Spread, UsageWindow};

/// Steps longer than this, in microseconds, say nothing about the minute: the machine slept.
const LONGEST_STEP: u64 = 10 * 60 * 1_000_000;

/// The window that is open.
#[derive(Debug, Default)]
pub struct Gathering {
    last: Option<Sample>,
    from: Option<jiff::Timestamp>,
    steps: u32,
    host: Tallies,
    disk_size: Option<u64>,
    containers: BTreeMap<(InstanceName, String), Tallies>,
}

#[derive(Debug, Default)]
struct Tallies {
    cpu: Tally,
    memory: Tally,
    disk: Tally,
    read: Tally,
    write: Tally,
    incoming: Tally,
    outgoing: Tally,
}

/// What was seen of one quantity.
#[derive(Debug, Default)]
struct Tally {
    least: u64,
    greatest: u64,
    sum: u128,
    count: u64,
}

impl Tally {
    fn add(&mut self, value: Option<u64>) {
        let Some(value) = value else { return };
        self.least = if self.count == 0 {
            value
        } else {
            self.least.min(value)
        };
        self.greatest = self.greatest.max(value);
        self.sum += u128::from(value);
        self.count += 1;
    }

    fn spread(&self) -> Option<Spread> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(Spread {
            least: self.least,
            mean: u64::try_from(mean).unwrap_or(u64::MAX),
            greatest: self.greatest,
        })
    }
}

impl Gathering {
    /// Takes a sample in. Returns the window that it completes.
    pub fn add(&mut self, sample: Sample) -> Option<UsageWindow> {
        let Some(last) = self.last.replace(sample) else {
            self.from = self.last.as_ref().map(|first| first.at);
            return None;
        };
        let now = self.last.as_ref()?;
        let step = now
            .elapsed
            .checked_sub(last.elapsed)
            .filter(|step| (1..=LONGEST_STEP).contains(step));
        let Some(step) = step else {
            // Begin anew.
            *self = Self {
                from: Some(now.at),
                last: self.last.take(),
                ..Self::default()
            };
            return None;
        };
        self.host.add_host(&last.host, &now.host, step);
        self.disk_size = now.host.disk.map(|(_, all)| all);
        for (key, container) in &now.containers {
            let before = last
                .containers
                .get(key)
                .filter(|before| before.id == container.id);
            self.containers
                .entry(key.clone())
                .or_default()
                .add_container(before, container, step);
        }
        self.steps += 1;
        let until = now.at;
        (self.steps >= SAMPLES).then(|| self.close(until))
    }

    fn close(&mut self, until: jiff::Timestamp) -> UsageWindow {
        let done = std::mem::take(self);
        let mut containers: BTreeMap<InstanceName, BTreeMap<String, ContainerUsage>> =
            BTreeMap::new();
        for ((instance, service), tallies) in &done.containers {
            containers
                .entry(instance.clone())
                .or_default()
                .insert(service.clone(), tallies.container());
        }
        self.last = done.last;
        self.from = Some(until);
        UsageWindow {
            from: done.from.unwrap_or(until),
            until,
            host: HostUsage {
                disk_size: done.disk_size,
                ..done.host.host()
            },
            containers,
        }
    }
}

impl Tallies {
    fn add_host(&mut self, before: &HostSample, now: &HostSample, step: u64) {
        self.cpu.add(thousandths(before.cpu, now.cpu, step));
        self.memory.add(now.memory);
        self.disk.add(now.disk.map(|(taken, _)| taken));
        self.rates(before.io, now.io, before.network, now.network, step);
    }

    fn add_container(
        &mut self,
        before: Option<&ContainerSample>,
        now: &ContainerSample,
        step: u64,
    ) {
        self.memory.add(now.memory);
        let Some(before) = before else { return };
        self.cpu.add(thousandths(before.cpu, now.cpu, step));
        self.rates(before.io, now.io, before.network, now.network, step);
    }

    fn rates(
        &mut self,
        io_before: Option<(u64, u64)>,
        io: Option<(u64, u64)>,
        network_before: Option<(u64, u64)>,
        network: Option<(u64, u64)>,
        step: u64,
    ) {
        let (read, write) = both(io_before, io, step);
        self.read.add(read);
        self.write.add(write);
        let (incoming, outgoing) = both(network_before, network, step);
        self.incoming.add(incoming);
        self.outgoing.add(outgoing);
    }

    fn host(&self) -> HostUsage {
        HostUsage {
            cpu: self.cpu.spread(),
            memory: self.memory.spread(),
            disk: self.disk.spread(),
            disk_size: None,
            disk_read: self.read.spread(),
            disk_write: self.write.spread(),
            network_in: self.incoming.spread(),
            network_out: self.outgoing.spread(),
        }
    }

    fn container(&self) -> ContainerUsage {
        ContainerUsage {
            cpu: self.cpu.spread(),
            memory: self.memory.spread(),
            disk_read: self.read.spread(),
            disk_write: self.write.spread(),
            network_in: self.incoming.spread(),
            network_out: self.outgoing.spread(),
        }
    }
}

/// How much a counter grew within `step` microseconds, times `scale` for each of them. None where it began anew.
fn rate(before: Option<u64>, now: Option<u64>, step: u64, scale: u128) -> Option<u64> {
    let grown = now?.checked_sub(before?)?;
    u64::try_from(u128::from(grown) * scale / u128::from(step)).ok()
}

/// Thousandths of a core.
fn thousandths(before: Option<u64>, now: Option<u64>, step: u64) -> Option<u64> {
    rate(before, now, step, 1000)
}

/// Units a second.
fn both(
    before: Option<(u64, u64)>,
    now: Option<(u64, u64)>,
    step: u64,
) -> (Option<u64>, Option<u64>) {
    let second = 1_000_000;
    let first = |pair: Option<(u64, u64)>| pair.map(|pair| pair.0);
    let other = |pair: Option<(u64, u64)>| pair.map(|pair| pair.1);
    (
        rate(first(before), first(now), step, second),
        rate(other(before), other(now), step, second),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn key() -> (InstanceName, String) {
        (
            InstanceName::try_from("site-html".to_owned()).unwrap(),
            "web".to_owned(),
        )
    }

    /// A sample every 15 seconds: processor time in milliseconds, memory, bytes that came in, id of the container.
    fn sample(number: u64, cpu: u64, memory: u64, incoming: u64, id: &str) -> Sample {
        let container = ContainerSample {
            id: id.to_owned(),
            cpu: Some(cpu * 1000),
            memory: Some(memory),
            io: None,
            network: Some((incoming, 0)),
        };
        Sample {
            at: Timestamp::from_second(i64::try_from(number).unwrap() * 15).unwrap(),
            elapsed: number * 15_000_000,
            host: HostSample {
                cpu: Some(cpu * 1000),
                memory: Some(memory),
                disk: Some((memory, memory.saturating_mul(10))),
                ..HostSample::default()
            },
            containers: BTreeMap::from([(key(), container)]),
        }
    }

    fn windows(samples: impl IntoIterator<Item = Sample>) -> Vec<UsageWindow> {
        let mut gathering = Gathering::default();
        samples
            .into_iter()
            .filter_map(|sample| gathering.add(sample))
            .collect()
    }

    #[test]
    fn five_samples_make_a_window_and_four_more_the_next() {
        let all = windows((0..9).map(|n| sample(n, n * 1500, 1000 + n, n * 150_000, "a")));
        assert_eq!(all.len(), 2);
        let (first, second) = (&all[0], &all[1]);
        assert_eq!(first.from.as_second(), 0);
        assert_eq!((first.until, first.until.as_second()), (second.from, 60));
        // 1.5 of 15 seconds.
        assert_eq!(first.host.cpu, Some([100, 100, 100].into()));
        assert_eq!(first.host.memory, Some([1001, 1002, 1004].into()));
        assert_eq!(first.host.disk_size, Some(10_040));
        assert_eq!((first.host.disk_read, first.host.network_in), (None, None));
        let (instance, service) = key();
        let web = &first.containers[&instance][&service];
        assert_eq!(web.network_in, Some([10_000, 10_000, 10_000].into()));
        assert_eq!(web.network_out, Some([0, 0, 0].into()));
    }

    #[test]
    fn another_container_counts_anew() {
        let ids = ["a", "a", "b", "b", "b"];
        let all = windows((0..5).map(|n| {
            sample(
                n,
                if n < 2 { 90_000 } else { n * 15 },
                1,
                0,
                ids[usize::try_from(n).unwrap()],
            )
        }));
        let (instance, service) = key();
        let web = &all[0].containers[&instance][&service];
        assert_eq!(
            web.cpu,
            Some([0, 0, 1].into()),
            "no rate between two containers"
        );
        assert_eq!(web.memory, Some([1, 1, 1].into()));
    }

    #[test]
    fn after_a_sleep_a_window_begins_anew() {
        let mut samples: Vec<_> = (0..3).map(|n| sample(n, n, 1, 0, "a")).collect();
        samples.extend((9000..9005).map(|n| sample(n, n, 1, 0, "a")));
        let all = windows(samples);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].from.as_second(), 9000 * 15);
    }

    proptest! {
        #[test]
        fn the_mean_is_between_least_and_greatest(
            values in proptest::collection::vec((any::<u64>(), any::<u64>(), 0u64..2_000_000_000, 0u8..3), 1..40)
        ) {
            let mut gathering = Gathering::default();
            let mut elapsed = 0u64;
            for (cpu, memory, step, id) in values {
                elapsed += step;
                let mut one = sample(0, 0, memory, cpu, &id.to_string());
                one.elapsed = elapsed;
                one.host.cpu = Some(cpu);
                one.host.memory = Some(memory);
                one.host.disk = None;
                if let Some(window) = gathering.add(one) {
                    let spreads = [window.host.cpu, window.host.memory];
                    let inner = window.containers.values().flat_map(BTreeMap::values);
                    let inner = inner.flat_map(|c| [c.cpu, c.memory, c.network_in, c.network_out]);
                    for spread in spreads.into_iter().chain(inner).flatten() {
                        prop_assert!(spread.least <= spread.mean && spread.mean <= spread.greatest);
                    }
                }
            }
        }
    }
}
