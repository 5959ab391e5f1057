//! PostgreSQL: `pg_dump` in the snapshot of a session that counts the rows, so that both are of the same moment. What the database is apart from
//! its content is asked for beside that ([`super::properties`]).

use super::properties::{self, Properties, Statement};
use super::{Dumped, Lines, Loaded, Loading, Source, well};
use crate::backups::error::BackupError;
use crate::containers::exec::{self, Program};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_schema::Secret;

/// The last words of a plain dump. Newer releases write `\unrestrict` after them.
const END: &[u8] = b"-- PostgreSQL database dump complete";
/// The database that every server has for people who look after it.
const MAINTENANCE: &str = "postgres";

/// Tables whose rows are dumped: ordinary ones that belong to no extension, with names that fit on a line. Counting more rows would take long.
const TABLES: &str = "SELECT 'table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.reltuples < 50000000 \
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' \
    AND c.relname || n.nspname !~ '[\\r\\n]' \
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY 1;\nSELECT 'end';\n";

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Source<'_> {
    fn psql(&self, database: &str) -> Program {
        let fixed = [
            "psql",
            "-X",
            "-A",
            "-t",
            "-q",
            "-w",
            "-v",
            "ON_ERROR_STOP=1",
        ];
        Program::new(&self.container, fixed)
            .and("-U")
            .and(&self.user)
            .and("-d")
            .and(database)
            .with("PGPASSWORD", self.password.as_ref())
    }

    pub(super) async fn sql(&self, database: &str, statement: &str) -> Result<String, BackupError> {
        self.text(&self.psql(database).and("-c").and(statement))
            .await
    }

    /// The same in a session of this name, by which it can be found.
    pub(super) async fn sql_as(
        &self,
        session: &str,
        database: &str,
        statement: &str,
    ) -> Result<String, BackupError> {
        let name = Secret::new(session.to_owned());
        let program = self.psql(database).with("PGAPPNAME", Some(&name));
        self.text(&program.and("-c").and(statement)).await
    }

    pub(super) async fn postgres_databases(&self) -> Result<Vec<String>, BackupError> {
        let list = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1";
        let text = self.sql(MAINTENANCE, list).await?;
        let main = self.main.as_deref().unwrap_or(&self.user);
        // The one for maintenance is empty unless it is the only one that is used.
        let own = |name: &&str| *name != MAINTENANCE || main == MAINTENANCE;
        Ok(text.lines().filter(own).map(str::to_owned).collect())
    }

    pub(super) async fn postgres_roles(&self) -> Result<Vec<String>, BackupError> {
        let list = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1";
        let text = self.sql(MAINTENANCE, list).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    pub(super) async fn postgres_answers(&self) -> Result<(), BackupError> {
        let program = self.psql(MAINTENANCE).and("-h").and("127.0.0.1");
        self.text(&program.and("-c").and("SELECT 1"))
            .await
            .map(|_| ())
    }

    /// A session that holds a snapshot, its name, and the rows of all tables in it.
    async fn hold(
        &self,
        database: &str,
    ) -> Result<(Lines, String, BTreeMap<String, u64>), BackupError> {
        let program = self.psql(database);
        let mut lines = Lines::of(exec::start(self.engine, &program, true).await?);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\nSELECT 'snapshot ' || pg_export_snapshot();\n{TABLES}"
        );
        lines.tell(&program, &begin).await?;
        let (mut snapshot, mut tables) = (String::new(), Vec::new());
        while let Some(line) = lines.next().await? {
            if let Some(name) = line.strip_prefix("snapshot ") {
                name.clone_into(&mut snapshot);
            } else if let Some(table) = line.strip_prefix("table ") {
                tables.push(table.to_owned());
            } else if line == "end" {
                break;
            }
        }
        if snapshot.is_empty() {
            // It ended: its exit code says why.
            let ended = lines.session.end().await?;
            well(&program, &ended)?;
            return Err(BackupError::Missing(format!(
                "no snapshot of {database} could be had; the log of {} may say why",
                self.container
            )));
        }
        let mut rows = BTreeMap::new();
        for table in tables {
            let count = format!("SELECT 'rows ' || count(*) FROM {table};\n");
            lines.tell(&program, &count).await?;
            let line = lines.next().await?.unwrap_or_default();
            let number = line
                .strip_prefix("rows ")
                .and_then(|number| number.parse().ok());
            let Some(number) = number else {
                let ended = lines.session.end().await?;
                well(&program, &ended)?;
                return Err(BackupError::Missing(format!(
                    "the rows of {table} could not be counted; the log of {} may say why",
                    self.container
                )));
            };
            rows.insert(table, number);
        }
        Ok((lines, snapshot, rows))
    }

    pub(super) async fn postgres_dump(
        &self,
        database: &str,
        path: PathBuf,
    ) -> Result<Dumped, BackupError> {
        let properties = self.postgres_properties(database).await?;
        let (mut held, snapshot, tables) = self.hold(database).await?;
        let fixed = [
            "pg_dump",
            "--format=plain",
            "--no-password",
            "--lock-wait-timeout=60s",
        ];
        let program = Program::new(&self.container, fixed)
            .and(format!("--snapshot={snapshot}"))
            .and("-U")
            .and(&self.user)
            .and("-d")
            .and(database)
            .with("PGPASSWORD", self.password.as_ref());
        let ends = |tail: &[u8]| tail.windows(END.len()).any(|window| window == END);
        let dumped = self.spool_text(&program, path, b"", ends, database).await;
        // The session only reads: however it ends, nothing is lost.
        let _ = held.session.hush().await;
        let _ = held.session.end().await;
        Ok(Dumped {
            spooled: dumped?,
            tables,
            locked: false,
            properties,
        })
    }

    pub(super) async fn postgres_properties(
        &self,
        database: &str,
    ) -> Result<Option<Properties>, BackupError> {
        let query = properties::query(database);
        let answer = self.sql(self.elsewhere(database), &query).await?;
        Properties::parse(&answer).map_err(|error| {
            BackupError::Missing(format!(
                "what {} says of its database {database} cannot be understood: {error}",
                self.container
            ))
        })
    }

    pub(super) async fn postgres_load(
        &self,
        dump: &Path,
        into: &str,
        how: &Loading<'_>,
    ) -> Result<Loaded, BackupError> {
        let known = self.postgres_roles().await?;
        let mut notes = Vec::new();
        for role in how.roles.iter().filter(|role| !known.contains(role)) {
            let make = format!("CREATE ROLE {} NOLOGIN", quoted(role));
            self.sql(self.elsewhere(into), &make).await?;
            notes.push(format!(
                "{} had no account {role}: it was made, and cannot log in before it is given a password (ALTER ROLE ... LOGIN PASSWORD ...)",
                self.container
            ));
        }
        self.postgres_drop(into).await?;
        let make = match how.properties {
            Some(properties) => properties.create(into),
            None => format!("CREATE DATABASE {} TEMPLATE template0", quoted(into)),
        };
        self.sql(self.elsewhere(into), &make).await?;
        let program = self
            .psql(into)
            .and("--single-transaction")
            .and("-f")
            .and("-");
        self.feed(&program, dump).await?;
        let (mut held, _, rows) = self.hold(into).await?;
        let _ = held.session.hush().await;
        let _ = held.session.end().await;
        if let Some(properties) = how.properties {
            notes.extend(self.tell_all(into, properties.statements(into)).await?);
        }
        Ok(Loaded { rows, notes })
    }

    /// Says all of it to the server; what it refuses is told, for the data is there all the same.
    async fn tell_all(
        &self,
        database: &str,
        statements: Vec<Statement>,
    ) -> Result<Vec<String>, BackupError> {
        let (mut notes, place) = (Vec::new(), self.elsewhere(database));
        if statements.is_empty() {
            return Ok(notes);
        }
        let all: Vec<&str> = statements.iter().map(|one| one.sql.as_str()).collect();
        match self.sql(place, &all.join("; ")).await {
            Err(BackupError::Program { .. }) => {}
            answered => return answered.map(|_| notes),
        }
        for Statement { what, sql } in statements {
            match self.sql(place, &sql).await {
                Ok(_) => {}
                Err(error @ BackupError::Program { .. }) => {
                    let why = crate::execute::sentence(&error);
                    tracing::warn!(database, what, why, "a database is not as it was");
                    // What a server says can quote data, and this goes into a commit.
                    notes.push(format!(
                        "{} did not take {what} for its database: set it by hand; the agent's log says why",
                        self.container
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(notes)
    }

    /// A database other than this one, to say something about it.
    pub(super) fn elsewhere(&self, database: &str) -> &'static str {
        if database == MAINTENANCE {
            "template1"
        } else {
            MAINTENANCE
        }
    }

    /// Makes sure that there is no such database.
    pub async fn postgres_drop(&self, database: &str) -> Result<(), BackupError> {
        self.postgres_disconnect(database).await?;
        let drop = format!("DROP DATABASE IF EXISTS {}", quoted(database));
        self.sql(self.elsewhere(database), &drop).await.map(|_| ())
    }

    pub(super) async fn postgres_disconnect(&self, database: &str) -> Result<(), BackupError> {
        let name = database.replace('\'', "''");
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        );
        self.sql(self.elsewhere(database), &end).await.map(|_| ())
    }
}

impl Lines {
    async fn tell(&mut self, program: &Program, text: &str) -> Result<(), BackupError> {
        self.session
            .say(text.as_bytes())
            .await
            .map_err(|error| BackupError::io("cannot talk to", program.name(), error))
    }
}
