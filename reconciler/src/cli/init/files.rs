//! What stands in a new fleet.

use super::keys::Pair;
use crate::git::Change;
use crate::secrets::git_setup::new_attributes;
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use tenantry_schema::document::FORMAT;
use tenantry_schema::id::FleetId;
use tenantry_schema::key::PublicKeys;
use tenantry_schema::name::RelativePath;
use tenantry_schema::url::HubUrl;
use tenantry_sops::{EncryptOptions, Map, Rule, Value, encrypt};

static STACKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../stacks");
static NGINX: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../nginx");

pub(super) fn files(
    url: &HubUrl,
    fleet_id: &FleetId,
    hub: &Pair,
    recovery: &Pair,
) -> anyhow::Result<Vec<Change>> {
    let (hub_keys, recovery_keys) = (hub.public()?, recovery.public()?);
    let mut files = vec![
        file("README.md", &format!("# Fleet {fleet_id}\n\n{README}"))?,
        file(".gitattributes", &new_attributes())?,
        file(".sops.yaml", &sops_rules(&hub_keys, &recovery_keys))?,
        file(
            "fleet/hub.yaml",
            &hub_yaml(fleet_id, url, &hub_keys, &recovery_keys),
        )?,
        file("fleet/staff.yaml", STAFF)?,
        file(
            "fleet/hub-key.yaml",
            &hub_key(hub, &hub_keys, &recovery_keys)?,
        )?,
    ];
    for (folder, dir) in [("stacks", &STACKS), ("nginx", &NGINX)] {
        vendor(folder, dir, &mut files)?;
    }
    Ok(files)
}

pub(super) fn file(path: &str, content: &str) -> anyhow::Result<Change> {
    Ok(Change {
        path: RelativePath::try_from(path)?,
        content: Some(content.as_bytes().to_vec()),
    })
}

fn vendor(folder: &str, dir: &Dir<'_>, out: &mut Vec<Change>) -> anyhow::Result<()> {
    for entry in dir.files() {
        let path = format!("{folder}/{}", entry.path().display());
        out.push(Change {
            path: RelativePath::try_from(path)?,
            content: Some(entry.contents().to_vec()),
        });
    }
    for sub in dir.dirs() {
        vendor(folder, sub, out)?;
    }
    Ok(())
}

fn sops_rules(hub: &PublicKeys, recovery: &PublicKeys) -> String {
    let (hub, recovery) = (&hub.age, &recovery.age);
    format!(
        "# Who can open which file; `sops` and Tenantry both follow these rules. Add the age keys of people after a comma.
creation_rules:
  # The hub's signing key: nobody else.
  - path_regex: ^fleet/hub-key\\.yaml$
    age: {hub},{recovery}
  # Generated secrets of tools: no person needs them day by day.
  - path_regex: ^fleet/decisions/
    mac_only_encrypted: true
    age: {hub},{recovery}
  # Secrets that people give. Personal data (person.yaml) is encrypted to a key of each customer's own instead:
  # `tenantry secrets edit CUSTOMER/person` makes it.
  - path_regex: (^|/)secrets\\.yaml$
    mac_only_encrypted: true
    age: {hub},{recovery}
"
    )
}

fn hub_yaml(fleet_id: &FleetId, url: &HubUrl, hub: &PublicKeys, recovery: &PublicKeys) -> String {
    let url = serde_json::to_string(url).unwrap_or_default();
    format!(
        "# Settings of the whole fleet.
format: {FORMAT}                       # of these documents; `tenantry migrate` raises it
fleet_id: {fleet_id}            # never change it: it is part of every mark left outside
url: {url}
keys:
  hub: {{ sign: {}, age: {} }}
  recovery: {{ sign: {}, age: {} }}
trust: forge                    # the forge's branch protection does the reviewing

# What customers can buy. `tools` left out allows all; `memory` left out sets no limit.
plans:
  starter: {{ tools: [html], memory: 512M }}
  pro: {{}}
{EXAMPLES}",
        hub.sign, hub.age, recovery.sign, recovery.age
    )
}

/// What many fleets want next, to be uncommented: a line that begins with `#` and no single blank is YAML.
const EXAMPLES: &str = "
# What follows is off. Take the `#` away from the lines of a block to switch it on. `tenantry check` says what is missing.

# What a commit may do, whoever made it (docs/policy.md of Tenantry).
#policy:
#  max_removed: 10%                       # more is held back until `tenantry acknowledge`
#  registries: [docker.io]                # whose images may run
#  paths: { \"stacks/html/**\": manager }  # who may change what, where it differs

# Backups of all that stacks declare (docs/backups.md): a restic server that agents can only append to.
#backups:
#  repository: rest:https://backup.example/
#  maintenance: rest:https://backup.example:8443/   # the same place, where the hub may delete

# Where changes are reviewed (docs/forge.md): the hub says there what it thinks of them. The token: `tenantry secrets set hub forge_token`.
#forge:
#  kind: gitea                            # github, gitlab, or gitea, which Forgejo is as well
#  url: https://git.example.com
#  repository: acme/fleet
#  token: { secret: forge_token }

# The machines beneath the tools (docs/host.md). An area that is not named is not touched.
#host:
#  packages: { install: [htop] }          # security updates by themselves are on
#  fail2ban: {}
#  time_zone: Etc/UTC
";

fn hub_key(
    hub: &Pair,
    hub_keys: &PublicKeys,
    recovery_keys: &PublicKeys,
) -> anyhow::Result<String> {
    let pem = hub.sign.to_openssh("tenantry hub");
    let map = Map::new().with("signing_key", Value::text(pem.expose().clone()));
    let options = EncryptOptions {
        recipients: vec![
            hub_keys.age.as_str().parse()?,
            recovery_keys.age.as_str().parse()?,
        ],
        rule: Rule::all(),
        mac_only_encrypted: false,
        last_modified: tenantry_sops::Timestamp::parse_rfc3339(&format!(
            "{:.0}",
            Timestamp::now()
        ))?,
    };
    Ok(encrypt(&map, &options, &mut rand::rng())?)
}

const STAFF: &str = "\
# The people who work here.
# jane:
#   email: jane@example.com
#   role: owner            # owner, admin, manager or support
#   signing_keys: [\"ssh-ed25519 AAAA...\"]
{}
";

/// The README of a fleet, below its title.
const README: &str = include_str!("readme.md");
