//! Revoking a certificate: the one thing that makes an authority want another one at once. For tests only.

use super::pebble::Pebble;
use std::path::Path;

/// Revokes a certificate in the name of the agent's account.
pub async fn revoke(pebble: &Pebble, account: &Path, chain: &str) {
    let account: serde_json::Value =
        serde_json::from_slice(&std::fs::read(account).unwrap()).unwrap();
    // The library writes keys as URLs hold them.
    let key = account["key"].as_str().unwrap().trim_end_matches('=');
    let credentials = serde_json::json!({
        "id": account["id"],
        "key_pkcs8": key.replace('+', "-").replace('/', "_"),
        "directory": account["directory"],
    });
    let (_, pem) = x509_parser::pem::parse_x509_pem(chain.as_bytes()).unwrap();
    let certificate = rustls_pki_types::CertificateDer::from(pem.contents);
    let request = instant_acme::RevocationRequest {
        certificate: &certificate,
        reason: None,
    };
    // Nonces are refused at random.
    for _ in 0..50 {
        let credentials = serde_json::from_value(credentials.clone()).unwrap();
        let way = Box::new(Way(pebble.client()));
        let builder = instant_acme::Account::builder_with_http(way);
        let account = builder.from_credentials(credentials).await.unwrap();
        if account.revoke(&request).await.is_ok() {
            return;
        }
    }
    panic!("it is not revoked: {}", pebble.log());
}

/// The shortest way of the ACME library to an authority.
struct Way(reqwest::Client);

type Answer = Result<instant_acme::BytesResponse, instant_acme::Error>;

impl instant_acme::HttpClient for Way {
    fn request(
        &self,
        request: http::Request<instant_acme::BodyWrapper<bytes::Bytes>>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            use http_body_util::BodyExt as _;
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let request = http::Request::from_parts(parts, body.to_bytes());
            let answer = client.execute(request.try_into().unwrap()).await.unwrap();
            Ok(http::Response::<reqwest::Body>::from(answer).into())
        })
    }
}
