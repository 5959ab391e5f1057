//! Databases in containers: dumped by the programs of their own image, so that versions always fit.

pub mod beside;
mod mongodb;
mod mysql;
mod postgres;

use super::error::BackupError;
use super::files::{SpoolFile, Spooled};
use super::targets::Database;
use crate::containers::Engine;
use crate::containers::exec::{self, Ended, Program, Session};
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

/// Which variables of an image say what.
struct Names {
    user: &'static [&'static str],
    password: &'static [&'static str],
    database: &'static [&'static str],
    default: &'static str,
}

/// As the images' documentation on Docker Hub says.
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
        let names = names(database.engine);
        let mut source = Self {
            engine,
            kind: database.engine,
            container: container.to_owned(),
            user: String::new(),
            password: None,
            main: None,
            maria: variables.keys().any(|name| name.starts_with("MARIADB_")),
        };
        let user = source.first(&variables, names.user).await?;
        let user = user.map(|user| user.expose().clone());
        source.user = database
            .user
            .clone()
            .or(user)
            .unwrap_or_else(|| names.default.to_owned());
        source.password = match &database.password {
            Some(name) => {
                let found = source.variable(&variables, name.as_str()).await?;
                Some(found.ok_or_else(|| {
                    BackupError::Missing(format!(
                        "{container} has no variable {name} with a password"
                    ))
                })?)
            }
            None => source.first(&variables, names.password).await?,
        };
        let main = source.first(&variables, names.database).await?;
        source.main = main.map(|main| main.expose().clone());
        if database.engine == DatabaseEngine::Mysql && !source.maria {
            source.maria = source.has("mariadb").await?;
        }
        Ok(source)
    }

    async fn first(
        &self,
        variables: &BTreeMap<String, Secret>,
        names: &[&str],
    ) -> Result<Option<Secret>, BackupError> {
        for name in names {
            if let Some(found) = self.variable(variables, name).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The value of a variable, or of the file that its `_FILE` twin names.
    async fn variable(
        &self,
        variables: &BTreeMap<String, Secret>,
        name: &str,
    ) -> Result<Option<Secret>, BackupError> {
        if let Some(value) = variables.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some(path) = variables.get(&format!("{name}_FILE")) else {
            return Ok(None);
        };
        let program = Program::new(&self.container, ["cat", "--", path.expose().as_str()]);
        let text = self.text(&program).await?;
        Ok(Some(Secret::new(
            text.trim_end_matches(['\n', '\r']).to_owned(),
        )))
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

    /// Dumps one database into a file; the rows of its tables as far as they are known exactly. What returns is whole.
    pub async fn dump(
        &self,
        database: &str,
        path: PathBuf,
    ) -> Result<(Spooled, BTreeMap<String, u64>), BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_dump(database, path).await,
            DatabaseEngine::Mysql => self.mysql_dump(database, path).await,
            DatabaseEngine::Mongodb => self.mongodb_dump(database, path).await,
        }
    }

    /// Puts a dump into the database `into`, which is made anew; its rows afterwards.
    ///
    /// Nothing of a database with that name stays. Accounts in `roles` that are missing are made, without a log-in.
    pub async fn load(
        &self,
        dump: &Path,
        into: &str,
        roles: &[String],
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        match self.kind {
            DatabaseEngine::Postgres => self.postgres_load(dump, into, roles).await,
            DatabaseEngine::Mysql => self.mysql_load(dump, into).await,
            DatabaseEngine::Mongodb => self.mongodb_load(dump).await,
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

    /// The account that is used.
    pub fn user(&self) -> &str {
        &self.user
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

    /// Writes the output of a program into a file. The mark of its end must be there.
    async fn spool(
        &self,
        program: &Program,
        path: PathBuf,
        input: Option<&[u8]>,
        ends: impl Fn(&[u8]) -> bool,
        what: &str,
    ) -> Result<Spooled, BackupError> {
        let mut file = SpoolFile::create(path).await?;
        let mut session = exec::start(self.engine, program, input.is_some()).await?;
        if let Some(input) = input {
            let told = match session.say(input).await {
                Ok(()) => session.hush().await,
                Err(error) => Err(error),
            };
            told.map_err(|error| BackupError::io("cannot talk to", program.name(), error))?;
        }
        while let Some(piece) = session.next().await? {
            file.write(&piece).await?;
        }
        let ended = session.end().await?;
        let spooled = file.finish().await?;
        well(program, &ended)?;
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
