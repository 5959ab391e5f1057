//! The references of all servers as one file, `packed-refs`, replaced as a whole: a pass that publishes for ten thousand servers moves them all
//! at once. Nobody else writes to this repository.

use super::SliceError;
use crate::git::{GitError, Oid};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tenantry_schema::id::ServerKey;

const PREFIX: &str = "refs/servers/";

/// Reads the references. Those that are none of ours are left out.
pub(super) fn read(git_dir: &Path) -> Result<BTreeMap<ServerKey, Oid>, SliceError> {
    let path = git_dir.join("packed-refs");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(SliceError::Io {
            what: "read",
            path: path.display().to_string(),
            source,
        }),
    }
}

fn parse(text: &str) -> BTreeMap<ServerKey, Oid> {
    let read = |line: &str| {
        let (oid, name) = line.split_once(' ')?;
        let (customer, server) = name.strip_prefix(PREFIX)?.split_once('/')?;
        let key = ServerKey {
            customer: customer.try_into().ok()?,
            server: server.try_into().ok()?,
        };
        (oid.len() == 40)
            .then(|| Oid::from_str(oid).ok())
            .flatten()
            .map(|oid| (key, oid))
    };
    text.lines().filter_map(read).collect()
}

/// Replaces all references.
pub(super) fn write<'a>(
    git_dir: &Path,
    heads: impl Iterator<Item = (&'a ServerKey, Oid)>,
) -> Result<(), SliceError> {
    let mut lines: Vec<String> = heads
        .map(|(server, oid)| format!("{PREFIX}{server} {oid}"))
        .collect();
    // Git searches the file by halving, in the order of whole names: `a-b/x` comes before `a/x`.
    lines.sort_unstable_by(|a, b| a.split(' ').next().cmp(&b.split(' ').next()));
    let mut text = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for line in lines {
        if let Some((name, oid)) = line.split_once(' ') {
            let _ = writeln!(text, "{oid} {name}");
        }
    }
    let (target, temporary) = (git_dir.join("packed-refs"), git_dir.join("packed-refs.new"));
    let put = || fs::write(&temporary, &text).and_then(|()| fs::rename(&temporary, &target));
    put()
        .map_err(GitError::io("write", &target))
        .map_err(SliceError::Git)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(customer: &str, server: &str) -> ServerKey {
        ServerKey {
            customer: customer.try_into().unwrap(),
            server: server.try_into().unwrap(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_git_agrees(names in prop::collection::btree_set("[a-c]{1,2}(-[a-c])?", 1..12)) {
            let dir = tempfile::tempdir().unwrap();
            let repo = git2::Repository::init_bare(dir.path()).unwrap();
            let tree = repo.treebuilder(None).unwrap().write().unwrap();
            let me = git2::Signature::now("x", "x@y").unwrap();
            let commit = repo.commit(None, &me, &me, "x", &repo.find_tree(tree).unwrap(), &[]).unwrap();
            let heads: BTreeMap<_, _> = names.iter().map(|name| (key(name, "one"), commit)).collect();
            write(dir.path(), heads.iter().map(|(k, oid)| (k, *oid))).unwrap();
            prop_assert_eq!(&read(dir.path()).unwrap(), &heads);
            for name in &names {
                prop_assert_eq!(repo.refname_to_id(&format!("{PREFIX}{name}/one")).unwrap(), commit);
            }
        }
        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = parse(&text);
        }
    }
}
