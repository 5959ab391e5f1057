//! Certificates where the web server finds them: chain and key of a host side by side, changed in one step.

use super::WebError;
use crate::certificates::{self, Certificate, CertificateFacts};
use crate::files::{FilesError, Root, digest};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use tenantry_schema::name::{DomainName, RelativePath};

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";
/// Longest of either.
const LIMIT: u64 = 1 << 20;

/// Facts about certificates by host, for the digests of chain and key: what need not be looked at twice.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<DomainName, (String, Option<CertificateFacts>)>);

impl Known {
    /// Certificates in `folder` that can be used.
    pub(super) fn facts(
        &mut self,
        folder: &Path,
    ) -> Result<BTreeMap<DomainName, CertificateFacts>, WebError> {
        // Of hosts whose certificates are gone nothing is kept.
        let (mut found, mut known) = (BTreeMap::new(), BTreeMap::new());
        for host in hosts(folder)? {
            let path = folder.join(host.as_str());
            let (Some(chain), Some(key)) = (read(&path.join(CHAIN))?, read(&path.join(KEY))?)
            else {
                continue;
            };
            let stamp = digest(&[chain.as_slice(), &key].concat());
            let facts = match self.0.get(&host).filter(|(known, _)| *known == stamp) {
                Some((_, facts)) => facts.clone(),
                None => certificates::inspect(&chain, &key, &host),
            };
            known.insert(host.clone(), (stamp, facts.clone()));
            found.extend(facts.map(|facts| (host, facts)));
        }
        self.0 = known;
        Ok(found)
    }
}

/// Hosts that there is something for.
fn hosts(folder: &Path) -> Result<Vec<DomainName>, WebError> {
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(Iterator::collect::<std::io::Result<Vec<_>>>),
    };
    let listed = listed.map_err(|error| unread(folder, &error))?;
    let names = listed.iter().map(std::fs::DirEntry::file_name);
    let hosts = names.filter_map(|name| DomainName::try_from(name.to_str()?).ok());
    Ok(hosts.collect())
}

/// What is not there, or no file, or too long, is none. What cannot be read is not taken for missing: a certificate of an authority would
/// give way to one of our own.
fn read(path: &Path) -> Result<Option<Vec<u8>>, WebError> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        file => file.map_err(|error| unread(path, &error))?,
    };
    if !file
        .metadata()
        .is_ok_and(|it| it.is_file() && it.len() <= LIMIT)
    {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = file.take(LIMIT).read_to_end(&mut bytes);
    read.map_err(|error| unread(path, &error))?;
    Ok(Some(bytes))
}

fn unread(path: &Path, error: &std::io::Error) -> WebError {
    let error = Errno::from_io_error(error).unwrap_or(Errno::IO);
    let path = path.to_owned();
    WebError::Files(FilesError::Io { path, error })
}

/// The private key that is in place, as far as that is known.
pub(super) fn key(folder: &Path, host: &DomainName) -> Option<Vec<u8>> {
    read(&folder.join(host.as_str()).join(KEY)).ok()?
}

/// Puts a certificate in place of the one before.
pub(super) fn put(
    folder: &Path,
    host: &DomainName,
    certificate: &Certificate,
) -> Result<(), WebError> {
    let root = Root::private(folder)?;
    let id = digest(certificate.chain.as_bytes());
    let set = format!(".sets/{host}-{}", &id[..16]);
    let path = |name: &str| {
        RelativePath::try_from(name.to_owned())
            .map_err(|_| WebError::Refused(format!("no file can be named {name}")))
    };
    root.write(
        &path(&format!("{set}/{CHAIN}"))?,
        certificate.chain.as_bytes(),
    )?;
    root.write(
        &path(&format!("{set}/{KEY}"))?,
        certificate.key.expose().as_bytes(),
    )?;
    root.point(&path(host.as_str())?, &path(&set)?)?;
    let old = |path: &RelativePath| {
        path.as_str().strip_prefix(".sets/").is_some_and(|rest| {
            rest.rsplit_once('-')
                .is_some_and(|(name, _)| name == host.as_str())
                && !path.as_str().starts_with(&set)
        })
    };
    for path in root.list()?.into_keys().filter(old) {
        root.remove(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::process::Command;
    use tenantry_schema::Secret;

    /// What a process that is about to die is told, in its folder.
    const CHANGES: &str = "changes";
    const DIES: &str = "web_server::certified::tests::a_writer_dies";

    fn host() -> DomainName {
        "a.example".try_into().unwrap()
    }

    fn certificate() -> Certificate {
        certificates::self_signed(&host(), [], Timestamp::now()).unwrap()
    }

    /// Run by the test below in a process of its own.
    #[test]
    #[ignore = "it is a part of the test below"]
    fn a_writer_dies() {
        let Ok(changes) = std::fs::read_to_string(CHANGES) else {
            return;
        };
        let read = |name: &str| std::fs::read_to_string(name).unwrap();
        let certificate = Certificate {
            chain: read("chain"),
            key: Secret::new(read("key")),
        };
        crate::faults::arm(changes.trim().parse().unwrap());
        put(Path::new("certificates"), &host(), &certificate).unwrap();
    }

    #[test]
    fn whoever_is_killed_at_whatever_point_leaves_a_chain_with_its_key() {
        let (one, two) = (certificate(), certificate());
        let mut served = Vec::new();
        for changes in 0..20 {
            let work = tempfile::tempdir().unwrap();
            let folder = work.path().join("certificates");
            put(&folder, &host(), &one).unwrap();
            for (name, text) in [
                (CHANGES, changes.to_string()),
                ("chain", two.chain.clone()),
                ("key", two.key.expose().clone()),
            ] {
                std::fs::write(work.path().join(name), text).unwrap();
            }
            let ended = Command::new(std::env::current_exe().unwrap())
                .args([DIES, "--exact", "--ignored", "--test-threads", "1"])
                .current_dir(work.path())
                .output()
                .unwrap();

            let read = |name: &str| {
                std::fs::read_to_string(folder.join(host().as_str()).join(name)).unwrap()
            };
            let there = (read(CHAIN), read(KEY));
            let pair = |certificate: &Certificate| {
                (certificate.chain.clone(), certificate.key.expose().clone())
            };
            served.push(there == pair(&two));
            assert!(
                there == pair(&one) || there == pair(&two),
                "after {changes}"
            );
            assert!(
                Known::default()
                    .facts(&folder)
                    .unwrap()
                    .contains_key(&host())
            );

            // The next call ends where one that was not killed does.
            put(&folder, &host(), &two).unwrap();
            assert_eq!((read(CHAIN), read(KEY)), pair(&two));
            // Of the one before nothing is left but, where it was killed just then, an empty folder.
            let files = Root::private(&folder).unwrap().list().unwrap();
            let sets = files
                .keys()
                .filter(|path| path.as_str().starts_with(".sets/"));
            assert_eq!(sets.count(), 2, "after {changes}");
            if ended.status.success() {
                assert!(served.first() == Some(&false) && served.last() == Some(&true));
                assert!(served.len() > 4, "{served:?}");
                return;
            }
        }
        panic!("it never ends: {served:?}");
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_missing() {
        let folder = tempfile::tempdir().unwrap();
        let count = || Known::default().facts(folder.path()).map(|all| all.len());
        assert_eq!(count().unwrap(), 0);
        put(folder.path(), &host(), &certificate()).unwrap();
        assert_eq!(count().unwrap(), 1);

        let chain = folder.path().join("a.example").join(CHAIN);
        std::fs::remove_file(&chain).unwrap();
        assert_eq!(count().unwrap(), 0, "it is gone");
        std::fs::create_dir(&chain).unwrap();
        assert_eq!(count().unwrap(), 0, "that is none");
        std::fs::remove_dir(&chain).unwrap();
        std::os::unix::fs::symlink(&chain, &chain).unwrap();
        assert!(count().is_err(), "nobody knows what it is");

        let mut known = Known::default();
        for host in ["b.example", "c.example"] {
            let host: DomainName = host.try_into().unwrap();
            put(folder.path(), &host, &certificate()).unwrap();
        }
        std::fs::remove_file(&chain).unwrap();
        known.facts(folder.path()).unwrap();
        assert_eq!(known.0.len(), 2);
        std::fs::remove_file(folder.path().join("b.example")).unwrap();
        known.facts(folder.path()).unwrap();
        assert_eq!(known.0.len(), 1, "what is gone is forgotten");

        std::fs::remove_dir_all(folder.path().join(".sets")).unwrap();
        assert_eq!(count().unwrap(), 0, "a link to nothing");
        let nowhere = folder.path().join("nowhere");
        assert!(Known::default().facts(&nowhere).unwrap().is_empty());
    }
}
