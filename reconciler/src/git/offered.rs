//! Branches beside the one that is followed, and requests to merge: what others offer. They come into a repository of their own, which the hub decides
//! nothing by, within bounds of time and size. It can be deleted at any time.

use super::error::GitError;
use super::local;
use super::location::Location;
use super::program::{Bounds, git_within};
use git2::{Oid, Repository};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Branches that are looked at, by name.
const BRANCHES: usize = 300;
/// Requests that are looked at, the newest.
const REQUESTS: usize = 100;
/// Time for listing, and for one branch to come.
const LIST: Duration = Duration::from_secs(30);
const FETCH: Duration = Duration::from_mins(1);
/// Bytes of a list that are read: some fifty thousand names.
const LISTED: u64 = 4 << 20;
/// Bytes that one branch may bring.
const BROUGHT: u64 = 64 << 20;
/// Packs, and bytes of them all, after which the repository is made anew.
const PACKS: usize = 200;
const KEPT: u64 = 1 << 30;
/// Large objects are streamed, not held; one thread; everything stays in packs, whose size is watched.
const SETTINGS: [&str; 4] = [
    "core.bigFileThreshold=1m",
    "pack.threads=1",
    "fetch.unpackLimit=1",
    "transfer.unpackLimit=1",
];
/// Whatever stands at `refs/` of a forge, as far as it is offered for merging.
const PATTERNS: [&str; 3] = [
    "refs/heads/*",
    // GitHub, Gitea, Forgejo.
    "refs/pull/*/head",
    // GitLab.
    "refs/merge-requests/*/head",
];

/// A branch or a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offer {
    /// As people call it: `fix-acme`, `pull/12`, `merge-requests/12`.
    pub(crate) name: String,
    /// The whole name at the remote.
    reference: String,
    /// Its newest commit.
    pub(crate) commit: Oid,
}

/// Where offers come in.
pub(crate) struct Offers {
    /// None: the fleet's own repository, where they are already.
    own: Option<Own>,
    fleet: PathBuf,
    followed: String,
}

struct Own {
    path: PathBuf,
    url: String,
}

impl Offers {
    /// For what stands beside `branch` at `location`. `fleet` is the repository that holds the followed branch, `data` the data directory.
    pub(crate) fn new(location: &Location, branch: &str, fleet: &Path, data: &Path) -> Self {
        let own = match location {
            Location::Direct(_) => None,
            Location::Remote { url, .. } => Some(Own {
                path: data.join("offers.git"),
                url: url.clone(),
            }),
        };
        Self {
            own,
            fleet: fleet.to_owned(),
            followed: format!("refs/heads/{branch}"),
        }
    }

    /// The repository that holds what was fetched, and what the followed branch has.
    pub(crate) fn path(&self) -> &Path {
        self.own.as_ref().map_or(&self.fleet, |own| &own.path)
    }

    /// Everything that is offered now, as far as one looks.
    pub(crate) fn list(&self) -> Result<Vec<Offer>, GitError> {
        let found = match &self.own {
            None => listed_here(&self.fleet)?,
            Some(own) => {
                own.prepare(&self.fleet)?;
                own.list()?
            }
        };
        Ok(select(found, &self.followed))
    }

    /// Brings the commits of an offer here. Where they are here already nothing is asked.
    ///
    /// # Errors
    /// [`GitError::TooMuch`] and [`GitError::TimedOut`] where it is more than one takes.
    pub(crate) fn bring(&self, offer: &Offer) -> Result<(), GitError> {
        match &self.own {
            Some(own) if !own.has(offer.commit) => own.fetch(offer),
            _ => Ok(()),
        }
    }
}

/// How many files there are in a folder, and their bytes.
fn weight(folder: &Path) -> (usize, u64) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.fold((0, 0), |(files, bytes), entry| {
        let size = entry.metadata().map_or(0, |about| about.len());
        (files + 1, bytes + size)
    })
}

impl Own {
    /// Opens or makes the repository. It sees the objects of the fleet's, which see nothing of its own.
    fn prepare(&self, fleet: &Path) -> Result<(), GitError> {
        let (files, bytes) = weight(&self.path.join("objects/pack"));
        let packs = files / 2;
        let usable = Repository::open_bare(&self.path).is_ok();
        if self.path.exists() && (!usable || packs > PACKS || bytes > KEPT) {
            fs::remove_dir_all(&self.path).map_err(GitError::io("remove", &self.path))?;
        }
        let failed = |source| GitError::Open {
            path: self.path.clone(),
            source,
        };
        let repo = Repository::init_bare(&self.path).map_err(failed)?;
        // The remote's URL may hold credentials.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
            .map_err(GitError::io("protect", &self.path))?;
        let objects =
            std::path::absolute(fleet.join("objects")).map_err(GitError::io("find", fleet))?;
        let alternates = self.path.join("objects/info/alternates");
        fs::create_dir_all(self.path.join("objects/info"))
            .and_then(|()| fs::write(&alternates, format!("{}\n", objects.display())))
            .map_err(GitError::io("write", &alternates))?;
        let mut config = repo.config().map_err(failed)?;
        config
            .set_str("remote.origin.url", &self.url)
            .map_err(failed)
    }

    fn list(&self) -> Result<Vec<Offer>, GitError> {
        let bounds = Bounds {
            output: LISTED,
            ..Bounds::of(LIST)
        };
        let mut arguments = vec!["--quiet", "--refs", "origin"];
        arguments.extend(PATTERNS);
        let ran = git_within(&self.path, "ls-remote", &arguments, &bounds)?;
        if ran.status.success() {
            Ok(read_list(&ran.stdout))
        } else {
            Err(GitError::Program {
                command: "ls-remote",
                message: ran.complaint(),
            })
        }
    }

    fn has(&self, commit: Oid) -> bool {
        let repo = Repository::open_bare(&self.path);
        repo.is_ok_and(|repo| {
            // A reference is written when everything of it is here.
            local::resolve(&repo, &kept(commit)).is_ok_and(|found| found.is_some())
        })
    }

    fn fetch(&self, offer: &Offer) -> Result<(), GitError> {
        let packs = self.path.join("objects/pack");
        let bounds = Bounds {
            growth: Some((&packs, BROUGHT)),
            memory: Some("256m"),
            settings: &SETTINGS,
            ..Bounds::of(FETCH)
        };
        let refspec = format!("+{}:{}", offer.reference, kept(offer.commit));
        let arguments = [
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "origin",
            refspec.as_str(),
        ];
        let ran = git_within(&self.path, "fetch", &arguments, &bounds);
        if !ran.as_ref().is_ok_and(|ran| ran.status.success()) {
            self.sweep();
        }
        let ran = ran?;
        if ran.status.success() {
            return Ok(());
        }
        Err(GitError::Program {
            command: "fetch",
            message: ran.complaint(),
        })
    }

    /// Removes what a fetch that was ended has left.
    fn sweep(&self) {
        let files = fs::read_dir(self.path.join("objects/pack"))
            .into_iter()
            .flatten()
            .flatten();
        for file in files {
            if file.file_name().to_string_lossy().starts_with("tmp_") {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Where a commit is kept, by its own name: names of branches change what they mean.
fn kept(commit: Oid) -> String {
    format!("refs/tenantry/offers/{commit}")
}

fn listed_here(path: &Path) -> Result<Vec<Offer>, GitError> {
    let failed = GitError::library("listing branches");
    let repo = Repository::open_bare(path).map_err(|source| GitError::Open {
        path: path.to_owned(),
        source,
    })?;
    let mut found = Vec::new();
    for pattern in PATTERNS {
        for reference in repo.references_glob(pattern).map_err(&failed)? {
            // One that points at nothing is no offer.
            let Ok(reference) = reference else { continue };
            let (Ok(name), Some(commit)) = (reference.name(), reference.target()) else {
                continue;
            };
            found.extend(offer(name, commit));
        }
    }
    Ok(found)
}

/// What `git ls-remote` prints: an id, a tab, a name. Other lines, also one that was cut, are passed over.
fn read_list(text: &str) -> Vec<Offer> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().filter_map(|line| {
        let (id, name) = line.split_once('\t')?;
        let id = Oid::from_str(id).ok().filter(|_| id.len() == 40)?;
        offer(name, id)
    });
    lines.collect()
}

fn offer(reference: &str, commit: Oid) -> Option<Offer> {
    let name = reference.strip_prefix("refs/heads/").or_else(|| {
        let request = reference.strip_prefix("refs/")?.strip_suffix("/head")?;
        number(request).map(|_| request)
    })?;
    git2::Reference::is_valid_name(reference).then(|| Offer {
        name: name.to_owned(),
        reference: reference.to_owned(),
        commit,
    })
}

/// The number of `pull/12` or `merge-requests/12`.
fn number(request: &str) -> Option<u64> {
    let number = request
        .strip_prefix("pull/")
        .or_else(|| request.strip_prefix("merge-requests/"))?;
    number.parse().ok()
}

/// Those that one looks at, one a commit: the first branches by name, the newest requests.
fn select(found: Vec<Offer>, followed: &str) -> Vec<Offer> {
    let (mut branches, mut requests): (Vec<Offer>, Vec<Offer>) = found
        .into_iter()
        .filter(|offer| offer.reference != followed)
        .partition(|offer| offer.reference.starts_with("refs/heads/"));
    branches.sort();
    branches.truncate(BRANCHES);
    requests.sort_by_key(|offer| std::cmp::Reverse(number(&offer.name)));
    requests.truncate(REQUESTS);
    let mut seen = BTreeSet::new();
    branches.extend(requests);
    branches.retain(|offer| seen.insert(offer.commit));
    branches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn id(number: usize) -> String {
        format!("{number:040x}")
    }

    #[test]
    fn a_list_is_read_as_far_as_it_goes() {
        let text = format!(
            "{}\trefs/heads/main\n{}\trefs/heads/fix/acme\n{}\trefs/pull/7/head\n{}\trefs/pull/x/head\n{}\trefs/pull/7/merge\nwhat\n{}\trefs/heads/cu",
            id(1),
            id(2),
            id(3),
            id(4),
            id(5),
            id(6)
        );
        let names: Vec<String> = select(read_list(&text), "refs/heads/main")
            .into_iter()
            .map(|offer| offer.name)
            .collect();
        assert_eq!(names, ["fix/acme", "pull/7"]);
    }

    #[test]
    fn the_newest_requests_and_one_of_each_commit() {
        let mut text = String::new();
        for number in 0..1000 {
            let _ = writeln!(text, "{}\trefs/pull/{number}/head", id(number));
            let _ = writeln!(text, "{}\trefs/heads/b{number:04}", id(2000 + number));
        }
        let _ = writeln!(text, "{}\trefs/heads/a-same", id(999));
        let offers = select(read_list(&text), "refs/heads/main");
        assert_eq!(offers.len(), BRANCHES + REQUESTS - 1);
        assert!(offers.iter().any(|offer| offer.name == "pull/998"));
        assert!(
            !offers
                .iter()
                .any(|offer| offer.name == "pull/999" || offer.name == "pull/899")
        );
    }

    proptest! {
        #[test]
        fn any_list_is_read(text in "([0-9a-f]{0,41}[\\t ]refs/(heads|pull)/[\\PC\\n]{0,8}(/head)?\\n?){0,6}") {
            for offer in read_list(&text) {
                prop_assert!(git2::Reference::is_valid_name(&offer.reference));
            }
        }
    }
}
