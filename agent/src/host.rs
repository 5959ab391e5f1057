//! The machine beneath the tools: packages, users, SSH, firewall and the like, each an area of its own. What is there is seen in
//! [`look`], decided on in [`plan`] (pure), done in [`execute`].
//!
//! An area that the slice does not ask for is not touched, and what it left behind stays. A pass in which nothing changed reads the
//! stamps of files and a few files of the kernel, and starts no program.

pub mod execute;
pub mod found;
pub mod look;
pub mod memory;
pub mod plan;
pub mod programs;
pub mod step;
pub mod texts;

use tenantry_schema::name::RelativePath;

/// A path that is written in the program, relative to `/`.
pub(crate) fn path(text: &str) -> RelativePath {
    RelativePath::try_from(text).unwrap_or_else(|_| unreachable!("`{text}` is a relative path"))
}

/// The group of those who may log in by the fleet's word.
pub const GROUP: &str = "tenantry-staff";
/// Who may become root.
pub const SUDOERS: &str = "etc/sudoers.d/tenantry-staff";
/// Settings of the SSH server. It takes the first value that it reads, so the name comes early.
pub const SSHD: &str = "etc/ssh/sshd_config.d/00-tenantry.conf";
/// Where more settings of the SSH server are, of others as well.
pub const SSHD_FOLDER: &str = "etc/ssh/sshd_config.d";
/// Where systemd keeps that a unit is enabled (`systemctl(1)`): a link, which is there when the target begins the unit.
pub(crate) fn wanted_by(target: &str, unit: &str) -> String {
    format!("{UNITS}/{target}.wants/{unit}")
}

/// There where systemd listens for the SSH server, so that the port is not in that one's hands.
pub const SSH_SOCKET: &str = "etc/systemd/system/sockets.target.wants/ssh.socket";
/// The SSH server's main configuration.
pub const SSHD_MAIN: &str = "etc/ssh/sshd_config";
/// Rules of the firewall.
pub const RULES: &str = "etc/tenantry/firewall.nft";
/// Loads them when the machine starts.
pub const RULES_UNIT: &str = "tenantry-firewall.service";
/// Jails of fail2ban.
pub const JAIL: &str = "etc/fail2ban/jail.d/tenantry.local";
/// Settings of apt that are read last.
pub const APT_MAIN: &str = "etc/apt/apt.conf";
/// Where more settings of apt are, of others as well.
pub const APT_FOLDER: &str = "etc/apt/apt.conf.d";
/// Settings of apt.
pub const UPGRADES: &str = "etc/apt/apt.conf.d/60tenantry-upgrades";
/// Settings of the kernel.
pub const SYSCTLS: &str = "etc/sysctl.d/60-tenantry.conf";
/// Settings of the container engine.
pub const DAEMON: &str = "etc/docker/daemon.json";
/// The file that is swapped to.
pub const SWAP: &str = "swapfile.tenantry";
/// Mounts it, so to speak, when the machine starts. systemd wants it named like the file.
pub const SWAP_UNIT: &str = "swapfile.tenantry.swap";
/// Where units are.
pub const UNITS: &str = "etc/systemd/system";
/// Begins the rules.
pub const RULES_TARGET: &str = "sysinit.target";
/// Begins swapping.
pub const SWAP_TARGET: &str = "swap.target";
/// Begins timers.
pub const TIMERS_TARGET: &str = "timers.target";
/// Where it is kept which timers begin.
pub const TIMERS_WANTED: &str = "etc/systemd/system/timers.target.wants";
/// How units of timers begin.
pub const TIMER: &str = "tenantry-timer-";
