//! `tenantry init`: a new fleet repository that passes `check`, with its keys in a folder of their own.

mod forge;

use super::Outcome;
use super::output::say;
use crate::config::person;
use crate::git::{Author, Change, Layout, init_repository};
use crate::secrets::git_setup::new_attributes;
use age::secrecy::ExposeSecret;
use anyhow::{Context, bail};
use forge::Forge;
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use rand::Rng;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use tenantry_schema::document::FORMAT;
use tenantry_schema::id::FleetId;
use tenantry_schema::key::{AgeRecipient, PublicKeys};
use tenantry_schema::name::RelativePath;
use tenantry_schema::url::HubUrl;
use tenantry_sops::{EncryptOptions, Map, Rule, Value, encrypt};
use tenantry_wire::SigningKey;

static STACKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../stacks");
static NGINX: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../nginx");

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes a repository with one commit that passes `tenantry check`: commented settings, the rules of who can open which secret,
the catalogue, a README for those who operate it, and CI files for the forge. Two private keys go into a folder beside it.

Examples:
  tenantry init my-fleet --url https://hub.example --forge github
  tenantry init /srv/fleet.git --bare")]
pub(super) struct Args {
    /// The folder to make the fleet in; absent or empty.
    dir: PathBuf,
    /// Where agents and people will reach the hub.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Immutable id of the fleet. Default: a random one.
    #[arg(long)]
    fleet_id: Option<FleetId>,
    /// Folder for the private keys. Default: DIR with `-keys` added. Never inside the fleet.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Make a bare repository, for a server, instead of a folder to edit in.
    #[arg(long)]
    bare: bool,
    /// Files for the forge where changes are reviewed: they check every pull request, and comment what it would do.
    #[arg(long, value_enum, default_value_t = Forge::None)]
    forge: Forge,
    /// The branch.
    #[arg(long, default_value = "main")]
    branch: String,
}

/// A private pair of keys, just made.
struct Pair {
    sign: SigningKey,
    age: age::x25519::Identity,
}

impl Pair {
    fn generate() -> Self {
        Self {
            sign: SigningKey::generate(&mut rand::rng()),
            age: age::x25519::Identity::generate(),
        }
    }

    fn public(&self) -> anyhow::Result<PublicKeys> {
        Ok(PublicKeys {
            sign: self.sign.public(),
            age: AgeRecipient::try_from(self.age.to_public().to_string())?,
        })
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let keys_dir = args
        .keys
        .clone()
        .unwrap_or_else(|| with_suffix(&args.dir, "-keys"));
    let url = HubUrl::try_from(args.url.as_str())?;
    if !git2::Branch::name_is_valid(&args.branch)? {
        bail!("`{}` cannot be the name of a branch", args.branch);
    }
    if real(&keys_dir)?.starts_with(real(&args.dir)?) {
        bail!("keys do not belong inside the fleet; choose another folder with --keys");
    }
    if args.dir.exists() && !args.dir.is_dir() {
        bail!("`{}` is there already and is no folder", args.dir.display());
    }
    if std::fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "`{}` is not empty: a new fleet needs a folder of its own",
            args.dir.display()
        );
    }
    let fleet_id = match &args.fleet_id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let (hub, recovery) = (Pair::generate(), Pair::generate());
    let mut files = files(&url, &fleet_id, &hub, &recovery)?;
    for (path, content) in args.forge.files() {
        files.push(file(path, content)?);
    }
    // Keys first: a fleet whose keys were lost is worth nothing, keys without a fleet do no harm.
    let hub_file = keys_dir.join("hub.agekey");
    let recovery_file = keys_dir.join("recovery.key");
    write_keys(
        &keys_dir,
        &hub_file,
        &recovery_file,
        &hub,
        &recovery,
        &fleet_id,
    )?;
    let layout = if args.bare {
        Layout::Bare
    } else {
        Layout::WorkTree
    };
    let (name, email) = person();
    let message = format!("init: fleet {fleet_id}\n");
    init_repository(
        &args.dir,
        &args.branch,
        layout,
        &files,
        &Author::new(name, email),
        &message,
        Timestamp::now(),
    )?;
    let hint = args.forge.hint();
    let hint = hint.map_or_else(String::new, |hint| format!("\n  {hint}"));
    let next = next(&args.dir, args.bare, args.forge, &args.branch, &hub_file);
    let (dir, hub_file, recovery_file) = (
        args.dir.display(),
        hub_file.display(),
        recovery_file.display(),
    );
    say(format!(
        "fleet {fleet_id} is in {dir}

  {hub_file}    the hub's key: keep it on the hub alone
  {recovery_file}  the recovery key: print it, store it offline, delete the file

Next:
{next}{hint}"
    ));
    Ok(Outcome::Clean)
}

/// How to go on. The hub serves a repository that people push to, never the folder that they work in.
fn next(dir: &Path, bare: bool, forge: Forge, branch: &str, key: &Path) -> String {
    let here = dir.display().to_string();
    let here = here.trim_end_matches('/');
    let key = key.display();
    let run =
        |served: &str| format!("  tenantry serve {served} --key {key} --data /var/lib/tenantry");
    let edit = |folder: &str| {
        format!("  tenantry check {folder}\n  tenantry new customer ID --fleet {folder}\n")
    };
    if bare {
        let folder = here.strip_suffix(".git").unwrap_or("my-fleet");
        let activate = format!("  tenantry activate {here} --key {key}\n");
        let clone = format!("  git clone {here} {folder}    # where you edit, commit and push\n");
        return format!("{activate}{clone}{}{}", edit(folder), run(here));
    }
    let activate = format!("  tenantry activate {here} --key {key}\n");
    let (meet, served) = if matches!(forge, Forge::None) {
        let meet = format!(
            "  git clone --bare {here} {here}.git    # where you and the hub meet; a forge will do as well\n"
        );
        (meet, format!("{here}.git"))
    } else {
        (String::new(), "ADDRESS-AT-THE-FORGE".to_owned())
    };
    let absolute = std::path::absolute(&served)
        .map_or_else(|_| served.clone(), |path| path.display().to_string());
    let remote = if matches!(forge, Forge::None) {
        absolute
    } else {
        served.clone()
    };
    let push = format!(
        "  git -C {here} remote add origin {remote} && git -C {here} push -u origin {branch}\n"
    );
    format!("{}{activate}{meet}{push}{}", edit(here), run(&served))
}

/// Where a path leads that need not be there yet: links and `..` are followed.
fn real(path: &Path) -> std::io::Result<PathBuf> {
    let mut real = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        if part == Component::ParentDir {
            real.pop();
            continue;
        }
        real.push(part);
        if let Ok(there) = real.canonicalize() {
            real = there;
        }
    }
    Ok(real)
}

fn with_suffix(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    while name.to_string_lossy().len() > 1 && name.to_string_lossy().ends_with('/') {
        name = name
            .to_string_lossy()
            .trim_end_matches('/')
            .to_owned()
            .into();
    }
    name.push(suffix);
    name.into()
}

/// 16 characters of a small alphabet: about 80 bits, enough that no two fleets ever share a mark.
fn random_id() -> anyhow::Result<FleetId> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = rand::rng();
    let id: String = (0..16)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect();
    Ok(FleetId::try_from(id)?)
}

fn files(
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

fn file(path: &str, content: &str) -> anyhow::Result<Change> {
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
",
        hub.sign, hub.age, recovery.sign, recovery.age
    )
}

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

fn write_keys(
    dir: &Path,
    hub_file: &Path,
    recovery_file: &Path,
    hub: &Pair,
    recovery: &Pair,
    fleet_id: &FleetId,
) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let age_lines = |pair: &Pair| -> anyhow::Result<String> {
        let public = pair.public()?;
        Ok(format!(
            "# public key: {}\n{}\n",
            public.age,
            pair.age.to_string().expose_secret()
        ))
    };
    write_private(
        hub_file,
        &format!("# Key of the hub of fleet {fleet_id}.\n{}", age_lines(hub)?),
    )?;
    let pem = recovery.sign.to_openssh("tenantry recovery");
    let text = format!(
        "# Recovery key of fleet {fleet_id}. Store it offline. The first part opens every secret of the fleet (age),\n# the second signs a change of the hub's key (OpenSSH).\n{}\n{}",
        age_lines(recovery)?,
        pem.expose()
    );
    write_private(recovery_file, &text)
}

/// Never overwrites, readable by the owner alone.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(failed)
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
const README: &str = include_str!("init/readme.md");
