//! Takes what the engine sends of a log apart into lines with the time at which each was written. Pure.

use jiff::Timestamp;

/// Bytes of a line that are looked at; the rest of a longer one is not.
const LONGEST: usize = 16 << 10;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// When it was written.
    pub(super) at: Timestamp,
    /// Without its end, and without control characters.
    pub(super) text: String,
}

/// One of a container's streams. The engine puts the time before every piece that it sends: a line, or a part of a long one.
#[derive(Debug, Default)]
pub(super) struct Lines {
    at: Option<Timestamp>,
    text: Vec<u8>,
}

impl Lines {
    /// Takes a piece in, and gives the lines that it completes to `each`.
    pub(super) fn feed(&mut self, piece: &[u8], mut each: impl FnMut(Line)) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (stamp, rest) = stamped(part);
            match stamp {
                Some(stamp) if self.text.is_empty() => self.at = Some(stamp),
                _ => {}
            }
            let (body, ended) = match rest.strip_suffix(b"\n") {
                Some(body) => (body, true),
                None => (rest, false),
            };
            let room = LONGEST.saturating_sub(self.text.len());
            self.text.extend_from_slice(&body[..body.len().min(room)]);
            if ended {
                let text = std::mem::take(&mut self.text);
                if let Some(at) = self.at.take() {
                    each(Line {
                        at,
                        text: readable(&text),
                    });
                }
            }
        }
    }
}

/// The time at the beginning of a piece, and the rest of it.
fn stamped(part: &[u8]) -> (Option<Timestamp>, &[u8]) {
    // 2026-01-02T03:04:05.678901234Z
    let Some(space) = part.iter().take(40).position(|byte| *byte == b' ') else {
        return (None, part);
    };
    let stamp = std::str::from_utf8(&part[..space])
        .ok()
        .and_then(|text| text.parse().ok());
    match stamp {
        Some(stamp) => (Some(stamp), &part[space + 1..]),
        None => (None, part),
    }
}

fn readable(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&str]) -> Vec<String> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece.as_bytes(), |line| {
                all.push(format!("{} {}", line.at.subsec_nanosecond(), line.text));
            });
        }
        all
    }

    const T: &str = "2026-01-02T03:04:05";

    #[test]
    fn pieces_become_lines() {
        assert_eq!(
            lines(&[
                &format!("{T}.000000001Z one\n"),
                &format!("{T}.000000002Z \x1b[31mtw"),
                &format!("{T}.000000003Z o\r\n{T}.000000004Z three\n{T}.000000005Z "),
            ]),
            ["1 one", "2 [31mtwo", "4 three"]
        );
        assert!(lines(&["no time\n", "\n", " \n"]).is_empty());
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let mut all = Lines::default();
        for _ in 0..100 {
            all.feed(format!("{T}Z {}", "x".repeat(1000)).as_bytes(), |_| {
                panic!("no end yet")
            });
        }
        assert!(all.text.len() <= LONGEST);
        let mut found = None;
        all.feed(b"\n", |line| found = Some(line));
        assert_eq!(found.unwrap().text.len(), LONGEST);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let mut lines = Lines::default();
            for piece in pieces {
                lines.feed(&piece, |line| assert!(!line.text.contains('\n')));
            }
        }

        #[test]
        fn however_a_stream_is_cut_the_lines_are_the_same(texts in proptest::collection::vec("[a-z]{0,12}", 1..8), cut in 1usize..30) {
            // Cut anywhere but within the time, as the engine does.
            let whole = texts.iter().fold(String::new(), |whole, text| whole + T + "Z " + text + "\n");
            let mut expected = Vec::new();
            Lines::default().feed(whole.as_bytes(), |line| expected.push(line.text));
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for text in &texts {
                let at = cut.min(text.len());
                lines.feed(format!("{T}Z {}", &text[..at]).as_bytes(), |line| found.push(line.text));
                lines.feed(format!("{}\n", &text[at..]).as_bytes(), |line| found.push(line.text));
            }
            prop_assert_eq!(found, expected);
        }
    }
}
