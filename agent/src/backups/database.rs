//! Databases in containers: dumped by the programs of their own image, so that versions always fit.

mod archive;
pub mod beside;
mod bson;
mod login;
mod mongodb;
mod mysql;
mod postgres;
pub mod properties;

use super::error::BackupError;
use super::files::{SpoolFile, Spooled};
use super::targets::Database;
use crate::containers::Engine;
use crate::containers::exec::{self, Ended, Program, Session};
use properties::Properties;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry_schema::Secret;
use tenantry_schema::wire::DatabaseEngine;

/// Bytes of a list of names.
const MOST_TEXT: usize = 4 << 20;

/// The databases of one service, ready to be dumped or put back.
#[derive(Debug)]
pub struct Source<'a> {
    engine: &'a Engine,
    kind: DatabaseEngine,
    /// The container.
    pub container: String,
    user: String,
    password: Option<Secret>,
    /// The database that the image makes.
    main: Option<String>,
    /// Whether the programs have MariaDB's names.
    maria: bool,
}

/// A dump that is whole.
#[derive(Debug)]
pub struct Dumped {
    /// The file.
    pub spooled: Spooled,
    /// Rows by table, as far as they are known exactly.
    pub tables: BTreeMap<String, u64>,
    /// Whether nobody could write to its tables meanwhile.
    pub locked: bool,
    /// What the database is, where the dump does not say it.
    pub properties: Option<Properties>,
}

/// How a dump is put into a database.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loading<'a> {
    /// Accounts that may own what is in it; those that are missing are made, without a log-in.
    pub roles: &'a [String],
    /// What the database is to be like. Absent: what the server makes by itself.
    pub properties: Option<&'a Properties>,
}

/// A dump that is in a database now.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// What is otherwise than it was where the dump is from, in sentences.
    pub notes: Vec<String>,
}

impl<'a> Source<'a> {
    /// Looks up how to log in, in the container itself.
    pub async fn open(engine: &'a Engine, database: &Database) -> Result<Self, BackupError> {
        Self::at(engine, database, &database.container).await
    }

    /// The same in another container of the same image.
    pub async fn at(
        engine: &'a Engine,
        database: &Database,
        container: &str,
    ) -> Result<Self, BackupError> {
        let variables = exec::variables(engine, container).await?;
        let mut source = Self {
            engine,
            kind: database.engine,
            container: container.to_owned(),
            user: String::new(),
            password: None,
            main: None,
            maria: variables.keys().any(|name| name.starts_with("MARIADB_")),
        };
        source.log_in(&variables, database).await?;
        if database.engine == DatabaseEngine::Mysql && !source.maria {
            source.maria = source.has("mariadb").await?;
        }
        Ok(source)
    }

    /// Whether the container has a program.
    async fn has(&self, program: &str) -> Result<bool, BackupError> {
        let program = Program::new(&self.container, [program, "--version"]);
        match exec::output(self.engine, &program, MOST_TEXT).await {
            Ok((ended, _)) => Ok(ended.code == 0),
            Err(error) if error.unreachable() => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// The output of a program that must end well.
    async fn text(&self, program: &Program) -> Result<String, BackupError> {
        let (ended, text) = exec::output(self.engine, program, MOST_TEXT).await?;
        well(program, &ended)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What there is to dump. The server's own databases are left out, and what a restore has put beside others.
    pub async fn databases(&self) -> Result<Vec<String>, BackupError> {
        let mut all = match self.kind {
            DatabaseEngine::Postgres => self.postgres_databases().await?,
            DatabaseEngine::Mysql => self.mysql_databases().await?,
            // One archive holds them all.
            DatabaseEngine::Mongodb => vec![mongodb::ALL.to_owned()],
        };
        all.retain(|name| !beside::is_ours(name));
        Ok(all)
    }

    /// Dumps one database into a file.
    pub async fn dump(&self, database: &str, path: PathBuf) -> Result<Dumped, BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_dump(database, path).await,
            DatabaseEngine::Mysql => self.mysql_dump(database, path).await,
            DatabaseEngine::Mongodb => self.mongodb_dump(database, path).await,
        }
    }

    /// Puts a dump into the database `into`, which is made anew. Nothing of a database with that name stays.
    pub async fn load(
        &self,
        dump: &Path,
        into: &str,
        how: &Loading<'_>,
    ) -> Result<Loaded, BackupError> {
        let rows = match self.kind {
            DatabaseEngine::Postgres => return self.postgres_load(dump, into, how).await,
            DatabaseEngine::Mysql => self.mysql_load(dump, into).await?,
            DatabaseEngine::Mongodb => self.mongodb_load(dump).await?,
        };
        Ok(Loaded {
            rows,
            notes: Vec::new(),
        })
    }

    /// What a database is, where dumps do not say it. `None` where they do, and where there is no such database.
    pub async fn properties(&self, database: &str) -> Result<Option<Properties>, BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_properties(database).await,
            DatabaseEngine::Mysql | DatabaseEngine::Mongodb => Ok(None),
        }
    }

    /// Accounts of the server, where dumps name them.
    pub async fn roles(&self) -> Result<Vec<String>, BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_roles().await,
            DatabaseEngine::Mysql | DatabaseEngine::Mongodb => Ok(Vec::new()),
        }
    }

    /// Waits until the server answers over its network: while an image prepares its data, it does not.
    pub async fn wait(&self, patience: Duration) -> Result<(), BackupError> {
        let begin = tokio::time::Instant::now();
        loop {
            let answered = match self.kind {
                DatabaseEngine::Postgres => self.postgres_answers().await,
                DatabaseEngine::Mysql => self.mysql_answers().await,
                DatabaseEngine::Mongodb => Ok(()),
            };
            match answered {
                Err(error) if begin.elapsed() >= patience => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The account to use at a server that was made with [`Source::variables_for_trial`].
    pub fn user_for_trial(&self) -> &str {
        match self.kind {
            DatabaseEngine::Postgres | DatabaseEngine::Mongodb => &self.user,
            // Whoever makes the dumps, it has no other.
            DatabaseEngine::Mysql => "root",
        }
    }

    /// What a database is called while a dump of it is tried out.
    pub fn name_for_trial(&self, name: &str) -> String {
        match self.kind {
            DatabaseEngine::Postgres | DatabaseEngine::Mongodb => format!("drill_{name}"),
            // Routines and the like may call their database by its name.
            DatabaseEngine::Mysql => name.to_owned(),
        }
    }

    /// Variables for a server of the same image that begins without data.
    pub fn variables_for_trial(&self, password: &Secret) -> Vec<(String, Secret)> {
        let text = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
        let secret = |name: &str| (name.to_owned(), password.clone());
        match self.kind {
            DatabaseEngine::Postgres => {
                vec![
                    text("POSTGRES_USER", &self.user),
                    secret("POSTGRES_PASSWORD"),
                ]
            }
            DatabaseEngine::Mysql if self.maria => {
                vec![
                    secret("MARIADB_ROOT_PASSWORD"),
                    secret("MYSQL_ROOT_PASSWORD"),
                ]
            }
            DatabaseEngine::Mysql => vec![secret("MYSQL_ROOT_PASSWORD")],
            DatabaseEngine::Mongodb => Vec::new(),
        }
    }

    /// Writes the output of a program into a file, after `first`. `see` looks at every piece of the output.
    async fn spool(
        &self,
        program: &Program,
        path: PathBuf,
        first: &[u8],
        input: Option<&[u8]>,
        mut see: impl FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<Spooled, BackupError> {
        let mut file = SpoolFile::create(path).await?;
        file.write(first).await?;
        let mut session = exec::start(self.engine, program, input.is_some()).await?;
        if let Some(input) = input {
            let told = match session.say(input).await {
                Ok(()) => session.hush().await,
                Err(error) => Err(error),
            };
            told.map_err(|error| BackupError::io("cannot talk to", program.name(), error))?;
        }
        while let Some(piece) = session.next().await? {
            see(&piece)?;
            file.write(&piece).await?;
        }
        let ended = session.end().await?;
        let spooled = file.finish().await?;
        well(program, &ended)?;
        Ok(spooled)
    }

    /// The same for a dump whose last lines say that it is whole.
    async fn spool_text(
        &self,
        program: &Program,
        path: PathBuf,
        first: &[u8],
        ends: impl Fn(&[u8]) -> bool,
        what: &str,
    ) -> Result<Spooled, BackupError> {
        let spooled = self.spool(program, path, first, None, |_| Ok(())).await?;
        if ends(&spooled.tail) {
            Ok(spooled)
        } else {
            Err(BackupError::Truncated {
                what: what.to_owned(),
            })
        }
    }

    /// Gives a file to a program to read.
    async fn feed(&self, program: &Program, path: &Path) -> Result<(), BackupError> {
        use tokio::io::AsyncReadExt as _;
        let failed = |error| BackupError::io("cannot read", path, error);
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut session = exec::start(self.engine, program, true).await?;
        let mut piece = vec![0; 256 << 10];
        loop {
            let count = file.read(&mut piece).await.map_err(failed)?;
            let data = piece.get(..count).unwrap_or_default();
            // One that ended early says why with its exit code.
            if count == 0 || session.say(data).await.is_err() {
                break;
            }
        }
        let _ = session.hush().await;
        let ended = session.end().await?;
        well(program, &ended)
    }
}

/// An exit code other than 0 is a failure.
fn well(program: &Program, ended: &Ended) -> Result<(), BackupError> {
    if ended.code == 0 {
        return Ok(());
    }
    Err(BackupError::Program {
        program: program.name().to_owned(),
        container: program.container.clone(),
        code: ended.code,
        complaints: ended.complaints.clone(),
    })
}

/// The lines that a program writes, one after the other.
struct Lines {
    session: Session,
    buffer: Vec<u8>,
}

impl Lines {
    fn of(session: Session) -> Self {
        Self {
            session,
            buffer: Vec::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<String>, BackupError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            match self.session.next().await? {
                Some(piece) if self.buffer.len() < MOST_TEXT => {
                    self.buffer.extend_from_slice(&piece);
                }
                _ => return Ok(None),
            }
        }
    }
}
