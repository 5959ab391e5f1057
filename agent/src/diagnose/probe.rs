//! Whether the service behind a site answers: a request for headers alone, straight at its loopback port.

use reqwest::{Client, header};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tenantry_schema::name::DomainName;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Headers that are told; others can hold what is nobody's business.
const TOLD: [header::HeaderName; 5] = [
    header::SERVER,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// What came of it, in lines.
pub(super) async fn probe(client: &Client, host: &DomainName, port: u16) -> String {
    let begun = Instant::now();
    let answer = client
        .head(format!("http://127.0.0.1:{port}/"))
        .header(header::HOST, host.as_str())
        .header("x-forwarded-proto", "https")
        .timeout(PATIENCE)
        .send()
        .await;
    let took = begun.elapsed().as_millis();
    match answer {
        Ok(answer) => {
            let mut text = format!(
                "HEAD / at 127.0.0.1:{port} as {host}: {} in {took} ms\n",
                answer.status()
            );
            for name in TOLD {
                if let Some(value) = answer
                    .headers()
                    .get(&name)
                    .and_then(|value| value.to_str().ok())
                {
                    let _ = writeln!(text, "  {name}: {value}");
                }
            }
            text
        }
        Err(error) => {
            let what = if error.is_timeout() {
                "no answer in time"
            } else if error.is_connect() {
                "nobody listens there"
            } else {
                "the connection broke off"
            };
            format!("HEAD / at 127.0.0.1:{port} as {host}: {what} ({took} ms)\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn what_a_service_says_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer).await.unwrap();
            let answer = "HTTP/1.1 302 Found\r\nlocation: /login\r\nset-cookie: s=1\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        let client = crate::smoke::client().unwrap();
        let host = DomainName::try_from("a.example").unwrap();
        let text = probe(&client, &host, port).await;
        assert!(
            text.contains("302 Found") && text.contains("location: /login"),
            "{text}"
        );
        assert!(!text.contains("cookie"));
        let request = server.await.unwrap();
        assert!(request.starts_with("HEAD / HTTP/1.1\r\n"), "{request}");
        let nobody = probe(&client, &host, 1).await;
        assert!(nobody.contains("nobody listens there"), "{nobody}");
    }
}
