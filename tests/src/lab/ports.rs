//! Free TCP ports on the loopback interface that no other test takes at the same time.
//!
//! Ports come from 10000 to 19999: below the kernel's ephemeral range, so that no outgoing connection takes one
//! between the choice and its use. A lock file for each port keeps parallel test processes apart.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};

use super::LabError;

const FIRST: u16 = 10_000;
const LAST: u16 = 19_999;
const ATTEMPTS: usize = 500;

/// Several ports in a row, reserved until this is dropped.
#[derive(Debug)]
pub struct PortRange {
    first: u16,
    locks: Vec<File>,
}

/// One port, reserved until this is dropped.
#[derive(Debug)]
pub struct Port(PortRange);

impl PortRange {
    /// Reserves `count` ports in a row on which nothing listens.
    pub fn reserve(count: u16) -> Result<Self, LabError> {
        let folder = std::env::temp_dir().join("tenantry-lab-ports");
        std::fs::create_dir_all(&folder)
            .map_err(LabError::io(format!("cannot make {}", folder.display())))?;
        for _ in 0..ATTEMPTS {
            let first = rand::random_range(FIRST..=LAST - count);
            let locks: Vec<File> = (first..first + count)
                .map_while(|port| {
                    let lock = File::create(folder.join(port.to_string())).ok()?;
                    lock.try_lock().ok()?;
                    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
                    Some(lock)
                })
                .collect();
            if locks.len() == usize::from(count) {
                return Ok(Self { first, locks });
            }
        }
        Err(LabError::Program {
            program: "ports".to_owned(),
            problem: format!("no {count} free ports in a row between {FIRST} and {LAST}"),
        })
    }

    /// The lowest port of the range.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The highest port of the range.
    pub fn last(&self) -> u16 {
        self.first + (self.locks.len() as u16).saturating_sub(1)
    }
}

impl Port {
    /// Reserves a port on which nothing listens.
    pub fn reserve() -> Result<Self, LabError> {
        PortRange::reserve(1).map(Self)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.0.first
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn reserved_ports_differ_and_can_be_bound() {
        let ranges: Vec<_> = (0..20).map(|_| PortRange::reserve(10).unwrap()).collect();
        let ports: BTreeSet<u16> = ranges
            .iter()
            .flat_map(|range| range.first()..=range.last())
            .collect();
        assert_eq!(ports.len(), 200);
        let port = Port::reserve().unwrap();
        assert!(!ports.contains(&port.number()));
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
    }
}
