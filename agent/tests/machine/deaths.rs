//! The agent dies after a change that it makes to the machine, and the next one leaves the machine as one that never died would have.

use super::common::seed;
use super::lab::{Key, Machine};
use rand::prelude::*;
use std::collections::BTreeSet;

/// Changes that a turn from one of the wishes to the other takes at least.
const MOST: u32 = 40;

const JO: &str = r"
  users: {}
  ssh: {port: 22022}
  firewall: {}
  fail2ban: {}
  time_zone: Europe/Berlin
  sysctls: {net.core.somaxconn: 1234}
  timers: {tidy: {at: daily 03:00, random: 10m, action: clean_packages}}
";

const AL: &str = r"
  users: {}
  ssh: {port: 22023}
  firewall: {open: [9999]}
  fail2ban: {}
  time_zone: Europe/Lisbon
  sysctls: {net.core.somaxconn: 4321}
  timers: {trim: {at: Sun 04:00, random: 10m, action: trim}}
";

/// Everything of the machine that the agent has a hand in: files, people, rules, settings, units, and what it may have left lying about.
const SEEN: &str = r"
find /etc/ssh /etc/fail2ban /etc/apt /etc/sysctl.d /etc/systemd/system /etc/sudoers.d /etc/tenantry /home -type f -exec sha256sum {} + | sort -k 2
find /etc/systemd/system /etc/localtime -type l -printf '%p -> %l\n' | sort
find /home -printf '%M %u %g %p\n' | sort
grep -E '^(jo|al):' /etc/passwd /etc/group
sed -nE 's/^((jo|al):[^:]{0,2}).*/\1/p' /etc/shadow
nft -s list table inet tenantry
cat /proc/sys/net/core/somaxconn
ss -Hltn | awk '{print $4}' | grep -E ':(22|22022|22023)$' | sort
systemctl is-enabled fail2ban.service tenantry-firewall.service
find /run -maxdepth 1 -name 'tenantry-ssh*'
";

struct Turns {
    machine: Machine,
    people: [Key; 2],
    /// What a machine looks like on which nothing died, by turn.
    clean: Vec<String>,
    turn: usize,
}

impl Turns {
    /// A machine that has been asked for both, and both again.
    fn begin() -> Option<Self> {
        let machine = Machine::begin()?;
        let people = ["jo", "al"].map(|name| Key::new(machine.folder(), name));
        let mut turns = Self {
            machine,
            people,
            clean: Vec::new(),
            turn: 0,
        };
        let mut seen = Vec::new();
        for _ in 0..4 {
            turns.ask();
            turns.settle();
            seen.push(turns.seen());
            turns.turn += 1;
        }
        turns.clean = seen.split_off(2);
        assert!(turns.clean[0] != turns.clean[1]);
        Some(turns)
    }

    fn ask(&mut self) {
        let wish = [JO, AL][self.turn % 2];
        let person = &self.people[self.turn % 2];
        self.machine.ask(wish, &[(person, true)]);
    }

    fn settle(&self) {
        let (code, said) = self.machine.converge();
        assert!([0, 2].contains(&code), "{said}");
        let (code, said) = self.machine.converge();
        assert_eq!((code, said.contains("Nothing to do.")), (0, true), "{said}");
    }

    fn seen(&self) -> String {
        self.machine.run(&["sh", "-c", SEEN])
    }

    /// One turn in which the agent dies after so many changes. Whether it did.
    fn die(&mut self, changes: u32) -> bool {
        println!("a death after {changes} changes");
        self.ask();
        let died = self.machine.converge_and_die(changes);
        self.settle();
        let (seen, clean) = (self.seen(), &self.clean[self.turn % 2]);
        let lines = |of: &str, but: &str| {
            let but: BTreeSet<&str> = but.lines().collect();
            let more = of.lines().filter(|line| !but.contains(line));
            more.collect::<Vec<_>>().join("\n")
        };
        assert!(
            seen == *clean,
            "after {changes} changes ({died}) there is\n{}\nand where nothing died\n{}",
            lines(&seen, clean),
            lines(clean, &seen)
        );
        let [mine, other] = [self.turn % 2, (self.turn + 1) % 2];
        let port = [22_022, 22_023][mine];
        let root = self
            .machine
            .ssh(&self.people[mine], port, &["sudo", "id", "-u"]);
        assert_eq!(root, Ok("0\n".to_owned()));
        assert!(
            self.machine
                .ssh(&self.people[other], port, &["true"])
                .is_err()
        );
        self.turn += 1;
        died
    }
}

/// Some of them.
#[test]
fn an_agent_that_dies_on_a_machine_leaves_it_as_one_that_lives() {
    let mut random = StdRng::seed_from_u64(seed());
    let Some(mut turns) = Turns::begin() else {
        return;
    };
    let after: [u32; 2] = std::array::from_fn(|_| random.random_range(0..MOST));
    for changes in after {
        assert!(turns.die(changes), "{after:?}");
    }
}

/// Run with `--ignored`: after every single change, of one turn and of the other.
#[test]
#[ignore = "takes some minutes"]
fn an_agent_that_dies_after_each_change_on_a_machine_leaves_it_as_one_that_lives() {
    let Some(mut turns) = Turns::begin() else {
        return;
    };
    let mut deaths = [0, 0];
    for changes in 0.. {
        let died = [(); 2].map(|()| turns.die(changes));
        deaths[0] += u32::from(died[0]);
        deaths[1] += u32::from(died[1]);
        if died == [false, false] {
            break;
        }
    }
    println!("{deaths:?} deaths");
    assert!(deaths.iter().all(|deaths| *deaths > MOST), "{deaths:?}");
}
