//! Many files as one archive: a gzip'd tar that is the same for the same files, read without trust. Signatures are elsewhere.

use crate::refused::Refused;
use flate2::{Compression, GzBuilder, bufread::GzDecoder};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use tar::{Archive, Builder, EntryType, Header};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::RefusalKind;

/// Largest bundle that is read. All but `files` are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the bundle as it travels.
    pub compressed: usize,
    /// Of all files together.
    pub total: u64,
    /// Number of files.
    pub files: usize,
    /// Of one file.
    pub file: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compressed: 16 << 20,
            total: 64 << 20,
            files: 10_000,
            file: 16 << 20,
        }
    }
}

/// What an entry costs in the archive beside its content: headers of name and file, padding.
const ENTRY_OVERHEAD: u64 = 4 * 512;

/// Packs `files`: sorted, mode 0600, no owner, no times.
pub fn pack(files: &BTreeMap<RelativePath, Vec<u8>>) -> Vec<u8> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::default());
    let mut tar = Builder::new(gzip);
    for (path, data) in files {
        let mut header = Header::new_ustar();
        if header.set_path(path.as_str()).is_err() {
            header = long_name(&mut tar, path.as_str());
        }
        header.set_mode(0o600);
        append(&mut tar, header, EntryType::Regular, data);
    }
    tar.into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("memory takes every write")
}

/// Writes `path` as an entry of its own, as GNU tar does it, and gives the header of the file behind it. `Builder::append_data` would, too, but it judges the
/// shortened path as if it were the whole: `a/..b`, cut behind the second dot, it refuses.
fn long_name<W: Write>(tar: &mut Builder<W>, path: &str) -> Header {
    let mut before = Header::new_gnu();
    set_name(&mut before, "././@LongLink");
    let name = [path.as_bytes(), b"\0"].concat();
    append(tar, before, EntryType::GNULongName, &name);
    let mut header = Header::new_ustar();
    set_name(&mut header, path);
    header
}

/// The name field of `header`, without judging it: what does not fit is left out.
fn set_name(header: &mut Header, name: &str) {
    let field = &mut header.as_old_mut().name;
    let name = &name[..name.floor_char_boundary(field.len())];
    field[..name.len()].copy_from_slice(name.as_bytes());
}

fn append<W: Write>(tar: &mut Builder<W>, mut header: Header, kind: EntryType, data: &[u8]) {
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_cksum();
    tar.append(&header, data).expect("memory takes every write");
}

/// Unpacks `bytes`, reading no more than `limits` allow. Only plain files with safe, unique paths are accepted.
pub fn unpack(bytes: &[u8], limits: &Limits) -> Result<BTreeMap<RelativePath, Vec<u8>>, Refused> {
    if bytes.len() > limits.compressed {
        return Err(too_large("the bundle", limits.compressed as u64));
    }
    let most = limits
        .total
        .saturating_add(ENTRY_OVERHEAD.saturating_mul(limits.files as u64 + 2));
    let mut archive = Archive::new(GzDecoder::new(bytes).take(most));
    let mut files = BTreeMap::new();
    let (mut total, mut long_name) = (0u64, None);
    for entry in archive.entries().map_err(malformed)?.raw(true) {
        let mut entry = entry.map_err(malformed)?;
        let size = entry.header().entry_size().map_err(malformed)?;
        match entry.header().entry_type() {
            EntryType::GNULongName if long_name.is_none() => {
                long_name = Some(name_of(&read(&mut entry, size, 1024)?)?);
                continue;
            }
            EntryType::Regular => {}
            other => {
                return Err(unsafe_path(format!(
                    "an entry of type {:?} in the bundle",
                    char::from(other.as_byte())
                )));
            }
        }
        let path = match long_name.take() {
            Some(path) => path,
            None => name_of(&entry.header().path_bytes())?,
        };
        total = total.saturating_add(size);
        if files.len() >= limits.files {
            return Err(Refused::new(
                RefusalKind::TooLarge,
                format!("more than {} files", limits.files),
            ));
        }
        if total > limits.total {
            return Err(too_large("all files together", limits.total));
        }
        let data = read(&mut entry, size, limits.file)?;
        if files.insert(path.clone(), data).is_some() {
            return Err(unsafe_path(format!("`{path}` is in the bundle twice")));
        }
    }
    if long_name.is_some() {
        return Err(Refused::new(
            RefusalKind::Malformed,
            "the bundle ends after a name",
        ));
    }
    finish(archive.into_inner().into_inner(), limits)?;
    Ok(files)
}

/// Reads what is left, so that the checksum of the compressed data is checked and nothing hides behind the archive.
fn finish(mut gzip: GzDecoder<&[u8]>, limits: &Limits) -> Result<(), Refused> {
    let mut rest = Vec::new();
    let most = 64 << 10;
    (&mut gzip)
        .take(most + 1)
        .read_to_end(&mut rest)
        .map_err(malformed)?;
    if rest.len() as u64 > most {
        return Err(too_large("the bundle", limits.total));
    }
    if rest.iter().any(|byte| *byte != 0) || !gzip.get_ref().is_empty() {
        return Err(Refused::new(
            RefusalKind::Malformed,
            "something follows the end of the bundle",
        ));
    }
    Ok(())
}

fn name_of(bytes: &[u8]) -> Result<RelativePath, Refused> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| unsafe_path("a path is not UTF-8"))?;
    RelativePath::try_from(text).map_err(|error| {
        unsafe_path(
            error
                .to_string()
                .escape_debug()
                .take(200)
                .collect::<String>(),
        )
    })
}

fn read(entry: &mut impl Read, size: u64, limit: u64) -> Result<Vec<u8>, Refused> {
    if size > limit {
        return Err(too_large("a file", limit));
    }
    // Grows with what arrives: a header that lies about its size costs nothing.
    let mut data = Vec::new();
    entry.take(size).read_to_end(&mut data).map_err(malformed)?;
    if data.len() as u64 == size {
        Ok(data)
    } else {
        Err(Refused::new(
            RefusalKind::Malformed,
            "the bundle is cut off",
        ))
    }
}

fn malformed(error: std::io::Error) -> Refused {
    Refused::new(
        RefusalKind::Malformed,
        format!("the bundle cannot be read: {error}")
            .escape_debug()
            .take(200)
            .collect::<String>(),
    )
}

fn unsafe_path(detail: impl Into<String>) -> Refused {
    Refused::new(RefusalKind::UnsafePath, detail)
}

fn too_large(what: &str, limit: u64) -> Refused {
    Refused::new(
        RefusalKind::TooLarge,
        format!("{what} exceeds {limit} bytes"),
    )
}
