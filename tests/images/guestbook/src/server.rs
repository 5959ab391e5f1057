//! The HTTP side: three routes, bounded bodies, a clean stop on SIGTERM.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::config::{Config, ConfigError};
use crate::page;
use crate::store::Store;

const PORT: u16 = 8080;
const WORKERS: usize = 4;
const BODY_LIMIT: u64 = 8 * 1024;

/// Why the server, or the question to it, failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the settings are not complete")]
    Config(#[from] ConfigError),
    #[error("cannot listen on port {PORT}")]
    Listen(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
    #[error("the server does not answer")]
    Unreachable(#[source] std::io::Error),
    #[error("the server says: {0}")]
    Unhealthy(String),
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn serve(config: Config) -> Result<(), ServeError> {
    let server = Arc::new(Server::http(("0.0.0.0", PORT)).map_err(ServeError::Listen)?);
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).map_err(ServeError::Signals)?;
    let store = Arc::new(Mutex::new(Store::new(config.database)));
    println!("guestbook: listening on port {PORT}");
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (server, store, title) = (
                Arc::clone(&server),
                Arc::clone(&store),
                config.title.clone(),
            );
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    handle(request, &title, &store);
                }
            })
        })
        .collect();
    signals.forever().next();
    for _ in &workers {
        server.unblock();
    }
    for worker in workers {
        // A worker that panicked has nothing left to finish.
        let _ = worker.join();
    }
    Ok(())
}

fn handle(mut request: Request, title: &str, store: &Mutex<Store>) {
    // A panic while the lock was held leaves at worst a dropped connection, which the store makes again.
    let lock = || store.lock().unwrap_or_else(PoisonError::into_inner);
    let path = request
        .url()
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned();
    let response = match (request.method().clone(), path.as_str()) {
        (Method::Get, "/") => {
            let entries = lock().latest();
            entries.map(|entries| html(page::render(title, &entries)))
        }
        (Method::Post, "/entries") => match read_entry(&mut request) {
            Some((name, message)) => {
                let added = lock().add(&name, &message);
                added.map(|()| text(303, "").with_header(header("Location", "/")))
            }
            None => Ok(text(
                400,
                "an entry has a name of 1 to 80 and a message of 1 to 500 characters\n",
            )),
        },
        (Method::Get, "/healthz") => {
            let healthy = lock().check();
            healthy.map(|()| text(200, "ok\n"))
        }
        (_, "/" | "/entries" | "/healthz") => Ok(text(405, "not with this method\n")),
        _ => Ok(text(404, "nothing here\n")),
    };
    let response = response.unwrap_or_else(|error| {
        eprintln!("guestbook: database: {}", crate::with_causes(&error));
        text(503, "the database does not answer\n")
    });
    if let Err(error) = request.respond(response) {
        eprintln!("guestbook: answer not delivered: {error}");
    }
}

/// Name and message from a form, if they are acceptable.
fn read_entry(request: &mut Request) -> Option<(String, String)> {
    let mut body = Vec::new();
    request
        .as_reader()
        .take(BODY_LIMIT + 1)
        .read_to_end(&mut body)
        .ok()?;
    parse_entry(&body)
}

fn parse_entry(body: &[u8]) -> Option<(String, String)> {
    if body.len() as u64 > BODY_LIMIT {
        return None;
    }
    let field = |wanted: &str, limit: usize| {
        form_urlencoded::parse(body)
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.replace('\0', "").trim().to_owned())
            .filter(|value| (1..=limit).contains(&value.chars().count()))
    };
    Some((field("name", 80)?, field("message", 500)?))
}

fn text(status: u16, body: &str) -> Response<std::io::Cursor<Vec<u8>>> {
    Response::from_string(body).with_status_code(status)
}

fn html(body: String) -> Response<std::io::Cursor<Vec<u8>>> {
    Response::from_string(body)
        .with_header(header("Content-Type", "text/html; charset=utf-8"))
        .with_header(header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        ))
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("names and values are constants of this file")
}

/// Asks the server in this container for its health.
pub(crate) fn probe() -> Result<(), ServeError> {
    let answer = ask().map_err(ServeError::Unreachable)?;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    let status = answer.lines().next().unwrap_or("nothing");
    Err(ServeError::Unhealthy(status.to_owned()))
}

fn ask() -> std::io::Result<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], PORT));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::parse_entry;

    #[test]
    fn a_form_becomes_an_entry() {
        let entry = parse_entry(b"name=+Ada+&message=Hello%2C%0Aworld&more=1");
        assert_eq!(entry, Some(("Ada".to_owned(), "Hello,\nworld".to_owned())));
    }

    #[test]
    fn empty_missing_and_oversized_fields_are_refused() {
        assert_eq!(parse_entry(b""), None);
        assert_eq!(parse_entry(b"name=Ada"), None);
        assert_eq!(parse_entry(b"name=Ada&message=%00%20"), None);
        assert_eq!(
            parse_entry(format!("name={}&message=x", "a".repeat(81)).as_bytes()),
            None
        );
        assert_eq!(
            parse_entry(format!("name=a&message={}", "x".repeat(9000)).as_bytes()),
            None
        );
    }
}
