//! Where things stand in block YAML text: the lines of an entry, comments, insertion points. No cryptography.

use std::ops::Range;

use crate::yaml::{Data, Entry, Node};

/// The lines that one entry of a block mapping takes.
pub(crate) struct Lines {
    /// Start of the key's line.
    pub(crate) line_start: usize,
    /// Start of the key.
    pub(crate) key_start: usize,
    /// Column of the key in bytes.
    pub(crate) column: usize,
    /// After the last line, its line feed included.
    pub(crate) end: usize,
}

/// Whether a scalar can be replaced where it stands: not a block, not the empty null.
pub(crate) fn is_one_piece(node: &Node) -> bool {
    matches!(&node.data, Data::Scalar(scalar) if !scalar.block) && !node.span.is_empty()
}

/// The lines of an entry whose key is preceded by spaces and list dashes only.
pub(crate) fn entry_lines(source: &str, entry: &Entry) -> Option<Lines> {
    let key_start = entry.key_span.start;
    let line_start = source[..key_start].rfind('\n').map_or(0, |at| at + 1);
    let before = &source[line_start..key_start];
    if !before.bytes().all(|byte| byte == b' ' || byte == b'-') {
        return None;
    }
    let column = key_start - line_start;
    let is_list = matches!(entry.value.data, Data::List(_));
    let mut end = line_end(source, key_start);
    let mut at = end;
    while at < source.len() {
        let next = line_end(source, at);
        let line = source[at..next].trim_end();
        let indent = line.len() - line.trim_start_matches(' ').len();
        let item = is_list
            && indent == column
            && (line[indent..].starts_with("- ") || &line[indent..] == "-");
        let comment = line[indent..].starts_with('#');
        if line.is_empty() || (comment && indent <= column) {
            at = next;
        } else if indent > column || item {
            at = next;
            end = next;
        } else {
            break;
        }
    }
    Some(Lines {
        line_start,
        key_start,
        column,
        end,
    })
}

/// The source with whole lines put in at `at`.
pub(crate) fn insert_line(source: &str, at: usize, lines: &str) -> String {
    let (head, tail) = source.split_at(at);
    let gap = if head.is_empty() || head.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    [head, gap, lines, tail].concat()
}

/// The places of texts that stand after a `#` and look encrypted.
pub(crate) fn comments(source: &str) -> Vec<Range<usize>> {
    source
        .match_indices("#ENC[AES256_GCM,")
        .map(|(at, _)| {
            let start = at + 1;
            let end = line_end(source, at);
            start..start + source[start..end].trim_end().len()
        })
        .collect()
}

fn line_end(source: &str, at: usize) -> usize {
    source[at..]
        .find('\n')
        .map_or(source.len(), |found| at + found + 1)
}

/// Replacements of byte ranges that do not overlap.
pub(crate) type Splices = Vec<(Range<usize>, String)>;

/// The source with its replacements made.
pub(crate) fn splice(source: &str, mut splices: Splices) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(source.len() + 256);
    let mut at = 0;
    for (range, text) in splices {
        out.push_str(&source[at..range.start]);
        out.push_str(&text);
        at = range.end;
    }
    out.push_str(&source[at..]);
    out
}
