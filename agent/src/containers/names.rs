//! What containers and images are called on the engine. Pure text; nothing here asks the engine.

/// Name that a container gets while its replacement takes over its own.
/// The beginning of the id makes it unique, and giving it twice changes nothing.
pub(super) fn set_aside(name: &str, id: &str) -> String {
    let prefix = format!("{}_", short(id));
    if name.starts_with(&prefix) {
        name.to_owned()
    } else {
        format!("{prefix}{name}")
    }
}

/// The first twelve characters of an id, as the engine's own tools print it.
pub(super) fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// An image reference in the form in which the engine lists it: no default registry or folder, a tag or a digest, never both.
///
/// `docker.io/library/nginx` gives `nginx:latest`; `nginx:1@sha256:…` gives `nginx@sha256:…`, because the engine forgets the tag then.
pub fn image(reference: &str) -> String {
    if is_image_id(reference) {
        return reference.to_owned();
    }
    let rest = ["docker.io/", "index.docker.io/"]
        .into_iter()
        .find_map(|prefix| reference.strip_prefix(prefix))
        .unwrap_or(reference);
    let rest = rest
        .strip_prefix("library/")
        .filter(|name| !name.contains('/'))
        .unwrap_or(rest);
    let (name, digest) = match rest.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (rest, None),
    };
    let colon = name.rfind(':').filter(|at| !name[*at..].contains('/'));
    match (digest, colon) {
        (Some(digest), Some(colon)) => format!("{}@{digest}", &name[..colon]),
        (Some(digest), None) => format!("{name}@{digest}"),
        (None, Some(_)) => name.to_owned(),
        (None, None) => format!("{name}:latest"),
    }
}

/// Whether a reference is the id of an image rather than a name that a registry knows.
pub(super) fn is_image_id(reference: &str) -> bool {
    reference
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn images_are_named_as_the_engine_lists_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (written, listed) in [
            ("nginx", "nginx:latest"),
            ("docker.io/library/nginx", "nginx:latest"),
            ("docker.io/acme/web:2", "acme/web:2"),
            ("library/nginx:1", "nginx:1"),
            ("127.0.0.1:5000/web", "127.0.0.1:5000/web:latest"),
            ("127.0.0.1:5000/web:3", "127.0.0.1:5000/web:3"),
            ("ghcr.io/library/x:1", "ghcr.io/library/x:1"),
        ] {
            assert_eq!(image(written), listed);
        }
        assert_eq!(
            image(&format!("nginx:1@{digest}")),
            format!("nginx@{digest}")
        );
        assert_eq!(image(&digest), digest);
    }

    #[test]
    fn setting_aside_twice_is_setting_aside_once() {
        let id = "0123456789abcdef";
        let once = set_aside("acme-web-1", id);
        assert_eq!(once, "0123456789ab_acme-web-1");
        assert_eq!(set_aside(&once, id), once);
    }

    proptest! {
        #[test]
        fn normalising_an_image_twice_changes_nothing(reference in "([a-z.]{1,9}(:[0-9]{2})?/)?[a-z]{1,9}(/[a-z]{1,9})?(:[a-z0-9.]{1,5})?") {
            let once = image(&reference);
            prop_assert_eq!(image(&once), once);
        }
        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = (image(&text), short(&text).len(), set_aside(&text, &text));
        }
    }
}
