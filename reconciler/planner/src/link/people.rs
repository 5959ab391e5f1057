//! People whom `host: users: only:` names: whether they can log in at all. A warning, because people leave, and documents that still name them harm
//! nobody.

use super::{Context, hint};
use crate::codes;
use crate::documents::CustomerDocuments;
use crate::input::{TextOf, locate};
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{Host, Staff};

/// Of the machines of a customer.
pub(super) fn check(context: Context<'_>, documents: &CustomerDocuments) -> Vec<Diagnostic> {
    let own = documents.servers.iter();
    own.filter_map(|(id, server)| Some((id, server.host.as_deref()?)))
        .flat_map(|(id, host)| {
            let path = format!("fleet/customers/{}/servers/{id}.yaml", documents.id);
            cannot_log_in(host, &path, &context.head.staff, context.text_of)
        })
        .collect()
}

/// Of the document at `path`, which asks for `host`.
pub(crate) fn cannot_log_in(
    host: &Host,
    path: &str,
    staff: &Staff,
    text_of: &TextOf<'_>,
) -> Vec<Diagnostic> {
    let only = host.users.as_ref().and_then(|users| users.only.as_ref());
    let named = only.into_iter().flatten();
    named
        .filter_map(|id| {
            let keys = ["host", "users", "only", id.as_str()];
            let warn = |message: String, label: &str, note: String| {
                let place = locate(text_of, path, &keys, false);
                Diagnostic::warning(codes::UNKNOWN_PERSON, place, message)
                    .label(label)
                    .note(note)
            };
            match staff.0.get(id) {
                None => Some(warn(
                    format!("nobody of the staff is `{id}`"),
                    "not in fleet/staff.yaml",
                    hint(
                        id.as_str(),
                        staff.0.keys().map(ToString::to_string),
                        "fleet/staff.yaml names nobody yet",
                    ),
                )),
                Some(person) if person.server_login.is_none() => Some(warn(
                    format!("`{id}` cannot log in to servers"),
                    "has no `server_login:` in fleet/staff.yaml",
                    format!(
                        "add `server_login: {{}}` to `{id}` there, or take the name off this list"
                    ),
                )),
                Some(_) => None,
            }
        })
        .collect()
}
