//! Snapshots in a repository of backups: how they are marked, which of them are good, and restic's list of them. Hub and agent agree on this.

use crate::id::InstanceName;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Marks a snapshot of data.
pub const DATA: &str = "data";
/// Marks a receipt.
pub const RECEIPT: &str = "receipt";

/// A snapshot in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Snapshot {
    /// What stands behind `key=` in one of its tags.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags
            .iter()
            .find_map(|tag| tag.strip_prefix(key)?.strip_prefix('='))
    }

    /// Whether it carries this tag.
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

/// The tags of a snapshot of data.
pub fn data_tags(instance: &InstanceName) -> Vec<String> {
    vec![DATA.to_owned(), format!("instance={instance}")]
}

/// The tags of the receipt for `snapshot`.
pub fn receipt_tags(instance: &InstanceName, snapshot: &str) -> Vec<String> {
    vec![
        RECEIPT.to_owned(),
        format!("instance={instance}"),
        format!("of={snapshot}"),
    ]
}

/// A good backup: data, and its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodSnapshot {
    /// Whose.
    pub instance: InstanceName,
    /// When the data was saved.
    pub at: Timestamp,
    /// The snapshot of the data.
    pub data: String,
    /// The snapshot of the receipt.
    pub receipt: String,
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The good backups among `snapshots`, newest first: those with a receipt.
pub fn good_snapshots(snapshots: &[Snapshot]) -> Vec<GoodSnapshot> {
    // Older releases tell the first eight digits of an id where newer ones tell all.
    let data: HashMap<&str, &Snapshot> = snapshots
        .iter()
        .filter(|snapshot| snapshot.is(DATA))
        .map(|snapshot| (short(&snapshot.id), snapshot))
        .collect();
    let mut found: Vec<GoodSnapshot> = snapshots
        .iter()
        .filter(|snapshot| snapshot.is(RECEIPT))
        .filter_map(|receipt| {
            let instance = receipt.tag("instance")?;
            let of = receipt.tag("of")?;
            let data = data.get(short(of))?;
            let own = data.tag("instance") == Some(instance) && data.id.starts_with(of);
            let instance = instance.to_owned().try_into().ok()?;
            own.then(|| GoodSnapshot {
                instance,
                at: data.at,
                data: data.id.clone(),
                receipt: receipt.id.clone(),
            })
        })
        .collect();
    found.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.data.cmp(&b.data)));
    found.dedup_by(|a, b| a.data == b.data);
    found
}

#[derive(Deserialize)]
struct Written {
    id: String,
    time: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// The answer to `restic snapshots --json` (restic's documentation, "Scripting"), read leniently: a snapshot that cannot be understood is
/// passed over; none where the whole is no list.
pub fn parse_snapshots(text: &[u8]) -> Option<Vec<Snapshot>> {
    let all: Value = serde_json::from_slice(text).ok()?;
    if all.is_null() {
        return Some(Vec::new());
    }
    let read = |value: &Value| {
        let written = Written::deserialize(value).ok()?;
        Some(Snapshot {
            id: written.id,
            at: written.time.parse().ok()?,
            tags: written.tags.unwrap_or_default(),
        })
    };
    Some(all.as_array()?.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snapshot(id: &str, second: i64, tags: &[&str]) -> Snapshot {
        Snapshot {
            id: id.into(),
            at: Timestamp::from_second(second).unwrap(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_has_a_receipt_is_good() {
        let all = [
            snapshot("a", 1, &["data", "instance=web-db"]),
            snapshot("ra", 2, &["receipt", "instance=web-db", "of=a"]),
            // Killed before the receipt.
            snapshot("b", 3, &["data", "instance=web-db"]),
            snapshot("c", 5, &["data", "instance=web-db"]),
            snapshot("rc", 6, &["receipt", "instance=web-db", "of=c"]),
            // Ids as an older release tells them.
            snapshot("0123456789", 4, &["data", "instance=web-db"]),
            snapshot("rl", 4, &["receipt", "instance=web-db", "of=01234567"]),
            // A receipt of what is gone, of another instance, of a receipt.
            snapshot("rx", 7, &["receipt", "instance=web-db", "of=x"]),
            snapshot("ry", 8, &["receipt", "instance=other", "of=a"]),
            snapshot("rz", 9, &["receipt", "instance=web-db", "of=ra"]),
        ];
        let found: Vec<_> = good_snapshots(&all)
            .into_iter()
            .map(|good| good.data)
            .collect();
        assert_eq!(found, ["c", "0123456789", "a"]);
    }

    #[test]
    fn the_list_of_a_release() {
        let list = br#"[{"time":"2026-11-21T02:00:01.5+01:00","tree":"x","paths":["/a"],"tags":["data","instance=a"],"id":"0123","short_id":"01"},{"id":7},{"time":"x","id":"y"}]"#;
        let read = parse_snapshots(list).unwrap();
        assert_eq!(
            (read.len(), read[0].id.as_str(), read[0].tag("instance")),
            (1, "0123", Some("a"))
        );
        assert_eq!(parse_snapshots(b"null"), Some(Vec::new()));
        assert_eq!(parse_snapshots(b"{}"), None);
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_answered(bytes in any::<Vec<u8>>(), key in "id|time|tags", value in "[0-9]{1,25}|\"[a-z]{0,9}\"|null|\\[\\]|\\{\\}") {
            let _ = parse_snapshots(&bytes);
            let _ = parse_snapshots(format!("[{{\"id\":\"x\",\"time\":\"2026-11-21T02:00:01Z\",\"{key}\":{value}}}]").as_bytes());
        }
    }
}
