//! What holds on one server: the fleet's areas, but for those that the server has of its own or leaves alone.

use super::{Host, HostArea};

/// A document contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is both set and unmanaged: remove one of the two")]
pub struct HostError(pub HostArea);

impl Host {
    /// Areas that are asked for here.
    pub fn areas(&self) -> Vec<HostArea> {
        use HostArea as A;
        let set = [
            (A::Packages, self.packages.is_some()),
            (A::Users, self.users.is_some()),
            (A::Ssh, self.ssh.is_some()),
            (A::Firewall, self.firewall.is_some()),
            (A::Fail2ban, self.fail2ban.is_some()),
            (A::TimeZone, self.time_zone.is_some()),
            (A::Swap, self.swap.is_some()),
            (A::Sysctls, self.sysctls.is_some()),
            (A::Docker, self.docker.is_some()),
            (A::Timers, self.timers.is_some()),
        ];
        let set = set.into_iter().filter(|(_, set)| *set);
        set.map(|(area, _)| area).collect()
    }

    /// The first area that is set and unmanaged at once.
    pub fn contradiction(&self) -> Option<HostError> {
        let mut areas = self.areas().into_iter();
        areas
            .find(|area| self.unmanaged.contains(area))
            .map(HostError)
    }

    /// What holds on a server with `own`, where this is the fleet's.
    pub fn on(&self, own: &Self) -> Self {
        let take = |area| !own.unmanaged.contains(&area);
        Self {
            unmanaged: own.unmanaged.clone(),
            packages: pick(
                own.packages.as_ref(),
                self.packages.as_ref(),
                take(HostArea::Packages),
            ),
            users: pick(
                own.users.as_ref(),
                self.users.as_ref(),
                take(HostArea::Users),
            ),
            ssh: pick(own.ssh.as_ref(), self.ssh.as_ref(), take(HostArea::Ssh)),
            firewall: pick(
                own.firewall.as_ref(),
                self.firewall.as_ref(),
                take(HostArea::Firewall),
            ),
            fail2ban: pick(
                own.fail2ban.as_ref(),
                self.fail2ban.as_ref(),
                take(HostArea::Fail2ban),
            ),
            time_zone: pick(
                own.time_zone.as_ref(),
                self.time_zone.as_ref(),
                take(HostArea::TimeZone),
            ),
            swap: pick(own.swap.as_ref(), self.swap.as_ref(), take(HostArea::Swap)),
            sysctls: pick(
                own.sysctls.as_ref(),
                self.sysctls.as_ref(),
                take(HostArea::Sysctls),
            ),
            docker: pick(
                own.docker.as_ref(),
                self.docker.as_ref(),
                take(HostArea::Docker),
            ),
            timers: pick(
                own.timers.as_ref(),
                self.timers.as_ref(),
                take(HostArea::Timers),
            ),
        }
    }
}

fn pick<T: Clone>(own: Option<&T>, fleet: Option<&T>, take: bool) -> Option<T> {
    own.or(fleet.filter(|_| take)).cloned()
}
