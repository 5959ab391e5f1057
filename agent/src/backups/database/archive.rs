//! Archives of `mongodump --archive`, looked through as they come: whether every collection that is announced is there to its end, with the
//! checksum that mongodump computed. Nothing is kept but the document at hand and a checksum a collection.
//!
//! Source: the specification of the format in MongoDB's `mongo-tools`, `common/archive/spec.md`.

use super::bson::{self, Value};
use crc::{CRC_64_XZ, Crc, Digest};
use std::collections::BTreeMap;

/// The first four bytes, as a little-endian number.
pub(super) const MAGIC: u32 = 0x8199_e26d;
/// Where a length could stand: the end of a block.
pub(super) const TERMINATOR: u32 = 0xffff_ffff;
/// Bytes of the longest document: 16 MiB, and what servers add to it.
pub(super) const MOST: u32 = (16 << 20) + (16 << 10);
/// Collections of the largest archive that is looked through.
const MOST_COLLECTIONS: usize = 500_000;
/// The data of a collection of time series is in another one, whose name begins so.
pub(super) const BUCKETS: &str = "system.buckets.";

/// The documentation says CRC-64-ECMA, the program computes the reflected one that is known as XZ's.
pub(super) static CHECKSUM: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// Why an archive is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("it is no archive of mongodump")]
    Magic,
    #[error("{0} is no length of a document")]
    Length(u32),
    #[error("a document does not end where it should")]
    Document,
    #[error("a block has no header")]
    Headless,
    #[error("a header cannot be understood")]
    Header,
    #[error("{0} goes on after its end")]
    Goes(String),
    #[error("the checksum of {0} does not agree")]
    Checksum(String),
    #[error("it has too many collections")]
    TooMany,
    #[error("it is cut short")]
    Cut,
    #[error("the end of {0} is missing")]
    Missing(String),
}

/// A database and a collection.
type Name = (String, String);

/// What was seen of a collection.
struct Seen {
    checksum: Digest<'static, u64>,
    ended: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            checksum: CHECKSUM.digest(),
            ended: false,
        }
    }
}

/// What comes next.
enum Stage {
    Magic,
    /// The first block, which announces collections; its header comes first.
    Prelude {
        header: bool,
    },
    /// A block begins, or the archive ends.
    Between,
    /// Documents of a collection.
    Data(Name),
    /// The end of a block that has no documents.
    Ended,
}

/// An archive that is being looked through.
pub(super) struct Archive {
    stage: Stage,
    /// What is there of the document at hand.
    piece: Vec<u8>,
    announced: Vec<(Name, bool)>,
    seen: BTreeMap<Name, Seen>,
}

impl Archive {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Magic,
            piece: Vec::new(),
            announced: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn see(&mut self, mut data: &[u8]) -> Result<(), Flaw> {
        while !data.is_empty() {
            let wanted = self.wanted()?;
            let (now, later) = data.split_at(data.len().min(wanted - self.piece.len()));
            self.piece.extend_from_slice(now);
            data = later;
            if self.piece.len() == wanted {
                self.complete()?;
            }
        }
        Ok(())
    }

    /// Bytes of the piece at hand: those of its length, until they are there.
    fn wanted(&self) -> Result<usize, Flaw> {
        match (&self.stage, self.number()) {
            (Stage::Magic, _) | (_, None) => Ok(4),
            (_, Some(length @ 5..=MOST)) => Ok(length as usize),
            (_, Some(other)) => Err(Flaw::Length(other)),
        }
    }

    fn number(&self) -> Option<u32> {
        let bytes = self.piece.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn complete(&mut self) -> Result<(), Flaw> {
        let number = self.number();
        if self.piece.len() > 4 {
            let mut document = std::mem::take(&mut self.piece);
            let outcome = self.document(&document);
            // The room is used again.
            document.clear();
            self.piece = document;
            return outcome;
        }
        if matches!(self.stage, Stage::Magic) {
            self.piece.clear();
            self.stage = Stage::Prelude { header: false };
            return (number == Some(MAGIC)).then_some(()).ok_or(Flaw::Magic);
        }
        if number == Some(TERMINATOR) {
            self.piece.clear();
            return self.terminate();
        }
        // A length: the rest of the document follows.
        Ok(())
    }

    fn terminate(&mut self) -> Result<(), Flaw> {
        match self.stage {
            Stage::Magic | Stage::Between | Stage::Prelude { header: false } => Err(Flaw::Headless),
            Stage::Prelude { header: true } | Stage::Data(_) | Stage::Ended => {
                self.stage = Stage::Between;
                Ok(())
            }
        }
    }

    fn document(&mut self, document: &[u8]) -> Result<(), Flaw> {
        if document.last() != Some(&0) {
            return Err(Flaw::Document);
        }
        match &mut self.stage {
            Stage::Magic => Err(Flaw::Magic),
            Stage::Prelude { header } if !*header => {
                *header = true;
                Ok(())
            }
            Stage::Prelude { .. } => self.announce(document),
            Stage::Between => self.begin(document),
            Stage::Data(name) => {
                // Its header noted it.
                let seen = self.seen.get_mut(name).ok_or(Flaw::Headless)?;
                seen.checksum.update(document);
                Ok(())
            }
            // The end of a collection has no documents.
            Stage::Ended => Err(Flaw::Header),
        }
    }

    /// A collection that the archive holds.
    fn announce(&mut self, document: &[u8]) -> Result<(), Flaw> {
        let fields = bson::fields(document).ok_or(Flaw::Header)?;
        let name = name(&fields).ok_or(Flaw::Header)?;
        let series = fields.get("type") == Some(&Value::Text("timeseries"));
        if self.announced.len() >= MOST_COLLECTIONS {
            return Err(Flaw::TooMany);
        }
        self.announced.push((name, series));
        Ok(())
    }

    /// The header of a block: more of a collection, or its end.
    fn begin(&mut self, document: &[u8]) -> Result<(), Flaw> {
        let fields = bson::fields(document).ok_or(Flaw::Header)?;
        let name = name(&fields).ok_or(Flaw::Header)?;
        let (Some(&Value::Flag(ends)), Some(&Value::Number(checksum))) =
            (fields.get("EOF"), fields.get("CRC"))
        else {
            return Err(Flaw::Header);
        };
        if self.seen.len() >= MOST_COLLECTIONS {
            return Err(Flaw::TooMany);
        }
        let seen = self.seen.entry(name.clone()).or_default();
        if seen.ended {
            return Err(Flaw::Goes(shown(&name)));
        }
        if !ends {
            self.stage = Stage::Data(name);
            return Ok(());
        }
        seen.ended = true;
        self.stage = Stage::Ended;
        let agrees = seen.checksum.clone().finalize() == checksum.cast_unsigned();
        agrees
            .then_some(())
            .ok_or_else(|| Flaw::Checksum(shown(&name)))
    }

    /// Nothing more comes: whether all is there.
    pub(super) fn finish(self) -> Result<(), Flaw> {
        if !matches!(self.stage, Stage::Between) || !self.piece.is_empty() {
            return Err(Flaw::Cut);
        }
        let ended = |name: &Name| self.seen.get(name).is_some_and(|seen| seen.ended);
        if let Some((name, _)) = self.seen.iter().find(|(_, seen)| !seen.ended) {
            return Err(Flaw::Missing(shown(name)));
        }
        for (name, series) in &self.announced {
            let buckets = (name.0.clone(), format!("{BUCKETS}{}", name.1));
            let whole = ended(name) || *series && ended(&buckets);
            if !whole {
                return Err(Flaw::Missing(shown(name)));
            }
        }
        Ok(())
    }
}

fn name(fields: &BTreeMap<&str, Value<'_>>) -> Option<Name> {
    let text = |key: &str| match fields.get(key) {
        Some(Value::Text(text)) => Some((*text).to_owned()),
        _ => None,
    };
    Some((text("db")?, text("collection")?))
}

fn shown((database, collection): &Name) -> String {
    match database.as_str() {
        "" => collection.clone(),
        _ => format!("{database}.{collection}"),
    }
}

#[cfg(test)]
mod tests;
