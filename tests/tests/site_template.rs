//! `nginx/default.conf` rendered as the hub renders it and served by a real nginx.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::{Environment, Value, context};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use reqwest::{Client, StatusCode, header};
use tempfile::TempDir;
use tenantry_schema::document::WebPorts;
use tenantry_schema::name::{DomainName, HeaderName, HeaderValue};
use tenantry_tests::lab::https::{Trust, client, client_at};
use tenantry_tests::lab::{Config, LabError, Nginx, Port, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "shop.acme.example";
const OLD: &str = "old.acme.example";
const STRANGER: &str = "stranger.example";
const SOON: Duration = Duration::from_secs(10);

struct Site {
    nginx: Nginx,
    http: Port,
    https: Port,
    client: Client,
    _folder: TempDir,
}

/// What the tests vary about a site.
#[derive(Clone)]
struct Options {
    headers: BTreeMap<&'static str, &'static str>,
    redirects: Vec<&'static str>,
    websocket: bool,
    streaming: bool,
    hsts: bool,
    timeout: u32,
    max_body: u64,
    family: Family,
}

/// Where the web server listens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    /// At one address.
    One,
    /// At all.
    Both,
    /// At all that a machine without IPv6 has.
    NoIpv6,
}

impl Family {
    /// As the hub says it.
    fn listen(self, http: u16, https: u16) -> Value {
        match self {
            Self::One => context! {
                http => format!("127.0.0.1:{http}"), https => format!("127.0.0.1:{https}"), http6 => (), https6 => (),
            },
            Self::Both | Self::NoIpv6 => context! {
                http, https, http6 => format!("[::]:{http}"), https6 => format!("[::]:{https}"),
            },
        }
    }

    fn as_the_agent_has_it(self, text: String) -> String {
        match self {
            Self::NoIpv6 => tenantry_agent::web_server::ipv6::left_out(&text),
            Self::One | Self::Both => text,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            redirects: Vec::new(),
            websocket: true,
            streaming: false,
            hsts: false,
            timeout: 300,
            max_body: 64 << 20,
            family: Family::One,
        }
    }
}

/// Starts nginx with one site. `None` if there is no nginx and none is required.
async fn serve(upstream: u16, options: Options) -> Option<Site> {
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
        listen => options.family.listen(http.number(), https.number()),
        https_port_suffix => format!(":{}", https.number()),
        certificate => format!("tenantry/certificates/{HOST}"),
        headers => Value::from_pairs(options.headers.iter().map(|(name, value)| (*name, *value))),
        stack => "shop",
        max_body => options.max_body,
        redirects => options.redirects,
        timeout => options.timeout,
        websocket => options.websocket,
        streaming => options.streaming,
        hsts => options.hsts,
    });
    let text = options.family.as_the_agent_has_it(text);
    std::fs::write(nginx.sites().join("shop.conf"), text).unwrap();
    let fallback = tenantry_planner::render::fallback_site(WebPorts {
        address: (options.family == Family::One).then_some([127, 0, 0, 1].into()),
        http: http.number(),
        https: https.number(),
        ..WebPorts::default()
    });
    let fallback = options.family.as_the_agent_has_it(fallback);
    std::fs::write(nginx.sites().join("fallback.invalid.conf"), fallback).unwrap();
    nginx.test().unwrap();
    nginx.reload().unwrap();
    let client = client(&[HOST, OLD, STRANGER], Trust::Anything).unwrap();
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
    let options = Options {
        headers: BTreeMap::from([
            ("X-Frame-Options", "DENY"),
            ("X-Odd", "a \"quoted\" \\ one; }"),
        ]),
        ..Options::default()
    };
    let Some(site) = serve(echo().await, options).await else {
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
    let Some(site) = serve(echo().await, Options::default()).await else {
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
    let Some(site) = serve(echo().await, Options::default()).await else {
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

/// Every name and every kind of answer, for visitors of both kinds; the service is told which they are.
#[tokio::test]
async fn visitors_by_ipv6_get_what_visitors_by_ipv4_get() {
    let options = Options {
        redirects: vec![OLD],
        family: Family::Both,
        ..Options::default()
    };
    let Some(site) = serve(echo().await, options).await else {
        return;
    };
    let (http, https) = (site.http.number(), site.https.number());
    for address in ["127.0.0.1", "::1"] {
        let here = address.parse().unwrap();
        let client = client_at(here, &[HOST, OLD, STRANGER], Trust::Anything).unwrap();
        let get = async |url: String| client.get(url).send().await;
        let answer = get(site.url(HOST)).await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2, "{address}");
        let request = answer.text().await.unwrap();
        let told = format!("X-Forwarded-For: {address}\r\n");
        assert!(request.contains(&told), "{request}");
        for from in [
            format!("http://{HOST}:{http}/"),
            format!("http://{OLD}:{http}/"),
            site.url(OLD),
        ] {
            let answer = get(from.clone()).await.unwrap();
            let to = &answer.headers()[header::LOCATION];
            assert_eq!(to, site.url(HOST).as_str(), "{from} at {address}");
        }
        for (scheme, port) in [("http", http), ("https", https)] {
            tokio::net::TcpStream::connect((here, port)).await.unwrap();
            let answer = get(format!("{scheme}://{STRANGER}:{port}/")).await;
            assert!(answer.is_err(), "{scheme} at {address}: {answer:?}");
            // Challenges are answered for any name, so here a file is looked for.
            let challenge = format!("http://{STRANGER}:{http}/.well-known/acme-challenge/x");
            assert_eq!(
                get(challenge).await.unwrap().status(),
                StatusCode::NOT_FOUND
            );
        }
    }
}

#[tokio::test]
async fn a_machine_without_ipv6_serves_by_ipv4() {
    let options = Options {
        redirects: vec![OLD],
        family: Family::NoIpv6,
        ..Options::default()
    };
    let Some(site) = serve(echo().await, options).await else {
        return;
    };
    let answer = site.client.get(site.url(HOST)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    for port in [site.http.number(), site.https.number()] {
        let six = (std::net::Ipv6Addr::LOCALHOST, port);
        assert!(tokio::net::TcpStream::connect(six).await.is_err());
    }
}

/// A server that says `head` and then `parts`, with a pause before each.
async fn says(head: &'static str, parts: &'static [&'static str], pause: Duration) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                for part in parts {
                    tokio::time::sleep(pause).await;
                    if stream.write_all(part.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

impl Site {
    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.https.number())
    }
}

#[tokio::test]
async fn headers_protect_by_default_and_give_way() {
    let own = "X-Frame-Options: DENY\r\nServer-Timing: a\r\n";
    let options = Options {
        hsts: true,
        headers: BTreeMap::from([("Server-Timing", ""), ("Referrer-policy", "no-referrer")]),
        ..Options::default()
    };
    let upstream = says(own, &[], Duration::ZERO).await;
    let Some(site) = serve(upstream, options).await else {
        return;
    };
    let answer = site.client.get(site.url(HOST)).send().await.unwrap();
    let all = |name: &str| {
        let values = answer.headers().get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(all("strict-transport-security"), ["max-age=15552000"]);
    assert_eq!(all("x-content-type-options"), ["nosniff"]);
    assert_eq!(
        all("x-frame-options"),
        ["DENY"],
        "the container's own, once"
    );
    assert_eq!(all("referrer-policy"), ["no-referrer"], "the order's");
    assert_eq!(all("server-timing"), Vec::<String>::new(), "taken away");
}

#[tokio::test]
async fn a_certificate_that_browsers_do_not_trust_promises_nothing() {
    let upstream = says("", &[], Duration::ZERO).await;
    let Some(site) = serve(upstream, Options::default()).await else {
        return;
    };
    let answer = site.client.get(site.url(HOST)).send().await.unwrap();
    assert!(!answer.headers().contains_key("strict-transport-security"));
    assert_eq!(answer.headers()["x-frame-options"], "SAMEORIGIN");
}

#[tokio::test]
async fn other_names_lead_to_the_first_and_strangers_nowhere() {
    let options = Options {
        redirects: vec![OLD],
        ..Options::default()
    };
    let Some(site) = serve(echo().await, options).await else {
        return;
    };
    let target = format!("{}a?b=c", site.url(HOST));
    for from in [
        format!("{}a?b=c", site.url(OLD)),
        format!("http://{OLD}:{}/a?b=c", site.http.number()),
    ] {
        let answer = site.client.get(&from).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY, "{from}");
        assert_eq!(answer.headers()[header::LOCATION], target, "{from}");
    }
    for nowhere in [
        site.url(STRANGER),
        format!("http://{STRANGER}:{}/", site.http.number()),
    ] {
        let answer = site.client.get(&nowhere).send().await;
        assert!(answer.is_err(), "{nowhere} answers {answer:?}");
    }
}

#[tokio::test]
async fn events_come_as_they_are_sent_where_a_site_streams() {
    let head = "Content-Type: text/event-stream\r\n";
    let pause = Duration::from_secs(1);
    let upstream = says(head, &["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"], pause).await;
    let options = Options {
        streaming: true,
        ..Options::default()
    };
    let Some(site) = serve(upstream, options).await else {
        return;
    };
    let mut answer = site.client.get(site.url(HOST)).send().await.unwrap();
    let mut arrived = Vec::new();
    while let Some(part) = answer.chunk().await.unwrap() {
        if !part.is_empty() {
            arrived.push(String::from_utf8_lossy(&part).into_owned());
        }
    }
    assert_eq!(arrived, ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]);
}

#[tokio::test]
async fn bodies_times_and_upgrades_are_limited_as_said() {
    let options = Options {
        websocket: false,
        max_body: 10,
        timeout: 1,
        ..Options::default()
    };
    let Some(site) = serve(echo().await, options).await else {
        return;
    };
    let large = site.client.post(site.url(HOST)).body("x".repeat(11));
    let answer = large.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let asked = site
        .client
        .get(site.url(HOST))
        .header("X-Upgrade", "websocket")
        .send()
        .await
        .unwrap();
    let request = asked.text().await.unwrap();
    assert!(!request.contains("\r\nUpgrade:"), "{request}");

    let options = Options {
        timeout: 1,
        ..Options::default()
    };
    let slow = says("Content-Length: 1\r\n", &["x"], Duration::from_secs(30)).await;
    let Some(site) = serve(slow, options).await else {
        return;
    };
    let answer = site.client.get(site.url(HOST)).send().await;
    let cut = match answer {
        Ok(answer) => {
            answer.status() == StatusCode::GATEWAY_TIMEOUT || answer.bytes().await.is_err()
        }
        Err(_) => true,
    };
    assert!(cut, "the container was waited for");
}

/// Pieces that mean something to nginx, to a template, or to a shell.
const HOSTILE: [&str; 22] = [
    "\"",
    "'",
    "\\",
    "\n",
    "\r",
    "$host",
    "${x}",
    ";",
    "}",
    "{",
    "#",
    "{{ 1 }}",
    "{% raw %}",
    "`",
    " ",
    "a",
    "-",
    ".",
    "é",
    "=",
    "return 302 http://evil.example;",
    "include /etc/passwd;",
];

/// Whatever of it the types let through stays a value: nginx takes two hundred such sites, and each is made of the same directives.
#[test]
fn nothing_breaks_out_of_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = match Nginx::start(folder.path()) {
        Ok(nginx) => nginx,
        Err(LabError::Io { doing, .. }) if !Config::from_environment().peers_required => {
            eprintln!("skipped: {doing}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let key = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let certificate = nginx.configuration().join("tenantry/certificates/all");
    std::fs::create_dir_all(&certificate).unwrap();
    std::fs::write(certificate.join("fullchain.pem"), key.cert.pem()).unwrap();
    let private = key.signing_key.serialize_pem();
    std::fs::write(certificate.join("privkey.pem"), private).unwrap();

    let mut random = StdRng::seed_from_u64(7);
    let text = |random: &mut StdRng, most: usize| {
        let count = rand::Rng::random_range(random, 0..=most);
        let pieces = (0..count).map(|_| *HOSTILE.choose(random).unwrap());
        pieces.collect::<String>()
    };
    let plain = site_text("site-0.acme.example", &[]);
    let skeleton = |text: &str| {
        let all = directives(text).into_iter();
        let kept =
            all.filter(|words| !matches!(words[0].as_str(), "add_header" | "proxy_hide_header"));
        kept.map(|words| (words[0].clone(), words.len()))
            .collect::<Vec<_>>()
    };
    let (mut hosts, mut values) = (0, 0);
    for number in 0..200 {
        let label = text(&mut random, 3);
        let host = DomainName::try_from(format!("{label}{number}.acme.example"));
        hosts += usize::from(host.is_ok());
        let host = host.map_or_else(|_| format!("site-{number}.acme.example"), String::from);
        let mut headers = Vec::new();
        for index in 0..4 {
            let value = HeaderValue::try_from(text(&mut random, 6));
            let name = HeaderName::try_from(format!("X-{index}{}", text(&mut random, 1)));
            if let (Ok(name), Ok(value)) = (name, value) {
                values += 1;
                headers.push((String::from(name), String::from(value)));
            }
        }
        let rendered = site_text(&host, &headers);
        let found = directives(&rendered);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            let expected = ["add_header", name, value, "always", ";"];
            assert!(
                found.iter().any(|words| *words == expected),
                "{expected:?}: {rendered}"
            );
        }
        assert_eq!(skeleton(&rendered), skeleton(&plain), "{rendered}");
        std::fs::write(nginx.sites().join(format!("{number}.conf")), rendered).unwrap();
    }
    assert!(
        hosts > 20 && values > 100,
        "too little got through: {hosts}, {values}"
    );
    nginx.test().unwrap();
}

/// The types let nothing hostile through to here; the template does not rely on that. What no type makes (an upstream that is no port of
/// this server) cannot be had, so only its port varies.
#[test]
fn the_second_fence_holds_without_the_first() {
    let mut random = StdRng::seed_from_u64(8);
    let text = |random: &mut StdRng, most: usize| {
        let count = rand::Rng::random_range(random, 1..=most);
        let pieces = (0..count).map(|_| *HOSTILE.choose(random).unwrap());
        pieces.collect::<String>()
    };
    let shape = |text: &str| {
        let all = directives(text).into_iter();
        all.map(|words| (words[0].clone(), words.len()))
            .collect::<Vec<_>>()
    };
    let plain = shape(&site_of("site.acme.example", &[], &Place::default()));
    for _ in 0..400 {
        let host = text(&mut random, 4);
        let place = Place {
            upstream: rand::Rng::random_range(&mut random, 1..=u16::MAX),
            redirect: text(&mut random, 4),
            certificate: text(&mut random, 4),
            stack: text(&mut random, 6),
        };
        let rendered = site_of(&host, &[], &place);
        assert_eq!(shape(&rendered), plain, "{rendered}");
        let upstream = format!("http://127.0.0.1:{}", place.upstream);
        let passed = directives(&rendered);
        let mut passed = passed.iter().filter(|words| words[0] == "proxy_pass");
        assert!(passed.all(|words| words[1] == upstream), "{rendered}");
    }
}

/// What of a site is neither its name nor a header.
struct Place {
    upstream: u16,
    redirect: String,
    certificate: String,
    stack: String,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            upstream: 20_000,
            redirect: "old.acme.example".to_owned(),
            certificate: "tenantry/certificates/all".to_owned(),
            stack: "shop".to_owned(),
        }
    }
}

fn site_text(host: &str, headers: &[(String, String)]) -> String {
    site_of(host, headers, &Place::default())
}

fn site_of(host: &str, headers: &[(String, String)], place: &Place) -> String {
    render(context! {
        host,
        upstream => format!("127.0.0.1:{}", place.upstream),
        listen => context! { http => "127.0.0.1:1", https => "127.0.0.1:2", http6 => "[::1]:1", https6 => "[::1]:2" },
        https_port_suffix => "",
        certificate => place.certificate.clone(),
        headers => Value::from_pairs(headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        stack => place.stack.clone(),
        max_body => 1_u64 << 40,
        redirects => [place.redirect.clone()],
        timeout => 86400,
        websocket => true,
        streaming => true,
        hsts => true,
    })
}

/// Directives of an nginx configuration: words by statement and block, quotes and comments understood.
fn directives(text: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' if words.is_empty() => while chars.next().is_some_and(|c| c != '\n') {},
            ';' | '{' | '}' => {
                words.push(c.to_string());
                out.push(std::mem::take(&mut words));
            }
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(inside) = chars.next().filter(|inside| *inside != c) {
                    let escaped = inside == '\\';
                    word.push(if escaped {
                        chars.next().unwrap_or('\\')
                    } else {
                        inside
                    });
                }
                words.push(word);
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                let inside = |next: &char| !next.is_whitespace() && !";{}".contains(*next);
                while let Some(next) = chars.next_if(inside) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    out
}
