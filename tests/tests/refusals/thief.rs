//! Somebody who has stolen the hub's key, and what they try.

use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::RefusalKind;
use tenantry_tests::rig::{Forgery, Middleman, Received};
use tenantry_wire::SigningKey;
use tenantry_wire::bundle::{self, Limits};
use tenantry_wire::slice::{Draft, seal};

/// A file that none of the attacks may make.
pub const OUTSIDER: &str = "/tmp/tenantry-was-here";

type Files = BTreeMap<RelativePath, Vec<u8>>;

fn files_of(bundle: &[u8]) -> Files {
    bundle::unpack(bundle, &Limits::default()).unwrap()
}

fn path(text: &str) -> RelativePath {
    RelativePath::try_from(text).unwrap()
}

/// What the attacks are made from.
pub struct Thief {
    pub hub: Arc<SigningKey>,
    pub server: ServerKey,
    pub fleet: String,
    /// The slice before the newest, the newest, and that of another server of the same customer.
    pub older: Vec<u8>,
    pub newest: Vec<u8>,
    pub others: Received,
}

impl Thief {
    /// The newest slice with something changed, sealed again with `key`.
    fn sealed(&self, key: &SigningKey, change: impl FnOnce(&mut Draft)) -> Vec<u8> {
        let mut files = files_of(&self.newest);
        let manifest: tenantry_schema::wire::Manifest =
            serde_yaml::from_slice(&files.remove("slice.yaml").unwrap()).unwrap();
        files.remove("slice.yaml.sig");
        let mut draft = Draft {
            fleet_id: manifest.fleet_id,
            server: manifest.server,
            generation: manifest.generation + 1,
            commit: manifest.commit,
            issued: manifest.issued,
            content: "f".repeat(64),
            files,
        };
        change(&mut draft);
        bundle::pack(&seal(draft, key).unwrap())
    }

    /// The newest slice, a file of it changed after it was sealed.
    fn tampered(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut files = files_of(&self.sealed(&self.hub, |_| ()));
        change(files.get_mut(file).unwrap());
        bundle::pack(&files)
    }

    /// A bundle with one more entry that our own packer would never make.
    fn with_entry(&self, kind: tar::EntryType, name: &str, link: &str) -> Vec<u8> {
        let plain = files_of(&self.sealed(&self.hub, |_| ()));
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        let mut put = |kind: tar::EntryType, name: &str, link: &str, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o600);
            // Written as bytes: the library refuses such names.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            tar.append(&header, data).unwrap();
        };
        for (path, data) in &plain {
            put(tar::EntryType::Regular, path.as_str(), "", data);
        }
        put(
            kind,
            name,
            link,
            if kind == tar::EntryType::Regular {
                b"gotcha"
            } else {
                b""
            },
        );
        tar.into_inner().unwrap().finish().unwrap()
    }

    /// Everything that is tried: what, the forged answer, and the kind that the agent must name.
    pub fn attacks(&self, middleman: &Middleman) -> Vec<(&'static str, Forgery, RefusalKind)> {
        let stranger = Arc::new(SigningKey::generate(&mut rand::rng()));
        let answer = |bundle: Vec<u8>, key: &Arc<SigningKey>, server: &ServerKey| Forgery::Signed {
            bundle,
            slice: (u64::MAX, "f".repeat(64)),
            key: key.clone(),
            server: server.clone(),
        };
        let signed = |bundle: Vec<u8>| answer(bundle, &self.hub, &self.server);
        let same = |draft: &mut Draft| draft.generation -= 1;
        let recorded = middleman.slices();
        let first = recorded.first().unwrap().clone();
        let secrets = self
            .others
            .files
            .iter()
            .find(|(path, _)| path.as_str().ends_with("/secrets.yaml"))
            .map(|(_, data)| data.clone())
            .unwrap();
        let instance = files_of(&self.newest)
            .keys()
            .find_map(|path| {
                path.as_str()
                    .strip_suffix("/compose.yaml")
                    .map(str::to_owned)
            })
            .unwrap();
        let foreign_secret = |draft: &mut Draft| {
            draft
                .files
                .insert(path(&format!("{instance}/secrets.yaml")), secrets);
        };
        let climbing = tar::EntryType::Regular;
        let link = tar::EntryType::Symlink;
        vec![
            (
                "an older slice",
                signed(self.older.clone()),
                RefusalKind::OldGeneration,
            ),
            (
                "the slice of another server",
                signed(self.others.bytes.clone()),
                RefusalKind::WrongServer,
            ),
            (
                "an answer for another server",
                answer(self.newest.clone(), &self.hub, &self.others.manifest.server),
                RefusalKind::WrongServer,
            ),
            (
                "a tampered file",
                signed(self.tampered("host.yaml", |data| data.push(b'\n'))),
                RefusalKind::TamperedFile,
            ),
            (
                "a tampered head",
                signed(self.tampered("slice.yaml", |data| data.push(b'\n'))),
                RefusalKind::BadSignature,
            ),
            (
                "a slice of a wrong signer",
                signed(self.sealed(&stranger, |_| ())),
                RefusalKind::WrongSigner,
            ),
            (
                "an answer of a wrong signer",
                answer(self.sealed(&self.hub, |_| ()), &stranger, &self.server),
                RefusalKind::WrongSigner,
            ),
            (
                "the same generation with other content",
                signed(self.sealed(&self.hub, same)),
                RefusalKind::SameGenerationOtherContent,
            ),
            (
                "an answer to another nonce",
                Forgery::Replayed(first),
                RefusalKind::NotFresh,
            ),
            (
                "a slice of another fleet",
                signed(self.sealed(&self.hub, |d| {
                    d.fleet_id = format!("{}x", self.fleet).try_into().unwrap();
                })),
                RefusalKind::WrongFleet,
            ),
            (
                "secrets for another server",
                signed(self.sealed(&self.hub, foreign_secret)),
                RefusalKind::Undecryptable,
            ),
            (
                "a path that climbs",
                signed(self.with_entry(
                    climbing,
                    "stacks/../../../../../../tmp/tenantry-was-here",
                    "",
                )),
                RefusalKind::UnsafePath,
            ),
            (
                "an absolute path",
                signed(self.with_entry(climbing, OUTSIDER, "")),
                RefusalKind::UnsafePath,
            ),
            (
                "a symbolic link",
                signed(self.with_entry(link, "stacks/link", "/etc")),
                RefusalKind::UnsafePath,
            ),
            (
                "no archive",
                signed(b"nonsense".to_vec()),
                RefusalKind::Malformed,
            ),
        ]
    }
}
