//! Looks at the machine. Files are read again only when their stamps changed; no program is started.

use super::execute::Ground;
use super::found::{Account, Content, FileFound, Found, installed, swaps};
use super::plan::needed;
use super::{
    APT_FOLDER, APT_MAIN, DAEMON, JAIL, RULES, RULES_TARGET, RULES_UNIT, SSH_SOCKET, SSHD,
    SSHD_FOLDER, SSHD_MAIN, SUDOERS, SWAP, SWAP_TARGET, SWAP_UNIT, SYSCTLS, TIMER, TIMERS_WANTED,
    UNITS, UPGRADES, wanted_by,
};
use crate::files::{FilesError, Root, Stamp};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tenantry_schema::document::{Host, HostArea};
use tenantry_schema::id::StaffId;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::UserSpec;

/// Longest file that is read here.
const LIMIT: u64 = 4 << 20;
/// dpkg's own list is longer.
const STATUS_LIMIT: u64 = 64 << 20;
const STATUS: &str = "var/lib/dpkg/status";
/// People that the fleet does not know whose keys are looked at, at most.
const MOST_OTHERS: usize = 64;
/// Files that others keep, besides settings of the SSH server.
const FOREIGN: [&str; 5] = ["etc/passwd", "etc/shadow", "etc/group", DAEMON, SSHD_MAIN];

/// Looks, and remembers what need not be read twice.
#[derive(Debug, Default)]
pub struct HostEyes {
    files: BTreeMap<RelativePath, (Stamp, FileFound)>,
    packages: Option<(Stamp, BTreeSet<String>, BTreeSet<String>)>,
}

impl HostEyes {
    /// What is on the machine, as far as these areas need it.
    pub fn observe(
        &mut self,
        ground: &Ground,
        host: &Host,
        users: &BTreeMap<StaffId, UserSpec>,
    ) -> Found {
        let root = &ground.root;
        let below = |path: &str| root.path().join(path);
        let areas = host.areas();
        let asks = |area| areas.contains(&area);
        let mut found = Found {
            memory: ground.memory.borrow().get().clone(),
            inspected: ground.inspected.borrow().clone(),
            systemd: below("run/systemd/system").is_dir(),
            boot: ground.boot(),
            swaps: Ok(BTreeMap::new()),
            agent: ground.agent.get().cloned().unwrap_or_default(),
            euid: rustix::process::geteuid().as_raw(),
            ..Found::default()
        };
        let needed = needed(host, users);
        if !needed.is_empty() {
            found.installed = Some(self.installed(root, &needed));
            found.lists = lists(&below("var/lib/apt/lists"));
        }
        let mut paths: BTreeSet<RelativePath> = plain_files(&areas)
            .iter()
            .map(|path| super::path(path))
            .collect();
        let mut names = |folder, of: &dyn Fn(&str) -> bool| match names_in(root, folder, of) {
            Ok(names) => paths.extend(names),
            Err(why) => drop(found.unlisted.insert(folder, why)),
        };
        if asks(HostArea::Ssh) || asks(HostArea::Firewall) || asks(HostArea::Fail2ban) {
            names(SSHD_FOLDER, &|name| name.ends_with(".conf"));
        }
        if asks(HostArea::Packages) {
            names(APT_FOLDER, &|name| is_later_for_apt(name));
        }
        if asks(HostArea::Timers) {
            names(UNITS, &|name| name.starts_with(TIMER));
            names(TIMERS_WANTED, &|name| name.starts_with(TIMER));
        }
        let kept: BTreeSet<_> = paths.iter().cloned().collect();
        for path in paths {
            let file = self.file(root, &path);
            found.files.insert(path, file);
        }
        let mut all = kept;
        if asks(HostArea::Users) || asks(HostArea::Ssh) {
            for path in key_files(&found, users) {
                let file = self.file(root, &path);
                all.insert(path.clone());
                found.files.insert(path, file);
            }
        }
        self.files.retain(|path, _| all.contains(path));
        found.timer_units = found
            .files
            .keys()
            .filter_map(|path| timer_name(path.as_str()))
            .collect();
        look_at_kernel(root, host, &mut found);
        if asks(HostArea::Swap) {
            look_at_swap(root, &mut found);
        }
        if asks(HostArea::Docker) {
            let (written, started) = (changed(&below(DAEMON)), changed(&below("run/docker.pid")));
            found.engine = written.zip(started);
        }
        found
    }

    fn installed(
        &mut self,
        root: &Root,
        needed: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, String> {
        let path = super::path(STATUS);
        let stamp = root.stamp(&path).map_err(|error| error.to_string())?;
        let stamp = stamp.ok_or("/var/lib/dpkg/status is missing: this is no Debian")?;
        if let Some((known, wanted, found)) = &self.packages
            && *known == stamp
            && wanted == needed
        {
            return Ok(found.clone());
        }
        let data = root
            .read(&path, STATUS_LIMIT)
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
        let found = installed(&text, needed);
        self.packages = Some((stamp, needed.clone(), found.clone()));
        Ok(found)
    }

    fn file(&mut self, root: &Root, path: &RelativePath) -> FileFound {
        let Some(stamp) = root.stamp(path).map_err(|error| error.to_string())? else {
            self.files.remove(path);
            // A link on the way looks like nothing there: writing says what is wrong, where we write.
            return match root.read(path, LIMIT) {
                Err(error) if is_foreign(path.as_str()) => Err(error.to_string()),
                _ => Ok(None),
            };
        };
        if let Some((known, file)) = self.files.get(path)
            && *known == stamp
        {
            return file.clone();
        }
        let odd = || {
            Ok(Some(Content {
                data: [].into(),
                mode: 0,
                uid: u32::MAX,
            }))
        };
        let file = match root.read(path, LIMIT) {
            Ok(data) => Ok(data.map(|data| Content {
                data: data.into(),
                mode: stamp.mode(),
                uid: stamp.uid(),
            })),
            // Not what was written there: it is written again.
            Err(FilesError::NotAFile(_) | FilesError::TooLarge { .. })
                if !is_foreign(path.as_str()) =>
            {
                odd()
            }
            Err(error) => Err(error.to_string()),
        };
        self.files.insert(path.clone(), (stamp, file.clone()));
        file
    }
}

/// Settings of the kernel, and the time zone, as far as they are asked for.
fn look_at_kernel(root: &Root, host: &Host, found: &mut Found) {
    let below = |path: &str| root.path().join(path);
    if let Some(settings) = &host.sysctls {
        let values = settings.keys().map(|name| {
            let path = format!("proc/sys/{}", name.as_str().replace('.', "/"));
            (name.clone(), kernel(&below(&path)))
        });
        found.kernel = values.collect();
    }
    if let Some(zone) = &host.time_zone {
        let target = std::fs::read_link(below("etc/localtime")).ok();
        found.zone = target.and_then(|target| Some(target.to_str()?.to_owned()));
        found.zone_known = below(&format!("usr/share/zoneinfo/{zone}")).is_file();
    }
}

/// What is swapped to, and how much room there is for a file to swap to.
fn look_at_swap(root: &Root, found: &mut Found) {
    let below = |path: &str| root.path().join(path);
    let text = std::fs::read_to_string(below("proc/swaps"));
    found.swaps = text
        .map(|text| swaps(&text))
        .map_err(|error| format!("/proc/swaps: {error}"));
    found.swap_file = std::fs::symlink_metadata(below(SWAP))
        .ok()
        .map(|it| it.len());
    let space = rustix::fs::statvfs(root.path()).ok();
    let free = space.map_or(0, |space| space.f_bavail.saturating_mul(space.f_frsize));
    // One that was never finished is written anew.
    let unfinished = std::fs::symlink_metadata(below(&format!("{SWAP}.new")));
    let unfinished = unfinished.map_or(0, |it| it.blocks().saturating_mul(512));
    found.room = free.saturating_add(unfinished);
}

/// Whether apt reads a file of its folder after ours, so that what it says wins (`apt.conf(5)`).
fn is_later_for_apt(name: &str) -> bool {
    let ours = UPGRADES.rsplit('/').next().unwrap_or_default();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "conf"));
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name > ours && ending == "conf" && !stem.is_empty() && stem.chars().all(good)
}

/// Whether others keep the file: what they wrote there counts, so it must be seen.
fn is_foreign(path: &str) -> bool {
    FOREIGN.contains(&path)
        || path.starts_with(SSHD_FOLDER) && path != SSHD
        || path.starts_with(APT_MAIN) && path != UPGRADES
}

/// Files that areas look at, besides those whose names depend on what is there.
fn plain_files(areas: &[HostArea]) -> Vec<String> {
    let mut all = Vec::new();
    for area in areas {
        let files: &[&str] = match area {
            HostArea::Packages => &[UPGRADES, APT_MAIN],
            HostArea::Users => &["etc/passwd", "etc/shadow", "etc/group", SUDOERS],
            HostArea::Ssh => &[
                "etc/passwd",
                "etc/shadow",
                "etc/group",
                SSHD,
                SSHD_MAIN,
                SSH_SOCKET,
            ],
            HostArea::Firewall => &[SSHD_MAIN, SSH_SOCKET, RULES],
            HostArea::Fail2ban => &[SSHD_MAIN, SSH_SOCKET, JAIL],
            HostArea::TimeZone => &["etc/timezone"],
            HostArea::Sysctls => &[SYSCTLS],
            HostArea::Docker => &[DAEMON],
            HostArea::Swap | HostArea::Timers => &[],
        };
        let unit = match area {
            HostArea::Firewall => Some((RULES_TARGET, RULES_UNIT)),
            HostArea::Swap => Some((SWAP_TARGET, SWAP_UNIT)),
            _ => None,
        };
        all.extend(files.iter().map(|path| (*path).to_owned()));
        if let Some((target, name)) = unit {
            all.extend([format!("{UNITS}/{name}"), wanted_by(target, name)]);
        }
    }
    all
}

/// Where keys of people are.
fn key_files(found: &Found, users: &BTreeMap<StaffId, UserSpec>) -> Vec<RelativePath> {
    let accounts = found.accounts().unwrap_or_default();
    let (known, others): (Vec<&Account<'_>>, Vec<_>) = accounts
        .values()
        .partition(|account| account.ours || users.contains_key(account.name));
    let others = others
        .into_iter()
        .filter(|account| (1000..60_000).contains(&account.uid))
        .take(MOST_OTHERS);
    let keys = known.into_iter().chain(others).map(Account::keys);
    keys.chain(["root/.ssh/authorized_keys".to_owned()])
        .filter_map(|path| RelativePath::try_from(path).ok())
        .collect()
}

fn timer_name(path: &str) -> Option<String> {
    let name = path
        .strip_prefix(UNITS)?
        .strip_prefix('/')?
        .strip_prefix(TIMER)?;
    name.strip_suffix(".timer").map(str::to_owned)
}

/// Files in a folder, if there is one.
fn names_in(
    root: &Root,
    folder: &str,
    of: &dyn Fn(&str) -> bool,
) -> Result<Vec<RelativePath>, String> {
    let failed = |error: std::io::Error| format!("/{folder}: {error}");
    let entries = match std::fs::read_dir(root.path().join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let text = name.to_string_lossy();
        if of(&text) {
            let path = name.to_str().map(|name| format!("{folder}/{name}"));
            let path = path.and_then(|path| RelativePath::try_from(path).ok());
            names.push(path.ok_or_else(|| {
                format!("/{folder} has a file with a name that is not understood: {text:?}")
            })?);
        }
    }
    Ok(names)
}

/// Words with single spaces between them, as documents have them.
fn kernel(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(
            text.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn changed(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(std::fs::metadata(path).ok()?.modified().ok()?).ok()
}

/// When apt fetched its lists; none where there are none.
fn lists(folder: &Path) -> Option<Timestamp> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten();
    let any = entries.any(|entry| entry.file_name().to_string_lossy().contains("_Packages"));
    if any { changed(folder) } else { None }
}

/// Files whose change wakes the agent, so that they are put right at once.
pub fn watched(host: &Host) -> Vec<String> {
    let ours = [SUDOERS, SSHD, RULES, JAIL, UPGRADES, SYSCTLS, DAEMON];
    let mut files = plain_files(&host.areas());
    files.retain(|path| ours.contains(&path.as_str()));
    files
}
