//! A change on the plaintext tree: what the changed text of a file must decrypt to. No text and no cryptography.

use crate::{Error, Map, Path, Segment, Value};

pub(crate) fn no_such(path: &Path) -> Error {
    Error::NoSuchPath {
        path: path.to_string(),
    }
}

/// The node at `path`.
pub(crate) fn get<'a>(root: &'a Map, path: &Path) -> Option<&'a Value> {
    let (first, rest) = path.segments().split_first()?;
    let Segment::Key(first) = first else {
        return None;
    };
    root.get(first)?.get(&rest.iter().cloned().collect())
}

/// The change on the plaintext tree: what the changed text must decrypt to.
pub(crate) fn apply(root: &mut Map, path: &Path, value: Option<&Value>) -> Result<(), Error> {
    let Some((last, parents)) = path.segments().split_last() else {
        return Err(no_such(path));
    };
    let mut top = Value::Map(std::mem::take(root));
    let result = descend(&mut top, parents, value.is_some()).and_then(|parent| {
        match (parent, last, value) {
            (Value::Map(map), Segment::Key(key), Some(value)) => {
                map.insert(key.as_str(), value.clone());
                Some(())
            }
            (Value::Map(map), Segment::Key(key), None) => map.remove(key).map(drop),
            (Value::List(items), Segment::Index(index), Some(value)) => {
                items.get_mut(*index).map(|item| *item = value.clone())
            }
            _ => None,
        }
    });
    if let Value::Map(map) = top {
        *root = map;
    }
    result.ok_or_else(|| no_such(path))
}

fn descend<'a>(node: &'a mut Value, path: &[Segment], make: bool) -> Option<&'a mut Value> {
    let Some((first, rest)) = path.split_first() else {
        if make && matches!(node, Value::Null) {
            *node = Value::Map(Map::new());
        }
        return Some(node);
    };
    if make && matches!(node, Value::Null) {
        *node = Value::Map(Map::new());
    }
    let next = match (node, first) {
        (Value::Map(map), Segment::Key(key)) => {
            if make && map.get(key).is_none() {
                map.insert(key.as_str(), Map::new());
            }
            map.get_mut(key)?
        }
        (Value::List(items), Segment::Index(index)) => items.get_mut(*index)?,
        _ => return None,
    };
    descend(next, rest, make)
}

/// Equal content; the order may differ where `sops` is not the file's last key.
pub(crate) fn same(found: &Map, wanted: &Map) -> bool {
    found.len() == wanted.len()
        && wanted
            .iter()
            .all(|(key, value)| found.get(key) == Some(value))
}
