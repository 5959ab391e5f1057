//! What restic says with `--json`, read leniently: what is not known is passed over, so that other releases are understood, too.
//!
//! Source of the formats: restic's documentation, "Scripting".

use crate::backups::tool::{Entry, Saved};
use serde_json::Value;

/// The summary at the end of `restic backup`, if this line is it.
pub(super) fn saved(line: &[u8]) -> Option<Saved> {
    let value: Value = serde_json::from_slice(line).ok()?;
    if value.get("message_type")?.as_str()? != "summary" {
        return None;
    }
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    Some(Saved {
        snapshot: value.get("snapshot_id")?.as_str()?.to_owned(),
        bytes: number("total_bytes_processed"),
        files: number("total_files_processed"),
        added: number("data_added"),
    })
}

/// A line of `restic ls`, if it is about a file or folder.
pub(super) fn entry(line: &[u8]) -> Option<Entry> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let is_file = value.get("type")?.as_str()? == "file";
    // An empty file has no size there.
    let size = value
        .get("size")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    Some(Entry {
        path: value.get("path")?.as_str()?.to_owned(),
        size: is_file.then_some(size),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_words_of_a_release() {
        let summary = br#"{"message_type":"summary","files_new":1,"data_added":900,"total_files_processed":2,"total_bytes_processed":42,"snapshot_id":"557d9b9a","news":{}}"#;
        let read = saved(summary).unwrap();
        assert_eq!(
            (read.snapshot.as_str(), read.bytes, read.files, read.added),
            ("557d9b9a", 42, 2, 900)
        );
        assert_eq!(
            saved(br#"{"message_type":"status","percent_done":1}"#),
            None
        );
        let file = entry(
            br#"{"name":"a","type":"file","path":"/x/a","uid":0,"size":5,"struct_type":"node"}"#,
        )
        .unwrap();
        assert_eq!((file.path.as_str(), file.size), ("/x/a", Some(5)));
        assert_eq!(entry(br#"{"type":"dir","path":"/x"}"#).unwrap().size, None);
        assert_eq!(
            entry(br#"{"type":"file","path":"/empty"}"#).unwrap().size,
            Some(0)
        );
        assert_eq!(entry(br#"{"struct_type":"snapshot","paths":["/x"]}"#), None);
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_answered(bytes in any::<Vec<u8>>(), key in "message_type|type|id|time|tags|path|size", value in "[0-9]{1,25}|\"[a-z]{0,9}\"|null|\\[\\]|\\{\\}") {
            let line = format!("{{\"message_type\":\"summary\",\"snapshot_id\":\"x\",\"{key}\":{value}}}");
            let _ = (saved(&bytes), entry(&bytes));
            let _ = (saved(line.as_bytes()), entry(line.as_bytes()));
        }
    }
}
