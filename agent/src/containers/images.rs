//! Images: what their names stand for here, how they are fetched, and how far that is.

use super::names;
use super::state::EngineState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenantry_schema::Secret;

/// What a name of an image stood for when the version that uses it was good. A name that moves on in its registry, or on the
/// server, changes nothing until another version is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Id of the image.
    pub id: String,
    /// Name and digest under which a registry has it, if it is from one.
    #[serde(default)]
    pub fetch: Option<String>,
}

/// Images by the names that a Compose file gives them.
pub type Pins = BTreeMap<String, Pinned>;

/// What a registry wants to know before it hands out an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password or token.
    pub password: Secret,
}

/// Log-ins by registry, such as `ghcr.io` or `registry.example:5000`.
pub type Logins = BTreeMap<String, Login>;

/// What is known of images besides what is on the engine.
#[derive(Debug, Clone, Copy)]
pub struct ImageFacts<'a> {
    /// What names stood for.
    pub pins: Option<&'a Pins>,
    /// How registries are logged in to.
    pub logins: &'a Logins,
}

impl<'a> ImageFacts<'a> {
    /// Id of an image that is here.
    pub(super) fn id<'s>(self, image: &str, state: &'s EngineState) -> Option<&'s str> {
        let by_name = |name: &str| state.images.get(&names::image(name)).map(String::as_str);
        match self.pins.and_then(|pins| pins.get(image)) {
            Some(pinned) => {
                let fetched = pinned.fetch.as_deref();
                let here = by_name(&pinned.id).or_else(|| by_name(fetched?));
                // Where it is from no registry and gone, the name is all there is.
                here.or_else(|| by_name(image).filter(|_| fetched.is_none()))
            }
            None => by_name(image),
        }
    }

    /// The name under which an image is fetched.
    pub(super) fn fetch<'n>(self, image: &'n str) -> &'n str
    where
        Self: 'n,
    {
        let pinned = self.pins.and_then(|pins| pins.get(image));
        pinned
            .and_then(|pinned| pinned.fetch.as_deref())
            .unwrap_or(image)
    }

    /// The log-in for the registry of an image.
    pub(super) fn login(self, image: &str) -> Option<&'a Login> {
        self.logins.get(registry_of(image))
    }
}

/// The registry that an image is from.
pub fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}

/// What the name stands for now, to be remembered.
pub fn pin(image: &str, id: &str, state: &EngineState) -> Pinned {
    let name = names::image(image);
    let repository = name.split('@').next().unwrap_or_default();
    let colon = repository
        .rfind(':')
        .filter(|at| !repository[*at..].contains('/'));
    let repository = &repository[..colon.unwrap_or(repository.len())];
    let prefix = format!("{repository}@");
    let mut known = state.images.iter();
    let fetch = known.find(|(name, known)| *known == id && name.starts_with(&prefix));
    Pinned {
        id: id.to_owned(),
        fetch: fetch.map(|(name, _)| name.clone()),
    }
}

/// How much of an image is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are here.
    pub done: u64,
    /// Bytes that are known to be needed.
    pub total: u64,
}

/// So many bytes stay free while images are fetched: what runs goes on, and what was fetched is unpacked.
pub const RESERVE: u64 = 1 << 30;

impl Progress {
    /// Bytes that must be free for the rest of it.
    pub fn needs(self) -> u64 {
        let rest = self.total.saturating_sub(self.done);
        rest.saturating_add(RESERVE)
    }
}

/// Images that are being fetched, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetching(Arc<Mutex<BTreeMap<String, Progress>>>);

/// Where the engine keeps images, and those that were found too large for it.
#[derive(Debug, Default)]
pub(super) struct Room {
    folder: Option<PathBuf>,
    too_large: BTreeMap<String, u64>,
}

impl Room {
    pub(super) fn keeps_in(&mut self, folder: PathBuf) {
        self.folder = Some(folder);
    }

    /// Bytes that must be free before such an image is tried again, by name.
    pub(super) fn too_large(&self) -> BTreeMap<String, u64> {
        self.too_large.clone()
    }

    /// Bytes that are free and bytes that must be, if the rest of an image does not fit.
    pub(super) fn lacks(&mut self, image: &str, progress: Progress) -> Option<(u64, u64)> {
        let free = free_in(self.folder.as_deref()?)?;
        let needed = progress.needs();
        if free >= needed {
            return None;
        }
        // What is here already of an image that is broken off goes again.
        let all = Progress {
            done: 0,
            ..progress
        }
        .needs();
        self.too_large.insert(image.to_owned(), all);
        Some((free, needed))
    }

    /// It was fetched, or failed for another reason.
    pub(super) fn forget(&mut self, image: &str) {
        self.too_large.remove(image);
    }
}

/// Bytes that are free where a folder is.
pub(super) fn free_in(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

impl Fetching {
    pub(super) fn now(&self) -> BTreeMap<String, Progress> {
        self.all().clone()
    }

    /// Says that an image is being fetched, until what is returned is dropped.
    pub(super) fn begin(&self, image: &str) -> Fetch {
        self.all().insert(image.to_owned(), Progress::default());
        Fetch {
            all: self.clone(),
            image: image.to_owned(),
            layers: BTreeMap::new(),
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image that is being fetched.
pub(super) struct Fetch {
    all: Fetching,
    image: String,
    layers: BTreeMap<String, Progress>,
}

impl Fetch {
    /// Takes in a line of what the engine tells. How much of the image is here, where that is news.
    pub(super) fn hear(
        &mut self,
        layer: &str,
        status: &str,
        current: Option<i64>,
        total: Option<i64>,
    ) -> Option<Progress> {
        let bytes = |number: Option<i64>| number.and_then(|it| u64::try_from(it).ok());
        let known = self.layers.entry(layer.to_owned()).or_default();
        match status {
            "Downloading" => {
                known.total = bytes(total).unwrap_or(known.total);
                known.done = bytes(current).unwrap_or(known.done);
            }
            "Download complete" | "Extracting" | "Pull complete" => known.done = known.total,
            _ => return None,
        }
        let sum = self
            .layers
            .values()
            .fold(Progress::default(), |sum, it| Progress {
                done: sum.done.saturating_add(it.done),
                total: sum.total.saturating_add(it.total),
            });
        self.all.all().insert(self.image.clone(), sum);
        Some(sum)
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.all.all().remove(&self.image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state(images: &[(&str, &str)]) -> EngineState {
        let images = images.iter();
        EngineState {
            images: images
                .map(|(name, id)| ((*name).to_owned(), (*id).to_owned()))
                .collect(),
            ..EngineState::default()
        }
    }

    #[test]
    fn a_name_that_moved_on_stands_for_what_it_stood_for() {
        let (old, new) = (format!("sha256:{:064}", 1), format!("sha256:{:064}", 2));
        let before = state(&[
            ("r.example/a:1", &old),
            ("r.example/a@sha256:d", &old),
            (&old, &old),
        ]);
        let pinned = pin("r.example/a:1", &old, &before);
        assert_eq!(pinned.fetch.as_deref(), Some("r.example/a@sha256:d"));
        let pins = Pins::from([("r.example/a:1".to_owned(), pinned)]);
        let logins = Logins::new();
        let facts = ImageFacts {
            pins: Some(&pins),
            logins: &logins,
        };
        let moved = state(&[("r.example/a:1", &new), (&old, &old), (&new, &new)]);
        assert_eq!(facts.id("r.example/a:1", &moved), Some(old.as_str()));
        // It is gone: it is fetched by its digest, not by the name.
        let gone = state(&[("r.example/a:1", &new), (&new, &new)]);
        assert_eq!(facts.id("r.example/a:1", &gone), None);
        assert_eq!(facts.fetch("r.example/a:1"), "r.example/a@sha256:d");
        let free = ImageFacts {
            pins: None,
            ..facts
        };
        assert_eq!(free.id("r.example/a:1", &gone), Some(new.as_str()));
    }

    #[test]
    fn registries_are_told_from_folders() {
        for (image, registry) in [
            ("nginx", "docker.io"),
            ("acme/web:2", "docker.io"),
            ("ghcr.io/acme/web", "ghcr.io"),
            ("127.0.0.1:5000/web:3", "127.0.0.1:5000"),
            ("localhost/web", "localhost"),
        ] {
            assert_eq!(registry_of(image), registry);
        }
    }

    #[test]
    fn progress_is_the_sum_of_the_layers_and_goes_with_the_fetch() {
        let fetching = Fetching::default();
        let mut fetch = fetching.begin("a:1");
        fetch.hear("l1", "Pulling fs layer", None, None);
        fetch.hear("l1", "Downloading", Some(10), Some(100));
        fetch.hear("l2", "Downloading", Some(5), Some(50));
        fetch.hear("l1", "Download complete", None, None);
        let progress = Progress {
            done: 105,
            total: 150,
        };
        assert_eq!(
            fetching.now(),
            BTreeMap::from([("a:1".to_owned(), progress)])
        );
        drop(fetch);
        assert!(fetching.now().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_known_before_the_disk_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let mut room = Room::default();
        let progress = |done, total| Progress { done, total };
        let huge = u64::MAX / 2;
        assert_eq!(room.lacks("a:1", progress(0, huge)), None, "nobody knows");
        room.keeps_in(folder.path().to_owned());
        let free = free_in(folder.path()).unwrap();
        if free > 2 * RESERVE {
            assert_eq!(room.lacks("a:1", progress(5, 10)), None);
        }
        let (seen, needed) = room.lacks("a:1", progress(5, huge)).unwrap();
        assert_eq!(needed, huge - 5 + RESERVE);
        assert!(seen < needed);
        assert_eq!(
            room.too_large(),
            BTreeMap::from([("a:1".to_owned(), huge + RESERVE)])
        );
        room.forget("a:1");
        assert!(room.too_large().is_empty());
    }

    proptest! {
        #[test]
        fn any_line_is_answered(layer in ".{0,9}", status in "Downloading|Extracting|.{0,9}", current in any::<Option<i64>>(), total in any::<Option<i64>>()) {
            let fetching = Fetching::default();
            fetching.begin("a").hear(&layer, &status, current, total);
            let _ = (registry_of(&layer), pin(&layer, &status, &EngineState::default()));
        }
    }
}
