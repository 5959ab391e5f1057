//! `GET /agent/v1/program`: a piece of the program that agents of another release become. Named by its digest; which digest that is, the
//! slice says.

use super::answer::{self, Reply};
use super::refusal::Refusal;
use super::verify::{self, Caller};
use crate::web::app::App;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tenantry_schema::document::Sha256;
use tenantry_schema::wire::PROGRAM_PIECE;

/// Which piece.
#[derive(Debug, Deserialize)]
struct Asked {
    /// SHA-256 of the whole program: the name of its file.
    sha256: Sha256,
    /// Bytes that the agent has already.
    #[serde(default)]
    offset: u64,
}

/// 200 with a piece; one that is shorter than [`PROGRAM_PIECE`] is the last.
pub(in crate::web) async fn program(State(app): State<App>, request: Request) -> Response {
    const ROUTE: &str = "program";
    let (parts, _) = request.into_parts();
    let caller = match verify::verify(&app, &parts, verify::Brings::Nothing) {
        Ok(caller) => caller,
        Err(refusal) => return answer::to_stranger(ROUTE, &refusal),
    };
    let outcome = find(&app, &caller, &parts).await;
    answer::to_caller(&app, ROUTE, &caller, outcome)
}

async fn find(app: &App, caller: &Caller, parts: &Parts) -> Result<Reply, Refusal> {
    let _pass = caller.admit(app)?;
    let Query(asked) = Query::<Asked>::try_from_uri(&parts.uri)
        .map_err(|_| Refusal::malformed("the query is `sha256`, `offset`"))?;
    let unknown = || {
        let hint = "this hub has no such program; put it into the folder of `--programs`, named by its SHA-256";
        Refusal::new(StatusCode::NOT_FOUND, "unknown_program", hint)
    };
    let folder = app.state.programs.clone().ok_or_else(unknown)?;
    // A digest is hexadecimal digits: it leads nowhere else.
    let path = folder.join(asked.sha256.as_str());
    let read = tokio::task::spawn_blocking(move || piece(&path, asked.offset));
    let body = match read.await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
        Ok(Err(error)) => return Err(unreadable(&folder, &error)),
        Err(error) => return Err(unreadable(&folder, &error)),
    };
    Ok(Reply {
        status: StatusCode::OK,
        outcome: "delivered",
        content_type: Some("application/octet-stream"),
        body: Bytes::from(body),
        slice: app.state.slices.current(caller.server()),
    })
}

fn unreadable(folder: &Path, error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(folder = %folder.display(), %error, "a program for agents cannot be read");
    Refusal::unavailable("the hub cannot read this program now")
}

fn piece(path: &PathBuf, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::NotFound.into());
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut body = Vec::new();
    file.take(PROGRAM_PIECE as u64).read_to_end(&mut body)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let whole: Vec<u8> = (0..PROGRAM_PIECE * 2 + 5)
            .map(|byte| (byte % 251) as u8)
            .collect();
        std::fs::write(&path, &whole).unwrap();
        let mut got = Vec::new();
        loop {
            let piece = piece(&path, got.len() as u64).unwrap();
            got.extend_from_slice(&piece);
            if piece.len() < PROGRAM_PIECE {
                break;
            }
        }
        assert!(got == whole);
        assert!(piece(&path, 1 << 40).unwrap().is_empty(), "behind its end");
        let folder = folder.path().to_owned();
        assert_eq!(piece(&folder, 0).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
