//! Running a program inside a container that runs, with its output taken as it comes. Always an argument list, never a shell.

use super::engine::Engine;
use super::error::{EngineError, ErrorKind};
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use tenantry_schema::Secret;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Bytes of complaints that are kept.
const MOST_COMPLAINTS: usize = 4096;

/// A program to be run in a container.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Name or id of the container.
    pub container: String,
    /// The program and its arguments. No secret goes in here: everybody on the server can read it.
    pub arguments: Vec<String>,
    /// Variables of its own.
    pub variables: Vec<(String, Secret)>,
    /// Who it runs as. Absent: as the container's own program.
    pub user: Option<String>,
}

impl Program {
    /// In `container`, without variables.
    pub fn new<T: Into<String>>(container: &str, arguments: impl IntoIterator<Item = T>) -> Self {
        Self {
            container: container.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
            user: None,
        }
    }

    /// With one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&Secret>) -> Self {
        if let Some(value) = value {
            self.variables.push((name.to_owned(), value.clone()));
        }
        self
    }

    /// With one more argument.
    #[must_use]
    pub fn and(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// The end of what it complained about.
    pub complaints: String,
}

/// A program that runs.
pub struct Session {
    engine: Engine,
    id: String,
    what: String,
    output:
        Pin<Box<dyn futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    complaints: Vec<u8>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

/// Starts a program. `talks`: it reads what [`Session::say`] writes.
pub async fn start(
    engine: &Engine,
    program: &Program,
    talks: bool,
) -> Result<Session, EngineError> {
    let what = format!("run {} in {}", program.name(), program.container);
    let (docker, _) = engine.client().await?;
    let variables = program
        .variables
        .iter()
        .map(|(name, value)| format!("{name}={}", value.expose()));
    let options = CreateExecOptions {
        attach_stdin: Some(talks),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        env: Some(variables.collect()),
        cmd: Some(program.arguments.clone()),
        user: program.user.clone(),
        ..CreateExecOptions::default()
    };
    let judged = |error| engine.judge(&what, error, None);
    let made = docker
        .create_exec(&program.container, options)
        .await
        .map_err(judged)?;
    let started = docker
        .start_exec(&made.id, None::<StartExecOptions>)
        .await
        .map_err(judged)?;
    match started {
        StartExecResults::Attached { output, input } => Ok(Session {
            engine: engine.clone(),
            id: made.id,
            what,
            output,
            input: talks.then_some(input),
            complaints: Vec::new(),
        }),
        StartExecResults::Detached => Err(EngineError::new(
            what,
            ErrorKind::Other {
                reason: "its output cannot be seen".to_owned(),
            },
        )),
    }
}

impl Session {
    /// The next piece of its output; none when it closed it.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        while let Some(piece) = self.output.next().await {
            match piece.map_err(|error| self.engine.judge(&self.what, error, None))? {
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    return Ok(Some(message.to_vec()));
                }
                LogOutput::StdErr { message } => {
                    self.complaints.extend_from_slice(&message);
                    let more = self.complaints.len().saturating_sub(MOST_COMPLAINTS);
                    self.complaints.drain(..more);
                }
                LogOutput::StdIn { .. } => {}
            }
        }
        Ok(None)
    }

    /// Gives it something to read.
    pub async fn say(&mut self, data: &[u8]) -> std::io::Result<()> {
        match &mut self.input {
            Some(input) => {
                input.write_all(data).await?;
                input.flush().await
            }
            None => Ok(()),
        }
    }

    /// It has been told everything.
    pub async fn hush(&mut self) -> std::io::Result<()> {
        match self.input.take() {
            Some(mut input) => input.shutdown().await,
            None => Ok(()),
        }
    }

    /// Waits for its end. What it still writes is not looked at.
    pub async fn end(mut self) -> Result<Ended, EngineError> {
        while self.next().await?.is_some() {}
        let (docker, _) = self.engine.client().await?;
        // The output ends a moment before the engine knows the exit code.
        for _ in 0..100 {
            let state = docker
                .inspect_exec(&self.id)
                .await
                .map_err(|error| self.engine.judge(&self.what, error, None))?;
            if let (Some(code), Some(false)) = (state.exit_code, state.running) {
                let complaints = String::from_utf8_lossy(&self.complaints).trim().to_owned();
                return Ok(Ended { code, complaints });
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(EngineError::new(
            self.what,
            ErrorKind::Other {
                reason: "it does not end".to_owned(),
            },
        ))
    }
}

/// Runs a program to its end; its output, at most `limit` bytes of it.
pub async fn output(
    engine: &Engine,
    program: &Program,
    limit: usize,
) -> Result<(Ended, Vec<u8>), EngineError> {
    let mut session = start(engine, program, false).await?;
    let mut all = Vec::new();
    while let Some(piece) = session.next().await? {
        if all.len() < limit {
            all.extend_from_slice(&piece);
        }
    }
    all.truncate(limit);
    Ok((session.end().await?, all))
}

/// The variables of a container as it was made.
pub async fn variables(
    engine: &Engine,
    container: &str,
) -> Result<std::collections::BTreeMap<String, Secret>, EngineError> {
    let what = format!("look at {container}");
    let (docker, _) = engine.client().await?;
    let details = docker
        .inspect_container(
            container,
            None::<bollard::query_parameters::InspectContainerOptions>,
        )
        .await
        .map_err(|error| engine.judge(&what, error, None))?;
    let all = details
        .config
        .and_then(|config| config.env)
        .unwrap_or_default();
    let pair = |text: String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), Secret::new(value.to_owned())))
    };
    Ok(all.into_iter().filter_map(pair).collect())
}

/// Where the files of a volume are on this server.
pub async fn volume_folder(engine: &Engine, volume: &str) -> Result<PathBuf, EngineError> {
    let what = format!("look at volume {volume}");
    let (docker, _) = engine.client().await?;
    let details = docker
        .inspect_volume(volume)
        .await
        .map_err(|error| engine.judge(&what, error, None))?;
    if details.driver == "local" {
        Ok(details.mountpoint.into())
    } else {
        Err(EngineError::new(
            what,
            ErrorKind::Other {
                reason: format!(
                    "its driver is `{}`; only volumes of the driver `local` can be read",
                    details.driver
                ),
            },
        ))
    }
}
