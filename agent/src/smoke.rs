//! The smoke check: one request to a service, straight at its loopback port. Whether it is due is decided elsewhere.

use reqwest::{Client, header, redirect::Policy};
use std::time::Duration;
use tenantry_schema::name::{DomainName, Smoke};
use tenantry_schema::wire::SmokeResult;

/// A service that has just started gets so many tries.
const TRIES: u32 = 20;
/// Between tries.
const PAUSE: Duration = Duration::from_millis(250);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks until the answer has a status below 400, or the tries are used up.
pub async fn check(client: &Client, host: &DomainName, port: u16, smoke: &Smoke) -> SmokeResult {
    let mut reason = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match ask(client, host, port, smoke).await {
            Ok(()) => return SmokeResult::Passed,
            Err(why) => reason = why,
        }
    }
    SmokeResult::Failed { reason }
}

async fn ask(client: &Client, host: &DomainName, port: u16, smoke: &Smoke) -> Result<(), String> {
    let url = format!("http://127.0.0.1:{port}{}", smoke.path);
    let answer = client
        .get(url)
        .header(header::HOST, host.as_str())
        .header("x-forwarded-proto", "https")
        .timeout(PATIENCE)
        .send()
        .await
        .map_err(|error| {
            if error.is_timeout() {
                "no answer in time"
            } else {
                "no answer"
            }
            .to_owned()
        })?;
    let status = answer.status().as_u16();
    if status < 400 {
        Ok(())
    } else {
        Err(format!("GET {} answers {status}", smoke.path))
    }
}

/// A client for checks: it follows no redirects and uses no proxy. It speaks plain HTTP to this machine alone, so it trusts no authority, and the
/// system's need not be read and kept in memory.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .pool_max_idle_per_host(0)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers each connection with the next of `statuses`, and returns the requests.
    async fn serve(listener: TcpListener, statuses: Vec<u16>) -> Vec<String> {
        let mut requests = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer).await.unwrap();
            requests.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            let answer = format!(
                "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    }

    async fn run(statuses: Vec<u16>) -> (SmokeResult, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(serve(listener, statuses));
        let smoke = Smoke::try_from("GET /health?x=1".to_owned()).unwrap();
        let result = check(
            &client().unwrap(),
            &"umami.acme.example".try_into().unwrap(),
            port,
            &smoke,
        )
        .await;
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_service_may_take_a_moment_and_redirect() {
        let (result, requests) = run(vec![503, 302]).await;
        assert_eq!(result, SmokeResult::Passed);
        assert!(requests[1].starts_with("GET /health?x=1 HTTP/1.1\r\n"));
        assert!(
            requests[1]
                .to_lowercase()
                .contains("host: umami.acme.example\r\n")
        );
    }

    #[tokio::test]
    async fn the_last_reason_is_told() {
        let (result, _) = run(vec![404; TRIES as usize]).await;
        assert_eq!(
            result,
            SmokeResult::Failed {
                reason: "GET /health?x=1 answers 404".into()
            }
        );
    }
}
