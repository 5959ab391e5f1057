//! The recipes of database servers, which share how they make their data on the first start.

use serde_json::json;

use super::catalogue::{PATH, Recipe};
use super::layer::Step;
use super::packages::Packages;

/// What the first program of a database's container needs: itself, and what all of them share.
fn entrypoint(program: &'static str) -> [Step; 4] {
    [
        Step::program("usr/local/bin/docker-entrypoint.sh", program),
        Step::file(
            "usr/local/lib/database.sh",
            include_str!("../../../images/database.sh"),
        ),
        Step::folder("tmp", 0o1777, 0),
        Step::link("var/run", "../run"),
    ]
}

/// The account and the folders of MySQL, and of what came from it.
fn mysql_user() -> Vec<Step> {
    vec![
        Step::file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nmysql:x:999:999:MySQL:/var/lib/mysql:/bin/sh\n",
        ),
        Step::file("etc/group", "root:x:0:\nmysql:x:999:\n"),
        Step::folder("run/mysqld", 0o755, 999),
        Step::folder("var/lib/mysql", 0o755, 999),
    ]
}

pub(super) fn postgres() -> Recipe {
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
    let mut steps = vec![
        Step::file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/sh\n",
        ),
        Step::file("etc/group", "root:x:0:\npostgres:x:999:\n"),
        Step::folder("run/postgresql", 0o2775, 999),
        Step::folder("var/lib/postgresql", 0o755, 999),
        Step::folder("var/lib/postgresql/data", 0o700, 999),
    ];
    steps.extend(entrypoint(include_str!(
        "../../../images/postgres/entrypoint.sh"
    )));
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
        Packages::bookworm(packages),
        steps,
        None,
    )
}

pub(super) fn mariadb() -> Recipe {
    let config = json!({
        "Env": [PATH, "LANG=C.UTF-8"],
        "Entrypoint": ["/usr/local/bin/docker-entrypoint.sh"],
        "Cmd": ["mariadbd"],
        "ExposedPorts": {"3306/tcp": {}},
        "Volumes": {"/var/lib/mysql": {}},
    });
    let mut steps = mysql_user();
    steps.push(Step::file(
        "etc/mysql/my.cnf",
        include_str!("../../../images/mariadb/my.cnf"),
    ));
    steps.extend(entrypoint(include_str!(
        "../../../images/mariadb/entrypoint.sh"
    )));
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
        Packages::bookworm(packages),
        steps,
        None,
    )
}

/// MySQL, which Debian 12 does not have.
pub(super) fn mysql() -> Recipe {
    let config = json!({
        "Env": [PATH, "LANG=C.UTF-8"],
        "Entrypoint": ["/usr/local/bin/docker-entrypoint.sh"],
        "Cmd": ["mysqld"],
        "ExposedPorts": {"3306/tcp": {}},
        "Volumes": {"/var/lib/mysql": {}},
    });
    let mut steps = mysql_user();
    steps.push(Step::file(
        "etc/mysql/my.cnf",
        include_str!("../../../images/mysql/my.cnf"),
    ));
    steps.extend(entrypoint(include_str!(
        "../../../images/mysql/entrypoint.sh"
    )));
    let programs = vec!["busybox-static", "mysql-client-core", "mysql-server-core"];
    Recipe::new(
        ("tenantry/mysql", "sid"),
        "stands in for mysql: the MySQL of Debian's moving release",
        config,
        // Scripts in Perl that the server does not need.
        Packages::sid(programs, &["perl", "libperl", "libgdbm", "libdb5"]),
        steps,
        None,
    )
}
