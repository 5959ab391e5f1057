//! What servers and containers used, over time: the spans that can be asked for, and how points are put together to coarser ones. Pure.

use serde::Serialize;
use std::collections::BTreeMap;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{ContainerUsage, HostUsage, Spread};

use jiff::Timestamp;

/// How far back one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UsageSpan {
    /// Six hours, by the minute (containers: by the quarter of an hour).
    Hours,
    /// A day, by the quarter of an hour.
    #[default]
    Day,
    /// A week, by the quarter of an hour (containers: by the hour).
    Week,
    /// All that is kept, by the hour or coarser.
    All,
}

impl UsageSpan {
    /// All of them with their words in addresses.
    pub const WORDS: [(Self, &'static str); 4] = [
        (Self::Hours, "6h"),
        (Self::Day, "24h"),
        (Self::Week, "7d"),
        (Self::All, "all"),
    ];

    /// From the word in an address.
    pub fn parse(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(span, _)| *span)
    }
}

/// What a server used within a step of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostPoint {
    /// The beginning of the step.
    pub at: Timestamp,
    /// What was used.
    #[serde(flatten)]
    pub usage: HostUsage,
}

/// What a container used within a step of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerPoint {
    /// The beginning of the step.
    pub at: Timestamp,
    /// What was used.
    #[serde(flatten)]
    pub usage: ContainerUsage,
}

/// What a server and its containers used. Steps of which nothing is known are not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageHistory {
    /// The beginning of the span.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Seconds of a step of the server.
    pub step: i64,
    /// The server, oldest first.
    pub host: Vec<HostPoint>,
    /// Seconds of a step of containers.
    pub containers_step: i64,
    /// Containers by instance and service, oldest first.
    pub containers: BTreeMap<InstanceName, BTreeMap<String, Vec<ContainerPoint>>>,
}

/// A point that is put together from several: what was used, and over how many minutes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Weighed<T> {
    pub(super) minutes: u64,
    pub(super) usage: T,
}

/// Usage that can be put together.
pub(super) trait Together {
    /// Takes another in. Each stands for so many minutes.
    fn join(&mut self, minutes: u64, other: &Self, other_minutes: u64);
}

impl<T: Together> Weighed<T> {
    pub(super) fn join(&mut self, other: &Self) {
        self.usage.join(self.minutes, &other.usage, other.minutes);
        self.minutes = self.minutes.saturating_add(other.minutes);
    }
}

fn spread(into: &mut Option<Spread>, minutes: u64, other: Option<Spread>, other_minutes: u64) {
    *into = match (*into, other) {
        (Some(a), Some(b)) => {
            let all = u128::from(minutes) + u128::from(other_minutes);
            let sum = u128::from(a.mean) * u128::from(minutes)
                + u128::from(b.mean) * u128::from(other_minutes);
            Some(Spread {
                least: a.least.min(b.least),
                mean: sum
                    .checked_div(all)
                    .map_or(a.mean, |mean| u64::try_from(mean).unwrap_or(u64::MAX)),
                greatest: a.greatest.max(b.greatest),
            })
        }
        (one, other) => one.or(other),
    };
}

impl Together for HostUsage {
    fn join(&mut self, minutes: u64, other: &Self, other_minutes: u64) {
        let each = [
            (&mut self.cpu, other.cpu),
            (&mut self.memory, other.memory),
            (&mut self.disk, other.disk),
            (&mut self.disk_read, other.disk_read),
            (&mut self.disk_write, other.disk_write),
            (&mut self.network_in, other.network_in),
            (&mut self.network_out, other.network_out),
        ];
        for (mine, other) in each {
            spread(mine, minutes, other, other_minutes);
        }
        self.disk_size = other.disk_size.or(self.disk_size);
    }
}

impl Together for ContainerUsage {
    fn join(&mut self, minutes: u64, other: &Self, other_minutes: u64) {
        let each = [
            (&mut self.cpu, other.cpu),
            (&mut self.memory, other.memory),
            (&mut self.disk_read, other.disk_read),
            (&mut self.disk_write, other.disk_write),
            (&mut self.network_in, other.network_in),
            (&mut self.network_out, other.network_out),
        ];
        for (mine, other) in each {
            spread(mine, minutes, other, other_minutes);
        }
    }
}

/// Containers by instance and service.
pub(super) type Containers = BTreeMap<InstanceName, BTreeMap<String, ContainerUsage>>;

impl Together for Containers {
    fn join(&mut self, minutes: u64, other: &Self, other_minutes: u64) {
        for (instance, services) in other {
            let mine = self.entry(instance.clone()).or_default();
            for (service, usage) in services {
                match mine.get_mut(service) {
                    Some(one) => one.join(minutes, usage, other_minutes),
                    None => drop(mine.insert(service.clone(), *usage)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_have_words() {
        for (span, word) in UsageSpan::WORDS {
            assert_eq!(UsageSpan::parse(word), Some(span));
        }
        assert_eq!(UsageSpan::parse("1y"), None);
    }

    proptest! {
        #[test]
        fn a_joined_mean_is_the_mean_of_all(points in proptest::collection::vec((0u64..1_000_000, 1u64..60), 1..20)) {
            let point = |(value, minutes): (u64, u64)| Weighed {
                minutes,
                usage: HostUsage { cpu: Some([value, value, value].into()), ..HostUsage::default() },
            };
            let mut sum = point(points[0]);
            for other in &points[1..] {
                sum.join(&point(*other));
            }
            let minutes: u64 = points.iter().map(|(_, minutes)| minutes).sum();
            let exact = points.iter().map(|(value, minutes)| value * minutes).sum::<u64>() / minutes;
            let spread = sum.usage.cpu.unwrap();
            prop_assert_eq!(sum.minutes, minutes);
            // Each step rounds down by less than one.
            prop_assert!(spread.mean <= exact && exact - spread.mean <= points.len() as u64);
            prop_assert_eq!(spread.least, points.iter().map(|(value, _)| *value).min().unwrap());
            prop_assert_eq!(spread.greatest, points.iter().map(|(value, _)| *value).max().unwrap());
        }
    }
}
