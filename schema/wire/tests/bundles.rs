//! Bundles: the same bytes for the same files, and nothing but plain files with safe names comes out.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write as _;
use tar::{Builder, EntryType, Header};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::RefusalKind;
use tenantry_wire::bundle::{Limits, pack, unpack};

fn files(entries: &[(&str, &[u8])]) -> BTreeMap<RelativePath, Vec<u8>> {
    entries
        .iter()
        .map(|(path, data)| (RelativePath::try_from(*path).unwrap(), data.to_vec()))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A header with any name at all.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

fn archive(entries: &[(Header, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (header, data) in entries {
        builder.append(header, *data).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn refused(bytes: &[u8], limits: &Limits) -> RefusalKind {
    unpack(bytes, limits).unwrap_err().kind
}

#[test]
fn the_real_tar_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.gz");
    let long = format!("stacks/{}/x", "long-name/".repeat(40).trim_end_matches('/'));
    // Behind 100 bytes the name in the header is cut, here to `…/..`.
    let dots = format!("{}/..{}", "d".repeat(97), "e".repeat(200));
    let three: [(&str, &[u8]); 3] = [("host.yaml", b"a"), (&long, b"b"), (&dots, b"c")];
    let bundle = pack(&files(&three));
    assert_eq!(unpack(&bundle, &Limits::default()).unwrap(), files(&three));
    std::fs::write(&path, bundle).unwrap();
    let listed = std::process::Command::new("tar")
        .arg("-tvzf")
        .arg(&path)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("host.yaml")
            && listed.contains(&long)
            && listed.contains(&dots)
            && listed.contains("-rw------- 0/0"),
        "{listed}"
    );
}

#[test]
fn paths_that_leave_the_slice_are_refused() {
    for name in [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        "./a",
        "a\\b",
        "a\u{1}b",
        "",
    ] {
        let bytes = archive(&[(header(name, EntryType::Regular, 1), b"x")]);
        assert_eq!(
            refused(&bytes, &Limits::default()),
            RefusalKind::UnsafePath,
            "{name:?}"
        );
        let mut long = name.as_bytes().to_vec();
        long.push(0);
        let bytes = archive(&[
            (
                header("././@LongLink", EntryType::GNULongName, long.len() as u64),
                &long,
            ),
            (header("fine", EntryType::Regular, 1), b"x"),
        ]);
        assert_eq!(
            refused(&bytes, &Limits::default()),
            RefusalKind::UnsafePath,
            "{name:?}"
        );
    }
}

#[test]
fn everything_but_plain_files_is_refused() {
    let kinds = [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::Continuous,
        EntryType::GNUSparse,
        EntryType::GNULongLink,
        EntryType::XGlobalHeader,
        EntryType::XHeader,
        EntryType::new(b'Z'),
    ];
    for kind in kinds {
        let bytes = archive(&[
            (header("a", kind, 0), b""),
            (header("b", EntryType::Regular, 1), b"x"),
        ]);
        assert_eq!(
            refused(&bytes, &Limits::default()),
            RefusalKind::UnsafePath,
            "{kind:?}"
        );
    }
    // A pax header that renames the file behind it.
    let rename = b"18 path=../../evil\n";
    let bytes = archive(&[
        (header("x", EntryType::XHeader, rename.len() as u64), rename),
        (header("b", EntryType::Regular, 0), b""),
    ]);
    assert_eq!(refused(&bytes, &Limits::default()), RefusalKind::UnsafePath);
}

#[test]
fn duplicates_and_what_hides_behind_the_end_are_refused() {
    let one = header("a", EntryType::Regular, 1);
    assert_eq!(
        refused(
            &archive(&[(one.clone(), b"x"), (one, b"y")]),
            &Limits::default()
        ),
        RefusalKind::UnsafePath
    );
    let bundle = pack(&files(&[("a", b"x")]));
    let twice = [bundle.clone(), bundle.clone()].concat();
    assert_eq!(refused(&twice, &Limits::default()), RefusalKind::Malformed);
    for end in 1..bundle.len() {
        assert!(
            unpack(&bundle[..end], &Limits::default()).is_err(),
            "cut at {end}"
        );
    }
    let lonely = archive(&[(header("././@LongLink", EntryType::GNULongName, 2), b"a\0")]);
    assert_eq!(refused(&lonely, &Limits::default()), RefusalKind::Malformed);
}

#[test]
fn large_ones_are_refused_and_bombs_are_not_read() {
    let limits = Limits {
        compressed: 1 << 20,
        total: 1000,
        files: 3,
        file: 600,
    };
    let full = vec![7; 601];
    assert_eq!(
        refused(&pack(&files(&[("a", &full)])), &limits),
        RefusalKind::TooLarge
    );
    assert_eq!(
        refused(
            &pack(&files(&[("a", &full[..600]), ("b", &full[..600])])),
            &limits
        ),
        RefusalKind::TooLarge
    );
    assert_eq!(
        refused(
            &pack(&files(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")])),
            &limits
        ),
        RefusalKind::TooLarge
    );
    assert!(
        unpack(
            &pack(&files(&[("a", &full[..600]), ("b", b""), ("c", b"")])),
            &limits
        )
        .is_ok()
    );
    assert_eq!(
        refused(&vec![0; (1 << 20) + 1], &limits),
        RefusalKind::TooLarge
    );

    // 512 MiB of zeros in 512 KiB: as a file, behind the end, and announced by a header that lies.
    let started = std::time::Instant::now();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..512 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let packing = started.elapsed();
    let started = std::time::Instant::now();
    assert!(unpack(&bomb, &Limits::default()).is_err());
    let announced = archive(&[(header("a", EntryType::Regular, 15 << 20), b"x")]);
    assert_eq!(
        refused(&announced, &Limits::default()),
        RefusalKind::Malformed
    );
    assert!(started.elapsed() < packing.max(std::time::Duration::from_millis(500)));
}

prop_compose! {
    fn path()(parts in proptest::collection::vec("[a-zA-Z0-9 ._é-]{1,40}", 1..12)) -> Option<RelativePath> {
        RelativePath::try_from(parts.join("/")).ok()
    }
}

proptest! {
    #[test]
    fn packing_is_read_back_and_deterministic(entries in proptest::collection::vec((path(), proptest::collection::vec(any::<u8>(), 0..2000)), 0..12)) {
        let files: BTreeMap<_, _> = entries.into_iter().filter_map(|(path, data)| Some((path?, data))).collect();
        let bytes = pack(&files);
        prop_assert_eq!(&bytes, &pack(&files));
        prop_assert_eq!(unpack(&bytes, &Limits::default()).unwrap(), files);
    }

    #[test]
    fn arbitrary_bytes_are_answered(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let _ = unpack(&bytes, &Limits::default());
        prop_assert!(unpack(&gzip(&bytes), &Limits::default()).is_ok_and(|files| files.is_empty()) || !bytes.is_empty());
        let mut tar = Builder::new(Vec::new());
        tar.append(&header("some/file", EntryType::Regular, 5), &b"hello"[..]).unwrap();
        let mut tar = tar.into_inner().unwrap();
        let at = at.index(tar.len());
        tar[at] ^= flip;
        let _ = unpack(&gzip(&tar), &Limits::default());
    }
}
