//! The recipes: which packages, files and settings make each image. Nothing is built here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer::Step;
use super::packages::Packages;
use super::{Image, LabError, ORIGIN, RECIPE, databases};

/// To be raised when the building itself changes, so that every image is built again.
const BUILDER: &str = "1";

/// How to make one image.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What is pushed; its labels hold the digest and the origin.
    pub image: Image,
    /// Digest of everything that decides the content, apart from the packages' versions.
    pub digest: String,
    pub(super) packages: Packages,
    pub(super) steps: Vec<Step>,
    /// Where our own static binary goes, for an image that consists of it.
    pub(super) program: Option<&'static str>,
}

impl Recipe {
    /// What the image really is, in a sentence.
    pub fn origin(&self) -> &str {
        self.image.labels.get(ORIGIN).map_or("", String::as_str)
    }

    pub(super) fn new(
        (repository, tag): (&str, &str),
        origin: &str,
        config: Value,
        packages: Packages,
        steps: Vec<Step>,
        program: Option<(&'static str, String)>,
    ) -> Self {
        let mut hash = Sha256::new();
        let program_digest = program.as_ref().map(|(_, digest)| digest);
        let parts = [
            BUILDER.to_owned(),
            config.to_string(),
            format!("{:?} {steps:?} {program_digest:?}", packages.names),
            packages.release.mark().to_owned(),
        ];
        // Nothing is said of the ordinary release: its images are those of before there was another one.
        for part in parts.iter().filter(|part| !part.is_empty()) {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest = hex::encode(hash.finalize());
        let labels = BTreeMap::from([
            (RECIPE.to_owned(), digest.clone()),
            (ORIGIN.to_owned(), origin.to_owned()),
        ]);
        Self {
            image: Image {
                repository: repository.to_owned(),
                tag: tag.to_owned(),
                config,
                labels,
            },
            digest,
            packages,
            steps,
            program: program.map(|(path, _)| path),
        }
    }
}

/// Every image that the stacks of this repository use.
pub fn catalogue(repository: &Path) -> Result<Vec<Recipe>, LabError> {
    Ok(vec![
        nginx(),
        databases::postgres(),
        databases::mariadb(),
        sqlite(),
        guestbook(repository)?,
    ])
}

/// Images of what Debian 12 does not have. They cannot be built on a day on which Debian's moving release is not in order.
pub fn moving() -> Vec<Recipe> {
    vec![databases::mysql()]
}

pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn nginx() -> Recipe {
    let config = json!({
        "Env": [PATH],
        "Cmd": ["nginx", "-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    });
    let steps = vec![
        Step::file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnginx:x:101:101:nginx:/nonexistent:/bin/false\n",
        ),
        Step::file("etc/group", "root:x:0:\nnginx:x:101:\n"),
        Step::file(
            "etc/nginx/nginx.conf",
            include_str!("../../../images/nginx/nginx.conf"),
        ),
        Step::file(
            "etc/nginx/conf.d/default.conf",
            include_str!("../../../images/nginx/default.conf"),
        ),
        Step::file(
            "usr/share/nginx/html/index.html",
            include_str!("../../../images/nginx/index.html"),
        ),
        Step::folder("var/lib/nginx", 0o755, 0),
        Step::folder("tmp", 0o1777, 0),
        Step::link("var/run", "../run"),
        Step::folder("run", 0o755, 0),
        Step::folder("var/log/nginx", 0o755, 0),
        Step::link("var/log/nginx/access.log", "/dev/stdout"),
        Step::link("var/log/nginx/error.log", "/dev/stderr"),
    ];
    let packages = vec![
        "busybox-static",
        "libc6",
        "libcrypt1",
        "libpcre2-8-0",
        "libssl3",
        "nginx",
        "nginx-common",
        "zlib1g",
    ];
    Recipe::new(
        ("library/nginx", "1.30"),
        "stands in for nginx 1.30: the nginx 1.22 of Debian 12",
        config,
        Packages::bookworm(packages),
        steps,
        None,
    )
}

fn sqlite() -> Recipe {
    let config = json!({ "Env": [PATH], "Cmd": ["sqlite3"] });
    let packages = vec![
        "busybox-static",
        "libc6",
        "libreadline8",
        "libsqlite3-0",
        "libtinfo6",
        "sqlite3",
        "zlib1g",
    ];
    Recipe::new(
        ("tenantry/sqlite", "3"),
        "the command line of SQLite, and busybox, of Debian 12",
        config,
        Packages::bookworm(packages),
        vec![
            Step::folder("tmp", 0o1777, 0),
            Step::folder("run", 0o755, 0),
        ],
        None,
    )
}

fn guestbook(repository: &Path) -> Result<Recipe, LabError> {
    let path = "guestbook";
    let config = json!({
        "Entrypoint": ["/guestbook"],
        "ExposedPorts": {"8080/tcp": {}},
    });
    let digest = sources_digest(&repository.join("tests/images/guestbook"))?;
    Ok(Recipe::new(
        ("tenantry/guestbook", "1.0"),
        "the guest book of this repository, one static binary",
        config,
        Packages::bookworm(Vec::new()),
        Vec::new(),
        Some((path, digest)),
    ))
}

/// Digest over the manifest and the sources of our own program.
fn sources_digest(folder: &Path) -> Result<String, LabError> {
    let source = folder.join("src");
    let mut files = vec![folder.join("Cargo.toml")];
    let listing = std::fs::read_dir(&source)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<PathBuf>, _>>()
        })
        .map_err(LabError::io(format!("cannot list {}", source.display())))?;
    files.extend(listing);
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let content = std::fs::read(&file)
            .map_err(LabError::io(format!("cannot read {}", file.display())))?;
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    Ok(hex::encode(hash.finalize()))
}
