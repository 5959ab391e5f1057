//! Points as few bytes: numbers in groups of seven bits (LEB128), quantities that are not known left out.
//!
//! ```text
//! host        version minutes mask (least mean−least greatest−mean)* [disk_size]
//! containers  version minutes count (instance service mask (…)*)*      names: length, bytes
//! ```

use crate::store::usage::{Containers, Weighed};
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{ContainerUsage, HostUsage, Spread};

/// What the bytes mean. A row of another version counts as none.
const VERSION: u64 = 1;
/// Names in a row, and bytes of one, are no more than this.
const MOST: u64 = 4096;

pub(super) fn host(point: &Weighed<HostUsage>) -> Vec<u8> {
    let usage = &point.usage;
    let mut out = head(point.minutes);
    put_spreads(
        &mut out,
        &[
            usage.cpu,
            usage.memory,
            usage.disk,
            usage.disk_read,
            usage.disk_write,
            usage.network_in,
            usage.network_out,
        ],
    );
    if let Some(size) = usage.disk_size {
        put(&mut out, size);
    }
    out
}

pub(super) fn read_host(bytes: &[u8]) -> Option<Weighed<HostUsage>> {
    let mut bytes = Bytes(bytes);
    let minutes = bytes.head()?;
    let [
        cpu,
        memory,
        disk,
        disk_read,
        disk_write,
        network_in,
        network_out,
    ] = bytes.spreads()?;
    let disk_size = if bytes.0.is_empty() {
        None
    } else {
        Some(bytes.number()?)
    };
    let usage = HostUsage {
        cpu,
        memory,
        disk,
        disk_size,
        disk_read,
        disk_write,
        network_in,
        network_out,
    };
    Some(Weighed { minutes, usage })
}

pub(super) fn containers(point: &Weighed<Containers>) -> Vec<u8> {
    let mut out = head(point.minutes);
    let count: usize = point
        .usage
        .values()
        .map(std::collections::BTreeMap::len)
        .sum();
    put(&mut out, count as u64);
    for (instance, services) in &point.usage {
        for (service, usage) in services {
            put_name(&mut out, instance.as_str());
            put_name(&mut out, service);
            put_spreads(
                &mut out,
                &[
                    usage.cpu,
                    usage.memory,
                    usage.disk_read,
                    usage.disk_write,
                    usage.network_in,
                    usage.network_out,
                ],
            );
        }
    }
    out
}

pub(super) fn read_containers(bytes: &[u8]) -> Option<Weighed<Containers>> {
    let mut bytes = Bytes(bytes);
    let minutes = bytes.head()?;
    let mut usage = Containers::new();
    for _ in 0..bytes.number().filter(|count| *count <= MOST)? {
        let instance = InstanceName::try_from(bytes.name()?).ok()?;
        let service = bytes.name()?;
        let [cpu, memory, disk_read, disk_write, network_in, network_out] = bytes.spreads()?;
        let one = ContainerUsage {
            cpu,
            memory,
            disk_read,
            disk_write,
            network_in,
            network_out,
        };
        usage.entry(instance).or_default().insert(service, one);
    }
    Some(Weighed { minutes, usage })
}

fn head(minutes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    put(&mut out, VERSION);
    put(&mut out, minutes);
    out
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    put(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

fn put_spreads(out: &mut Vec<u8>, spreads: &[Option<Spread>]) {
    let mask = spreads.iter().enumerate().fold(0, |mask, (at, spread)| {
        mask | u64::from(spread.is_some()) << at
    });
    put(out, mask);
    for spread in spreads.iter().flatten() {
        // In order, or the differences could not be.
        let (least, mean) = (spread.least.min(spread.mean), spread.mean);
        put(out, least);
        put(out, mean - least);
        put(out, spread.greatest.max(mean) - mean);
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn head(&mut self) -> Option<u64> {
        (self.number()? == VERSION).then(|| self.number())?
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(first & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn name(&mut self) -> Option<String> {
        let length = usize::try_from(self.number().filter(|length| *length <= MOST)?).ok()?;
        let (name, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(name.to_vec()).ok()
    }

    fn spreads<const N: usize>(&mut self) -> Option<[Option<Spread>; N]> {
        let mask = self.number()?;
        let mut all = [None; N];
        for (at, spread) in all.iter_mut().enumerate() {
            if mask >> at & 1 == 1 {
                let least = self.number()?;
                let mean = least.checked_add(self.number()?)?;
                let greatest = mean.checked_add(self.number()?)?;
                *spread = Some(Spread {
                    least,
                    mean,
                    greatest,
                });
            }
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread() -> impl Strategy<Value = Option<Spread>> {
        let three = proptest::collection::vec(prop_oneof![0u64..1000, any::<u64>()], 3);
        proptest::option::of(three.prop_map(|mut three| {
            three.sort_unstable();
            Spread {
                least: three[0],
                mean: three[1],
                greatest: three[2],
            }
        }))
    }

    prop_compose! {
        fn usage()(all in proptest::collection::vec(spread(), 6)) -> ContainerUsage {
            ContainerUsage {
                cpu: all[0], memory: all[1], disk_read: all[2], disk_write: all[3], network_in: all[4], network_out: all[5],
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read_again(
            minutes in any::<u64>(),
            one in usage(),
            disk in spread(),
            disk_size in proptest::option::of(any::<u64>()),
            services in proptest::collection::btree_map("[a-z]{1,20}", usage(), 0..5),
        ) {
            let point = Weighed { minutes, usage: HostUsage {
                cpu: one.cpu, memory: one.memory, disk, disk_size, disk_read: one.disk_read, disk_write: one.disk_write,
                network_in: one.network_in, network_out: one.network_out,
            } };
            prop_assert_eq!(read_host(&host(&point)), Some(point));
            let mut usage = Containers::new();
            if !services.is_empty() {
                usage.insert("site-html".to_owned().try_into().unwrap(), services);
            }
            let point = Weighed { minutes, usage };
            prop_assert_eq!(read_containers(&containers(&point)), Some(point));
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (read_host(&bytes), read_containers(&bytes));
        }
    }

    #[test]
    fn a_usual_point_takes_few_bytes() {
        let spread = |mean: u64| {
            Some(Spread {
                least: mean / 2,
                mean,
                greatest: mean * 2,
            })
        };
        let usage = HostUsage {
            cpu: spread(200),
            memory: spread(2 << 30),
            disk: spread(20 << 30),
            disk_size: Some(80 << 30),
            disk_read: spread(40_000),
            disk_write: spread(90_000),
            network_in: spread(10_000),
            network_out: spread(70_000),
        };
        assert!(host(&Weighed { minutes: 1, usage }).len() < 90);
    }
}
