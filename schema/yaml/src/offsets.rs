//! Character offsets of the parser to byte offsets of the text; nothing else.

use saphyr_parser::Marker;

/// Byte offsets of the parser's character offsets; nothing to store for ASCII.
pub(crate) struct Offsets {
    base: usize,
    table: Option<Vec<u32>>,
    len: usize,
}

impl Offsets {
    pub(crate) fn new(body: &str, base: usize) -> Self {
        let table =
            (!body.is_ascii()).then(|| body.char_indices().map(|(at, _)| at as u32).collect());
        Self {
            base,
            table,
            len: body.len(),
        }
    }

    pub(crate) fn byte(&self, marker: Marker) -> usize {
        let at = match &self.table {
            None => marker.index().min(self.len),
            Some(table) => table
                .get(marker.index())
                .map_or(self.len, |at| *at as usize),
        };
        self.base + at
    }
}
