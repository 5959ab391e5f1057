//! The log of a container, followed or from its end. Reads only.

use super::engine::Engine;
use super::error::EngineError;
use crate::redact::without_cut_line;
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

/// The last `lines` of a log, as bytes, and no more than `most` of them: whole lines at the end. Also whether that is less than was asked for.
pub async fn end_of_log(
    engine: &Engine,
    container: &str,
    lines: usize,
    most: usize,
) -> Result<(Vec<u8>, bool), EngineError> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        timestamps: true,
        tail: lines.to_string(),
        ..LogsOptions::default()
    };
    let mut pieces = Box::pin(pieces(engine, container, options).await?);
    let mut end = End::default();
    while let Some(piece) = pieces.next().await {
        let (Piece::Out(bytes) | Piece::Err(bytes)) = piece?;
        end.add(&bytes, most);
    }
    Ok(end.whole(most))
}

/// The end of what was added.
#[derive(Default)]
struct End {
    text: Vec<u8>,
    cut: bool,
}

impl End {
    /// Keeps at most twice what is wanted, so that little is moved.
    fn add(&mut self, bytes: &[u8], most: usize) {
        self.text.extend_from_slice(bytes);
        if self.text.len() > 2 * most {
            self.cut_to(most);
        }
    }

    fn cut_to(&mut self, most: usize) {
        let over = self.text.len().saturating_sub(most);
        self.cut |= over > 0;
        self.text.drain(..over);
    }

    fn whole(mut self, most: usize) -> (Vec<u8>, bool) {
        self.cut_to(most);
        if self.cut {
            without_cut_line(&mut self.text);
        }
        (self.text, self.cut)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(pieces: &[&str], most: usize) -> (String, bool) {
        let mut end = End::default();
        for piece in pieces {
            end.add(piece.as_bytes(), most);
        }
        let (text, cut) = end.whole(most);
        (String::from_utf8(text).unwrap(), cut)
    }

    #[test]
    fn a_line_that_was_cut_is_not_told() {
        assert_eq!(end(&["one\n", "two\n"], 8), ("one\ntwo\n".into(), false));
        // Half of a secret would not be known as one.
        assert_eq!(end(&["key: secret\n", "two\n"], 10), ("two\n".into(), true));
        // Cut on the way, and never again.
        let pieces = ["key: secret and more\n", "a\nb\n"];
        assert_eq!(end(&pieces, 12), ("a\nb\n".into(), true));
        assert_eq!(end(&["one long line"], 4), (String::new(), true));
    }

    proptest! {
        #[test]
        fn whole_lines_from_the_end(lines in proptest::collection::vec("[a-z]{0,9}\n", 0..20), most in 1usize..60) {
            let pieces: Vec<_> = lines.iter().map(String::as_str).collect();
            let all = lines.concat();
            let (text, cut) = end(&pieces, most);
            prop_assert!(text.len() <= most && all.ends_with(&text));
            prop_assert_eq!(cut, all.len() > most);
            prop_assert!(text.is_empty() || text.len() == all.len() || all[..all.len() - text.len()].ends_with('\n'));
        }
    }
}
