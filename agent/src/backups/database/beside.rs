//! Databases that stand beside the one that they are to replace, or were replaced by. Their names are kept for restores: they are neither listed
//! nor backed up.

use super::Source;
use super::postgres::quoted;
use crate::backups::error::BackupError;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tenantry_schema::wire::DatabaseEngine;

/// A database that was loaded, and is to take another one's place.
const FRESH: &str = "tenantry_restored_";
/// The one that had the place before, until all is done.
const OLD: &str = "tenantry_before_";
/// Bytes of the longest name that every server takes: PostgreSQL cuts off the rest.
const LONGEST: usize = 63;
/// How long a rename waits for a lock. The tool stands still, so nobody should have one.
const LOCK: &str = "SET lock_timeout = '10s'; ";
/// How often it is looked whether sessions have ended.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS: u32 = 100;

fn named(prefix: &str, name: &str) -> String {
    if prefix.len() + name.len() <= LONGEST {
        return format!("{prefix}{name}");
    }
    format!("{prefix}{}", digest(name))
}

fn digest(name: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(name.as_bytes()));
    digest.truncate(32);
    digest
}

/// What a session is called (`application_name`) that renames databases to and from `name`. The server changes letters that are not plain.
fn session_of(name: &str) -> String {
    format!("tenantry_{}", digest(name))
}

/// What the database is called that is to take the place of `name`.
pub fn fresh(name: &str) -> String {
    named(FRESH, name)
}

/// What the database is called that had the place of `name` before.
pub fn old(name: &str) -> String {
    named(OLD, name)
}

/// Whether a name is kept for restores.
pub fn is_ours(name: &str) -> bool {
    name.starts_with(FRESH) || name.starts_with(OLD)
}

impl Source<'_> {
    /// Whether there is a database of this name.
    pub async fn exists(&self, name: &str) -> Result<bool, BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => Ok(self.postgres_all(name).await?.contains(name)),
            DatabaseEngine::Mysql => {
                Ok(self.mysql_databases().await?.iter().any(|one| one == name))
            }
            DatabaseEngine::Mongodb => Ok(true),
        }
    }

    /// Whether dumps can be loaded at all: asked before anything is touched.
    pub async fn can_load(&self) -> Result<(), BackupError> {
        let why = match self.kind {
            DatabaseEngine::Postgres | DatabaseEngine::Mysql => return Ok(()),
            DatabaseEngine::Mongodb if self.password.is_some() => {
                "a MongoDB with a password is not restored by itself: restore the dump with mongorestore"
            }
            DatabaseEngine::Mongodb if self.has("mongorestore").await? => return Ok(()),
            DatabaseEngine::Mongodb => "its image has no mongorestore",
        };
        Err(BackupError::Missing(format!("{}: {why}", self.container)))
    }

    /// Gives the place of `name` to the database that was loaded beside it, in one transaction. `existed`: whether there is one now; it stands
    /// beside afterwards.
    pub async fn exchange(&self, name: &str, existed: bool) -> Result<(), BackupError> {
        let (fresh, old) = (fresh(name), old(name));
        let mut renames = vec![(fresh.as_str(), name)];
        if existed {
            renames.insert(0, (name, old.as_str()));
        }
        self.postgres_rename(name, &renames).await
    }

    /// Puts back what [`Source::exchange`] did, as far as it did anything. A rename that an agent left behind that was killed is ended first.
    pub async fn undo_exchange(&self, name: &str, existed: bool) -> Result<(), BackupError> {
        self.end_sessions(name).await?;
        let (fresh, old) = (fresh(name), old(name));
        let known = self.postgres_all(name).await?;
        let (is_fresh, is_there) = (known.contains(&fresh), known.contains(name));
        let mut renames = Vec::new();
        match (existed, known.contains(&old)) {
            (true, true) => {
                if is_there && is_fresh {
                    return Err(BackupError::Missing(format!(
                        "there are {name}, {fresh} and {old}, and nobody can tell which of them is which: look at them, and drop the one that is not needed"
                    )));
                }
                if is_there {
                    renames.push((name, fresh.as_str()));
                }
                renames.push((old.as_str(), name));
            }
            (true, false) if !is_there => {
                return Err(BackupError::Missing(format!(
                    "there is neither {name} nor {old}: load {name} by hand from the backup that was taken before the restore"
                )));
            }
            (false, _) if is_there && !is_fresh => renames.push((name, fresh.as_str())),
            _ => return Ok(()),
        }
        self.postgres_rename(name, &renames).await
    }

    /// Makes sure that nothing stands beside `name` that was loaded to take its place.
    pub async fn drop_fresh(&self, name: &str) -> Result<(), BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_drop(&fresh(name)).await,
            DatabaseEngine::Mysql => self.mysql_drop(&fresh(name)).await,
            DatabaseEngine::Mongodb => Ok(()),
        }
    }

    /// Makes sure that the one is gone that had the place before.
    pub async fn drop_old(&self, name: &str) -> Result<(), BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_drop(&old(name)).await,
            DatabaseEngine::Mysql | DatabaseEngine::Mongodb => Ok(()),
        }
    }

    async fn postgres_all(
        &self,
        name: &str,
    ) -> Result<std::collections::BTreeSet<String>, BackupError> {
        let list = "SELECT datname FROM pg_catalog.pg_database";
        let text = self.sql(self.elsewhere(name), list).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    async fn postgres_rename(
        &self,
        name: &str,
        renames: &[(&str, &str)],
    ) -> Result<(), BackupError> {
        for (from, _) in renames {
            self.postgres_disconnect(from).await?;
        }
        let one = |(from, to): &(&str, &str)| {
            format!("ALTER DATABASE {} RENAME TO {}", quoted(from), quoted(to))
        };
        let all: Vec<String> = renames.iter().map(one).collect();
        // Several statements of one argument are one transaction.
        let statements = format!("{LOCK}{}", all.join("; "));
        self.sql_as(&session_of(name), self.elsewhere(name), &statements)
            .await
            .map(|_| ())
    }

    /// Ends the renames of `name` that an agent began which was killed, and waits until they are gone: what they are at would otherwise happen
    /// after it was looked what there is. Other sessions of the account go on.
    async fn end_sessions(&self, name: &str) -> Result<(), BackupError> {
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
            WHERE application_name = '{}' AND usename = current_user AND pid <> pg_backend_pid()",
            session_of(name)
        );
        for _ in 0..LOOKS {
            if self.sql(self.elsewhere(name), &end).await?.trim() == "0" {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(BackupError::Missing(format!(
            "a session in {} that renames {name} does not end: look for {} in pg_stat_activity, or start the server again",
            self.container,
            session_of(name)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_fit_are_ours_and_never_meet(name in "[a-z_]{1,63}", other in "[a-z_]{1,63}") {
            for one in [fresh(&name), old(&name)] {
                prop_assert!(one.len() <= LONGEST && is_ours(&one), "{one}");
            }
            prop_assert_ne!(fresh(&name), old(&other));
            prop_assert!(name == other || fresh(&name) != fresh(&other));
            prop_assert!(name == other || session_of(&name) != session_of(&other));
            prop_assert!(session_of(&name).len() <= LONGEST);
        }
    }

    #[test]
    fn what_a_tool_calls_its_databases_is_not_ours() {
        for name in ["guests", "tenantry", "tenantry_guests", "restored_x"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
