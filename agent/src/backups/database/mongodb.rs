//! MongoDB: `mongodump --archive` of all databases. Its password is read from standard input or a file of the container's own, never from the
//! command line.
//!
//! Sources: the documentation of the MongoDB Database Tools (`--archive`, `--config`).

use super::archive::{Archive, Flaw};
use super::{Dumped, Source};
use crate::backups::error::BackupError;
use crate::containers::exec::Program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the one archive is called.
pub(super) const ALL: &str = "all";

impl Source<'_> {
    fn mongo(&self, program: &str) -> Program {
        let mut command = Program::new(&self.container, [program, "--quiet"]);
        if !self.user.is_empty() {
            command = command
                .and(format!("--username={}", self.user))
                .and("--authenticationDatabase=admin");
        }
        command
    }

    pub(super) async fn mongodb_dump(
        &self,
        database: &str,
        path: PathBuf,
    ) -> Result<Dumped, BackupError> {
        let mut program = self.mongo("mongodump").and("--archive");
        if database != ALL {
            program = program.and(format!("--db={database}"));
        }
        // As a JSON text, which every YAML reader takes for what it is.
        let config = self.password.as_ref().map(|password| {
            let quoted = serde_json::Value::String(secret_text(password)).to_string();
            format!("password: {quoted}\n").into_bytes()
        });
        if config.is_some() {
            program = program.and("--config=/dev/stdin");
        }
        let mut archive = Archive::new();
        let broken = |flaw: Flaw| BackupError::Broken {
            what: format!("MongoDB's {database}"),
            why: flaw.to_string(),
        };
        let spooled = self
            .spool(&program, path, b"", config.as_deref(), |piece| {
                archive.see(piece).map_err(broken)
            })
            .await?;
        // Their documents are counted, and not compared after a restore: mongorestore does not tell them in a form that is documented.
        archive.finish().map_err(broken)?;
        Ok(Dumped {
            spooled,
            tables: BTreeMap::new(),
            locked: false,
            properties: None,
        })
    }

    pub(super) async fn mongodb_load(
        &self,
        dump: &Path,
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        if self.password.is_some() {
            return Err(BackupError::Missing(
                "a MongoDB with a password is not restored by itself: restore the dump with mongorestore".to_owned(),
            ));
        }
        let program = self.mongo("mongorestore").and("--archive").and("--drop");
        self.feed(&program, dump).await?;
        Ok(BTreeMap::new())
    }
}

fn secret_text(secret: &tenantry_schema::Secret) -> String {
    secret.expose().clone()
}
