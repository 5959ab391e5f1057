//! Protections by default, how a stack does without them, and what only trusted stacks may have.

use super::names;
use super::translate::{digests, translate_by};
use crate::containers::desired::{ContainerSpec, ServiceSpec};
use crate::containers::spec::Rules;
use std::collections::BTreeMap;
use tenantry_schema::document::{Protection, Reload, ReloadSignal};

fn service(entries: &str, rules: &Rules) -> ServiceSpec {
    let text = format!("services:\n  a:\n    image: x\n    {entries}\n");
    let instance = translate_by(&text, &digests(), "hunter2", rules);
    let mut services = instance.expect("it can run").input.services;
    services.remove("a").expect("it is there")
}

fn container(entries: &str, rules: &Rules) -> ContainerSpec {
    service(entries, rules).container
}

fn relaxed(protections: &[Protection]) -> Rules {
    Rules {
        relax: [("a".to_owned(), protections.iter().copied().collect())].into(),
        ..Rules::default()
    }
}

const DROPPED: [&str; 6] = [
    "AUDIT_WRITE",
    "MKNOD",
    "NET_RAW",
    "SETFCAP",
    "SETPCAP",
    "SYS_CHROOT",
];

#[test]
fn every_container_is_protected() {
    let spec = container("", &Rules::default());
    assert_eq!(spec.security_opt, names(&["no-new-privileges:true"]));
    assert_eq!(spec.cap_drop, names(&DROPPED));
    assert_eq!(spec.limits.pids, Some(2048));
    assert_eq!(spec.limits.memory, Some(2 << 30));
    assert_eq!(spec.log_options["max-size"], "10m");
}

#[test]
fn the_bound_on_memory_follows_what_the_stack_asks_for() {
    for (asks, bound) in [(64, 512), (256, 512), (1024, 2048)] {
        let rules = Rules {
            memory: Some(asks << 20),
            ..Rules::default()
        };
        assert_eq!(container("", &rules).limits.memory, Some(bound << 20));
    }
    let reserved = container("mem_reservation: 4g", &Rules::default());
    assert_eq!(reserved.limits.memory, Some(4 << 30));
}

#[test]
fn what_the_file_says_counts() {
    let rules = Rules::default();
    let spec = container("mem_limit: 64m\n    pids_limit: 10", &rules);
    assert_eq!(
        (spec.limits.memory, spec.limits.pids),
        (Some(64 << 20), Some(10))
    );
    let spec = container("cap_drop: [ALL]\n    cap_add: [CHOWN]", &rules);
    assert_eq!(spec.cap_drop, names(&["ALL"]));
    let spec = container("cap_add: [cap_net_raw]\n    cap_drop: [CAP_MKNOD]", &rules);
    assert_eq!(
        spec.cap_drop,
        names(&[
            "AUDIT_WRITE",
            "CAP_MKNOD",
            "SETFCAP",
            "SETPCAP",
            "SYS_CHROOT"
        ])
    );
    let spec = container("security_opt: ['no-new-privileges:false']", &rules);
    assert_eq!(spec.security_opt, names(&["no-new-privileges:false"]));
}

#[test]
fn a_stack_does_without_what_it_says() {
    use Protection::{CapDrop, MemLimit, NoNewPrivileges, PidsLimit};
    let spec = container("", &relaxed(&[NoNewPrivileges]));
    assert!(spec.security_opt.is_empty() && spec.limits.pids.is_some());
    let spec = container("", &relaxed(&[CapDrop]));
    assert!(spec.cap_drop.is_empty() && !spec.security_opt.is_empty());
    let spec = container("", &relaxed(&[PidsLimit, MemLimit]));
    assert_eq!((spec.limits.pids, spec.limits.memory), (None, None));
    let other = Rules {
        relax: [("b".to_owned(), [CapDrop].into())].into(),
        ..Rules::default()
    };
    assert_eq!(container("", &other).cap_drop, names(&DROPPED));
}

#[test]
fn only_trusted_stacks_reach_beyond_their_containers() {
    let trusted = Rules {
        trusted: true,
        ..Rules::default()
    };
    for (entries, what) in [
        (
            "volumes: ['/var/run/docker.sock:/s']",
            "services.a.volumes: the socket of Docker",
        ),
        (
            "privileged: true",
            "services.a.privileged: a privileged container",
        ),
        ("pid: host", "services.a.pid: the processes of the server"),
        (
            "devices: [/dev/kvm]",
            "services.a.devices: devices of the server",
        ),
        (
            "volumes: ['v:/v']\nvolumes: {v: {driver_opts: {type: none, o: bind, device: /etc}}}",
            "volumes.v.driver_opts: `/etc` of the server",
        ),
    ] {
        let text = format!("services:\n  a:\n    image: x\n    {entries}\n");
        let refused = translate_by(&text, &digests(), "x", &Rules::default()).unwrap_err();
        assert!(refused.to_string().starts_with(what), "{refused}");
        assert!(translate_by(&text, &digests(), "x", &trusted).is_ok());
    }
    // A privileged container keeps everything, but for the bounds.
    let spec = container("privileged: true", &trusted);
    assert!(spec.cap_drop.is_empty() && spec.security_opt.is_empty());
    assert!(spec.limits.memory.is_some());
}

#[test]
fn files_behind_a_folder_are_watched_where_the_service_takes_them_in() {
    let rules = |signal| Rules {
        reload: [("a".to_owned(), Reload { signal })].into(),
        ..Rules::default()
    };
    let entries = "volumes: ['./files:/f:ro', './files/b/c:/single']";
    let paths = |map: &BTreeMap<std::path::PathBuf, String>| -> Vec<String> {
        map.keys().map(|path| path.display().to_string()).collect()
    };
    let hup = service(entries, &rules(ReloadSignal::Hup));
    assert_eq!(paths(&hup.watched), ["/live/acme/files/a"]);
    assert_eq!(
        paths(&hup.files),
        ["/live/acme/files/b/c"],
        "a single file pins its inode"
    );
    assert_eq!(hup.signal, Some("SIGHUP"));
    assert!(hup.container.watched.is_some());
    let none = service(entries, &rules(ReloadSignal::None));
    assert_eq!((none.signal, &none.container.watched), (None, &None));
    assert_eq!(none.watched, hup.watched);
    let plain = service(entries, &Rules::default());
    assert_eq!(plain.files.len(), 2);
    assert!(plain.watched.is_empty());
}

#[test]
fn comparisons_with_compose_do_without() {
    let rules = Rules {
        protected: false,
        ..Rules::default()
    };
    let spec = container("", &rules);
    assert!(spec.security_opt.is_empty() && spec.cap_drop.is_empty());
    assert_eq!((spec.limits.memory, spec.limits.pids), (None, None));
    assert!(spec.log_options.is_empty());
}
