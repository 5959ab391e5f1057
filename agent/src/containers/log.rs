//! The log of a container, followed or from its end. Reads only.

use super::engine::Engine;
use super::error::EngineError;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;

/// A piece of a log, as the engine sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Of the standard output, or of a terminal.
    Out(Bytes),
    /// Of the standard error output.
    Err(Bytes),
}

impl From<LogOutput> for Piece {
    fn from(output: LogOutput) -> Self {
        match output {
            LogOutput::StdErr { message } => Self::Err(message),
            other => Self::Out(other.into_bytes()),
        }
    }
}

/// Everything that was written since the second of `since`, and what will be, until the container ends. Each piece begins with its time.
pub async fn follow_log(
    engine: &Engine,
    container: &str,
    since: Timestamp,
) -> Result<impl Stream<Item = Result<Piece, EngineError>> + use<>, EngineError> {
    // The engine takes whole seconds, and 0 for the beginning.
    let since = i32::try_from(since.as_second()).unwrap_or(0).max(0);
    pieces(
        engine,
        container,
        LogsOptions {
            follow: true,
            stdout: true,
            stderr: true,
            since,
            timestamps: true,
            ..LogsOptions::default()
        },
    )
    .await
}

/// The last `lines` of a log, as bytes, and no more than `most` of them: those at the end.
pub async fn end_of_log(
    engine: &Engine,
    container: &str,
    lines: usize,
    most: usize,
) -> Result<Vec<u8>, EngineError> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        timestamps: true,
        tail: lines.to_string(),
        ..LogsOptions::default()
    };
    let mut pieces = Box::pin(pieces(engine, container, options).await?);
    let mut text: Vec<u8> = Vec::new();
    while let Some(piece) = pieces.next().await {
        let (Piece::Out(bytes) | Piece::Err(bytes)) = piece?;
        text.extend_from_slice(&bytes);
        if text.len() > 2 * most {
            text.drain(..text.len() - most);
        }
    }
    text.drain(..text.len().saturating_sub(most));
    Ok(text)
}

async fn pieces(
    engine: &Engine,
    container: &str,
    options: LogsOptions,
) -> Result<impl Stream<Item = Result<Piece, EngineError>> + use<>, EngineError> {
    let (docker, _) = engine.client().await?;
    let engine = engine.clone();
    let stream = docker.logs(container, Some(options));
    Ok(stream.map(move |piece| {
        piece
            .map(Piece::from)
            .map_err(|error| engine.judge("read the log of a container", error, None))
    }))
}
