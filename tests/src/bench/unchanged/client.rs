//! The asking side: bare sockets and requests that were signed beforehand, so that it is never the slower one.

use super::super::{BenchError, Doing};
use super::{CONTENT, GENERATION, hub_key};
use std::cell::RefCell;
use tenantry_schema::id::ServerKey;
use tenantry_wire::SigningKey;
use tenantry_wire::http::{self, ExpectAnswer, Nonce, sign_request, verify_answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Every so many answers one has its signature checked.
const CHECKED: usize = 97;

/// A request as it goes over the wire, and what its answer must be.
pub(super) struct Request {
    bytes: Vec<u8>,
    status: u16,
    /// For whom and to which nonce the answer must be signed.
    signed_for: Option<(ServerKey, Nonce)>,
}

impl Request {
    /// An agent asks whether there is anything new.
    pub(super) fn unchanged((server, key): &(ServerKey, SigningKey)) -> Result<Self, BenchError> {
        let query = format!("generation={GENERATION}&content={CONTENT}&wait=0");
        let nonce = Nonce::generate(&mut rand::rng());
        let parts = http::Request {
            method: "GET",
            path: "/agent/v1/next",
            query: Some(&query),
            body: None,
        };
        let signed = sign_request(&parts, &nonce, jiff::Timestamp::now().as_second(), key)
            .doing("signing a request")?;
        let mut head = format!("GET /agent/v1/next?{query} HTTP/1.1\r\nhost: hub\r\n");
        for (name, value) in signed {
            head.extend([name, ": ", &value, "\r\n"]);
        }
        Ok(Self {
            bytes: (head + "\r\n").into_bytes(),
            status: 204,
            signed_for: Some((server.clone(), nonce)),
        })
    }

    /// Whether the server lives.
    pub(super) fn healthz() -> Self {
        Self {
            bytes: b"GET /healthz HTTP/1.1\r\nhost: hub\r\n\r\n".to_vec(),
            status: 200,
            signed_for: None,
        }
    }
}

/// Connections that are kept, all on this thread.
pub(super) struct Client {
    runtime: Runtime,
    connections: RefCell<Vec<Connection>>,
}

impl Client {
    pub(super) fn connect(address: &str, count: usize) -> Result<Self, BenchError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .doing("starting")?;
        let connect = || {
            let stream = runtime
                .block_on(TcpStream::connect(address))
                .doing("connecting")?;
            stream.set_nodelay(true).doing("connecting")?;
            Ok::<_, BenchError>(Connection {
                stream,
                buffer: vec![0; 8_192],
            })
        };
        let connections = (0..count).map(|_| connect()).collect::<Result<_, _>>()?;
        Ok(Self {
            runtime,
            connections: RefCell::new(connections),
        })
    }

    /// Sends all requests, one at a time a connection, and reads every answer to its end.
    pub(super) fn send_all(&self, requests: &[Request]) -> Result<(), BenchError> {
        let mut connections = self.connections.borrow_mut();
        let share = requests.len().div_ceil(connections.len()).max(1);
        let work = connections
            .iter_mut()
            .zip(requests.chunks(share))
            .map(|(connection, requests)| connection.send_all(requests));
        self.runtime
            .block_on(futures_util::future::try_join_all(work))
            .map(drop)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn send_all(&mut self, requests: &[Request]) -> Result<(), BenchError> {
        for (at, request) in requests.iter().enumerate() {
            self.stream
                .write_all(&request.bytes)
                .await
                .doing("asking")?;
            let end = self.read_answer().await?;
            let answer = String::from_utf8_lossy(&self.buffer[..end]);
            let expected =
                answer.get(9..12).and_then(|status| status.parse().ok()) == Some(request.status);
            if !expected || (at % CHECKED == 0 && !well_signed(&answer, request)) {
                return Err(BenchError::Wrong(format!("the server answered {answer:?}")));
            }
        }
        Ok(())
    }

    /// Reads head and body. Returns where the head ends in the buffer.
    async fn read_answer(&mut self) -> Result<usize, BenchError> {
        let mut length = 0;
        loop {
            let read = self
                .stream
                .read(&mut self.buffer[length..])
                .await
                .doing("reading an answer")?;
            if read == 0 {
                return Err(BenchError::Wrong(
                    "the server closed the connection or said too much".to_owned(),
                ));
            }
            length += read;
            let Some(head) = self.buffer[..length]
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            else {
                continue;
            };
            if length >= head + 4 + body_length(&self.buffer[..head]) {
                return Ok(head);
            }
        }
    }
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let field = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:").map(str::trim));
    field.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn well_signed(head: &str, request: &Request) -> bool {
    let Some((server, nonce)) = &request.signed_for else {
        return true;
    };
    let names: Vec<(String, &str)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let headers: Vec<(&str, &str)> = names
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let trusted = [hub_key().verifying_key().clone()];
    verify_answer(
        request.status,
        &headers,
        &[],
        &ExpectAnswer {
            server,
            nonce,
            trusted: &trusted,
        },
    )
    .is_ok()
}
