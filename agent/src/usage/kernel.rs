//! The kernel's files about the whole system (`proc(5)`), parsed. Pure; whatever is not understood is not known.

/// Microseconds in a tick of `/proc/stat`: `USER_HZ` is 100 on every architecture that Linux' ABI has it for.
const TICK: u64 = 10_000;
/// Bytes in a sector of `/proc/diskstats`, whatever the disk's own are.
const SECTOR: u64 = 512;

/// Processor time that was used since the start, in microseconds: everything but idle and waiting for disks. `text`: `/proc/stat`.
pub(super) fn cpu(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
    let used = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| ticks.get(*at));
    (ticks.len() >= 4)
        .then(|| used.fold(0, |sum: u64, ticks| sum.saturating_add(*ticks)))
        .map(|ticks| ticks.saturating_mul(TICK))
}

/// Bytes of memory that are not available to programs. `text`: `/proc/meminfo`.
pub(super) fn memory(text: &str) -> Option<u64> {
    let (all, free) = (
        kibibytes(text, "MemTotal:")?,
        kibibytes(text, "MemAvailable:")?,
    );
    Some(all.saturating_sub(free).saturating_mul(1024))
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Bytes read and written, of all disks. `text`: `/proc/diskstats`. `whole` says whether a name is a disk and no part of one.
pub(super) fn disks(text: &str, whole: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let mut sum = (0u64, 0u64);
    let mut any = false;
    for line in text.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (Some(name), Some(read), Some(written)) = (fields.get(2), fields.get(5), fields.get(9))
        else {
            continue;
        };
        if !whole(name) {
            continue;
        }
        let (Ok(read), Ok(written)) = (read.parse::<u64>(), written.parse::<u64>()) else {
            continue;
        };
        any = true;
        sum.0 = sum.0.saturating_add(read.saturating_mul(SECTOR));
        sum.1 = sum.1.saturating_add(written.saturating_mul(SECTOR));
    }
    any.then_some(sum)
}

/// Bytes that came in and went out. `text`: `/proc/<pid>/net/dev`. `counts` says whether an interface does.
pub(super) fn network(text: &str, counts: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let mut sum = (0u64, 0u64);
    let mut any = false;
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        if !counts(name.trim()) {
            continue;
        }
        let numbers: Vec<_> = rest.split_whitespace().collect();
        let (Some(Ok(received)), Some(Ok(sent))) = (
            numbers.first().map(|text| text.parse::<u64>()),
            numbers.get(8).map(|text| text.parse::<u64>()),
        ) else {
            continue;
        };
        any = true;
        sum.0 = sum.0.saturating_add(received);
        sum.1 = sum.1.saturating_add(sent);
    }
    any.then_some(sum)
}

/// Whether an interface leads out of the server: not to itself, and not to its own containers.
pub(super) fn leads_out(name: &str) -> bool {
    name != "lo"
        && !["veth", "br-", "docker", "virbr"]
            .iter()
            .any(|inner| name.starts_with(inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_kernel_writes_is_understood() {
        let stat = "cpu  100 1 50 9999 300 2 3 4 70 0\ncpu0 1 1 1 1\nintr 5\n";
        assert_eq!(cpu(stat), Some((100 + 1 + 50 + 2 + 3 + 4) * 10_000));
        assert_eq!(
            memory("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n"),
            Some(600 * 1024)
        );
        assert_eq!(memory("MemTotal: 1000 kB\n"), None);
        let table = " 254 0 vda 9 0 100 0 5 0 200 0 0 0 0\n 254 1 vda1 9 0 90 0 5 0 190 0 0 0 0\n 7 0 loop0 1 0 7 0 0 0 0 0 0 0 0\n";
        assert_eq!(disks(table, |name| name == "vda"), Some((51_200, 102_400)));
        assert_eq!(disks(table, |_| false), None);
        let table = "Inter-| Receive | Transmit\n face |bytes packets|bytes packets\n    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n  eth0:2702 29 0 0 0 0 0 0 2158 11 0 0 0 0 0 0\nveth1: 7 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";
        assert_eq!(network(table, leads_out), Some((2702, 2158)));
    }

    #[test]
    fn this_machine_is_understood() {
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        assert!(cpu(&read("/proc/stat")).unwrap() > 0);
        assert!(memory(&read("/proc/meminfo")).unwrap() > 1 << 20);
        assert!(network(&read("/proc/self/net/dev"), |_| true).is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(cpu |MemTotal: |MemAvailable: |lo:|[0-9]{1,25}| |\n|kB|.){0,60}") {
            let _ = (cpu(&text), memory(&text), disks(&text, |_| true), network(&text, |_| true));
        }
    }
}
