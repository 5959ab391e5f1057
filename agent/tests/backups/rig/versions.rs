//! Versions of the tool that wait, or write all the time.

use super::{Files, Rig, Tool, files};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::Value;

/// Two thousand files whose names change all the time.
pub(crate) const CHURN: Tool = Tool {
    image: "tenantry-test/busybox:1",
    compose: "
services:
  app:
    image: tenantry-test/busybox:1
    command:
      - sh
      - -c
      - |
        cd /uploads
        seq 2000 | while read n; do echo $$n > a$$n; done
        while :; do
          for n in $$(seq 2000); do mv a$$n b$$n; done
          for n in $$(seq 2000); do mv b$$n a$$n; done
        done
    init: true
    secrets: [db_password]
    volumes: ['uploads:/uploads']
    stop_grace_period: 1s
volumes: { uploads: {} }
secrets: { db_password: { environment: DB_PASSWORD } }
",
    items: "  - {kind: volume, volume: uploads, during: running}\n",
    required: "TENANTRY_REQUIRE_PEERS",
};

impl Rig {
    /// Asks for another version, with one more volume, that waits for a window which opens in three days.
    pub(crate) fn version_that_waits(&self, generation: u64) {
        let begins = Timestamp::now() - SignedDuration::from_hours(1);
        let opens = (Timestamp::now() + SignedDuration::from_hours(72)).to_zoned(TimeZone::UTC);
        let mut all = self.slice(Some(begins));
        edit(
            &mut all,
            "host.yaml",
            "manage: full\n",
            &format!(
                "manage: full\nwindow: {} 02:00-05:00\n",
                opens.strftime("%a")
            ),
        );
        let compose = format!("stacks/{}/compose.yaml", self.lab.project);
        for (from, to) in [
            ("[sleep, 1d]", "[sleep, 2d]"),
            ("'uploads:/uploads'", "'uploads:/uploads', 'fresh:/fresh'"),
            ("uploads: {} }", "uploads: {}, fresh: {} }"),
        ] {
            edit(&mut all, &compose, from, to);
        }
        edit(
            &mut all,
            "backups.yaml",
            self.tool.items,
            &format!(
                "{}  - {{kind: volume, volume: fresh, during: running}}\n",
                self.tool.items
            ),
        );
        self.hub.publish(&self.world, generation, all);
    }

    /// What the container of a service is told to run, and whether it is frozen.
    pub(crate) async fn command_of(&self, service: &str) -> (String, bool) {
        let name = self.lab.name(service);
        let found = self
            .lab
            .docker
            .inspect_container(&name, None)
            .await
            .unwrap();
        let command = found.config.unwrap().cmd.unwrap_or_default().join(" ");
        (command, found.state.unwrap().paused == Some(true))
    }

    /// The receipt of a backup becomes one that says nothing of what its databases are.
    pub(crate) fn receipt_of_an_earlier_release(&self, snapshot: &str) {
        let text = self.receipt(snapshot);
        let mut receipt: Value = serde_json::from_str(&text).unwrap();
        for part in receipt["parts"].as_array_mut().unwrap() {
            part.as_object_mut().unwrap().remove("properties");
        }
        let all: Value = serde_json::from_str(&self.restic(&["snapshots", "--json"])).unwrap();
        let of = Value::from(format!("of={snapshot}"));
        let is_it = |one: &&Value| one["tags"].as_array().unwrap().contains(&of);
        let old = all.as_array().unwrap().iter().find(is_it).unwrap();
        let file = self.world.folder.path().join("receipt");
        std::fs::write(&file, receipt.to_string()).unwrap();
        let mut command = std::process::Command::new("restic");
        command
            .args([
                "backup",
                "--no-cache",
                "--stdin",
                "--stdin-filename",
                "manifest.json",
                "--host",
            ])
            .arg(old["hostname"].as_str().unwrap());
        for tag in old["tags"].as_array().unwrap() {
            command.arg("--tag").arg(tag.as_str().unwrap());
        }
        let made = command
            .env("RESTIC_REPOSITORY", self.place.join("acme-1"))
            .env("RESTIC_PASSWORD", "repository-key-1")
            .stdin(std::fs::File::open(&file).unwrap())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        self.restic(&["forget", old["id"].as_str().unwrap()]);
        assert!(!self.receipt(snapshot).contains("properties"));
    }

    /// From now on restic says of each backup that files could not be read.
    pub(crate) fn unreadable_files(&self) {
        self.restic_with("[ \"$1\" != backup ] || { restic \"$@\"; echo 'read /x: input/output error' >&2; exit 3; }\n");
    }
}

fn edit(all: &mut Files, name: &str, from: &str, to: &str) {
    let content = all.get_mut(name).unwrap();
    let text = String::from_utf8(content.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    all.extend(files(&[(name, &text)]));
}
