//! The recipes: which packages, files and settings make each image. Nothing is built here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer::Step;
use super::{Image, LabError, ORIGIN, RECIPE};

/// To be raised when the building itself changes, so that every image is built again.
const BUILDER: &str = "1";

/// How to make one image.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What is pushed; its labels hold the digest and the origin.
    pub image: Image,
    /// Digest of everything that decides the content, apart from the packages' versions.
    pub digest: String,
    pub(super) packages: Vec<&'static str>,
    pub(super) steps: Vec<Step>,
    /// Where our own static binary goes, for an image that consists of it.
    pub(super) program: Option<&'static str>,
}

impl Recipe {
    /// What the image really is, in a sentence.
    pub fn origin(&self) -> &str {
        self.image.labels.get(ORIGIN).map_or("", String::as_str)
    }

    fn new(
        (repository, tag): (&str, &str),
        origin: &str,
        config: Value,
        packages: Vec<&'static str>,
        steps: Vec<Step>,
        program: Option<(&'static str, String)>,
    ) -> Self {
        let mut hash = Sha256::new();
        let program_digest = program.as_ref().map(|(_, digest)| digest);
        for part in [
            BUILDER.to_owned(),
            config.to_string(),
            format!("{packages:?} {steps:?} {program_digest:?}"),
        ] {
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
        postgres(),
        mariadb(),
        sqlite(),
        guestbook(repository)?,
    ])
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
        packages,
        steps,
        None,
    )
}

fn postgres() -> Recipe {
    let config = json!({
        "Env": [
            "PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PGDATA=/var/lib/postgresql/data",
            "LANG=C.UTF-8",
        ],
        "Entrypoint": ["/usr/local/bin/docker-entrypoint.sh"],
        "Cmd": ["postgres", "-c", "listen_addresses=*"],
        "ExposedPorts": {"5432/tcp": {}},
        "Volumes": {"/var/lib/postgresql/data": {}},
        // PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
        "StopSignal": "SIGINT",
    });
    let entrypoint = include_str!("../../../images/postgres/entrypoint.sh");
    let steps = vec![
        Step::file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/sh\n",
        ),
        Step::file("etc/group", "root:x:0:\npostgres:x:999:\n"),
        Step::program("usr/local/bin/docker-entrypoint.sh", entrypoint),
        Step::folder("tmp", 0o1777, 0),
        Step::link("var/run", "../run"),
        Step::folder("run/postgresql", 0o2775, 999),
        Step::folder("var/lib/postgresql", 0o755, 999),
        Step::folder("var/lib/postgresql/data", 0o700, 999),
    ];
    let packages = vec![
        "busybox-static",
        "libaudit1",
        "libc-bin",
        "libc6",
        "libcap-ng0",
        "libcap2",
        "libcom-err2",
        "libcrypt1",
        "libffi8",
        "libgcc-s1",
        "libgcrypt20",
        "libgmp10",
        "libgnutls30",
        "libgpg-error0",
        "libgssapi-krb5-2",
        "libhogweed6",
        "libicu72",
        "libidn2-0",
        "libk5crypto3",
        "libkeyutils1",
        "libkrb5-3",
        "libkrb5support0",
        "libldap-2.5-0",
        "liblz4-1",
        "liblzma5",
        "libnettle8",
        "libp11-kit0",
        "libpam0g",
        "libpcre2-8-0",
        "libpq5",
        "libreadline8",
        "libsasl2-2",
        "libselinux1",
        "libssl3",
        "libstdc++6",
        "libsystemd0",
        "libtasn1-6",
        "libtinfo6",
        "libunistring2",
        "libuuid1",
        "libxml2",
        "libxslt1.1",
        "libzstd1",
        "postgresql-15",
        "postgresql-client-15",
        "tzdata",
        "zlib1g",
    ];
    Recipe::new(
        ("library/postgres", "15"),
        "stands in for postgres 15: the PostgreSQL 15 of Debian 12",
        config,
        packages,
        steps,
        None,
    )
}

fn mariadb() -> Recipe {
    let config = json!({
        "Env": [PATH, "LANG=C.UTF-8"],
        "Entrypoint": ["/usr/local/bin/docker-entrypoint.sh"],
        "Cmd": ["mariadbd"],
        "ExposedPorts": {"3306/tcp": {}},
        "Volumes": {"/var/lib/mysql": {}},
    });
    let entrypoint = include_str!("../../../images/mariadb/entrypoint.sh");
    let steps = vec![
        Step::file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nmysql:x:999:999:MariaDB:/var/lib/mysql:/bin/sh\n",
        ),
        Step::file("etc/group", "root:x:0:\nmysql:x:999:\n"),
        Step::file(
            "etc/mysql/my.cnf",
            include_str!("../../../images/mariadb/my.cnf"),
        ),
        Step::program("usr/local/bin/docker-entrypoint.sh", entrypoint),
        Step::folder("tmp", 0o1777, 0),
        Step::link("var/run", "../run"),
        Step::folder("run/mysqld", 0o755, 999),
        Step::folder("var/lib/mysql", 0o755, 999),
    ];
    let packages = vec![
        "busybox-static",
        "libaio1",
        "libbsd0",
        "libc-bin",
        "libc6",
        "libcap2",
        "libcrypt1",
        "libedit2",
        "libgcc-s1",
        "libgcrypt20",
        "libgpg-error0",
        "liblz4-1",
        "liblzma5",
        "libmariadb3",
        "libmd0",
        "libncurses6",
        "libnuma1",
        "libpcre2-8-0",
        "libssl3",
        "libstdc++6",
        "libsystemd0",
        "libtinfo6",
        "liburing2",
        "libzstd1",
        "mariadb-client",
        "mariadb-client-core",
        "mariadb-common",
        "mariadb-server-core",
        "mysql-common",
        "zlib1g",
    ];
    Recipe::new(
        ("library/mariadb", "10.11"),
        "stands in for mariadb 10.11: the MariaDB 10.11 of Debian 12",
        config,
        packages,
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
        packages,
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
        Vec::new(),
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
