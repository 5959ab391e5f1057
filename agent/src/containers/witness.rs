//! What a container said last: the evidence of a version that does not work. Reads only.

use super::engine::Engine;
use super::error::EngineError;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;

/// Lines of the log that are read.
const LINES: usize = 40;
/// Longest line, in bytes.
const LONGEST: usize = 400;
/// Bytes of a log that are read: so many lines are never longer.
const MOST: usize = 1 << 20;
/// Longest text of a health check, in bytes.
const HEALTH: usize = 600;

/// What a container said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastWords {
    /// Whether the kernel ended it for lack of memory.
    pub out_of_memory: bool,
    /// What its health check printed last.
    pub health: Option<String>,
    /// The last lines of its log, oldest first.
    pub log: Vec<String>,
}

/// Asks the engine what a container said last. `clean` cuts secrets out of a text; it sees lines before they are shortened.
pub async fn last_words(
    engine: &Engine,
    container: &str,
    clean: impl Fn(&str) -> String,
) -> Result<LastWords, EngineError> {
    let what = "read what a container said last";
    let (docker, _) = engine.client().await?;
    let failed = |error| engine.judge(what, error, None);
    let details = docker
        .inspect_container(container, None)
        .await
        .map_err(failed)?;
    let state = details.state.unwrap_or_default();
    let checks = state.health.and_then(|health| health.log);
    let health = checks
        .and_then(|mut checks| checks.pop())
        .and_then(|check| check.output)
        .map(|text| health_text(&text, &clean))
        .filter(|text| !text.is_empty());
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: LINES.to_string(),
        ..LogsOptions::default()
    };
    let mut stream = Box::pin(docker.logs(container, Some(options)));
    let mut text = Vec::new();
    // A log driver that cannot be read has no log.
    while let Some(Ok(part)) = stream.next().await {
        text.extend_from_slice(&part.into_bytes());
        if text.len() > MOST {
            break;
        }
    }
    Ok(LastWords {
        out_of_memory: state.oom_killed.unwrap_or_default(),
        health,
        log: lines(&text, clean),
    })
}

/// What a health check printed: its end, in a length that people can read. `clean` sees all of it.
pub fn health_text(text: &str, clean: impl Fn(&str) -> String) -> String {
    end_of(clean(text).trim(), HEALTH).to_owned()
}

/// The last lines of a text, without control characters, each of a length that people can read.
fn lines(text: &[u8], clean: impl Fn(&str) -> String) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .map(|line| end_of(&clean(&line), LONGEST).to_owned())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

/// The end of a text, at most so many bytes.
fn end_of(text: &str, most: usize) -> &str {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_lines_are_kept_without_colours() {
        let text: Vec<_> = (0..100).map(|line| format!("line {line}\r\n\n")).collect();
        let found = lines(text.concat().as_bytes(), str::to_owned);
        assert_eq!((found.len(), found[39].as_str()), (LINES, "line 99"));
        assert_eq!(
            lines(b"\x1b[31mred\x1b[0m\xff", str::to_owned),
            ["[31mred[0m\u{fffd}"]
        );
    }

    proptest! {
        #[test]
        fn any_log_is_short(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let found = lines(&bytes, str::to_owned);
            prop_assert!(found.len() <= LINES);
            prop_assert!(found.iter().all(|line| line.len() <= LONGEST && !line.is_empty()));
        }
    }
}
