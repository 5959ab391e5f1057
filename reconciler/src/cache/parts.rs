//! What files of caches are made of. Numbers are little-endian; texts and lists begin with their length in four bytes.

use crate::git::Oid;

/// Writes a length or a place. Lengths of what fits into memory many times over fit into four bytes; a greater one gives a file that is not taken.
pub(crate) fn number(out: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Writes a text.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Reads one part after the other. None where the bytes are something else, or at an end.
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    pub(crate) fn oid(&mut self) -> Option<Oid> {
        Oid::from_bytes(&self.array::<20>()?).ok()
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        std::str::from_utf8(self.take(length)?)
            .ok()
            .map(str::to_owned)
    }

    /// Grows as items come, so that a number alone takes no memory.
    pub(crate) fn list<T, C: FromIterator<T>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let number = self.number()?;
        (0..number).map(|_| item(self)).collect()
    }

    /// Whether everything was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}
