//! How to log in to a database: as the variables of its container say, which the images' documentation on Docker Hub names.

use super::Source;
use crate::backups::error::BackupError;
use crate::backups::targets::Database;
use crate::containers::exec::Program;
use std::collections::BTreeMap;
use tenantry_schema::Secret;
use tenantry_schema::wire::DatabaseEngine;

/// Which variables of an image say what. Of several the first that is there counts.
struct Names {
    user: &'static [&'static str],
    password: &'static [&'static str],
    database: &'static [&'static str],
    default: &'static str,
}

fn names(kind: DatabaseEngine) -> Names {
    match kind {
        DatabaseEngine::Postgres => Names {
            user: &["POSTGRES_USER"],
            password: &["POSTGRES_PASSWORD"],
            database: &["POSTGRES_DB"],
            default: "postgres",
        },
        // Of these only root may read everything.
        DatabaseEngine::Mysql => Names {
            user: &[],
            password: &["MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD"],
            database: &["MARIADB_DATABASE", "MYSQL_DATABASE"],
            default: "root",
        },
        DatabaseEngine::Mongodb => Names {
            user: &["MONGO_INITDB_ROOT_USERNAME"],
            password: &["MONGO_INITDB_ROOT_PASSWORD"],
            database: &["MONGO_INITDB_DATABASE"],
            default: "",
        },
    }
}

/// The account of MySQL and MariaDB that a tool works with.
const TOOL_USER: &[&str] = &["MARIADB_USER", "MYSQL_USER"];
const TOOL_PASSWORD: &[&str] = &["MARIADB_PASSWORD", "MYSQL_PASSWORD"];
/// Root has a password that only the log of the first start told, or that nobody told the image in clear.
const UNKNOWN: &[&str] = &[
    "MARIADB_RANDOM_ROOT_PASSWORD",
    "MYSQL_RANDOM_ROOT_PASSWORD",
    "MARIADB_ROOT_PASSWORD_HASH",
];

type Variables = BTreeMap<String, Secret>;

impl Source<'_> {
    /// Finds out account, password and main database.
    pub(super) async fn log_in(
        &mut self,
        variables: &Variables,
        database: &Database,
    ) -> Result<(), BackupError> {
        let names = names(database.engine);
        let user = self.text_of(variables, names.user).await?;
        self.user = database
            .user
            .clone()
            .or(user)
            .unwrap_or_else(|| names.default.to_owned());
        self.password = match &database.password {
            Some(name) => {
                let found = self.variable(variables, name.as_str()).await?;
                Some(found.ok_or_else(|| {
                    BackupError::Missing(format!(
                        "{} has no variable {name} with a password: name the one that it has (`password` in `backup:` of the stack)",
                        self.container
                    ))
                })?)
            }
            None => self.first(variables, names.password).await?,
        };
        if database.engine == DatabaseEngine::Mysql && database.password.is_none() {
            self.log_in_as_tool(variables, database.user.as_deref())
                .await?;
        }
        self.main = self.text_of(variables, names.database).await?;
        Ok(())
    }

    /// Takes the tool's own account, if it is named, or if nobody knows root's password.
    async fn log_in_as_tool(
        &mut self,
        variables: &Variables,
        named: Option<&str>,
    ) -> Result<(), BackupError> {
        let Some(tool) = self.text_of(variables, TOOL_USER).await? else {
            return Ok(());
        };
        let is_meant = match named {
            Some(named) => named == tool,
            None => self.password.is_none() && self.first(variables, UNKNOWN).await?.is_some(),
        };
        if is_meant {
            self.user = tool;
            self.password = self.first(variables, TOOL_PASSWORD).await?;
        }
        Ok(())
    }

    async fn first(
        &self,
        variables: &Variables,
        names: &[&str],
    ) -> Result<Option<Secret>, BackupError> {
        for name in names {
            if let Some(found) = self.variable(variables, name).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The same for what is no secret.
    async fn text_of(
        &self,
        variables: &Variables,
        names: &[&str],
    ) -> Result<Option<String>, BackupError> {
        let found = self.first(variables, names).await?;
        Ok(found.map(|text| text.expose().clone()))
    }

    /// The value of a variable, or of the file that its `_FILE` twin names. An empty one is none, as the images see it.
    async fn variable(
        &self,
        variables: &Variables,
        name: &str,
    ) -> Result<Option<Secret>, BackupError> {
        let filled = |name: &str| {
            variables
                .get(name)
                .filter(|value| !value.expose().is_empty())
        };
        if let Some(value) = filled(name) {
            return Ok(Some(value.clone()));
        }
        let Some(path) = filled(&format!("{name}_FILE")) else {
            return Ok(None);
        };
        let program = Program::new(&self.container, ["cat", "--", path.expose().as_str()]);
        let text = self.text(&program).await?;
        Ok(Some(Secret::new(
            text.trim_end_matches(['\n', '\r']).to_owned(),
        )))
    }
}
