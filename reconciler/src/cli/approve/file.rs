//! The file of an operation as text: the approval is put in, and everything else stays as it was written.

use anyhow::bail;
use std::fmt::Write as _;
use tenantry_schema::document::Operation;
use tenantry_yaml::Limits;

/// Reads one. The error is one line.
pub(super) fn read(text: &str) -> Result<Operation, String> {
    tenantry_yaml::from_str(text, &Limits::default()).map_err(|problems| {
        let first = problems.first().map(|problem| problem.message.clone());
        first.unwrap_or_else(|| "it cannot be read".to_owned())
    })
}

/// The file with this approval in the place of any other.
pub(super) fn with_approval(
    text: &str,
    operation: &Operation,
    signature: &str,
) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        let end = line.trim_end();
        // A value goes on for as long as lines are further in; a scaffold's reminder has had its day.
        inside = inside && (end.is_empty() || line.starts_with([' ', '\t']));
        let written = ["approval:", "machine:", "order:"];
        inside |= written.iter().any(|key| line.starts_with(key));
        if !inside && !line.starts_with("# approval:") {
            out.push_str(end);
            out.push('\n');
        }
    }
    let mut out = out.trim_end().to_owned();
    out.push('\n');
    if let Some(order) = &operation.order {
        let _ = writeln!(out, "order: {order}");
    }
    if let Some(machine) = &operation.machine {
        // JSON is YAML.
        let machine = serde_json::to_string(machine)?;
        let _ = writeln!(out, "machine: {machine}");
    }
    out.push_str("approval: |\n");
    for line in signature.trim_end().lines() {
        out.push_str("  ");
        out.push_str(line);
        out.push('\n');
    }
    // What is written must be what was signed, however the file was laid out.
    let approved = read(&out).ok();
    let same = approved.is_some_and(|approved| {
        let without = |operation: &Operation| Operation {
            approval: None,
            ..operation.clone()
        };
        without(&approved) == without(operation)
            && approved.approval.as_deref().map(str::trim_end) == Some(signature.trim_end())
    });
    if !same {
        bail!(
            "the file is laid out in a way that an approval cannot be added to: write it with one key a line, then try again"
        );
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNATURE: &str =
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\nAAAA\n-----END SSH SIGNATURE-----\n";
    const WIPE: &str = "# Ticket 812.\nwipe: acme-1/umami   # all of it\ndestroys:\n  - its database\nreason: |\n  Two\n\n  lines\nexpires: 2026-11-22\n# approval: an owner's signature\n# the end\n";

    fn approve(text: &str, signature: &str) -> anyhow::Result<String> {
        with_approval(text, &read(text).unwrap(), signature)
    }

    #[test]
    fn comments_stay_and_an_approval_replaces_another() {
        let once = approve(WIPE, SIGNATURE).unwrap();
        assert!(
            once.starts_with("# Ticket 812.\nwipe: acme-1/umami   # all of it\n"),
            "{once}"
        );
        assert!(
            once.contains("# the end\napproval: |\n  -----BEGIN"),
            "{once}"
        );
        assert!(!once.contains("# approval"));
        let other = SIGNATURE.replace("AAAA", "BBBB");
        let twice = approve(&format!("{once}# after\n"), &other).unwrap();
        assert_eq!(twice.matches("BEGIN").count(), 1);
        assert!(twice.contains("BBBB") && twice.contains("# after"));
        assert_eq!(approve(&once, SIGNATURE).unwrap(), once);
    }

    #[test]
    fn what_cannot_be_added_to_is_refused() {
        let flow = "{ wipe: acme-1/umami, destroys: [x], reason: y, expires: 2026-11-22 }\n";
        assert!(approve(flow, SIGNATURE).is_err());
    }

    proptest! {
        #[test]
        fn nothing_else_changes(reason in "[ -~]{1,30}", comment in "[ -~]{0,20}") {
            let reason = serde_json::to_string(&reason).unwrap();
            let text = format!("wipe: acme-1/umami\n# {comment}\ndestroys: [x]\nreason: {reason}\nexpires: 2026-11-22\n");
            prop_assume!(!comment.trim_start().starts_with("approval:"));
            let approved = approve(&text, SIGNATURE).unwrap();
            prop_assert!(approved.starts_with(text.lines().next().unwrap()));
            prop_assert_eq!(read(&approved).unwrap().reason, read(&text).unwrap().reason);
        }
    }
}
