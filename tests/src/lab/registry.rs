//! The local image registry (Docker Registry HTTP API v2): pushing images without an engine, and reading them back.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::LabError;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image of one layer, ready to be pushed.
#[derive(Debug, Clone)]
pub struct Image {
    /// Repository as the public registry calls it: `library/nginx`, `tenantry/guestbook`.
    pub repository: String,
    /// Tag, for instance `1.30`.
    pub tag: String,
    /// The `config` part of the image configuration (`Cmd`, `Env`, `ExposedPorts`, ...), in Docker's spelling.
    pub config: Value,
    /// Labels, added to `config`.
    pub labels: BTreeMap<String, String>,
}

impl Image {
    /// The name people write: `nginx`, not `library/nginx`.
    pub fn name(&self) -> &str {
        self.repository
            .strip_prefix("library/")
            .unwrap_or(&self.repository)
    }

    /// Name and tag as people write them: `nginx:1.30`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.name(), self.tag)
    }
}

/// The registry at one address.
#[derive(Debug, Clone)]
pub struct Registry {
    address: String,
    client: Client,
}

impl Registry {
    /// Asserts that a registry answers at `address` (host and port).
    pub async fn connect(address: &str) -> Result<Self, LabError> {
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_mins(1))
            .build()
            .map_err(|source| LabError::Registry {
                address: address.to_owned(),
                doing: "making a client".to_owned(),
                source: Some(source),
            })?;
        let registry = Self {
            address: address.to_owned(),
            client,
        };
        let request = registry.request(Method::GET, "");
        registry
            .send("asking whether it is there", request, &[StatusCode::OK])
            .await?;
        Ok(registry)
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The labels of an image, `None` if the registry does not have it.
    pub async fn labels(
        &self,
        image: &Image,
    ) -> Result<Option<BTreeMap<String, String>>, LabError> {
        let Image {
            repository, tag, ..
        } = image;
        let request = self
            .request(Method::GET, &format!("{repository}/manifests/{tag}"))
            .header(header::ACCEPT, MANIFEST);
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
        let answer = self.send("reading a manifest", request, &expected).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let manifest = self.json(answer).await?;
        let Some(digest) = manifest["config"]["digest"].as_str() else {
            return Ok(None);
        };
        let request = self.request(Method::GET, &format!("{repository}/blobs/{digest}"));
        let answer = self
            .send("reading a configuration", request, &expected)
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let config = self.json(answer).await?;
        let labels = config["config"]["Labels"].as_object().into_iter().flatten();
        Ok(Some(
            labels
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        ))
    }

    /// Pushes an image whose only layer is the tar archive `layer`; returns the digest of its manifest (`sha256:…`).
    pub async fn push(&self, image: &Image, layer: Vec<u8>) -> Result<String, LabError> {
        let layer_digest = digest(&layer);
        let mut config = image.config.clone();
        config["Labels"] = json!(image.labels);
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let configuration = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "tenantry laboratory"}],
        })
        .to_string()
        .into_bytes();
        let configuration_digest = digest(&configuration);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": configuration.len(),
                "digest": configuration_digest,
            },
            // Left uncompressed: it only ever travels over the loopback interface.
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                "size": layer.len(),
                "digest": layer_digest,
            }],
        })
        .to_string()
        .into_bytes();
        self.push_blob(&image.repository, &layer_digest, layer)
            .await?;
        self.push_blob(&image.repository, &configuration_digest, configuration)
            .await?;
        let manifest_digest = digest(&manifest);
        let request = self
            .request(
                Method::PUT,
                &format!("{}/manifests/{}", image.repository, image.tag),
            )
            .header(header::CONTENT_TYPE, MANIFEST)
            .body(manifest);
        self.send("writing a manifest", request, &[StatusCode::CREATED])
            .await?;
        Ok(manifest_digest)
    }

    async fn push_blob(
        &self,
        repository: &str,
        digest: &str,
        content: Vec<u8>,
    ) -> Result<(), LabError> {
        let request = self.request(Method::HEAD, &format!("{repository}/blobs/{digest}"));
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
        if self
            .send("looking for a blob", request, &expected)
            .await?
            .status()
            == StatusCode::OK
        {
            return Ok(());
        }
        let request = self.request(Method::POST, &format!("{repository}/blobs/uploads/"));
        let answer = self
            .send("starting an upload", request, &[StatusCode::ACCEPTED])
            .await?;
        let location = answer
            .headers()
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| self.error("starting an upload: no location in the answer", None))?;
        let base = if location.starts_with('/') {
            format!("http://{}{location}", self.address)
        } else {
            location.to_owned()
        };
        let separator = if base.contains('?') { '&' } else { '?' };
        let request = self
            .client
            .put(format!("{base}{separator}digest={digest}"))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(content);
        self.send("uploading a blob", request, &[StatusCode::CREATED])
            .await?;
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}/v2/{path}", self.address))
    }

    async fn send(
        &self,
        doing: &str,
        request: RequestBuilder,
        expected: &[StatusCode],
    ) -> Result<Response, LabError> {
        let answer = request
            .send()
            .await
            .map_err(|source| self.error(doing, Some(source)))?;
        if expected.contains(&answer.status()) {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        Err(self.error(&format!("{doing}: {status}: {text}"), None))
    }

    async fn json(&self, answer: Response) -> Result<Value, LabError> {
        answer
            .json()
            .await
            .map_err(|source| self.error("reading an answer", Some(source)))
    }

    fn error(&self, doing: &str, source: Option<reqwest::Error>) -> LabError {
        LabError::Registry {
            address: self.address.clone(),
            doing: doing.to_owned(),
            source,
        }
    }
}

/// The digest of content in the registry's spelling.
fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
