//! The entries in PostgreSQL: one connection, made again when it is lost.

use postgres::{Client, NoTls};

/// One entry as it is shown.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) message: String,
    /// When it was written: `2026-11-20 14:05` (UTC).
    pub(crate) written: String,
}

/// Access to the table of entries.
pub(crate) struct Store {
    config: postgres::Config,
    client: Option<Client>,
}

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL,
    message text NOT NULL)";

const LATEST: &str =
    "SELECT name, message, to_char(written AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
    FROM entries ORDER BY id DESC LIMIT 100";

impl Store {
    /// A store that connects on its first use.
    pub(crate) fn new(config: postgres::Config) -> Self {
        Self {
            config,
            client: None,
        }
    }

    /// The latest 100 entries, newest first.
    pub(crate) fn latest(&mut self) -> Result<Vec<Entry>, postgres::Error> {
        let rows = self.with(|client| client.query(LATEST, &[]))?;
        rows.iter()
            .map(|row| {
                Ok(Entry {
                    name: row.try_get(0)?,
                    message: row.try_get(1)?,
                    written: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// Adds one entry.
    pub(crate) fn add(&mut self, name: &str, message: &str) -> Result<(), postgres::Error> {
        self.with(|client| {
            client
                .execute(
                    "INSERT INTO entries (name, message) VALUES ($1, $2)",
                    &[&name, &message],
                )
                .map(drop)
        })
    }

    /// Whether the database answers and the table can be read.
    pub(crate) fn check(&mut self) -> Result<(), postgres::Error> {
        self.with(|client| client.query("SELECT 1 FROM entries LIMIT 1", &[]).map(drop))
    }

    /// Runs `work` on the connection. A failed connection is dropped, so that the next use makes a new one.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, postgres::Error> {
        let mut client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ => {
                let mut fresh = self.config.connect(NoTls)?;
                fresh.batch_execute(SCHEMA)?;
                fresh
            }
        };
        let value = work(&mut client)?;
        self.client = Some(client);
        Ok(value)
    }
}
