//! What of a server changes besides its tools: no field of a slice can change without a sentence.

use crate::support::{Fleet, files};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use tenantry_planner::change::{Presence, ServerChange, compare};
use tenantry_planner::slice_input::SliceInput;
use tenantry_planner::{ObjectId, Plan};
use tenantry_schema::document::{AgentRelease, Certificates, Drift, Host, Manage};
use tenantry_schema::wire::{BackupsSpec, UserSpec};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48";
const HOST: &str = "host:
  packages: { install: [htop] }
  users: {}
  ssh: {}
  firewall: { open: [25] }
  fail2ban: {}
  time_zone: Etc/UTC
  swap: 2G
  sysctls: { vm.swappiness: 10 }
  docker: {}
  timers: { tidy: { at: daily 03:00, action: trim } }
";
const MORE: &str = "certificates: { terms_agreed: true, contact: it@example.com }
error_rules: { memory: { match: out of memory } }
backups: { repository: \"rest:https://backup.example/\" }
";

/// A fleet that says something of everything.
fn fleet() -> Fleet {
    let mut fleet = Fleet::running();
    let sha256 = "ab".repeat(32);
    let hub = fleet.files["fleet/hub.yaml"].clone();
    let agent = format!("agent: {{ release: 1.4.0, sha256: {{ x86_64: {sha256} }} }}\n");
    fleet.write("fleet/hub.yaml", &format!("{hub}{HOST}{MORE}{agent}"));
    let staff = format!(
        "jo: {{ email: jo@example.com, role: admin, signing_keys: [{KEY}], server_login: {{}} }}\n"
    );
    fleet.write("fleet/staff.yaml", &staff);
    let server = "window: Sun 02:00-05:00\nhost: { unmanaged: [swap] }\n";
    let server = files::server('a', server).replace("[swap]", "[]");
    fleet.write("fleet/customers/acme/servers/acme-1.yaml", &server);
    fleet.write(
        "fleet/customers/acme/customer.yaml",
        "language: en\nregistries: { ghcr.io: { user: acme, password: { secret: TOKEN } } }\n",
    );
    fleet.write_secrets(
        "fleet/customers/acme/secrets.yaml",
        &[("TOKEN", "hidden-token")],
    );
    assert_eq!(fleet.findings(), "");
    fleet.settle();
    fleet
}

fn slice(plan: &Plan) -> Arc<SliceInput> {
    plan.customers["acme"].desired_slices[0].clone()
}

/// The plan with another slice.
fn with(plan: &Plan, slice: SliceInput) -> Plan {
    let mut plan = plan.clone();
    let customer = plan.customers.get_mut("acme").unwrap();
    Arc::make_mut(customer).desired_slices[0] = Arc::new(slice);
    plan
}

/// Names of secrets with marks, which differ where the file does.
fn marks(file: ObjectId) -> BTreeMap<String, String> {
    let names = ["TOKEN", "DB_PASSWORD", "APPEND_PASSWORD", "REPOSITORY_KEY"];
    let mark = |name: &str| (name.to_owned(), format!("mark-{file}"));
    names.into_iter().map(mark).collect()
}

fn told(before: &Plan, after: &Plan) -> Vec<ServerChange> {
    let Ok(changes) = compare(before, after, &|file| Ok::<_, Infallible>(marks(file)));
    changes
}

type Change = fn(&mut SliceInput);

fn host(slice: &mut SliceInput) -> &mut Host {
    Arc::make_mut(slice.host.as_mut().unwrap())
}

fn program(slice: &mut SliceInput) -> &mut AgentRelease {
    Arc::make_mut(slice.agent_release.as_mut().unwrap())
}

fn authority(slice: &mut SliceInput) -> &mut Certificates {
    Arc::make_mut(slice.certificates.as_mut().unwrap())
}

fn backups(slice: &mut SliceInput) -> &mut BackupsSpec {
    &mut slice.backups.as_mut().unwrap().spec
}

fn jo(slice: &mut SliceInput) -> &mut UserSpec {
    slice.users.get_mut("jo").unwrap()
}

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> T {
    serde_yaml::from_str(yaml).unwrap()
}

/// A change of every value, with what is told of it.
const CHANGES: &[(Change, &str)] = &[
    (
        |s| s.fleet_id = read("other-fleet"),
        "the fleet's id test-fleet → other-fleet",
    ),
    (
        |s| s.agent = read(&files::keys('b')),
        "another agent's keys",
    ),
    (|s| s.manage = Manage::Observe, "manage full → observe"),
    (|s| s.window = None, "window Sun 02:00-05:00 → any time"),
    (|s| s.drift = Drift::Report, "drift repair → report"),
    (
        |s| s.web.address = Some([127, 0, 0, 1].into()),
        "the web server listens at all addresses → 127.0.0.1",
    ),
    (
        |s| s.web.http = 81,
        "web server at ports 80 and 443 → 81 and 443",
    ),
    (
        |s| s.web.https = 444,
        "web server at ports 80 and 443 → 80 and 444",
    ),
    (
        |s| s.web.sites = 30_000,
        "ports of sites from 20000 → 30000",
    ),
    (
        |s| authority(s).directory = read("https://ca.example/dir"),
        "certificates come from https://acme-v02.api.letsencrypt.org/directory → https://ca.example/dir",
    ),
    (
        |s| authority(s).contact = None,
        "the authority for certificates may write to it@example.com → nobody",
    ),
    (
        |s| {
            authority(s).root = Some(read(
                "\"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n\"",
            ));
        },
        "a certificate of its own is trusted for the authority for certificates",
    ),
    (
        |s| authority(s).weekly.domain = 9,
        "certificates a week: 50 of a domain and 5 of the same names → 9 of a domain and 5 of the same names",
    ),
    (
        |s| authority(s).weekly.names = 9,
        "certificates a week: 50 of a domain and 5 of the same names → 50 of a domain and 9 of the same names",
    ),
    (
        |s| host(s).unmanaged = read("[timers]"),
        "areas of the machine that are left alone: none → timers",
    ),
    (
        |s| host(s).packages.as_mut().unwrap().install = read("[curl]"),
        "`packages` of the machine: curl installed, htop asked for no more (what is installed stays)",
    ),
    (
        |s| host(s).packages.as_mut().unwrap().unattended_upgrades = false,
        "`packages` of the machine: no security updates by themselves",
    ),
    (
        |s| host(s).users.as_mut().unwrap().only = Some(read("[jo]")),
        "`users` of the machine: may log in: all of the staff with a `server_login` → jo",
    ),
    (
        |s| host(s).ssh.as_mut().unwrap().port = 22,
        "`ssh` of the machine: port 22022 → 22",
    ),
    (
        |s| host(s).ssh.as_mut().unwrap().root = true,
        "`ssh` of the machine: root may log in with a key",
    ),
    (
        |s| host(s).firewall.as_mut().unwrap().open = read("[5432/tcp from 192.0.2.0/24]"),
        "`firewall` of the machine: 5432/tcp from 192.0.2.0/24 opened, 25/tcp closed",
    ),
    (
        |s| host(s).fail2ban.as_mut().unwrap().attempts = 3,
        "`fail2ban` of the machine: shuts out after attempts: 5 → 3",
    ),
    (
        |s| host(s).fail2ban.as_mut().unwrap().ban = read("1d"),
        "`fail2ban` of the machine: for 1h → 1d",
    ),
    (
        |s| host(s).time_zone = Some(read("Europe/Berlin")),
        "`time_zone` of the machine: Etc/UTC → Europe/Berlin",
    ),
    (
        |s| host(s).swap = Some(read("4G")),
        "`swap` of the machine: 2G → 4G",
    ),
    (
        |s| host(s).sysctls = Some(read("{ vm.swappiness: 60, fs.file-max: 9 }")),
        "`sysctls` of the machine: fs.file-max = 9, vm.swappiness = 60 (changed)",
    ),
    (
        |s| host(s).docker.as_mut().unwrap().live_restore = false,
        "`docker` of the machine: containers stop while the engine is restarted",
    ),
    (
        |s| host(s).docker.as_mut().unwrap().log_size = read("20M"),
        "`docker` of the machine: size of a log 10M → 20M",
    ),
    (
        |s| host(s).docker.as_mut().unwrap().log_files = 9,
        "`docker` of the machine: files of a log 3 → 9",
    ),
    (
        |s| {
            host(s).timers = Some(read(
                "{ tidy: { every: 2h, action: vacuum_journal, random: 5m, timeout: 3h } }",
            ));
        },
        "`timers` of the machine: timer tidy (changed)",
    ),
    (
        |s| host(s).timers = Some(read("{ clean: { every: 2h, action: clean_packages } }")),
        "`timers` of the machine: timer clean, tidy is asked for no more",
    ),
    (
        |s| jo(s).keys.clear(),
        "jo logs in to the machine with other keys",
    ),
    (
        |s| jo(s).sudo = false,
        "jo may no longer become root on the machine",
    ),
    (
        |s| {
            let jo = jo(s).clone();
            s.users.insert(read("al"), jo);
        },
        "al may log in to the machine and become root",
    ),
    (
        |s| program(s).release = read("1.5.0"),
        "the agent's program: 1.4.0 → 1.5.0",
    ),
    (
        |s| {
            program(s)
                .sha256
                .values_mut()
                .for_each(|it| *it = read(&"cd".repeat(32)));
        },
        "the agent's program 1.4.0 is another file for x86_64",
    ),
    (
        |s| program(s).allow_older = true,
        "agents may go back to an older program",
    ),
    (
        |s| s.registries.get_mut("ghcr.io").unwrap().user = "umami".into(),
        "logs in to registry ghcr.io as acme → umami",
    ),
    (
        |s| s.registries.get_mut("ghcr.io").unwrap().password.secret = "OTHER".into(),
        "the password of registry ghcr.io is another secret: TOKEN → OTHER",
    ),
    (
        |s| s.customer_secrets = Some(ObjectId([7; 20])),
        "the password of registry ghcr.io changes (secret TOKEN)",
    ),
    (
        |s| backups(s).place = "rest:https://b.example/f.acme".into(),
        "is backed up to rest:https://backup.example/test-fleet.acme → rest:https://b.example/f.acme",
    ),
    (
        |s| backups(s).user = "other".into(),
        "logs in where backups are kept as test-fleet.acme → other",
    ),
    (
        |s| backups(s).window = read("daily 02:00-03:00"),
        "is backed up in daily 01:00-05:00 → daily 02:00-03:00",
    ),
    (
        |s| backups(s).offset = 60 * 7,
        "backups begin 7 minutes after their window opens",
    ),
    (
        |s| backups(s).check_every = read("9d"),
        "backups are checked every 7d → 9d",
    ),
    (
        |s| backups(s).check_share = read("9%"),
        "share of backups that is read back 5% → 9%",
    ),
    (
        |s| backups(s).drill_every = read("9d"),
        "a restore is tried every 30d → 9d",
    ),
    (
        |s| backups(s).warn_after = read("9d"),
        "a backup is too old after 36h → 9d",
    ),
    (
        |s| {
            let mut kept = backups(s).instances.values_mut();
            kept.next().unwrap().pop();
        },
        "of web-notes is backed up: postgres of db, volume data → postgres of db",
    ),
    (
        |s| s.backups.as_mut().unwrap().secrets = ObjectId([7; 20]),
        "another secret of backups: REPOSITORY_KEY",
    ),
    (
        |s| {
            let restore =
                read("{ instance: web-notes, server: old, of: web-notes, overwrites: [database] }");
            let restores = &mut s.backups.as_mut().unwrap().restores;
            restores.insert(read("2026-11-20-back"), restore);
        },
        "restore 2026-11-20-back: a backup of web-notes on old is put back into web-notes",
    ),
    (
        |s| {
            let rules = Arc::make_mut(&mut s.error_rules);
            rules.insert(
                read("memory"),
                read("{ match: oom, except: test, services: [a], context: 9, pause: 9m }"),
            );
        },
        "error rule memory changes",
    ),
];

/// What comes where the second is changed into the first, and goes the other way round.
const WHOLE: &[(Change, &str, &str)] = &[
    (
        |s| s.certificates = None,
        "certificates come from nobody (self-signed) → https://acme-v02.api.letsencrypt.org/directory",
        "certificates come from https://acme-v02.api.letsencrypt.org/directory → nobody (self-signed)",
    ),
    (
        |s| host(s).firewall = None,
        "`firewall` of the machine is looked after: all that comes from outside is refused but for SSH, the web and what is opened, 25/tcp opened",
        "`firewall` of the machine is looked after no more and stays as it is",
    ),
    (
        |s| s.host = None,
        "`ssh` of the machine is looked after: port 22022, root may not log in",
        "`timers` of the machine is looked after no more and stays as it is",
    ),
    (
        |s| s.users.clear(),
        "jo may log in to the machine and become root",
        "jo may no longer log in to the machine",
    ),
    (
        |s| s.agent_release = None,
        "the agent's program: the one that is there → 1.4.0",
        "the agent's program: 1.4.0 → the one that is there",
    ),
    (
        |s| s.registries.clear(),
        "logs in to registry ghcr.io as acme",
        "no longer logs in to registry ghcr.io",
    ),
    (
        |s| s.backups = None,
        "is backed up, daily 01:00-05:00, to rest:https://backup.example/test-fleet.acme",
        "is backed up no more; the backups that are there stay",
    ),
    (
        |s| backups(s).instances.clear(),
        "web-notes is backed up: postgres of db, volume data",
        "web-notes is backed up no more; the backups that are there stay",
    ),
    (
        |s| Arc::make_mut(&mut s.error_rules).clear(),
        "lines of logs are told of by the new error rule memory",
        "lines of logs are no longer told of by error rule memory",
    ),
];

/// Where values stand in a slice.
fn leaves(slice: &SliceInput) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
        match value {
            serde_json::Value::Object(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    walk(&format!("{path}/{key}"), value, found);
                }
            }
            leaf => drop(found.insert(path.to_owned(), leaf.to_string())),
        }
    }
    let mut found = BTreeMap::new();
    walk("", &serde_json::to_value(slice).unwrap(), &mut found);
    // They are the same on both sides, or told tool by tool.
    let told_elsewhere = [
        "/renderer",
        "/server/",
        "/instances/",
        "/certificates/terms_agreed",
    ];
    found.retain(|path, _| !told_elsewhere.iter().any(|start| path.starts_with(start)));
    found
}

#[test]
fn every_value_of_a_slice_is_told_of_when_it_changes() {
    let before = fleet().plan().plan;
    let base = slice(&before);
    let all = leaves(&base);
    let mut untouched: BTreeSet<&String> = all.keys().collect();
    for (change, sentence) in CHANGES {
        let mut slice = base.as_ref().clone();
        change(&mut slice);
        let now = leaves(&slice);
        untouched.retain(|path| all.get(*path) == now.get(*path));
        let changes = told(&before, &with(&before, slice));
        assert_eq!(changes.len(), 1, "nothing is told instead of: {sentence}");
        let said = &changes[0].settings;
        let begins = said.iter().any(|said| said.starts_with(sentence));
        assert!(begins, "{said:#?} instead of: {sentence}");
        let said = said.concat();
        assert!(
            !said.contains("mark-") && !said.contains("hidden"),
            "{said}"
        );
    }
    assert_eq!(untouched, BTreeSet::new(), "no change touches these");
}

#[test]
fn what_comes_and_goes_as_a_whole_is_told_of() {
    let before = fleet().plan().plan;
    for (without, comes, goes) in WHOLE {
        let mut slice = slice(&before).as_ref().clone();
        without(&mut slice);
        let without = with(&before, slice);
        for (old, new, sentence) in [(&without, &before, comes), (&before, &without, goes)] {
            let changes = told(old, new);
            assert_eq!(changes.len(), 1, "nothing is told instead of: {sentence}");
            let said = &changes[0].settings;
            assert!(
                said.iter().any(|said| said == sentence),
                "{said:#?} instead of: {sentence}"
            );
        }
    }
}

#[test]
fn what_is_the_same_is_not_told_of() {
    let mut fleet = fleet();
    let before = fleet.plan().plan;
    let same = with(&before, slice(&before).as_ref().clone());
    assert_eq!(told(&before, &same), Vec::new());
    // A value of the customer's file that no registry is logged in to with.
    fleet.write_secrets(
        "fleet/customers/acme/secrets.yaml",
        &[("TOKEN", "hidden-token"), ("OTHER", "hidden-other")],
    );
    let after = fleet.plan().plan;
    let as_before = |_| Ok::<_, Infallible>(marks(ObjectId([1; 20])));
    let Ok(changes) = compare(&before, &after, &as_before);
    assert_eq!(changes, Vec::new());
    // A server that comes is new, whatever is said of it.
    let mut empty = before.clone();
    empty.customers.clear();
    let changes = told(&empty, &before);
    assert_eq!(changes[0].presence, Presence::Added);
    assert!(changes[0].settings.is_empty());
}

#[test]
fn edits_of_the_fleet_are_told_of_on_every_server_that_they_reach() {
    let mut fleet = fleet();
    fleet.write(
        "fleet/customers/acme/servers/acme-2.yaml",
        &files::server('b', "host: { unmanaged: [firewall] }\n"),
    );
    fleet.settle();
    let before = fleet.plan().plan;
    fleet.edit("fleet/hub.yaml", "open: [25]", "open: [25, 5432]");
    fleet.edit(
        "fleet/customers/acme/servers/acme-1.yaml",
        "unmanaged: []",
        "unmanaged: [], ssh: { port: 22 }",
    );
    let after = fleet.plan().plan;
    let changes = told(&before, &after);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(
        changes[0].settings,
        [
            "`ssh` of the machine: port 22022 → 22",
            "`firewall` of the machine: 5432/tcp opened",
        ]
    );
}
