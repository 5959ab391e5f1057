//! What is in the files that are ours, written from what is asked for. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use tenantry_schema::document::{
    Destination, Docker, Fail2ban, Protocol, Schedule, Ssh, SysctlName, SysctlValue, Timer,
};

/// The first line of files whose comments begin with `#`.
const MARK: &str =
    "# Kept by tenantry-agent: changes made here are undone. See `host:` in the fleet.\n";

/// Settings of the SSH server (`sshd_config(5)`).
pub fn sshd(ssh: &Ssh) -> String {
    let root = if ssh.root { "prohibit-password" } else { "no" };
    format!(
        "{MARK}Port {}
PermitRootLogin {root}
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
X11Forwarding no
MaxAuthTries 4
LoginGraceTime 30
ClientAliveInterval 120
",
        ssh.port
    )
}

/// Who may become root, without a password, having none.
pub fn sudoers<'a>(users: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = MARK.to_owned();
    for user in users {
        let _ = writeln!(text, "{user} ALL=(ALL:ALL) NOPASSWD: ALL");
    }
    text
}

/// Security updates by themselves, or not (`apt.conf(5)`): without a word of ours the distribution's own setting would count.
pub fn upgrades(wanted: bool) -> String {
    let mark = MARK.replacen('#', "//", 1);
    let settings = if wanted {
        "APT::Periodic::Update-Package-Lists \"1\";
APT::Periodic::Unattended-Upgrade \"1\";
Unattended-Upgrade::Automatic-Reboot \"false\";
"
    } else {
        "APT::Periodic::Unattended-Upgrade \"0\";\n"
    };
    format!("{mark}{settings}")
}

/// Jails of fail2ban (`jail.conf(5)`).
pub fn jail(settings: &Fail2ban, ports: &BTreeSet<u16>) -> String {
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    format!(
        "{MARK}[DEFAULT]
banaction = nftables-multiport
banaction_allports = nftables-allports

[sshd]
enabled = true
backend = systemd
port = {}
maxretry = {}
findtime = 10m
bantime = {}m
",
        ports.join(","),
        settings.attempts,
        settings.ban.minutes
    )
}

/// Settings of the kernel (`sysctl.d(5)`).
pub fn sysctls(settings: &BTreeMap<SysctlName, SysctlValue>) -> String {
    let mut text = MARK.to_owned();
    for (name, value) in settings {
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}

/// Settings of the container engine: ours, and what else stood there.
///
/// # Errors
/// Where what stood there is no JSON object, in a sentence: it is left as it is.
pub fn daemon(before: Option<&str>, docker: &Docker) -> Result<String, String> {
    use serde_json::{Map, Value, json};
    let mut settings: Map<String, Value> = match before.map(str::trim) {
        None | Some("") => Map::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            format!(
                "/etc/docker/daemon.json is not what Docker can read, and is left as it is: {error}"
            )
        })?,
    };
    settings.insert("live-restore".into(), json!(docker.live_restore));
    let driver = settings.get("log-driver").and_then(Value::as_str);
    if driver.is_none_or(|driver| matches!(driver, "json-file" | "local")) {
        let driver = driver.unwrap_or("json-file").to_owned();
        settings.insert("log-driver".into(), json!(driver));
        let options = settings.entry("log-opts").or_insert_with(|| json!({}));
        let Some(options) = options.as_object_mut() else {
            return Err(
                "/etc/docker/daemon.json: `log-opts` is no object; mend or remove it".into(),
            );
        };
        options.insert("max-size".into(), json!(docker.log_size.0.to_string()));
        options.insert("max-file".into(), json!(docker.log_files.to_string()));
    }
    let text = serde_json::to_string_pretty(&settings).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// What the firewall lets in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates {
    /// TCP ports that are open to everybody: SSH and the web.
    pub always: BTreeSet<u16>,
    /// Web ports, which are open by UDP as well (HTTP/3).
    pub web: BTreeSet<u16>,
    /// What else is open.
    pub open: BTreeSet<Destination>,
}

/// Rules of the firewall (`nft(8)`).
///
/// They stand before the engine changes addresses, so that a port which a container publishes is treated like any other port of this
/// machine. Ping and its like are numbers: not every machine has `/etc/protocols`. What the machine and its containers begin themselves is not looked at; containers reach each other as the engine lets them.
///
/// A neighbour that routes to a container's own address meets the second chain: to the engine's bridges (`docker0`, `br-…`) goes only what
/// came through a published port, and so past the first chain, what answers, and what containers send.
pub fn rules(gates: &Gates) -> String {
    let mut open = String::new();
    let list = |ports: &BTreeSet<u16>| {
        let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
        ports.join(", ")
    };
    if !gates.always.is_empty() {
        let _ = writeln!(open, "\t\ttcp dport {{ {} }} accept", list(&gates.always));
    }
    if !gates.web.is_empty() {
        let _ = writeln!(open, "\t\tudp dport {{ {} }} accept", list(&gates.web));
    }
    for gate in &gates.open {
        let _ = writeln!(open, "\t\t{}", gate_rule(gate));
    }
    format!(
        "{MARK}table inet tenantry
delete table inet tenantry
table inet tenantry {{
\tchain inbound {{
\t\ttype filter hook prerouting priority mangle; policy accept;
\t\tiif \"lo\" accept
\t\tct state established,related accept
\t\tfib daddr type != local accept
\t\tmeta l4proto {{ 1, 58 }} accept
\t\tudp dport {{ 68, 546 }} accept
{open}\t\tcounter drop
\t}}
\tchain forwarded {{
\t\ttype filter hook forward priority mangle; policy accept;
\t\tct state established,related accept
\t\tct status dnat accept
\t\tiifname \"docker0\" accept
\t\tiifname \"br-*\" accept
\t\toifname \"docker0\" counter drop
\t\toifname \"br-*\" counter drop
\t}}
}}
"
    )
}

fn gate_rule(gate: &Destination) -> String {
    let ports = if gate.first == gate.last {
        gate.first.to_string()
    } else {
        format!("{}-{}", gate.first, gate.last)
    };
    let from = match gate.from {
        Some((address @ IpAddr::V4(_), prefix)) => format!("ip saddr {address}/{prefix} "),
        Some((address @ IpAddr::V6(_), prefix)) => format!("ip6 saddr {address}/{prefix} "),
        None => String::new(),
    };
    let protocol = match gate.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{from}{protocol} dport {ports} accept")
}

/// Loads the rules before the network is there.
pub fn rules_unit() -> String {
    format!(
        "{MARK}[Unit]
Description=Tenantry: firewall
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
ConditionPathExists=/{rules}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /{rules}

[Install]
WantedBy={target}
",
        rules = super::RULES,
        target = super::RULES_TARGET
    )
}

/// Swaps to our file.
pub fn swap_unit() -> String {
    format!(
        "{MARK}[Unit]
Description=Tenantry: swap file
ConditionPathExists=/{swap}

[Swap]
What=/{swap}

[Install]
WantedBy={target}
",
        swap = super::SWAP,
        target = super::SWAP_TARGET
    )
}

/// Units of a timer: what runs, and when. `agent`: words of the command line that runs it, as systemd reads them.
pub fn timer_units(name: &str, timer: &Timer, agent: &str) -> (String, String) {
    let service = format!(
        "{MARK}[Unit]
Description=Tenantry: {name}
After=docker.service

[Service]
Type=oneshot
ExecStart={agent} run-timer {name}
TimeoutStartSec={}min
UMask=0077
",
        timer.timeout.minutes + 1
    );
    let when = match timer.schedule() {
        Some(Schedule::Every(span)) => {
            format!("OnBootSec={0}min\nOnUnitActiveSec={0}min\n", span.minutes)
        }
        Some(Schedule::At(moment)) => {
            format!("OnCalendar={}\nPersistent=true\n", moment.calendar())
        }
        None => String::new(),
    };
    let random = timer.random.map_or(String::new(), |span| {
        format!(
            "RandomizedDelaySec={}min\nFixedRandomDelay=true\n",
            span.minutes
        )
    });
    let unit = format!(
        "{MARK}[Unit]
Description=Tenantry: when {name} runs

[Timer]
{when}{random}AccuracySec=1s

[Install]
WantedBy={target}
",
        target = super::TIMERS_TARGET
    );
    (service, unit)
}

#[cfg(test)]
mod tests;
