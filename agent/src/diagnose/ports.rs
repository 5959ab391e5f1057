//! Ports that programs listen at, from the kernel's tables (`proc_net(5)`). Which program it is, is looked up where that can be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Open files that are looked at to find programs.
const MOST_LINKS: usize = 200_000;

/// A socket that waits for others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Listener {
    port: u16,
    address: IpAddr,
    protocol: &'static str,
    inode: u64,
}

/// All of them, in lines.
pub(super) async fn ports() -> Result<String, String> {
    tokio::task::spawn_blocking(|| read(Path::new("/proc")))
        .await
        .map_err(|_| "reading broke off".to_owned())
}

fn read(proc: &Path) -> String {
    let mut all = BTreeSet::new();
    for (file, protocol, state) in [
        ("tcp", "tcp", "0A"),
        ("tcp6", "tcp", "0A"),
        ("udp", "udp", "07"),
        ("udp6", "udp", "07"),
    ] {
        // A server without IPv6 has no such file.
        if let Ok(text) = std::fs::read_to_string(proc.join("net").join(file)) {
            all.extend(
                text.lines()
                    .filter_map(|line| listener(line, protocol, state)),
            );
        }
    }
    let programs = programs(proc, &all.iter().map(|one| one.inode).collect());
    let mut out = String::from("proto  address                                 program\n");
    for one in &all {
        let address = match one.address {
            IpAddr::V6(address) => format!("[{address}]:{}", one.port),
            IpAddr::V4(address) => format!("{address}:{}", one.port),
        };
        let program = programs.get(&one.inode).map_or("?", String::as_str);
        let _ = writeln!(out, "{:<6} {address:<39} {program}", one.protocol);
    }
    out
}

/// A line of a table: `sl local_address rem_address st … inode`.
fn listener(line: &str, protocol: &'static str, state: &str) -> Option<Listener> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, st, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *st != state {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    Some(Listener {
        port: u16::from_str_radix(port, 16).ok()?,
        address: self::address(address)?,
        protocol,
        inode: inode.parse().ok()?,
    })
}

/// As the kernel writes it: in words of four bytes, each in the machine's own order.
fn address(text: &str) -> Option<IpAddr> {
    if !text.is_ascii() || !matches!(text.len(), 8 | 32) {
        return None;
    }
    let mut bytes = Vec::new();
    for word in text.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Some(Ipv4Addr::from(four).into()),
        Err(_) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
    }
}

/// Names of programs by the sockets that they hold.
fn programs(proc: &Path, wanted: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut found: BTreeMap<u64, String> = BTreeMap::new();
    let mut links = 0;
    for process in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        for file in std::fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            links += 1;
            if links > MOST_LINKS {
                return found;
            }
            let Ok(target) = std::fs::read_link(file.path()) else {
                continue;
            };
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            });
            let Some(inode) = inode.filter(|inode| wanted.contains(inode)) else {
                continue;
            };
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found
                .entry(inode)
                .or_insert_with(|| format!("{} ({pid})", name.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_are_understood() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0";
        let found = listener(line, "tcp", "0A").unwrap();
        assert_eq!(
            (found.address.to_string().as_str(), found.port, found.inode),
            ("127.0.0.1", 8080, 12345)
        );
        assert_eq!(listener(line, "tcp", "07"), None);
        assert_eq!(
            address("00000000000000000000000001000000")
                .unwrap()
                .to_string(),
            "::1"
        );
        assert_eq!(address("0"), None);
    }

    #[test]
    fn a_port_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = read(Path::new("/proc"));
        let line = text
            .lines()
            .find(|line| line.contains(&format!("127.0.0.1:{port} ")))
            .unwrap();
        assert!(
            line.contains(&format!("({})", std::process::id())),
            "{line}"
        );
    }

    proptest! {
        #[test]
        fn any_line_is_answered(line in "([0-9A-F:]{0,40} ?){0,14}|.{0,80}") {
            let _ = listener(&line, "tcp", "0A");
        }
    }
}
