//! MySQL and MariaDB: `mysqldump` in one transaction; where there are tables that know none (MyISAM, Aria, ...), with all of them locked. Rows are counted before and after; of tables that were written to meanwhile none is known.
//!
//! Sources: the reference manuals of MySQL 9.7 and MariaDB, `mysqldump`, `mysql` and `mysqladmin`.

use super::{Dumped, Source};
use crate::backups::error::BackupError;
use crate::containers::exec::Program;
use crate::containers::scratch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How the last line of a dump begins. Line ends in rows are written as `\n`, so no row begins a line.
const END: &[u8] = b"-- Dump completed";
/// Bytes of the longest row, which has two digits a byte in a dump. Servers take no more.
const LONGEST: &str = "--max-allowed-packet=1G";
/// What a server is told while a dump is loaded: to take rows that are as long. It does no harm if an agent that is killed leaves it so.
const WHILE_LOADING: (&str, &str) = ("max_allowed_packet", "1073741824");
/// What the server of a drill is told as well: to leave events alone, which would change what is compared.
const IN_A_DRILL: (&str, &str) = ("event_scheduler", "OFF");
/// Databases that the server keeps for itself.
const OWN: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// Whether the last line says that a dump is whole.
fn ends(tail: &[u8]) -> bool {
    let mut lines = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n');
    lines.next().is_some_and(|line| line.starts_with(END))
}

/// The statement that gives the database that a dump is loaded into what new tables in it begin with.
fn defaults(answer: &str) -> Option<String> {
    let (set, collation) = answer.trim_end().split_once('\t')?;
    let plain = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && name.bytes().all(allowed)
    };
    (plain(set) && plain(collation))
        .then(|| format!("ALTER DATABASE CHARACTER SET {set} COLLATE {collation};\n"))
}

impl Source<'_> {
    fn mysql(&self, program: &str) -> Program {
        let name = match (program, self.maria) {
            ("dump", true) => "mariadb-dump",
            ("dump", false) => "mysqldump",
            ("admin", true) => "mariadb-admin",
            ("admin", false) => "mysqladmin",
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

    /// Whether the server answers over its network. One that refuses the account there answers as well: it need not let root in but from its own
    /// machine.
    pub(super) async fn mysql_answers(&self) -> Result<(), BackupError> {
        let mut program = self
            .mysql("admin")
            .and("--protocol=tcp")
            .and("--host=127.0.0.1");
        if !self.maria {
            // Without TLS a password is told to nobody who has no key.
            program = program.and("--get-server-public-key");
        }
        self.text(&program.and("ping")).await.map(|_| ())
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
    ) -> Result<Dumped, BackupError> {
        let before = self.mysql_rows(database).await?;
        let list = format!(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = {}",
            text(database)
        );
        let first = defaults(&self.mysql_ask(&list).await?).unwrap_or_default();
        let locked = self.mysql_has_others(database).await?;
        let mut program = self
            .mysql("dump")
            .and(if locked {
                "--lock-tables"
            } else {
                "--single-transaction"
            })
            .and("--quick")
            .and("--routines")
            .and("--triggers")
            .and("--events")
            .and("--hex-blob")
            .and("--no-tablespaces")
            .and("--comments")
            .and(LONGEST);
        if !self.maria {
            // A server that numbers its transactions takes no dump back that says which ones it had.
            program = program.and("--set-gtid-purged=OFF");
        }
        let program = program.and("--").and(database);
        let spooled = self
            .spool_text(&program, path, first.as_bytes(), ends, database)
            .await?;
        let after = self.mysql_rows(database).await?;
        let calm = before
            .into_iter()
            .filter(|(table, rows)| after.get(table) == Some(rows));
        Ok(Dumped {
            spooled,
            tables: calm.collect(),
            locked,
            properties: None,
        })
    }

    /// Whether a database has tables of which no transaction shows one moment. An engine that the server does not list knows none.
    async fn mysql_has_others(&self, database: &str) -> Result<bool, BackupError> {
        let list = format!(
            "SELECT COUNT(*) FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine \
            WHERE t.table_schema = {} AND t.table_type NOT LIKE '%VIEW' AND COALESCE(e.transactions, 'NO') <> 'YES'",
            text(database)
        );
        Ok(self.mysql_ask(&list).await?.trim() != "0")
    }

    pub(super) async fn mysql_load(
        &self,
        dump: &Path,
        into: &str,
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        let held = self.mysql_hold().await?;
        let loaded = self.mysql_load_held(dump, into).await;
        let released = self.mysql_set(&held).await;
        let rows = loaded?;
        released?;
        Ok(rows)
    }

    async fn mysql_load_held(
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
            .and(LONGEST)
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

    /// Makes the server ready to load a dump; what was set before. An account that may not do that loads as it can.
    async fn mysql_hold(&self) -> Result<Vec<(&'static str, String)>, BackupError> {
        let mut wanted = vec![WHILE_LOADING];
        if self.container.starts_with(scratch::PREFIX) {
            wanted.push(IN_A_DRILL);
        }
        let asked: Vec<String> = wanted
            .iter()
            .map(|(name, _)| format!("@@GLOBAL.{name}"))
            .collect();
        let answer = self
            .mysql_ask(&format!("SELECT {}", asked.join(", ")))
            .await?;
        let mut held = Vec::new();
        for ((name, wanted), found) in wanted.iter().zip(answer.trim_end().split('\t')) {
            // One that is `DISABLED` can be neither started nor stopped.
            if found == *wanted || found == "DISABLED" {
                continue;
            }
            let (set, back) = ((*name, (*wanted).to_owned()), (*name, found.to_owned()));
            match self.mysql_set(&[set]).await {
                Ok(()) => held.push(back),
                Err(BackupError::Program { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    async fn mysql_set(&self, values: &[(&str, String)]) -> Result<(), BackupError> {
        for (name, value) in values {
            self.mysql_ask(&format!("SET GLOBAL {name} = {value}"))
                .await?;
        }
        Ok(())
    }

    /// Makes sure that there is no such database.
    pub async fn mysql_drop(&self, database: &str) -> Result<(), BackupError> {
        let drop = format!("DROP DATABASE IF EXISTS {}", quoted(database));
        self.mysql_ask(&drop).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_whole_if_its_last_line_says_so() {
        assert!(ends(b"x\n-- Dump completed on 2026-11-28 10:43:48\n"));
        assert!(ends(b"-- Dump completed\n\n"));
        for cut in [
            &b""[..],
            b"INSERT INTO `a` VALUES ('-- Dump completed",
            b"-- Dump completed\nINSERT INTO `a` VALUES (1),(",
            b"x\n-- Dump compl",
        ] {
            assert!(!ends(cut), "{}", String::from_utf8_lossy(cut));
        }
    }

    #[test]
    fn defaults_of_a_database_go_before_its_dump() {
        assert_eq!(
            defaults("latin1\tlatin1_german1_ci\n").unwrap(),
            "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci;\n"
        );
        for odd in ["", "latin1", "\t", "a;b\tc", "a\tb c"] {
            assert_eq!(defaults(odd), None, "{odd}");
        }
    }

    #[test]
    fn names_and_texts_end_where_they_should() {
        assert_eq!(quoted("odd `name"), "`odd ``name`");
        assert_eq!(text("it's \\"), "'it''s \\\\'");
    }
}
