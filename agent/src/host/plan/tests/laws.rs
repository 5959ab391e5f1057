//! What holds whatever is asked for and whatever is there.

use super::*;
use proptest::prelude::*;

fn areas() -> impl Strategy<Value = String> {
    let area = prop_oneof![
        Just(r#""packages": {"install": ["htop"]}"#),
        Just(r#""users": {}"#),
        Just(r#""ssh": {"root": true}"#),
        Just(r#""ssh": {"port": 2222}"#),
        Just(r#""firewall": {"open": ["25", "51820/udp"]}"#),
        Just(r#""fail2ban": {}"#),
        Just(r#""time_zone": "Europe/Berlin""#),
        Just(r#""swap": "1G""#),
        Just(r#""swap": "3G""#),
        Just(r#""docker": {}"#),
        Just(r#""timers": {"trim": {"every": "1d", "action": "trim"}}"#),
    ];
    let key = |area: &&str| area.split(':').next().unwrap().to_owned();
    proptest::collection::vec(area, 0..8).prop_map(move |mut areas| {
        areas.sort_unstable();
        areas.dedup_by_key(|area| key(&&**area));
        format!("{{{}}}", areas.join(","))
    })
}

fn machines() -> impl Strategy<Value = Machine> {
    let windows = prop_oneof![
        Just(None),
        // The clock stands at ten on a Saturday.
        Just(Some("Sat 09:00-11:00")),
        Just(Some("Sun 02:00-05:00")),
    ];
    let drawn = (areas(), any::<[bool; 5]>(), 0..3_usize, windows);
    drawn.prop_map(|(areas, [jo, al, root, systemd, swaps], drift, window)| {
        let mut machine = Machine::new(&areas);
        machine.found.systemd = systemd;
        machine.window = window.map(|text| Window::try_from(text.to_owned()).unwrap());
        if swaps {
            machine.found.swap_file = Some(2 << 30);
            let all = machine.found.swaps.as_mut().unwrap();
            all.insert(format!("/{SWAP}"), 2 << 30);
        }
        if jo {
            machine = machine.with("jo", true);
        }
        if al {
            machine = machine.with("al", false);
        }
        if root {
            machine.put("root/.ssh/authorized_keys", KEY);
        }
        for at in [SSHD, crate::host::RULES].iter().take(drift) {
            machine.put(at, "# mine\n");
        }
        machine
    })
}

/// Whoever can log in.
fn can_log_in(machine: &Machine) -> bool {
    let text = machine.text(SSHD);
    let has_key = |at: &str| machine.text(at).contains("ssh-");
    let root = has_key("root/.ssh/authorized_keys") && !text.contains("PermitRootLogin no");
    let accounts = machine.found.accounts().unwrap();
    root || accounts
        .values()
        .any(|it| it.uid >= 1000 && !it.shut && has_key(&it.keys()))
}

proptest! {
    /// It ends, does nothing twice, and whoever could get in before, somebody can get in at every moment.
    #[test]
    fn it_settles_and_locks_nobody_out(mut machine in machines()) {
        let mut before = can_log_in(&machine);
        let mut rounds = 0;
        loop {
            let plans = machine.plan();
            prop_assert_eq!(&plans, &machine.plan(), "planning is pure");
            let steps: Vec<_> = plans.values().flat_map(|area| area.steps.clone()).collect();
            if steps.is_empty() {
                break;
            }
            for step in steps {
                machine.apply(&step);
                let now = can_log_in(&machine);
                prop_assert!(now || !before, "locked out by {step}");
                before = now;
            }
            rounds += 1;
            prop_assert!(rounds < 12, "it never ends: {:#?}", machine.plan());
        }
        for (area, plan) in machine.plan() {
            prop_assert!(plan.report.state != AreaState::Changing, "{area}: {plan:?}");
            let why = crate::status::because(plan.report.message.as_deref(), plan.report.waiting.as_ref());
            prop_assert!(plan.report.state == AreaState::Good || why.is_some(), "{area} says why");
            prop_assert!(plan.report.state != AreaState::Waiting || plan.next.is_some() || plan.report.message.is_some());
        }
    }

    /// Whoever is cut off, wherever, ends in the same place, and nothing is left undone that nobody can see.
    #[test]
    fn cut_off_anywhere_it_ends_in_the_same_place(mut machine in machines(), drift in any::<bool>(), leaves in any::<bool>(), stops in proptest::collection::vec(0..24_usize, 1..4)) {
        if drift {
            machine.settle();
            let units = [crate::host::RULES_UNIT, crate::host::SWAP_UNIT, "tenantry-timer-trim.timer"];
            let units = units.map(|unit| format!("{}/{unit}", crate::host::UNITS));
            for at in units.iter().map(String::as_str).chain([crate::host::DAEMON, crate::host::JAIL, SSHD]) {
                if machine.found.files.contains_key(at) {
                    machine.put(at, "{}");
                }
            }
        }
        if leaves && machine.users.len() > 1 {
            machine.users.remove("al");
        }
        let mut whole = machine.clone();
        whole.settle();
        for stop in stops {
            let steps: Vec<_> = machine.plan().into_values().flat_map(|area| area.steps).collect();
            for step in steps.iter().take(stop) {
                machine.apply(step);
            }
        }
        machine.settle();
        prop_assert_eq!(&machine.owed, &BTreeSet::new());
        prop_assert_eq!(&machine.owed, &whole.owed);
        prop_assert_eq!(&machine.found.files, &whole.found.files);
        prop_assert_eq!(&machine.found.memory, &whole.found.memory);
        prop_assert_eq!(machine.found.swap_file, whole.found.swap_file);
    }

    /// Nobody asks: nothing is done. What is unmanaged stays as it was found.
    #[test]
    fn areas_that_nobody_asks_for_are_left_alone(mut machine in machines()) {
        let asked = machine.host.areas();
        for area in machine.plan().keys() {
            prop_assert!(asked.contains(area));
        }
        let fleet = machine.host.clone();
        let own = Host { unmanaged: asked.into_iter().collect(), ..Host::default() };
        machine.host = fleet.on(&own);
        prop_assert!(machine.plan().is_empty());
    }
}
