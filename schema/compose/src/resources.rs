//! What a service may use: memory, processors, processes, ulimits, logs; types and reading.

use crate::reader::{At, Fields};
use crate::units::{self, Cpus};
use crate::values::Pairs;
use std::collections::BTreeMap;

/// Bounds of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes.
    pub memory: Option<u64>,
    /// Share of processors.
    pub cpus: Option<Cpus>,
    /// Processes; -1 for no bound.
    pub pids: Option<i64>,
}

/// Rarely used settings of processors and memory; `None` leaves the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Tuning {
    /// Weight; 1024 is the engine's default.
    pub cpu_shares: Option<i64>,
    /// Such as `0-1`.
    pub cpuset: Option<String>,
    /// Microseconds.
    pub cpu_period: Option<i64>,
    /// Microseconds in each period.
    pub cpu_quota: Option<i64>,
    /// Bytes of memory and swap together; -1 for no bound.
    pub memory_swap: Option<i64>,
    /// 0 to 100.
    pub swappiness: Option<i64>,
    pub oom_kill_disable: bool,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i64>,
}

/// A ulimit; -1 for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// What is enforced.
    pub soft: i64,
    /// What a process may raise it to.
    pub hard: i64,
}

/// Where the output of a container goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// The engine's driver; `None` for its default.
    pub driver: Option<String>,
    /// The driver's options.
    pub options: Pairs,
}

pub(crate) fn size(at: &At<'_>) -> Option<u64> {
    at.parse("a size such as `512M`", 64 << 20, units::bytes)
}

fn pids(at: &At<'_>) -> Option<i64> {
    at.integer()
}

fn cpus(at: &At<'_>) -> Option<Cpus> {
    let sample = units::cpus("1")?;
    at.parse("a number of processors such as `0.5`", sample, units::cpus)
}

/// Limits and reservations from `deploy.resources` and from the older keys of the service.
pub(crate) fn read(service: &Fields<'_>) -> (Resources, Resources) {
    let (mut limits, mut reservations) = (None, None);
    if let Some(deploy) = service.get("deploy") {
        let refused = [
            ("mode", "one container a service is run"),
            ("endpoint_mode", "there is no swarm"),
            ("placement", "there is no swarm"),
            ("restart_policy", "write `restart` beside `image`"),
            ("update_config", "updates follow the rules of the stack"),
            ("rollback_config", "updates follow the rules of the stack"),
            ("labels", "write `labels` beside `image`"),
        ];
        let fields = deploy.fields(&["resources", "replicas"], &refused);
        if let Some(replicas) = fields.as_ref().and_then(|fields| fields.get("replicas"))
            && replicas.integer().is_some_and(|number| number != 1)
        {
            replicas.unsupported("only one container a service is run");
        }
        let resources = fields
            .as_ref()
            .and_then(|fields| fields.get("resources"))
            .and_then(|at| at.fields(&["limits", "reservations"], &[]));
        if let Some(resources) = resources {
            limits = resources.get("limits").map(limited);
            reservations = resources.get("reservations").map(reserved);
        }
    }
    let (capped, kept) = (limits.is_some(), reservations.is_some());
    let (mut limits, mut reservations) =
        (limits.unwrap_or_default(), reservations.unwrap_or_default());
    older(service, "mem_limit", capped, &mut limits.memory, size);
    older(service, "cpus", capped, &mut limits.cpus, cpus);
    older(service, "pids_limit", capped, &mut limits.pids, pids);
    older(
        service,
        "mem_reservation",
        kept,
        &mut reservations.memory,
        size,
    );
    (limits, reservations)
}

pub(crate) fn tuning(service: &Fields<'_>) -> Tuning {
    let number = |key: &str, range: std::ops::RangeInclusive<i64>| {
        let at = service.get(key)?;
        let number = at.integer()?;
        if !range.contains(&number) && !at.is_opaque() {
            at.invalid(format!(
                "a number from {} to {} is needed",
                range.start(),
                range.end()
            ));
        }
        Some(number)
    };
    Tuning {
        cpu_shares: number("cpu_shares", 0..=262_144),
        cpuset: service.owned("cpuset"),
        cpu_period: service.get("cpu_period").and_then(microseconds),
        cpu_quota: service.get("cpu_quota").and_then(microseconds),
        memory_swap: service.get("memswap_limit").and_then(|at| {
            at.parse("a size such as `1G`, or -1", -1, |text| match text {
                "-1" => Some(-1),
                _ => units::bytes(text).and_then(|size| i64::try_from(size).ok()),
            })
        }),
        swappiness: number("mem_swappiness", 0..=100),
        oom_kill_disable: service.boolean("oom_kill_disable"),
        oom_score_adj: number("oom_score_adj", -1000..=1000),
    }
}

/// A number of microseconds, or a duration.
fn microseconds(at: &At<'_>) -> Option<i64> {
    at.parse("microseconds, or a duration such as `50ms`", 0, |text| {
        let plain = text.strip_prefix('-').unwrap_or(text);
        if !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok();
        }
        let duration = units::duration(text)?;
        i64::try_from(duration.as_micros()).ok()
    })
}

fn limited(at: &At<'_>) -> Resources {
    of_deploy(at, &["memory", "cpus", "pids"], &[])
}

fn reserved(at: &At<'_>) -> Resources {
    const SHARE: &str = "the engine cannot keep it free; `cpu_shares` gives a service more weight";
    let refused = [
        ("cpus", SHARE),
        ("pids", "the engine cannot keep them free"),
        ("devices", "devices cannot be reserved yet"),
        ("generic_resources", "there is no swarm"),
    ];
    of_deploy(at, &["memory"], &refused)
}

fn of_deploy(at: &At<'_>, known: &[&str], refused: &[(&str, &str)]) -> Resources {
    let Some(fields) = at.fields(known, refused) else {
        return Resources::default();
    };
    let known = |key: &str| fields.get(key).filter(|_| known.contains(&key));
    Resources {
        memory: known("memory").and_then(size),
        cpus: known("cpus").and_then(cpus),
        pids: known("pids").and_then(At::integer),
    }
}

/// Takes an older key's value. Where `deploy` has the section it must say the same, or Compose refuses the file.
fn older<T: PartialEq>(
    service: &Fields<'_>,
    key: &str,
    section: bool,
    place: &mut Option<T>,
    read: impl Fn(&At<'_>) -> Option<T>,
) {
    let Some(at) = service.get(key) else { return };
    let value = read(at);
    let given = [Some(at), service.get("deploy")];
    let certain = !given.into_iter().flatten().any(At::may_change);
    if section && value.is_some() && *place != value && certain {
        at.invalid_with(
            format!("`{key}` and `deploy.resources` say different things"),
            "keep one of them",
        );
    }
    if place.is_none() {
        *place = value;
    }
}

pub(crate) fn ulimits(at: &At<'_>) -> BTreeMap<String, Ulimit> {
    let mut ulimits = BTreeMap::new();
    for (name, _, at) in at.entries().unwrap_or_default() {
        let limit = if at.node.as_mapping().is_some() {
            let Some(fields) = at.fields(&["soft", "hard"], &[]) else {
                continue;
            };
            let (Some(soft), Some(hard)) = (fields.get("soft"), fields.get("hard")) else {
                at.invalid("`soft` and `hard` are both needed");
                continue;
            };
            soft.integer().zip(hard.integer())
        } else {
            at.integer().map(|both| (both, both))
        };
        if let Some((soft, hard)) = limit {
            ulimits.insert(name.to_owned(), Ulimit { soft, hard });
        }
    }
    ulimits
}

pub(crate) fn logging(at: &At<'_>) -> Option<Logging> {
    let fields = at.fields(&["driver", "options"], &[])?;
    Some(Logging {
        driver: fields.owned("driver"),
        options: fields
            .get("options")
            .map(|at| crate::pairs::pairs(at, false))
            .unwrap_or_default(),
    })
}
