//! MySQL and MariaDB: `mysqldump` in one transaction. Rows are counted before and after; of tables that were written to meanwhile none is known.

use super::{Source, well};
use crate::backups::error::BackupError;
use crate::backups::files::Spooled;
use crate::containers::exec::{self, Program};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The last words of a dump.
const END: &[u8] = b"-- Dump completed";
/// Databases that the server keeps for itself.
const OWN: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

impl Source<'_> {
    fn mysql(&self, program: &str) -> Program {
        let name = match (program, self.maria) {
            ("dump", true) => "mariadb-dump",
            ("dump", false) => "mysqldump",
            (_, true) => "mariadb",
            (_, false) => "mysql",
        };
        Program::new(&self.container, [name])
            .and(format!("--user={}", self.user))
            .and("--default-character-set=utf8mb4")
            .with("MYSQL_PWD", self.password.as_ref())
    }

    async fn mysql_ask(&self, statement: &str) -> Result<String, BackupError> {
        let program = self
            .mysql("client")
            .and("--batch")
            .and("--skip-column-names");
        self.text(&program.and(format!("--execute={statement}")))
            .await
    }

    pub(super) async fn mysql_databases(&self) -> Result<Vec<String>, BackupError> {
        let all = self.mysql_ask("SHOW DATABASES").await?;
        let kept = all
            .lines()
            .filter(|name| !OWN.contains(&name.to_lowercase().as_str()));
        Ok(kept.map(str::to_owned).collect())
    }

    pub(super) async fn mysql_answers(&self) -> Result<(), BackupError> {
        let program = self
            .mysql("client")
            .and("--protocol=tcp")
            .and("--host=127.0.0.1");
        self.text(&program.and("--execute=SELECT 1"))
            .await
            .map(|_| ())
    }

    async fn mysql_rows(&self, database: &str) -> Result<BTreeMap<String, u64>, BackupError> {
        let list = format!(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_type = 'BASE TABLE' AND COALESCE(table_rows, 0) < 50000000",
            text(database)
        );
        let tables = self.mysql_ask(&list).await?;
        let tables: Vec<&str> = tables
            .lines()
            .filter(|name| !name.contains(['\\', '\t']))
            .collect();
        let mut rows = BTreeMap::new();
        for some in tables.chunks(50) {
            let counts: Vec<String> = some
                .iter()
                .map(|table| {
                    format!(
                        "SELECT {}, COUNT(*) FROM {}.{}",
                        text(table),
                        quoted(database),
                        quoted(table)
                    )
                })
                .collect();
            let answer = self.mysql_ask(&counts.join(" UNION ALL ")).await?;
            let pairs = answer.lines().filter_map(|line| {
                let (table, count) = line.split_once('\t')?;
                Some((table.to_owned(), count.parse().ok()?))
            });
            rows.extend(pairs);
        }
        Ok(rows)
    }

    pub(super) async fn mysql_dump(
        &self,
        database: &str,
        path: PathBuf,
    ) -> Result<(Spooled, BTreeMap<String, u64>), BackupError> {
        let before = self.mysql_rows(database).await?;
        let program = self
            .mysql("dump")
            .and("--single-transaction")
            .and("--quick")
            .and("--routines")
            .and("--triggers")
            .and("--events")
            .and("--hex-blob")
            .and("--")
            .and(database);
        let ends = |tail: &[u8]| tail.windows(END.len()).any(|window| window == END);
        let spooled = self.spool(&program, path, None, ends, database).await?;
        let after = self.mysql_rows(database).await?;
        let calm = before
            .into_iter()
            .filter(|(table, rows)| after.get(table) == Some(rows));
        Ok((spooled, calm.collect()))
    }

    pub(super) async fn mysql_load(
        &self,
        dump: &Path,
        into: &str,
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        let name = quoted(into);
        self.mysql_disconnect(into).await?;
        self.mysql_ask(&format!(
            "SET SESSION lock_wait_timeout = 30; DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}"
        ))
        .await?;
        let program = self
            .mysql("client")
            .and("--binary-mode")
            .and(format!("--database={into}"));
        self.feed(&program, dump).await?;
        self.mysql_rows(into).await
    }

    /// Ends the sessions in a database: what an agent began that was killed, or somebody who would keep it from being dropped.
    async fn mysql_disconnect(&self, database: &str) -> Result<(), BackupError> {
        let list = format!(
            "SELECT id FROM information_schema.processlist WHERE db = {} AND id <> CONNECTION_ID()",
            text(database)
        );
        for id in self.mysql_ask(&list).await?.lines() {
            // One that has ended meanwhile is no failure.
            let _ = self.mysql_ask(&format!("KILL {}", id.trim())).await;
        }
        Ok(())
    }

    /// Makes sure that there is no such database.
    pub async fn mysql_drop(&self, database: &str) -> Result<(), BackupError> {
        let program = self.mysql("client").and(format!(
            "--execute=DROP DATABASE IF EXISTS {}",
            quoted(database)
        ));
        let (ended, _) = exec::output(self.engine, &program, 4096).await?;
        well(&program, &ended)
    }
}
