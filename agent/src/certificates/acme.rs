//! An authority that speaks ACME (RFC 8555), with HTTP-01 (section 8.3) and advice on renewal (RFC 9773).
//!
//! Another kind of challenge, such as DNS-01 answered by the hub, has its place in [`order`]: beside the one that is answered there.

mod account;
mod http;
mod order;

use super::Certificate;
use super::authority::{Advice, CertificateAuthority, Order, Question, Trouble, TroubleKind};
use super::desk::Desk;
use crate::files::{FilesError, Root};
use account::Accounts;
use http::Connection;
use instant_acme::{CertificateIdentifier, Error};
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;
use tenantry_schema::document::Certificates;

/// One certificate takes no longer; authorities validate within seconds, and look several times.
const PATIENCE: Duration = Duration::from_mins(10);

/// The account of this server at its authority, and the way there.
#[derive(Debug)]
pub struct AcmeAuthority {
    accounts: Accounts,
}

impl AcmeAuthority {
    /// Keeps its account in `folder`.
    pub fn open(folder: &Path) -> Result<Self, FilesError> {
        Ok(Self {
            accounts: Accounts::new(Root::private(folder)?),
        })
    }
}

impl CertificateAuthority for AcmeAuthority {
    async fn issue(&self, order: &Order, desk: &Desk<'_>) -> Result<Certificate, Trouble> {
        let connection = Connection::new(&order.authority)?;
        let work = order::get(&self.accounts, &connection, order, desk);
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Ok(certificate)) => Ok(certificate),
            Ok(Err(failed)) => Err(failed.explain(&connection, Timestamp::now())),
            Err(_) => Err(Trouble {
                kind: TroubleKind::Unreachable,
                message: format!(
                    "the authority has not finished after {} minutes",
                    PATIENCE.as_secs() / 60
                ),
                not_before: None,
            }),
        }
    }

    async fn advice(&self, question: &Question) -> Result<Option<Advice>, Trouble> {
        let connection = Connection::new(&question.authority)?;
        let work = ask(
            &self.accounts,
            &connection,
            &question.authority,
            &question.id,
        );
        match work.await {
            Ok(advice) => Ok(advice),
            // It knows nothing of renewal, or not this certificate: it is another authority's, or was issued before the authority's memory.
            Err(Failed::Acme(Error::Unsupported(_))) => Ok(None),
            Err(Failed::Acme(Error::Api(problem))) if problem.status == Some(404) => Ok(None),
            Err(failed) => Err(failed.explain(&connection, Timestamp::now())),
        }
    }
}

async fn ask(
    accounts: &Accounts,
    connection: &Connection,
    authority: &Certificates,
    id: &str,
) -> Result<Option<Advice>, Failed> {
    let account = accounts.get(connection, authority).await?;
    let quoted = serde_json::Value::from(id).to_string();
    let id: CertificateIdentifier<'_> = serde_json::from_str(&quoted).map_err(Error::Json)?;
    let (info, again) = account.renewal_info(&id).await?;
    let time = |at: i64| Timestamp::from_second(at).map_err(Trouble::local);
    let window = info.suggested_window;
    Ok(Some(Advice {
        start: time(window.start.unix_timestamp())?,
        end: time(window.end.unix_timestamp())?,
        again: Timestamp::now()
            .checked_add(again)
            .map_err(Trouble::local)?,
    }))
}

/// Why something was not had from an authority.
#[derive(Debug)]
enum Failed {
    Acme(Error),
    Trouble(Trouble),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Acme(error)
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Prefix of the types of problems (RFC 8555, section 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";

impl Failed {
    /// Whether it is the problem of this name.
    fn is(&self, name: &str) -> bool {
        let Self::Acme(Error::Api(problem)) = self else {
            return false;
        };
        problem
            .r#type
            .as_deref()
            .and_then(|kind| kind.strip_prefix(PROBLEM))
            == Some(name)
    }

    /// What it means for the next attempt.
    fn explain(self, connection: &Connection, now: Timestamp) -> Trouble {
        let error = match self {
            Self::Trouble(trouble) => return trouble,
            Self::Acme(ref error) => error,
        };
        let heard = connection.heard();
        let kind = match error {
            _ if self.is("rateLimited") || heard.status == Some(429) => TroubleKind::RateLimited,
            Error::Api(_) if heard.status.is_some_and(|status| status >= 500) => {
                TroubleKind::Unreachable
            }
            Error::Api(_) => TroubleKind::Refused,
            Error::Crypto | Error::KeyRejected => TroubleKind::Local,
            _ => TroubleKind::Unreachable,
        };
        let wish = match error {
            Error::Timeout(Some(at)) => {
                let wait = at.saturating_duration_since(std::time::Instant::now());
                now.checked_add(wait).ok()
            }
            _ => heard.not_before,
        };
        Trouble {
            kind,
            message: sentence(error, &heard),
            not_before: wish,
        }
    }
}

/// What people need to know of an error: the authority's words, or that there were none.
fn sentence(error: &Error, heard: &http::Heard) -> String {
    let plain = |text: &str| text.replace(char::is_control, " ");
    match error {
        Error::Api(problem) => {
            let mut parts: Vec<String> = problem.detail.iter().map(|text| plain(text)).collect();
            for part in &problem.subproblems {
                parts.extend(part.detail.iter().map(|text| plain(text)));
            }
            if parts.is_empty() {
                parts.extend(problem.r#type.iter().map(|text| plain(text)));
            }
            format!("the authority says: {}", parts.join("; "))
        }
        Error::Other(cause) => format!(
            "the authority cannot be reached: {}",
            crate::execute::sentence(cause.as_ref())
        ),
        Error::Timeout(_) => "the authority has not finished in time".to_owned(),
        _ => match heard.status {
            Some(status) if status >= 400 => format!("the authority answers with status {status}"),
            _ => format!("the authority's answer is not understood: {error}"),
        },
    }
}
