//! The age keys of customers, which their personal data is encrypted to. They live on a reference of their own, one commit deep: a file a
//! customer, encrypted to the hub and the recovery key. Dropping the file makes the personal data unreadable in all of Git's history, because
//! the branch never held the key.

use super::destroyed::{self, Destroyed};
use super::{SecretsError, WorkTree, sops_time};
use crate::config;
use crate::git::{Author, Change, program, single};
use git2::{Oid, Repository};
use jiff::Timestamp;
use std::time::Duration;
use tenantry_schema::id::CustomerId;
use tenantry_schema::key::AgeRecipient;
use tenantry_schema::name::RelativePath;
use tenantry_sops::{
    EncryptOptions, ExposeSecret, Identities, Map, Path, Recipient, Rule, SopsFile, Value, encrypt,
};

/// The reference. Ordinary clones do not fetch it.
pub const REFERENCE: &str = "refs/tenantry/person-keys";
/// How long talking to a remote may take.
const TRANSPORT: Duration = Duration::from_mins(2);
/// How often a reference that others move meanwhile is tried again.
const ATTEMPTS: u32 = 8;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(150);
/// What `git push` says where somebody else moved the reference first, or is doing so.
const FASTER: [&str; 5] = [
    "stale info",
    "fetch first",
    "cannot lock ref",
    "failed to update ref",
    "failed to lock",
];

/// A customer's key, as it is known without opening it.
#[derive(Debug, Clone)]
pub struct PersonKey {
    /// Its public half.
    pub recipient: Recipient,
    /// The file that holds it.
    pub blob: Oid,
}

/// The key of `customer`, if it is in this clone; what it is encrypted to is not looked at.
pub fn find(
    repository: &Repository,
    customer: &CustomerId,
) -> Result<Option<PersonKey>, SecretsError> {
    let Some((blob, file)) = file(repository, customer)? else {
        return Ok(None);
    };
    let name = name(customer);
    let recipient = match file.clear_value(&Path::from("recipient")) {
        Some(Value::Str(text)) => text
            .expose_secret()
            .parse()
            .map_err(SecretsError::sops(&name))?,
        _ => {
            return Err(SecretsError::refused(format!(
                "{REFERENCE}:{name} has no `recipient`"
            )));
        }
    };
    Ok(Some(PersonKey { recipient, blob }))
}

/// Opens the key of `customer`. `None` where there is none in this clone, or none of `identities` opens it.
pub fn open(
    repository: &Repository,
    customer: &CustomerId,
    identities: &Identities,
) -> Result<Option<Identities>, SecretsError> {
    let Some((_, file)) = file(repository, customer)? else {
        return Ok(None);
    };
    let name = name(customer);
    let opened = match file.decrypt(identities) {
        Ok(opened) => opened,
        Err(tenantry_sops::Error::NoMatchingKey { .. }) => return Ok(None),
        Err(error) => return Err(SecretsError::sops(&name)(error)),
    };
    match opened.root.get("key") {
        Some(Value::Str(text)) => Identities::parse(text.expose_secret())
            .map(Some)
            .map_err(SecretsError::sops(&name)),
        _ => Err(SecretsError::refused(format!(
            "{REFERENCE}:{name} has no `key`"
        ))),
    }
}

/// Whose key one of `recipients` is, if this clone has the keys.
pub fn owner<'r>(
    repository: &Repository,
    recipients: impl Iterator<Item = &'r str>,
) -> Option<CustomerId> {
    let wanted: Vec<&str> = recipients.collect();
    let head = single::head(repository, REFERENCE).ok()??;
    let files = single::files(repository, head).ok()?;
    files.keys().find_map(|file| {
        let customer = CustomerId::try_from(file.strip_suffix(".yaml")?).ok()?;
        let key = find(repository, &customer).ok()??;
        wanted.contains(&key.recipient.as_str()).then_some(customer)
    })
}

fn name(customer: &CustomerId) -> String {
    format!("{customer}.yaml")
}

fn file(
    repository: &Repository,
    customer: &CustomerId,
) -> Result<Option<(Oid, SopsFile)>, SecretsError> {
    let Some(head) = single::head(repository, REFERENCE)? else {
        return Ok(None);
    };
    let name = name(customer);
    let Some(blob) = single::files(repository, head)?.remove(&name) else {
        return Ok(None);
    };
    let content = repository
        .find_blob(blob)
        .map_err(SecretsError::git2("reading a person's key"))?;
    let text = std::str::from_utf8(content.content())
        .map_err(|_| SecretsError::refused(format!("{REFERENCE}:{name} is not a text file")))?;
    let file = SopsFile::parse(text).map_err(SecretsError::sops(&name))?;
    Ok(Some((blob, file)))
}

/// Brings the reference from the remote, if there is one. What the remote has wins: it is where keys live. Gives where the remote's points.
/// Keys that were dropped there are dropped here, too.
pub fn fetch(tree: &WorkTree) -> Result<Option<Oid>, SecretsError> {
    let Some(remote) = tree.remote() else {
        return Ok(None);
    };
    let repository = tree.repository();
    let git_dir = repository.commondir();
    let listed = program::git_ok(git_dir, "ls-remote", &[&remote, REFERENCE], TRANSPORT)?;
    let there = listed.stdout.split_whitespace().next();
    let Some(there) = there.and_then(|id| Oid::from_str(id).ok()) else {
        return Ok(None);
    };
    let before = single::head(repository, REFERENCE)?;
    if before == Some(there) {
        return Ok(before);
    }
    let refspec = format!("+{REFERENCE}:{REFERENCE}");
    let arguments = [
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        &remote,
        &refspec,
    ];
    program::git_ok(git_dir, "fetch", &arguments, TRANSPORT)?;
    let now = single::head(repository, REFERENCE)?;
    if let (Some(before), Some(now)) = (before, now) {
        let kept = single::files(repository, now)?;
        for (_, blob) in single::files(repository, before)? {
            if !kept.values().any(|kept| *kept == blob) {
                single::forget(repository, blob)?;
            }
        }
    }
    Ok(now)
}

/// The key of `customer`, made and stored where it is missing and `may_make` does not say no; that is asked when it is known what the remote
/// has. Gives its public half, and the key itself where it was made or `identities` open it.
pub fn ensure(
    tree: &WorkTree,
    customer: &CustomerId,
    identities: &Identities,
    keepers: &[Recipient],
    may_make: &dyn Fn() -> Result<(), SecretsError>,
    now: Timestamp,
) -> Result<(Recipient, Option<Identities>), SecretsError> {
    for _ in 0..ATTEMPTS {
        let remote = fetch(tree)?;
        if let Some(key) = find(tree.repository(), customer)? {
            return Ok((
                key.recipient,
                open(tree.repository(), customer, identities)?,
            ));
        }
        may_make()?;
        let identity = age::x25519::Identity::generate();
        let recipient: Recipient = identity
            .to_public()
            .to_string()
            .parse()
            .map_err(SecretsError::sops("a new key"))?;
        let map = Map::new().with("recipient", recipient.as_str()).with(
            "key",
            Value::text(identity.to_string().expose_secret().to_owned()),
        );
        let options = EncryptOptions {
            recipients: keepers.to_vec(),
            rule: Rule::EncryptedRegex("^key$".to_owned()),
            mac_only_encrypted: false,
            last_modified: sops_time(now)?,
        };
        let text = encrypt(&map, &options, &mut rand::rng())
            .map_err(SecretsError::sops(&name(customer)))?;
        let message = format!("{customer}: a key for personal data\n");
        let files = [(name(customer), Some(text.into_bytes()))];
        if change(tree, files, remote, &message, now)? {
            return Ok((recipient, Some(identity.into())));
        }
    }
    Err(SecretsError::refused(format!(
        "{REFERENCE} kept moving; try again"
    )))
}

/// Drops the key of `customer`, here and at the remote, and leaves in the same step a mark that it was. `false`: there was none.
pub fn destroy(
    tree: &WorkTree,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<bool, SecretsError> {
    for _ in 0..ATTEMPTS {
        let remote = fetch(tree)?;
        let Some(key) = find(tree.repository(), customer)? else {
            return Ok(false);
        };
        let key = AgeRecipient::try_from(key.recipient.as_str().to_owned())
            .map_err(|error| SecretsError::refused(format!("{REFERENCE}: {error}")))?;
        let before = destroyed::of(tree.repository(), customer)?;
        let mark = destroyed::with(before, Destroyed { key, at: now })?;
        let files = [
            (name(customer), None),
            (destroyed::path(customer), Some(mark.into_bytes())),
        ];
        let message = format!("{customer}: key dropped\n");
        if change(tree, files, remote, &message, now)? {
            return Ok(true);
        }
    }
    Err(SecretsError::refused(format!(
        "{REFERENCE} kept moving; try again"
    )))
}

/// Makes one change, as a commit without a parent; `expected` is where the remote pointed. `false`: somebody was faster. The remote goes first: what it does not take is not so.
fn change<const N: usize>(
    tree: &WorkTree,
    files: [(String, Option<Vec<u8>>); N],
    expected: Option<Oid>,
    message: &str,
    now: Timestamp,
) -> Result<bool, SecretsError> {
    let repository = tree.repository();
    let old = single::head(repository, REFERENCE)?;
    let mut changes = Vec::with_capacity(N);
    for (path, content) in files {
        let path = RelativePath::try_from(path)
            .map_err(|error| SecretsError::refused(error.to_string()))?;
        changes.push(Change { path, content });
    }
    let (author, email) = config::person();
    let author = Author::new(author, email);
    let new = single::write(repository, old, &changes, &author, message, now)?;
    if let Some(remote) = tree.remote() {
        // Nothing there: an empty lease. Keys that were made before there was a remote go along.
        let expected = expected.map(|there| there.to_string()).unwrap_or_default();
        let lease = format!("--force-with-lease={REFERENCE}:{expected}");
        let refspec = format!("{new}:{REFERENCE}");
        let arguments = ["--quiet", "--porcelain", lease.as_str(), &remote, &refspec];
        let ran = program::git(repository.commondir(), "push", &arguments, TRANSPORT)?;
        if !ran.status.success() {
            if FASTER
                .iter()
                .any(|words| ran.stdout.contains(words) || ran.stderr.contains(words))
            {
                std::thread::sleep(PAUSE);
                return Ok(false);
            }
            return Err(SecretsError::refused(format!(
                "{remote} does not take {REFERENCE}: {}",
                ran.complaint()
            )));
        }
    }
    Ok(single::swap(repository, REFERENCE, old, new)?)
}
