//! What images are known for: databases, caches, helpers with pages of their own, and ports where no web page answers.

use tenantry_compose::ImageRef;

/// A service that keeps data for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Database {
    Postgres,
    Mysql,
    Mariadb,
    Mongo,
    Redis,
    /// Others, which get no health check proposed.
    Other,
}

impl Database {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Mongo => "MongoDB",
            Self::Redis => "Redis",
            Self::Other => "a data service",
        }
    }

    /// Whether it is a database that passwords are simply called after.
    pub(super) fn is_main(self) -> bool {
        matches!(
            self,
            Self::Postgres | Self::Mysql | Self::Mariadb | Self::Mongo
        )
    }
}

/// The database that an image runs.
pub(super) fn database(image: &str) -> Option<Database> {
    Some(match last_part(image)?.as_str() {
        "postgres" | "postgresql" | "postgis" | "pgvector" | "timescaledb" | "timescaledb-ha"
        | "pgvecto-rs" => Database::Postgres,
        "mysql" | "mysql-server" | "percona" | "percona-server" => Database::Mysql,
        "mariadb" => Database::Mariadb,
        "mongo" | "mongodb" | "mongodb-community-server" => Database::Mongo,
        "redis" | "valkey" | "keydb" | "redis-stack-server" => Database::Redis,
        "memcached" | "rabbitmq" | "nats" | "elasticsearch" | "opensearch"
        | "clickhouse-server" | "clickhouse" | "influxdb" | "etcd" | "zookeeper" | "kafka"
        | "meilisearch" | "couchdb" | "minio" => Database::Other,
        _ => return None,
    })
}

/// Pages for those who develop or operate, not for visitors; servers that Tenantry's own web server stands in for.
pub(super) fn is_helper(image: &str) -> bool {
    const HELPERS: [&str; 16] = [
        "adminer",
        "phpmyadmin",
        "pgadmin4",
        "pgadmin",
        "mongo-express",
        "redis-commander",
        "redisinsight",
        "mailhog",
        "mailpit",
        "maildev",
        "traefik",
        "portainer",
        "portainer-ce",
        "watchtower",
        "dozzle",
        "nginx-proxy-manager",
    ];
    last_part(image).is_some_and(|name| HELPERS.contains(&name.as_str()))
}

/// Ports where something else than web pages answers.
pub(super) fn is_web_port(port: u16) -> bool {
    const OTHERS: [u16; 36] = [
        21, 22, 25, 53, 110, 123, 143, 389, 443, 445, 465, 514, 587, 636, 853, 993, 995, 1433,
        1521, 1883, 2022, 2049, 2222, 3306, 3478, 4222, 5222, 5432, 5672, 6379, 8443, 8883, 9092,
        11211, 27017, 51820,
    ];
    !OTHERS.contains(&port)
}

/// The port at which an image answers, for files that publish none.
pub(super) fn web_port(image: &str) -> Option<u16> {
    Some(match last_part(image)?.as_str() {
        "nginx" | "httpd" | "caddy" | "wordpress" | "nextcloud" | "server" | "drupal"
        | "joomla" | "matomo" => 80,
        "ghost" => 2368,
        "n8n" => 5678,
        "umami" | "gitea" | "forgejo" | "grafana" | "metabase" => 3000,
        "keycloak" | "jenkins" => 8080,
        _ => return None,
    })
}

/// Why a version should be written out, if it is not.
pub(super) fn floating(image: &str) -> Option<String> {
    let parsed = ImageRef::parse(image).ok()?;
    if parsed.digest().is_some() {
        return None;
    }
    match parsed.tag() {
        None => Some(format!(
            "`{image}` has no tag: another version may come with every pull. Write one, such as `{image}:1.2`"
        )),
        Some(tag @ ("latest" | "stable" | "main" | "master" | "edge" | "nightly")) => {
            Some(format!(
                "the tag `{tag}` of `{}` moves: another version may come with every pull. Write a version",
                parsed.repository()
            ))
        }
        Some(_) => None,
    }
}

fn last_part(image: &str) -> Option<String> {
    let parsed = ImageRef::parse(image).ok()?;
    parsed.repository().rsplit('/').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_by_their_last_part() {
        assert_eq!(database("postgres:16-alpine"), Some(Database::Postgres));
        assert_eq!(
            database("docker.io/bitnami/postgresql:16"),
            Some(Database::Postgres)
        );
        assert_eq!(database("mariadb"), Some(Database::Mariadb));
        assert_eq!(database("nginx:1"), None);
        assert!(floating("nginx").is_some());
        assert!(floating("localhost:5000/nginx").is_some());
        assert!(floating("nginx:latest").is_some());
        assert!(floating("nginx:1.30").is_none());
        assert!(floating(&format!("nginx@sha256:{}", "a".repeat(64))).is_none());
    }
}
