//! Debian packages, downloaded by apt with a state of its own: the same release on every machine, no root needed,
//! nothing installed, the machine's own package lists untouched.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::LabError;

/// A release of Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// Debian 12: the recipes name its library packages.
    Bookworm,
    /// The moving one. Its libraries have other names every few weeks: apt finds those that the named packages need.
    Sid,
}

impl Release {
    fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Sid => "sid",
        }
    }

    /// What the digest of a recipe says of it.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Bookworm => "",
            Self::Sid => "sid",
        }
    }

    /// A name beside those of the other release.
    fn beside(self, name: &str) -> String {
        match self {
            Self::Bookworm => name.to_owned(),
            Self::Sid => format!("{name}-sid"),
        }
    }
}

/// Packages of an image.
#[derive(Debug, Clone)]
pub(super) struct Packages {
    pub(super) release: Release,
    pub(super) names: Vec<&'static str>,
    /// How names of packages begin that others ask for and no image needs.
    without: &'static [&'static str],
}

impl Packages {
    /// Exactly these, of Debian 12.
    pub(super) fn bookworm(names: Vec<&'static str>) -> Self {
        Self {
            release: Release::Bookworm,
            names,
            without: &[],
        }
    }

    /// These and what they need, of the moving release.
    pub(super) fn sid(names: Vec<&'static str>, without: &'static [&'static str]) -> Self {
        Self {
            release: Release::Sid,
            names,
            without,
        }
    }
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

/// Downloads `packages` into `folder` (kept for the next time) and returns the archives.
pub(super) fn download(folder: &Path, packages: &Packages) -> Result<Vec<PathBuf>, LabError> {
    let release = packages.release;
    let state = folder.join(release.beside("apt"));
    let apt = Apt::prepare(&state, release)?;
    let updated = state.join("updated");
    if !is_fresh(&updated) {
        apt.run(folder, &["update"], &[])?;
        std::fs::write(&updated, "")
            .map_err(LabError::io(format!("cannot write {}", updated.display())))?;
    }
    let names: Vec<String> = match release {
        Release::Bookworm => packages.names.iter().copied().map(str::to_owned).collect(),
        Release::Sid => {
            let needed = ["install", "--no-install-recommends", "--print-uris", "-y"];
            let listing = apt.run(&state, &needed, &packages.names)?;
            needed_packages(&listing, packages.without)
        }
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let archives = folder.join(release.beside("archives"));
    std::fs::create_dir_all(&archives)
        .map_err(LabError::io(format!("cannot make {}", archives.display())))?;
    // apt does not fetch again what is there with the right checksum.
    apt.run(&archives, &["download"], &names)?;
    // Asked for elsewhere, because it does not list what is in its working folder already.
    let listing = apt.run(&state, &["download", "--print-uris"], &names)?;
    let found: Vec<PathBuf> = archive_names(&listing)
        .map(|name| archives.join(name))
        .collect();
    if found.len() == names.len() {
        return Ok(found);
    }
    Err(LabError::Program {
        program: "apt-get".to_owned(),
        problem: format!("{} archives for {} packages", found.len(), names.len()),
    })
}

/// The packages that apt would install, but for those whose names begin with one of `without`.
fn needed_packages(listing: &str, without: &[&str]) -> Vec<String> {
    archive_names(listing)
        .filter_map(|archive| archive.split('_').next())
        .filter(|name| !without.iter().any(|begin| name.starts_with(begin)))
        .map(str::to_owned)
        .collect()
}

/// Whether the package lists were fetched within the last hour, so that several images share one update.
fn is_fresh(marker: &Path) -> bool {
    std::fs::metadata(marker)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|time| {
            time.elapsed()
                .is_ok_and(|age| age < Duration::from_hours(1))
        })
}

/// File names from lines such as `'http://mirror/…' libc6_2.36-9_amd64.deb 2759320 SHA256:…`.
fn archive_names(listing: &str) -> impl Iterator<Item = &str> {
    listing
        .lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|name| !name.contains('/'))
}

struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn prepare(state: &Path, release: Release) -> Result<Self, LabError> {
        let (lists, cache) = (state.join("lists"), state.join("cache"));
        for path in [lists.join("partial"), cache.join("archives/partial")] {
            std::fs::create_dir_all(&path)
                .map_err(LabError::io(format!("cannot make {}", path.display())))?;
        }
        let (sources, status) = (state.join("sources.list"), state.join("status"));
        let suite = release.name();
        let line = format!("deb [signed-by={KEYRING}] {} {suite} main\n", mirror());
        for (path, content) in [(&sources, line.as_str()), (&status, "")] {
            std::fs::write(path, content)
                .map_err(LabError::io(format!("cannot write {}", path.display())))?;
        }
        let option = |name: &str, path: &Path| format!("{name}={}", path.display());
        Ok(Self {
            options: vec![
                option("Dir::Etc::SourceList", &sources),
                "Dir::Etc::SourceParts=-".to_owned(),
                option("Dir::State::Lists", &lists),
                option("Dir::State::Status", &status),
                option("Dir::Cache", &cache),
                "Acquire::Languages=none".to_owned(),
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
                "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false".to_owned(),
                "Acquire::Retries=3".to_owned(),
                // The folder may be closed to apt's own user.
                "APT::Sandbox::User=root".to_owned(),
            ],
        })
    }

    fn run(&self, folder: &Path, verb: &[&str], packages: &[&str]) -> Result<String, LabError> {
        let output = Command::new("apt-get")
            .arg("--quiet")
            .args(self.options.iter().flat_map(|option| ["-o", option]))
            .args(verb)
            .args(packages)
            .env("LC_ALL", "C.UTF-8")
            .current_dir(folder)
            .output()
            .map_err(LabError::io(
                "cannot start apt-get, which builds the images' content",
            ))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(LabError::Program {
            program: format!("apt-get {}", verb.join(" ")),
            problem: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// The Debian mirror this machine already uses, else Debian's own.
fn mirror() -> String {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    files
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find_map(|text| mirror_in(&text).map(str::to_owned))
        .unwrap_or_else(|| DEFAULT_MIRROR.to_owned())
}

/// The first address of a Debian archive in a file of package sources, in either of apt's formats.
fn mirror_in(text: &str) -> Option<&str> {
    text.lines()
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.starts_with("http") && word.ends_with("/debian"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_found_in_both_formats() {
        let old = "# deb http://a/debian x\ndeb [arch=amd64] https://b/debian/ bookworm main\n";
        assert_eq!(mirror_in(old), Some("https://b/debian"));
        let new = "Types: deb\nURIs: http://c/debian\nSuites: bookworm\n";
        assert_eq!(mirror_in(new), Some("http://c/debian"));
        assert_eq!(
            mirror_in("deb http://d/debian-security bookworm main\n"),
            None
        );
    }

    #[test]
    fn what_a_package_needs_is_read_from_what_apt_would_install() {
        let listing = "Reading\n'http://a/libc6_2.43-7_amd64.deb' libc6_2.43-7_amd64.deb 1 MD5Sum:0\n'http://a' perl-base_5.42.3-1_amd64.deb 2 x\n'http://a' libperl5.42_5.42.3-1_amd64.deb 2 x\n'http://a' mysql-server-core_9.7.4-2_amd64.deb 3 x\n";
        assert_eq!(
            needed_packages(listing, &["perl", "libperl"]),
            ["libc6", "mysql-server-core"]
        );
    }

    #[test]
    fn archive_names_are_the_second_word() {
        // Asked for elsewhere, because it does not list what is in its working folder already.
        let listing = "Reading\n'http://a/b/libc6_2.36_amd64.deb' libc6_2.36_amd64.deb 27 SHA256:0\n'http://a' ../evil 1 x\n";
        assert_eq!(
            archive_names(listing).collect::<Vec<_>>(),
            ["libc6_2.36_amd64.deb"]
        );
    }
}
