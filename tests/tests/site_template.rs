//! `nginx/default.conf` rendered as the hub renders it and served by a real nginx.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::{Environment, Value, context};
use reqwest::{Client, StatusCode, header};
use tempfile::TempDir;
use tenantry_tests::lab::https::{Trust, client};
use tenantry_tests::lab::{Config, LabError, Nginx, Port, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "shop.acme.example";
const SOON: Duration = Duration::from_secs(10);

struct Site {
    nginx: Nginx,
    http: Port,
    https: Port,
    client: Client,
    _folder: TempDir,
}

/// Starts nginx with one site. `None` if there is no nginx and none is required.
async fn serve(upstream: u16, headers: &BTreeMap<&str, &str>) -> Option<Site> {
    let folder = tempfile::tempdir().unwrap();
    let nginx = match Nginx::start(folder.path()) {
        Ok(nginx) => nginx,
        Err(LabError::Io { doing, .. }) if !Config::from_environment().peers_required => {
            eprintln!("skipped: {doing}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let (http, https) = (Port::reserve().unwrap(), Port::reserve().unwrap());
    let key = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let certificate = nginx
        .configuration()
        .join("tenantry/certificates")
        .join(HOST);
    std::fs::create_dir_all(&certificate).unwrap();
    std::fs::write(certificate.join("fullchain.pem"), key.cert.pem()).unwrap();
    std::fs::write(
        certificate.join("privkey.pem"),
        key.signing_key.serialize_pem(),
    )
    .unwrap();
    let text = render(context! {
        host => HOST,
        upstream => format!("127.0.0.1:{upstream}"),
        listen => context! {
            http => format!("127.0.0.1:{}", http.number()),
            https => format!("127.0.0.1:{}", https.number()),
        },
        https_port_suffix => format!(":{}", https.number()),
        certificate => format!("tenantry/certificates/{HOST}"),
        headers => Value::from_pairs(headers.iter().map(|(name, value)| (*name, *value))),
        stack => "shop",
        max_body => "64m",
    });
    std::fs::write(nginx.sites().join("shop.conf"), text).unwrap();
    nginx.test().unwrap();
    nginx.reload().unwrap();
    let client = client(&[HOST], Trust::Pem(key.cert.pem().as_bytes())).unwrap();
    wait_until(SOON, "the reload of nginx", async || {
        client
            .get(format!("https://{HOST}:{}/", https.number()))
            .send()
            .await
            .ok()
    })
    .await
    .unwrap();
    Some(Site {
        nginx,
        http,
        https,
        client,
        _folder: folder,
    })
}

fn render(values: Value) -> String {
    let path: PathBuf = Config::from_environment()
        .repository
        .join(Path::new("nginx/default.conf"));
    let source = std::fs::read_to_string(path).unwrap();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.render_str(&source, values).unwrap()
}

/// A server that answers every request with the request itself.
async fn echo() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut part = [0; 1024];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut part).await {
                        Ok(1..) => request.extend_from_slice(&part[..]),
                        _ => return,
                    }
                    let end = request
                        .iter()
                        .rposition(|byte| *byte != 0)
                        .map_or(0, |last| last + 1);
                    request.truncate(end);
                    part = [0; 1024];
                }
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    request.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&request).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn https_reaches_the_container_and_tells_it_who_asks() {
    let headers = BTreeMap::from([
        ("X-Frame-Options", "DENY"),
        ("X-Odd", "a \"quoted\" \\ one; }"),
    ]);
    let Some(site) = serve(echo().await, &headers).await else {
        return;
    };
    let (host, port) = (HOST, site.https.number());
    let answer = site
        .client
        .get(format!("https://{HOST}:{port}/a?b=c"))
        .header("X-Forwarded-For", "6.6.6.6")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.headers()["x-frame-options"], "DENY");
    assert_eq!(answer.headers()["x-odd"], "a \"quoted\" \\ one; }");
    let request = answer.text().await.unwrap();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    for line in [
        format!("Host: {host}:{port}"),
        format!("X-Forwarded-Host: {host}:{port}"),
        "X-Forwarded-For: 127.0.0.1".to_owned(),
        "X-Forwarded-Proto: https".to_owned(),
    ] {
        assert!(
            request.lines().any(|there| there == line),
            "{line} is not in {request}"
        );
    }
    assert!(
        !request.contains("Upgrade") && !request.contains("6.6.6.6"),
        "{request}"
    );
}

#[tokio::test]
async fn an_upgrade_is_passed_on() {
    let Some(site) = serve(echo().await, &BTreeMap::new()).await else {
        return;
    };
    let one = Client::builder()
        .no_proxy()
        .http1_only()
        .resolve(HOST, "127.0.0.1:0".parse().unwrap())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let request = one
        .get(format!("https://{HOST}:{}/socket", site.https.number()))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(request.contains("Upgrade: websocket\r\n"), "{request}");
    assert!(request.contains("Connection: upgrade\r\n"), "{request}");
}

#[tokio::test]
async fn http_redirects_except_for_certificate_challenges() {
    let Some(site) = serve(echo().await, &BTreeMap::new()).await else {
        return;
    };
    let base = format!("http://{HOST}:{}", site.http.number());
    let answer = site
        .client
        .get(format!("{base}/a?b=c"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY);
    let target = format!("https://{HOST}:{}/a?b=c", site.https.number());
    assert_eq!(answer.headers()[header::LOCATION], target);

    let challenge = format!("{base}/.well-known/acme-challenge/token");
    assert_eq!(
        site.client.get(&challenge).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    let root = site.nginx.configuration().join("challenges");
    std::fs::create_dir_all(root.join(".well-known/acme-challenge")).unwrap();
    std::fs::write(root.join(".well-known/acme-challenge/token"), "proof").unwrap();
    let include = site.nginx.configuration().join("tenantry/acme");
    std::fs::create_dir_all(&include).unwrap();
    std::fs::write(
        include.join("root.conf"),
        format!("root \"{}\";\n", root.display()),
    )
    .unwrap();
    site.nginx.reload().unwrap();
    wait_until(SOON, "the challenge's answer", async || {
        let answer = site.client.get(&challenge).send().await.ok()?;
        (answer.text().await.ok()? == "proof").then_some(())
    })
    .await
    .unwrap();
}
