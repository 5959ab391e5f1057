//! A real image registry that wants a password, on a port of its own, which may be down for a while. For tests only.

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::{ContainerConfig, ContainerCreateBody};
use bollard::query_parameters::{
    CommitContainerOptions, CreateContainerOptions, PushImageOptions, RemoveContainerOptions,
    RemoveImageOptions, WaitContainerOptions,
};
use futures_util::TryStreamExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Of the user `acme`.
pub const PASSWORD: &str = "registry-password-1";

/// The registry.
pub struct Registry {
    process: Option<Child>,
    pub address: String,
    folder: tempfile::TempDir,
}

impl Registry {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let users = Command::new("htpasswd")
            .args(["-Bbn", "acme", PASSWORD])
            .output()
            .unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("users"), users.stdout).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '{address}'}}\nauth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            path("images").display(),
            path("users").display()
        );
        std::fs::write(path("config.yaml"), config).unwrap();
        let mut registry = Self {
            process: None,
            address,
            folder,
        };
        registry.go_on();
        registry
    }

    /// Starts it again, with all images.
    pub fn go_on(&mut self) {
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(self.folder.path().join("config.yaml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        let begun = Instant::now();
        while std::net::TcpStream::connect(&self.address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "no registry");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nobody listens there any more.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// The name of images of `project`, without a tag.
    pub fn repository(&self, project: &str) -> String {
        format!("{}/{project}/web", self.address)
    }

    /// Makes an image that is not like any other, and pushes it under a tag. Its id.
    pub async fn push(&self, docker: &Docker, project: &str, tag: &str, colour: &str) -> String {
        self.push_made_by(docker, project, tag, colour, "true")
            .await
    }

    /// The same with what a command leaves in its container.
    pub async fn push_made_by(
        &self,
        docker: &Docker,
        project: &str,
        tag: &str,
        colour: &str,
        command: &str,
    ) -> String {
        let repository = self.repository(project);
        let label = "com.docker.compose.project".to_owned();
        let body = ContainerCreateBody {
            image: Some("tenantry-test/busybox:1".to_owned()),
            cmd: Some(["sh", "-c", command].map(str::to_owned).to_vec()),
            labels: Some([(label, format!("{project}-made"))].into()),
            ..ContainerCreateBody::default()
        };
        let made = docker
            .create_container(None::<CreateContainerOptions>, body)
            .await
            .unwrap();
        if command != "true" {
            docker.start_container(&made.id, None).await.unwrap();
            let mut ended = docker.wait_container(&made.id, None::<WaitContainerOptions>);
            ended.try_next().await.unwrap();
        }
        let options = CommitContainerOptions {
            container: Some(made.id.clone()),
            repo: Some(repository.clone()),
            tag: Some(tag.to_owned()),
            changes: Some(format!("ENV COLOUR={colour}")),
            ..CommitContainerOptions::default()
        };
        docker
            .commit_container(options, ContainerConfig::default())
            .await
            .unwrap();
        let remove = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        docker
            .remove_container(&made.id, Some(remove))
            .await
            .unwrap();
        let login = DockerCredentials {
            username: Some("acme".to_owned()),
            password: Some(PASSWORD.to_owned()),
            ..DockerCredentials::default()
        };
        let options = PushImageOptions {
            tag: Some(tag.to_owned()),
            ..PushImageOptions::default()
        };
        docker
            .push_image(&repository, Some(options), Some(login))
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
        let name = format!("{repository}:{tag}");
        docker.inspect_image(&name).await.unwrap().id.unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Removes an image from the engine, if it is there.
pub async fn forget(docker: &Docker, image: &str) {
    let options = RemoveImageOptions {
        force: true,
        ..RemoveImageOptions::default()
    };
    let _ = docker.remove_image(image, Some(options), None).await;
}
