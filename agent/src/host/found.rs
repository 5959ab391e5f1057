//! What is on the machine, as plain data. What could not be seen is an error in a sentence, never empty (law 7).

use super::GROUP;
use super::memory::Memory;
use super::plan::AgentCommand;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::document::{HostArea, SysctlName};
use tenantry_schema::name::RelativePath;

/// A file, if there is one.
pub type FileFound = Result<Option<Content>, String>;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What is in it.
    pub data: Arc<[u8]>,
    /// Permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
}

/// What is on the machine, as far as the areas that are asked for need it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Files that may be ours, and those that others keep and that decide something. Relative to `/`.
    pub files: BTreeMap<RelativePath, FileFound>,
    /// Folders whose files could not be listed, and why.
    pub unlisted: BTreeMap<&'static str, String>,
    /// Packages that are installed, of those that are needed. Absent: not looked at.
    pub installed: Option<Result<BTreeSet<String>, String>>,
    /// When apt last fetched its lists.
    pub lists: Option<Timestamp>,
    /// Settings of the kernel. None: it has no such setting.
    pub kernel: BTreeMap<SysctlName, Result<Option<String>, String>>,
    /// Where `/etc/localtime` leads.
    pub zone: Option<String>,
    /// Whether the zone that is wanted is known here.
    pub zone_known: bool,
    /// Files and devices that are swapped to, with their sizes in bytes.
    pub swaps: Result<BTreeMap<String, u64>, String>,
    /// Size of our swap file, if there is one.
    pub swap_file: Option<u64>,
    /// Bytes that are free where it would be.
    pub room: u64,
    /// Whether systemd looks after this machine.
    pub systemd: bool,
    /// Names of our timers that have units.
    pub timer_units: BTreeSet<String>,
    /// When the engine's settings were written, and when it was started.
    pub engine: Option<(Timestamp, Timestamp)>,
    /// Whoever this agent runs as: root, but for tests.
    pub euid: u32,
    /// Identifies this run of the machine.
    pub boot: String,
    /// When that of an area which no file shows was last looked at.
    pub inspected: BTreeMap<HostArea, Timestamp>,
    /// How units call this agent.
    pub agent: AgentCommand,
    /// What was applied before.
    pub memory: Memory,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            unlisted: BTreeMap::new(),
            installed: None,
            lists: None,
            kernel: BTreeMap::new(),
            zone: None,
            zone_known: false,
            swaps: Ok(BTreeMap::new()),
            swap_file: None,
            room: 0,
            systemd: false,
            timer_units: BTreeSet::new(),
            engine: None,
            euid: 0,
            boot: String::new(),
            inspected: BTreeMap::new(),
            agent: AgentCommand::default(),
            memory: Memory::default(),
        }
    }
}

impl Found {
    /// The text of a file. None: there is no such file, or it was not looked at.
    pub fn text(&self, path: &str) -> Result<Option<&str>, String> {
        match self.files.get(path) {
            Some(Ok(Some(content))) => std::str::from_utf8(&content.data)
                .map(Some)
                .map_err(|_| format!("/{path} is no text")),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(None)) | None => Ok(None),
        }
    }

    /// Whether systemd begins the unit with this target: as [`super::wanted_by`] says, a link, in the place of which there may be anything.
    ///
    /// # Errors
    /// Where that cannot be seen.
    pub fn is_enabled(&self, target: &str, unit: &str) -> Result<bool, String> {
        match self.files.get(super::wanted_by(target, unit).as_str()) {
            Some(Ok(link)) => Ok(link.is_some()),
            Some(Err(why)) => Err(why.clone()),
            None => Ok(false),
        }
    }

    /// Everybody who has an account, by name.
    pub fn accounts(&self) -> Result<BTreeMap<&str, Account<'_>>, String> {
        let passwd = self.text("etc/passwd")?.ok_or("/etc/passwd is missing")?;
        let shadow = self.text("etc/shadow")?.unwrap_or_default();
        let shut: BTreeSet<&str> = shadow.lines().filter_map(expired).collect();
        let group = self.text("etc/group")?.unwrap_or_default();
        let members: BTreeSet<&str> = group
            .lines()
            .filter_map(|line| line.strip_prefix(GROUP)?.strip_prefix(':'))
            .filter_map(|line| line.rsplit(':').next())
            .flat_map(|members| members.split(','))
            .collect();
        Ok(passwd
            .lines()
            .filter_map(|line| Account::parse(line, &shut, &members))
            .map(|account| (account.name, account))
            .collect())
    }
}

/// Somebody who has an account (`passwd(5)`, `shadow(5)`, `group(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// The name.
    pub name: &'a str,
    /// Their number.
    pub uid: u32,
    /// Of their group.
    pub gid: u32,
    /// Their folder, relative to `/`.
    pub home: &'a str,
    /// Whether they cannot log in any more.
    pub shut: bool,
    /// Whether the fleet's word made them, or took them in.
    pub ours: bool,
}

impl<'a> Account<'a> {
    fn parse(line: &'a str, shut: &BTreeSet<&str>, members: &BTreeSet<&str>) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        let home = fields.nth(1)?;
        Some(Self {
            name,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: home.trim_start_matches('/'),
            shut: shut.contains(name),
            ours: members.contains(name),
        })
    }

    /// Where their keys are, relative to `/`.
    pub fn keys(&self) -> String {
        format!("{}/.ssh/authorized_keys", self.home)
    }
}

/// The name, where the eighth field is a day long gone. We set it to 1.
fn expired(line: &str) -> Option<&str> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let day: i64 = fields.nth(6)?.parse().ok()?;
    (0..=1).contains(&day).then_some(name)
}

/// Names of packages that dpkg's status says are installed, of those in `wanted`.
pub fn installed(status: &str, wanted: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut name = "";
    for line in status.lines() {
        if let Some(package) = line.strip_prefix("Package: ") {
            name = package.trim();
        } else if line
            .strip_prefix("Status: ")
            .is_some_and(|status| status.trim().ends_with(" ok installed"))
            && wanted.contains(name)
        {
            found.insert(name.to_owned());
        } else if line.is_empty() {
            name = "";
        }
    }
    found
}

/// `/proc/swaps`: files and devices with their sizes in bytes.
pub fn swaps(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().skip(1);
    lines
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (name, size) = (words.next()?, words.nth(1)?);
            Some((
                name.to_owned(),
                size.parse::<u64>().ok()?.checked_mul(1024)?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(passwd: &str, shadow: &str, group: &str) -> Found {
        let file = |text: &str| {
            Ok(Some(Content {
                data: text.as_bytes().into(),
                mode: 0o644,
                uid: 0,
            }))
        };
        let files = [
            ("etc/passwd", passwd),
            ("etc/shadow", shadow),
            ("etc/group", group),
        ];
        let files = files.map(|(path, text)| (super::super::path(path), file(text)));
        Found {
            files: files.into(),
            ..Found::default()
        }
    }

    #[test]
    fn accounts_are_read_as_the_system_reads_them() {
        let found = found(
            "root:x:0:0:root:/root:/bin/bash\njo:x:1000:1000:,,,:/home/jo:/bin/bash\nbroken\nal:x:1001:1001::/home/al:/bin/sh\n",
            "root:*:19000:0:99999:7:::\njo:*:19000:0:99999:7::1:\nal:*:19000:0:99999:7:::\n",
            "sudo:x:27:\ntenantry-staff:x:999:jo,eve\n",
        );
        let accounts = found.accounts().unwrap();
        assert_eq!(accounts.len(), 3);
        let jo = accounts["jo"];
        assert_eq!(
            (jo.uid, jo.home, jo.shut, jo.ours),
            (1000, "home/jo", true, true)
        );
        assert!(!accounts["al"].shut && !accounts["al"].ours);
        assert_eq!(jo.keys(), "home/jo/.ssh/authorized_keys");
        assert!(Found::default().accounts().is_err(), "unknown is not empty");
    }

    #[test]
    fn packages_that_are_half_installed_are_not() {
        let status = "Package: htop\nStatus: install ok installed\nVersion: 1\n\nPackage: tree\nStatus: deinstall ok config-files\n\nPackage: jq\nStatus: hold ok installed\n\nPackage: curl\nStatus: install ok half-configured\n";
        let wanted = ["htop", "tree", "jq", "curl"].map(str::to_owned).into();
        let found: Vec<_> = installed(status, &wanted).into_iter().collect();
        assert_eq!(found, ["htop", "jq"]);
    }

    #[test]
    fn what_is_swapped_to() {
        let text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swapfile.tenantry                      file\t\t1048572\t\t0\t\t-2\n";
        assert_eq!(swaps(text)["/swapfile.tenantry"], 1_048_572 * 1024);
        assert!(swaps("").is_empty());
    }

    proptest! {
        #[test]
        fn any_file_is_answered(text in "([a-z:0-9/,\n ]|Package: |Status: ){0,80}") {
            let wanted = ["a".to_owned()].into();
            let _ = (installed(&text, &wanted), swaps(&text));
            let found = found(&text, &text, &text);
            prop_assert!(found.accounts().is_ok());
        }
    }
}
