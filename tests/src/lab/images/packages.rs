//! Debian packages, downloaded by apt with a state of its own: the same release on every machine, no root needed,
//! nothing installed, the machine's own package lists untouched.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::LabError;

/// The release whose packages the images are made of; the recipes name its library packages.
const RELEASE: &str = "bookworm";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

/// Downloads `packages` into `folder` (kept for the next time) and returns the archives.
pub(super) fn download(folder: &Path, packages: &[&str]) -> Result<Vec<PathBuf>, LabError> {
    let apt = Apt::prepare(folder)?;
    let updated = folder.join("apt/updated");
    if !is_fresh(&updated) {
        apt.run(folder, &["update"], &[])?;
        std::fs::write(&updated, "")
            .map_err(LabError::io(format!("cannot write {}", updated.display())))?;
    }
    let archives = folder.join("archives");
    std::fs::create_dir_all(&archives)
        .map_err(LabError::io(format!("cannot make {}", archives.display())))?;
    // apt does not fetch again what is there with the right checksum.
    apt.run(&archives, &["download"], packages)?;
    // Asked for elsewhere, because it does not list what is in its working folder already.
    let listing = apt.run(&folder.join("apt"), &["download", "--print-uris"], packages)?;
    let found: Vec<PathBuf> = archive_names(&listing)
        .map(|name| archives.join(name))
        .collect();
    if found.len() == packages.len() {
        return Ok(found);
    }
    Err(LabError::Program {
        program: "apt-get".to_owned(),
        problem: format!("{} archives for {} packages", found.len(), packages.len()),
    })
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
    fn prepare(folder: &Path) -> Result<Self, LabError> {
        let state = folder.join("apt");
        let (lists, cache) = (state.join("lists"), state.join("cache"));
        for path in [lists.join("partial"), cache.join("archives/partial")] {
            std::fs::create_dir_all(&path)
                .map_err(LabError::io(format!("cannot make {}", path.display())))?;
        }
        let (sources, status) = (state.join("sources.list"), state.join("status"));
        let line = format!("deb [signed-by={KEYRING}] {} {RELEASE} main\n", mirror());
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
    fn archive_names_are_the_second_word() {
        // Asked for elsewhere, because it does not list what is in its working folder already.
        let listing = "Reading\n'http://a/b/libc6_2.36_amd64.deb' libc6_2.36_amd64.deb 27 SHA256:0\n'http://a' ../evil 1 x\n";
        assert_eq!(
            archive_names(listing).collect::<Vec<_>>(),
            ["libc6_2.36_amd64.deb"]
        );
    }
}
