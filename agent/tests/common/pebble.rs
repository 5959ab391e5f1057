//! The real pebble (an ACME authority for tests), with its own DNS, in which every name is this machine. For tests only.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An authority that validates at a port of this machine.
pub struct Pebble {
    folder: tempfile::TempDir,
    program: Option<Child>,
    dns: Child,
    port: u16,
    management: u16,
    dns_management: u16,
    dns_port: u16,
    /// The certificate that its own HTTPS is signed by.
    pub https_root: String,
    environment: Vec<(&'static str, &'static str)>,
    client: reqwest::Client,
}

/// How it behaves.
pub struct Behaviour {
    /// Where it validates challenges.
    pub http_port: u16,
    /// Seconds that certificates are valid.
    pub validity: u32,
    /// `PEBBLE_…`.
    pub environment: &'static [(&'static str, &'static str)],
}

impl Pebble {
    pub async fn start(behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let https_root = own_certificate(folder.path());
        let (port, management, dns_management, dns_port) = (free(), free(), free(), free_twice());
        let configuration = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.path().join("cert.pem"),
            "privateKey": folder.path().join("key.pem"),
            "httpPort": behaviour.http_port,
            "tlsPort": free(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "retryAfter": { "authz": 1, "order": 1 },
            "certificateValidityPeriod": behaviour.validity,
        }});
        std::fs::write(folder.path().join("config.json"), configuration.to_string()).unwrap();
        let dns = Command::new("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns_port}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")])
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        let mut started = Self {
            folder,
            program: None,
            dns,
            port,
            management,
            dns_management,
            dns_port,
            https_root,
            environment: behaviour.environment.to_vec(),
            client,
        };
        started.go().await;
        started
    }

    /// Starts it with nothing in its memory, and a root of its own making.
    pub async fn go(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new("pebble")
            .arg("-config")
            .arg(self.folder.path().join("config.json"))
            .args(["-dnsserver", &format!("127.0.0.1:{}", self.dns_port)])
            .envs(self.environment.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.program = Some(child);
        for _ in 0..500 {
            if self.client.get(self.directory()).send().await.is_ok() && self.dns_answers().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("pebble does not start: {}", self.log());
    }

    async fn dns_answers(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/clear-a", self.dns_management);
        let body = r#"{"host":"nobody.example."}"#;
        self.client.post(url).body(body).send().await.is_ok()
    }

    /// Ends it; everything it knew is lost.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.program.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// A client that believes it.
    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// What visitors must trust to believe its certificates.
    pub async fn root(&self) -> String {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        self.client
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Makes a name lead to another address, and to no other.
    pub async fn lead(&self, name: &str, address: &str) {
        let host = format!("{name}.");
        self.tell_dns("clear-a", &serde_json::json!({ "host": host }))
            .await;
        let addresses = serde_json::json!({ "host": host, "addresses": [address] });
        self.tell_dns("add-a", &addresses).await;
    }

    async fn tell_dns(&self, what: &str, body: &serde_json::Value) {
        let url = format!("http://127.0.0.1:{}/{what}", self.dns_management);
        let request = self.client.post(url).body(body.to_string());
        assert!(request.send().await.unwrap().status().is_success());
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        let _ = self.dns.kill();
        let _ = self.dns.wait();
    }
}

/// Writes a certificate for 127.0.0.1 and returns the one that it is signed by.
fn own_certificate(folder: &Path) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("cert.pem"), own.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    root
}

/// A port that nobody has: taken and given back, so that nobody else gets it at once.
pub fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The same for TCP and UDP.
fn free_twice() -> u16 {
    loop {
        let port = free();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
