//! Which parts of a backup an operation means.

use super::*;
use crate::backups::manifest::Dump;
use crate::backups::targets::{Database, Volume};
use std::collections::BTreeMap;
use tenantry_schema::document::During;
use tenantry_schema::wire::DatabaseEngine;

fn dump() -> Dump {
    Dump {
        path: "/spool/x".into(),
        bytes: 1,
        sha256: String::new(),
    }
}

fn parts() -> Vec<Part> {
    let volume = |name: &str| Part::Volume {
        volume: name.into(),
        path: format!("/v/{name}/_data"),
        files: 1,
        bytes: 1,
    };
    let sqlite = |volume: &str, file: &str| Part::Sqlite {
        volume: volume.into(),
        file: file.into(),
        dump: dump(),
        tables: BTreeMap::new(),
    };
    let database = |name: &str| Part::Database {
        engine: DatabaseEngine::Postgres,
        service: "db".into(),
        image: "postgres:15".into(),
        database: name.into(),
        dump: dump(),
        tables: BTreeMap::new(),
        roles: Vec::new(),
        properties: None,
        locked: false,
    };
    vec![
        database("guests"),
        database("other"),
        sqlite("data", "app.db"),
        sqlite("alone", "one.db"),
        volume("data"),
        volume("uploads"),
        volume("db"),
    ]
}

/// A server of PostgreSQL whose volume is kept, too.
fn targets() -> Targets {
    let instance: InstanceName = "web-db".to_owned().try_into().unwrap();
    Targets {
        instance,
        version: String::new(),
        items: vec![
            Item::Database(Database {
                engine: DatabaseEngine::Postgres,
                service: "db".into(),
                container: "web-db-db-1".into(),
                image: "postgres:15".into(),
                databases: Vec::new(),
                user: None,
                password: None,
            }),
            Item::Volume {
                volume: Volume {
                    key: "db".into(),
                    name: "web-db_db".into(),
                    containers: vec!["web-db-db-1".into()],
                },
                during: During::Running,
            },
        ],
        containers: BTreeMap::new(),
    }
}

fn chosen(overwrites: &[Data], only: Option<&str>) -> Vec<String> {
    let targets = targets();
    let order = Order {
        instance: targets.instance.clone(),
        of: targets.instance.clone(),
        from: (),
        before: None,
        overwrites: overwrites.to_vec(),
        only: only.map(str::to_owned),
        until: None,
        alone: false,
    };
    let parts = wanted(&order, &targets, &parts());
    parts.iter().map(Part::name).collect()
}

#[test]
fn a_volume_comes_with_the_copies_of_the_databases_in_it() {
    assert_eq!(
        chosen(&[Data::Files], None),
        [
            "SQLite database data/app.db",
            "volume data",
            "volume uploads"
        ]
    );
    assert_eq!(
        chosen(&[Data::Files], Some("data")),
        ["SQLite database data/app.db", "volume data"]
    );
    assert_eq!(chosen(&[Data::Files], Some("uploads")), ["volume uploads"]);
}

#[test]
fn only_one_of_several_databases() {
    assert_eq!(
        chosen(&[Data::Database], Some("other")),
        ["postgres database other of db"]
    );
    assert_eq!(
        chosen(&[Data::Database], Some("app.db")),
        ["SQLite database data/app.db"]
    );
    assert_eq!(chosen(&[Data::Files], Some("guests")), Vec::<String>::new());
}

#[test]
fn the_files_of_a_server_of_databases_are_never_put_back() {
    let all = chosen(&[Data::Database, Data::Files], None);
    assert_eq!(all.len(), 6, "{all:?}");
    assert!(!all.contains(&"volume db".to_owned()), "{all:?}");
}
