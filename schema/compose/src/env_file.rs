//! Reading `env_file` of a service: the variables of those files, which `environment` overrides.

use crate::dotenv;
use crate::reader::At;
use crate::rebase;
use crate::values::Pairs;

/// All variables of all files.
pub(crate) fn read(at: &At<'_>) -> Pairs {
    let mut pairs = Pairs::default();
    let items = if at.node.as_sequence().is_some() {
        at.items().unwrap_or_default()
    } else {
        vec![at.clone()]
    };
    for item in items {
        if item.node.as_mapping().is_none() {
            file(&item, true, &mut pairs);
            continue;
        }
        let Some(fields) = item.fields(
            &["path", "required"],
            &[("format", "files have Compose's own format")],
        ) else {
            continue;
        };
        let required = fields.get("required").and_then(At::boolean).unwrap_or(true);
        match fields.get("path") {
            Some(path) => file(path, required, &mut pairs),
            None => item.invalid("a `path` is needed"),
        }
    }
    pairs
}

fn file(at: &At<'_>, required: bool, pairs: &mut Pairs) {
    let Some(text) = at.text() else { return };
    let path = match rebase::beneath(text) {
        Ok(path) => path,
        Err(why) => return at.invalid(why),
    };
    at.cx.referred.borrow_mut().insert(path.clone());
    let Some(text) = at.cx.files.text(&path) else {
        if required {
            at.invalid_with(
                format!("there is no file `{path}` in the stack's folder"),
                "paths are relative to the file that names them; keep the files beside it",
            );
        }
        return;
    };
    if text.len() > dotenv::MAX_BYTES {
        return at.invalid(format!("`{path}` is longer than 256 KiB"));
    }
    match dotenv::parse(text, at.cx.values) {
        Ok(entries) => {
            for (name, value, _) in entries {
                pairs.insert(name, value);
            }
        }
        Err(wrong) => {
            for (line, why) in wrong {
                at.invalid(format!("{path}:{line}: {why}"));
            }
        }
    }
}
