//! Where a fleet lives: parsing of what people write after `--fleet`. No repository is changed here.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the fleet's repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A bare repository on this machine, read and written in place.
    Direct(PathBuf),
    /// Anything else: followed through a mirror, by `git fetch` and `git push`.
    Remote {
        /// What `git` is given. May hold credentials, so it is never printed as it is.
        url: String,
        /// The folder with `HEAD` and `refs/`, where the remote is on this machine, so that it can be watched.
        git_dir: Option<PathBuf>,
    },
}

/// Why a text does not say where a fleet is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing there.
    #[error(
        "`{0}` is not here, and it is no URL: give a folder, `ssh://…`, `git@host:path` or `https://…`"
    )]
    NotFound(String),
    /// A folder, but not of Git.
    #[error("`{0}` is not a Git repository (make one with `tenantry init`)")]
    NotARepository(String),
    /// A transport that is not allowed.
    #[error("`{0}` cannot be used: only ssh, https and file, and http on this machine")]
    Scheme(String),
    /// Looks like an option, or holds control characters.
    #[error("`{0}` is not a location")]
    Malformed(String),
}

impl Location {
    /// Reads a path or a URL. Looks at the disk to tell a bare repository from one with files, but opens nothing on the network.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(LocationError::Malformed(redact(text)));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Self::from_url(text, scheme, rest);
        }
        let path = Path::new(text);
        if path.exists() {
            return Self::from_path(path);
        }
        match text.split_once(':') {
            // `ext::sh -c …` and its kin run programs: a second colon right after the first is a transport helper.
            Some((host, path))
                if !host.contains('/')
                    && !host.is_empty()
                    && !path.is_empty()
                    && !path.starts_with([':', '-']) =>
            {
                Ok(Self::Remote {
                    url: text.to_owned(),
                    git_dir: None,
                })
            }
            _ => Err(LocationError::NotFound(redact(text))),
        }
    }

    fn from_url(text: &str, scheme: &str, rest: &str) -> Result<Self, LocationError> {
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let remote = || Self::Remote {
            url: text.to_owned(),
            git_dir: None,
        };
        match scheme {
            // A host that starts with a hyphen would be an option of `ssh`.
            "ssh" | "https"
                if !host.is_empty() && !host.starts_with('-') && !authority.starts_with('-') =>
            {
                Ok(remote())
            }
            "http" if is_loopback(host) => Ok(remote()),
            "file" if rest.starts_with('/') => {
                let git_dir = git2::Repository::open(rest)
                    .ok()
                    .map(|repo| repo.commondir().to_owned());
                Ok(Self::Remote {
                    url: text.to_owned(),
                    git_dir,
                })
            }
            _ => Err(LocationError::Scheme(redact(text))),
        }
    }

    fn from_path(path: &Path) -> Result<Self, LocationError> {
        let shown = || path.display().to_string();
        let absolute = std::path::absolute(path).map_err(|_| LocationError::NotFound(shown()))?;
        let repo = match git2::Repository::open(&absolute) {
            Ok(repo) => repo,
            // Another owner, a newer format: opening it for real says what is wrong, in libgit2's words.
            Err(error) if error.code() == git2::ErrorCode::Owner => {
                return Ok(Self::Direct(absolute));
            }
            Err(_) => return Err(LocationError::NotARepository(shown())),
        };
        if repo.is_bare() {
            return Ok(Self::Direct(absolute));
        }
        let url = absolute
            .to_str()
            .ok_or_else(|| LocationError::Malformed(shown()))?
            .to_owned();
        Ok(Self::Remote {
            url,
            git_dir: Some(repo.commondir().to_owned()),
        })
    }

    /// The folder with `HEAD` and `refs/` on this machine, if there is one.
    pub fn watchable(&self) -> Option<&Path> {
        match self {
            Self::Direct(path) => Some(path),
            Self::Remote { git_dir, .. } => git_dir.as_deref(),
        }
    }
}

impl fmt::Display for Location {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(path) => write!(f, "{}", path.display()),
            Self::Remote { url, .. } => f.write_str(&redact(url)),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Replaces what stands between `://` and `@` in every word of `text`.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace())
            .unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(at) => {
                out.push('…');
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn remote(text: &str) -> bool {
        matches!(
            Location::parse(text),
            Ok(Location::Remote { git_dir: None, .. })
        )
    }

    #[test]
    fn urls() {
        for good in [
            "https://forge.example/fleet.git",
            "https://bot:token@forge.example/fleet.git",
            "ssh://git@forge.example:2222/fleet.git",
            "git@forge.example:team/fleet.git",
            "http://127.0.0.1:8080/fleet.git",
            "http://[::1]:8080/fleet.git",
            "http://localhost/fleet.git",
        ] {
            assert!(remote(good), "{good}");
        }
        for bad in [
            "",
            "-upload-pack=touch",
            "--help",
            "ext::sh -c touch% x",
            "http://forge.example/fleet.git",
            "git://forge.example/fleet.git",
            "ftp://forge.example/x",
            "ssh://-oProxyCommand=x/y",
            "https:///x",
            "file://relative",
            "/nowhere/at/all",
            "a\nb",
        ] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn folders() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            Location::parse(dir.path().to_str().unwrap()),
            Err(LocationError::NotARepository(_))
        ));
        let bare = dir.path().join("bare.git");
        git2::Repository::init_bare(&bare).unwrap();
        assert_eq!(
            Location::parse(bare.to_str().unwrap()),
            Ok(Location::Direct(bare))
        );
        let work = dir.path().join("work");
        git2::Repository::init(&work).unwrap();
        let found = Location::parse(work.to_str().unwrap()).unwrap();
        assert!(
            matches!(
                &found,
                Location::Remote {
                    git_dir: Some(_),
                    ..
                }
            ),
            "{found:?}"
        );
        assert!(found.watchable().unwrap().join("HEAD").exists());
        let url = format!("file://{}", work.display());
        assert!(Location::parse(&url).unwrap().watchable().is_some());
    }

    #[test]
    fn credentials_are_not_shown() {
        let location = Location::parse("https://bot:s3cret@forge.example/fleet.git").unwrap();
        assert_eq!(location.to_string(), "https://…@forge.example/fleet.git");
        assert_eq!(
            redact("fatal: 'https://a:b@c/d' and ssh://x@y/z"),
            "fatal: 'https://…@c/d' and ssh://…@y/z"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = Location::parse(&text);
            let _ = redact(&text);
        }
        #[test]
        fn no_password_survives(user in "[a-z]{1,8}", password in "[A-Z0-9:]{9,12}", tail in "[a-z/]{0,9}") {
            let url = format!("clone https://{user}:{password}@host/{tail} failed");
            prop_assert!(!redact(&url).contains(&password));
        }
    }
}
