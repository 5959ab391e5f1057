//! `backup:` of a stack: what of it holds data worth keeping, and how that is copied so that the copy fits together.

use super::order::AS_WRITTEN;
use crate::name::{RelativePath, VariableName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// What to back up. Each kind takes one name, or a list of names and mappings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Services that run PostgreSQL. A plain name stands for all databases of that service.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema_of::<Database>", default)]
    pub postgres: Vec<Database>,
    /// Services that run MySQL or MariaDB. A plain name stands for all databases of that service.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema_of::<Database>", default)]
    pub mysql: Vec<Database>,
    /// Services that run MongoDB. A plain name stands for all databases of that service.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema_of::<Database>", default)]
    pub mongodb: Vec<Database>,
    /// Databases of SQLite. A plain text is `<volume>/<path>`.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema_of::<SqliteFile>", default)]
    pub sqlite: Vec<SqliteFile>,
    /// Volumes to keep as files. Databases are not kept this way: a copy of their files does not fit together.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema_of::<KeptVolume>", default)]
    pub volumes: Vec<KeptVolume>,
    /// Files and folders beside the Compose file that containers write to, by path from the folder of the Compose file.
    pub files: Vec<RelativePath>,
}

impl Backup {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every service whose databases are kept, with the key that names it.
    pub fn databases(&self) -> impl Iterator<Item = (&'static str, &Database)> {
        self.postgres
            .iter()
            .map(|one| ("postgres", one))
            .chain(self.mysql.iter().map(|one| ("mysql", one)))
            .chain(self.mongodb.iter().map(|one| ("mongodb", one)))
    }

    /// Every volume that is named, with the key that names it.
    pub fn named_volumes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let sqlite = self
            .sqlite
            .iter()
            .map(|file| ("sqlite", file.volume.as_str()));
        let volumes = self
            .volumes
            .iter()
            .map(|volume| ("volumes", volume.name.as_str()));
        sqlite.chain(volumes)
    }
}

/// Databases of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The service of the Compose file.
    pub service: String,
    /// Which databases of it. Absent: all but those that the server keeps for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// The account that dumps and restores. Absent: the one that the image makes by its variables, such as `POSTGRES_USER`, or `root`. Of MySQL and
    /// MariaDB it is the one in `MYSQL_USER` where root has a random password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The variable of the container that holds the password, or with `_FILE` behind it the path of a file that does. Absent: the image's own,
    /// such as `POSTGRES_PASSWORD`, or `MYSQL_PASSWORD` if `user` is the one in `MYSQL_USER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<VariableName>,
}

/// A database of SQLite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteFile {
    /// The volume that it is in.
    pub volume: String,
    /// Its path in the volume.
    pub path: RelativePath,
}

/// A volume that is kept as files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptVolume {
    /// Its name in the Compose file.
    pub name: String,
    /// What the containers that use it do while it is read.
    #[serde(default)]
    pub during: During,
}

/// What containers do while a volume of theirs is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum During {
    /// They run on: right for files that are written once, such as uploads.
    #[default]
    Running,
    /// They are frozen: right for files that only fit together at one moment. The tool does not answer meanwhile.
    Paused,
}

/// What may be written as a plain text in place of a mapping.
trait Short: Sized {
    const PLAIN: &'static str;
    const SHAPE: &'static str;
    fn short(text: &str) -> Result<Self, String>;
}

impl Short for Database {
    const PLAIN: &'static str = "a service";
    const SHAPE: &'static str = "a service, or a mapping with `service:`";
    fn short(text: &str) -> Result<Self, String> {
        Ok(Self {
            service: text.to_owned(),
            databases: Vec::new(),
            user: None,
            password: None,
        })
    }
}

impl Short for SqliteFile {
    const PLAIN: &'static str = "`<volume>/<path>`";
    const SHAPE: &'static str = "`<volume>/<path>`, or a mapping with `volume:` and `path:`";
    fn short(text: &str) -> Result<Self, String> {
        let (volume, path) = text.split_once('/').ok_or_else(|| {
            format!(
                "`{text}` is not a file of a volume: write `<volume>/<path>`, such as `data/app.db`"
            )
        })?;
        Ok(Self {
            volume: volume.to_owned(),
            path: RelativePath::try_from(path).map_err(|why| why.to_string())?,
        })
    }
}

impl Short for KeptVolume {
    const PLAIN: &'static str = "a volume";
    const SHAPE: &'static str = "a volume, or a mapping with `name:`";
    fn short(text: &str) -> Result<Self, String> {
        Ok(Self {
            name: text.to_owned(),
            during: During::default(),
        })
    }
}

/// One entry in either of its forms.
struct Entry<T>(T);

impl<'de, T: Short + Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Short + Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Entry<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::SHAPE)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::short(text).map(Entry).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Entry)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
        deserializer.deserialize_newtype_struct(AS_WRITTEN, Either(PhantomData))
    }
}

/// One entry, or a list of them.
struct Entries<T>(Vec<T>);

impl<'de, T: Short + Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Many<T>(PhantomData<T>);
        impl<'de, T: Short + Deserialize<'de>> Visitor<'de> for Many<T> {
            type Value = Entries<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, or a list whose entries may be mappings", T::PLAIN)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::short(text)
                    .map(|one| Entries(vec![one]))
                    .map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(Entry(one)) = seq.next_element::<Entry<T>>()? {
                    all.push(one);
                }
                Ok(Entries(all))
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
        deserializer.deserialize_newtype_struct(AS_WRITTEN, Many(PhantomData))
    }
}

fn one_or_many<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Short + Deserialize<'de>,
    D: Deserializer<'de>,
{
    let entries = Option::<Entries<T>>::deserialize(deserializer)?;
    Ok(entries.map(|entries| entries.0).unwrap_or_default())
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    let entry = json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, one] });
    json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "array", "items": entry }], "default": [] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backup(json: &str) -> Result<Backup, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn short_and_long_forms_mean_the_same() {
        let short =
            backup(r#"{"postgres":"db","sqlite":"data/a/app.db","volumes":["data"]}"#).unwrap();
        let long = backup(
            r#"{"postgres":[{"service":"db"}],"sqlite":[{"volume":"data","path":"a/app.db"}],"volumes":[{"name":"data","during":"running"}]}"#,
        )
        .unwrap();
        assert_eq!(short, long);
        let several =
            backup(r#"{"postgres":["a",{"service":"b","databases":["x"],"user":"u","password":"P"}],"mysql":"c","mongodb":"d"}"#)
                .unwrap();
        let services: Vec<_> = several
            .databases()
            .map(|(key, database)| (key, database.service.as_str()))
            .collect();
        assert_eq!(
            services,
            [
                ("postgres", "a"),
                ("postgres", "b"),
                ("mysql", "c"),
                ("mongodb", "d")
            ]
        );
        assert!(backup("{}").unwrap().is_empty() && !several.is_empty());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            r#"{"sqlite":"data"}"#,
            r#"{"sqlite":"data/../x"}"#,
            r#"{"sqlite":"data//etc/x"}"#,
            r#"{"postgres":{"service":"db"}}"#,
            r#"{"postgres":[{"databases":["x"]}]}"#,
            r#"{"postgres":[{"service":"db","pasword":"X"}]}"#,
            r#"{"volumes":[{"name":"data","during":"stopped"}]}"#,
            r#"{"files":["../x"]}"#,
            r#"{"redis":"cache"}"#,
        ] {
            assert!(backup(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(services in proptest::collection::vec("[a-z]{1,8}", 0..4), volume in "[a-z]{1,8}", paused in any::<bool>()) {
            let during = if paused { During::Paused } else { During::Running };
            let one = Backup {
                postgres: services.iter().map(|name| Database::short(name).unwrap()).collect(),
                sqlite: vec![SqliteFile { volume: volume.clone(), path: RelativePath::try_from("a/b.db").unwrap() }],
                volumes: vec![KeptVolume { name: volume, during }],
                ..Backup::default()
            };
            prop_assert_eq!(backup(&serde_json::to_string(&one).unwrap()).unwrap(), one);
        }
    }
}
