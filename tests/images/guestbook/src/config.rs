//! The guest book's settings, read from the environment once, here and nowhere else.

use std::path::PathBuf;

/// Everything the guest book must be told.
pub(crate) struct Config {
    /// Headline of the page (`TITLE`).
    pub(crate) title: String,
    /// How to reach PostgreSQL, password included.
    pub(crate) database: postgres::Config,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the variable {0} is not set")]
    Missing(&'static str),
    #[error("cannot read the database password from {}", .path.display())]
    PasswordFile {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Config {
    /// Reads `TITLE`, `DATABASE_HOST`, `DATABASE_NAME`, `DATABASE_USER` and the file named by
    /// `DATABASE_PASSWORD_FILE` (a line end at its end does not count).
    pub(crate) fn from_environment() -> Result<Self, ConfigError> {
        let path = PathBuf::from(required("DATABASE_PASSWORD_FILE")?);
        let password = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::PasswordFile { path, source })?;
        let mut database = postgres::Config::new();
        database
            .host(&required("DATABASE_HOST")?)
            .dbname(&required("DATABASE_NAME")?)
            .user(&required("DATABASE_USER")?)
            .password(password.trim_end_matches(['\r', '\n']))
            .application_name("guestbook")
            .connect_timeout(std::time::Duration::from_secs(3));
        let title = required("TITLE").unwrap_or_else(|_| "Guest book".to_owned());
        Ok(Self { title, database })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is config.rs")]
fn required(name: &'static str) -> Result<String, ConfigError> {
    std::env::var(name).map_err(|_| ConfigError::Missing(name))
}
