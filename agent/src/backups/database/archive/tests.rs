//! Archives made here as the specification says, whole, cut and spoilt, in pieces of any size.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// Elements of a document, built one after the other.
#[derive(Default)]
struct Builder(Vec<u8>);

impl Builder {
    fn key(mut self, kind: u8, key: &str) -> Self {
        self.0.push(kind);
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(0);
        self
    }

    fn text(self, key: &str, value: &str) -> Self {
        let mut this = self.key(2, key);
        let length = i32::try_from(value.len() + 1).unwrap();
        this.0.extend_from_slice(&length.to_le_bytes());
        this.0.extend_from_slice(value.as_bytes());
        this.0.push(0);
        this
    }

    fn flag(self, key: &str, value: bool) -> Self {
        let mut this = self.key(8, key);
        this.0.push(u8::from(value));
        this
    }

    fn long(self, key: &str, value: u64) -> Self {
        let mut this = self.key(0x12, key);
        this.0.extend_from_slice(&value.to_le_bytes());
        this
    }

    fn int(self, key: &str, value: i32) -> Self {
        let mut this = self.key(0x10, key);
        this.0.extend_from_slice(&value.to_le_bytes());
        this
    }

    fn done(self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() + 5).unwrap();
        [&length.to_le_bytes()[..], &self.0, &[0]].concat()
    }
}

fn header(database: &str, collection: &str, end: Option<u64>) -> Vec<u8> {
    Builder::default()
        .text("db", database)
        .text("collection", collection)
        .flag("EOF", end.is_some())
        .long("CRC", end.unwrap_or(0))
        .done()
}

fn prelude(collections: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut all = MAGIC.to_le_bytes().to_vec();
    all.extend(
        Builder::default()
            .int("concurrent_collections", 4)
            .text("version", "0.1")
            .text("server_version", "8.0.29")
            .text("tool_version", "100.13.0")
            .done(),
    );
    for (database, collection, kind) in collections {
        all.extend(
            Builder::default()
                .text("db", database)
                .text("collection", collection)
                .text("metadata", "{\"indexes\":[]}")
                .int("size", 0)
                .text("type", kind)
                .done(),
        );
    }
    all.extend(TERMINATOR.to_le_bytes());
    all
}

/// More documents of a collection.
fn block(name: (&str, &str), documents: &[Vec<u8>]) -> Vec<u8> {
    let mut all = header(name.0, name.1, None);
    all.extend(documents.concat());
    all.extend(TERMINATOR.to_le_bytes());
    all
}

/// The end of a collection that had these.
fn end(name: (&str, &str), documents: &[Vec<u8>]) -> Vec<u8> {
    let mut all = header(name.0, name.1, Some(CHECKSUM.checksum(&documents.concat())));
    all.extend(TERMINATOR.to_le_bytes());
    all
}

fn document(number: i32) -> Vec<u8> {
    Builder::default().int("n", number).done()
}

/// Two collections whose blocks take turns, a view and a time series.
fn sample() -> Vec<u8> {
    let (a, b) = (("app", "users"), ("app", "posts"));
    let users = [document(1), document(2), document(3)];
    let posts = [document(4)];
    [
        prelude(&[
            ("app", "users", ""),
            ("app", "posts", "collection"),
            ("app", "recent", "view"),
            ("app", "weather", "timeseries"),
        ]),
        block(a, &users[..2]),
        block(b, &posts),
        end(b, &posts),
        block(a, &users[2..]),
        end(a, &users),
        block(("app", "recent"), &[]),
        end(("app", "recent"), &[]),
        block(("app", "system.buckets.weather"), &[document(5)]),
        end(("app", "system.buckets.weather"), &[document(5)]),
    ]
    .concat()
}

fn look(bytes: &[u8]) -> Result<(), Flaw> {
    let mut archive = Archive::new();
    archive.see(bytes)?;
    archive.finish()
}

#[test]
fn the_checksum_is_the_one_that_go_computes() {
    // The value that the catalogue of checksums has for CRC-64/XZ.
    assert_eq!(CHECKSUM.checksum(b"123456789"), 0x995d_c9bb_df19_39fa);
    // From an archive of mongodump r4.1.3: the one document of `admin.system.version`, and what stands in the header of its end.
    let version = Builder::default()
        .text("_id", "featureCompatibilityVersion")
        .text("version", "4.0")
        .done();
    assert_eq!(CHECKSUM.checksum(&version), 0x0cb0_ef0e_a1d1_6e0d);
}

#[test]
fn a_whole_archive_is_whole() {
    assert_eq!(look(&sample()), Ok(()));
    assert_eq!(look(&prelude(&[])), Ok(()));
}

#[test]
fn what_is_not_whole_is_told() {
    let users = ("app", "users");
    let all = prelude(&[("app", "users", "")]);
    let with = |parts: &[Vec<u8>]| look(&[&all[..], &parts.concat()].concat());
    let missing = Flaw::Missing("app.users".to_owned());
    // Announced and not there; begun and not ended, cut exactly between two blocks.
    assert_eq!(with(&[]), Err(missing.clone()));
    assert_eq!(with(&[block(users, &[document(1)])]), Err(missing));
    let goes = [end(users, &[]), block(users, &[document(1)])];
    assert_eq!(with(&goes), Err(Flaw::Goes("app.users".to_owned())));
    let lost = [block(users, &[document(1)]), end(users, &[document(2)])];
    assert_eq!(with(&lost), Err(Flaw::Checksum("app.users".to_owned())));
    let twice = [TERMINATOR.to_le_bytes().to_vec()];
    assert_eq!(with(&twice), Err(Flaw::Headless));
    assert_eq!(with(&[document(1)]), Err(Flaw::Header));
    assert_eq!(with(&[vec![4, 0, 0, 0, 0]]), Err(Flaw::Length(4)));
    assert_eq!(with(&[vec![0; 3]]), Err(Flaw::Cut));
    assert_eq!(look(b"\x1f\x8b\x08\0"), Err(Flaw::Magic));
    assert_eq!(look(b""), Err(Flaw::Cut));
    let mut spoilt = document(1);
    *spoilt.last_mut().unwrap() = 7;
    assert_eq!(with(&[block(users, &[spoilt])]), Err(Flaw::Document));
}

proptest! {
    /// A mongodump that is killed at any byte leaves no good archive.
    #[test]
    fn an_archive_that_is_cut_is_never_whole(cut in any::<Index>()) {
        let whole = sample();
        let cut = cut.index(whole.len());
        prop_assert!(look(&whole[..cut]).is_err(), "cut after {cut} bytes");
    }

    /// Every byte of a document is covered by the checksum, every other one by the form.
    #[test]
    fn a_changed_document_is_found_out(at in any::<Index>(), with in 1_u8..) {
        let documents: Vec<Vec<u8>> = (0..20).map(document).collect();
        let name = ("app", "users");
        let begin = [prelude(&[("app", "users", "")]), header("app", "users", None)].concat();
        let rest = [TERMINATOR.to_le_bytes().to_vec(), end(name, &documents)].concat();
        let mut data = documents.concat();
        let at = at.index(data.len());
        data[at] ^= with;
        prop_assert!(look(&[begin, data, rest].concat()).is_err());
    }

    /// However the bytes come, the answer is the same.
    #[test]
    fn the_size_of_pieces_does_not_matter(sizes in prop::collection::vec(1_usize..40, 1..50)) {
        let whole = sample();
        let (mut archive, mut rest) = (Archive::new(), whole.as_slice());
        for size in sizes.iter().cycle() {
            let (piece, more) = rest.split_at(rest.len().min(*size));
            archive.see(piece).unwrap();
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(archive.finish(), look(&whole));
    }

    #[test]
    fn whatever_comes_is_answered(bytes in any::<Vec<u8>>(), sample in any::<bool>()) {
        let begin = if sample { prelude(&[]) } else { Vec::new() };
        let _ = look(&[begin, bytes.clone()].concat());
        let _ = bson::fields(&bytes);
        let length = u32::try_from(bytes.len() + 4).unwrap().to_le_bytes();
        let _ = bson::fields(&[&length[..], &bytes].concat());
    }
}
