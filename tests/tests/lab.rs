//! The laboratory itself: its images run, the stacks of this repository work under Compose, its nginx serves.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use tenantry_tests::lab::https::{Trust, client};
use tenantry_tests::lab::{Compose, Lab, Port, wait_until};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test]
async fn postgres_accepts_a_connection_with_its_password_only() {
    let Some(lab) = Lab::open().await else { return };
    let port = Port::reserve().unwrap();
    let body = ContainerCreateBody {
        image: Some("postgres:15".to_owned()),
        env: Some(vec![
            "POSTGRES_USER=ada".to_owned(),
            "POSTGRES_PASSWORD=right".to_owned(),
            "POSTGRES_DB=books".to_owned(),
        ]),
        host_config: Some(HostConfig {
            port_bindings: Some(HashMap::from([(
                "5432/tcp".to_owned(),
                Some(vec![PortBinding {
                    host_ip: Some("127.0.0.1".to_owned()),
                    host_port: Some(port.number().to_string()),
                }]),
            )])),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let name = lab.name("postgres");
    let docker = lab.engine().client();
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker.create_container(Some(options), body).await.unwrap();
    docker
        .start_container(&name, None::<StartContainerOptions>)
        .await
        .unwrap();

    let answer = wait_until(SOON, "an answer of PostgreSQL", async || {
        ask(port.number(), "right").await.ok()
    })
    .await
    .unwrap();
    assert_eq!(answer, "books");
    let refused = ask(port.number(), "wrong").await.unwrap_err();
    assert!(
        refused
            .as_db_error()
            .is_some_and(|error| error.code().code() == "28P01"),
        "{refused}"
    );
}

/// The name of the database, asked over TCP.
async fn ask(port: u16, password: &str) -> Result<String, tokio_postgres::Error> {
    let (connection, driver) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(port)
        .user("ada")
        .dbname("books")
        .password(password)
        .connect(tokio_postgres::NoTls)
        .await?;
    let driver = tokio::spawn(driver);
    let row = connection
        .query_one("SELECT current_database()::text", &[])
        .await?;
    drop(connection);
    // The driver ends with the connection; how is of no interest here.
    let _ = driver.await;
    row.try_get(0)
}

#[tokio::test]
async fn the_guestbook_stack_is_plain_compose() {
    let Some(lab) = Lab::open().await else { return };
    let port = Port::reserve().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stack = lab.config().repository.join("stacks/guestbook");
    std::fs::copy(
        stack.join("compose.yaml"),
        folder.path().join("compose.yaml"),
    )
    .unwrap();
    let env = format!(
        "SITE_PORT={}\nTITLE=Our <guests>\nDB_PASSWORD=correct-horse\n",
        port.number()
    );
    std::fs::write(folder.path().join(".env"), env).unwrap();
    let Some(compose) = Compose::project(lab.config(), &lab.name("guestbook"), folder.path())
    else {
        assert!(!lab.config().peers_required, "TENANTRY_COMPOSE is not set");
        return;
    };
    compose.run(&["up", "--detach", "--wait"]).unwrap();

    let http = client(&[], Trust::Anything).unwrap();
    let base = format!("http://127.0.0.1:{}", port.number());
    let health = http.get(format!("{base}/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let entry = http
        .post(format!("{base}/entries"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("name=Ada&message=%3Cb%3Ehello");
    assert_eq!(entry.send().await.unwrap().status(), 303);
    let page = http.get(&base).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<h1>Our &lt;guests&gt;</h1>"), "{page}");
    assert!(page.contains("<p>&lt;b&gt;hello</p><small>Ada, "), "{page}");
    // Entries outlive the containers.
    compose.run(&["down", "--timeout", "5"]).unwrap();
    compose.run(&["up", "--detach", "--wait"]).unwrap();
    let page = http.get(&base).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("hello</p><small>Ada, "), "{page}");
}

#[tokio::test]
async fn the_html_stack_is_plain_compose() {
    let Some(lab) = Lab::open().await else { return };
    let port = Port::reserve().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stack = lab.config().repository.join("stacks/html");
    std::fs::copy(
        stack.join("compose.yaml"),
        folder.path().join("compose.yaml"),
    )
    .unwrap();
    std::fs::write(
        folder.path().join(".env"),
        format!("SITE_PORT={}\n", port.number()),
    )
    .unwrap();
    let html = folder.path().join("files/html");
    std::fs::create_dir_all(&html).unwrap();
    let values = minijinja::context! { TITLE => "Cats & dogs", TEXT => "Soon.", SITE_HOST => "cats.example" };
    render(
        &stack.join("files/html/index.html.j2"),
        &html.join("index.html"),
        &values,
    );
    // The temporary folder is closed to others; the web server in the container is one of them.
    open_to_all(folder.path());
    let Some(compose) = Compose::project(lab.config(), &lab.name("html"), folder.path()) else {
        assert!(!lab.config().peers_required, "TENANTRY_COMPOSE is not set");
        return;
    };
    compose.run(&["up", "--detach"]).unwrap();

    let http = client(&[], Trust::Anything).unwrap();
    let url = format!("http://127.0.0.1:{}/", port.number());
    let page = wait_until(SOON, "an answer of nginx", async || {
        http.get(&url).send().await.ok()?.text().await.ok()
    })
    .await
    .unwrap();
    assert!(page.contains("<title>Cats &amp; dogs</title>"), "{page}");
    // What changes in the folder is seen without a new container.
    std::fs::write(html.join("index.html"), "changed").unwrap();
    assert_eq!(
        http.get(&url).send().await.unwrap().text().await.unwrap(),
        "changed"
    );
}

fn render(template: &Path, target: &Path, values: &minijinja::Value) {
    let source = std::fs::read_to_string(template).unwrap();
    let text = minijinja::Environment::new()
        .render_str(&source, values)
        .unwrap();
    std::fs::write(target, text).unwrap();
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
