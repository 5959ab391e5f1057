//! Delivering reports: in order, each until the hub has it, however long that takes. One that the hub will never take is set aside.

use super::backoff::Backoff;
use super::troubles::{About, Troubles};
use super::{HubRefusal, Link, LinkError};
use crate::files::FilesError;
use crate::outbox::aside::Why;
use crate::outbox::{Batch, Outbox};
use jiff::Timestamp;
use reqwest::StatusCode;
use std::cell::RefCell;
use std::rc::Rc;
use tenantry_schema::wire::ReportBatch;
use tenantry_wire::http::LARGEST_REPORTS;
use tokio::sync::Notify;

/// What a batch needs besides its reports, in bytes.
const ENVELOPE: usize = 512;
/// Every web server takes so many bytes: whoever says of less that it is too large, and does not sign, is not believed.
const SMALL: usize = 64 << 10;

/// Delivers what is in `outbox` whenever `news` says that something is, and does so forever. `ledger`: id of the ledger that the
/// reports count in.
pub async fn deliver(
    link: Link,
    ledger: String,
    outbox: Rc<RefCell<Outbox>>,
    news: Rc<Notify>,
    troubles: Rc<RefCell<Troubles>>,
) {
    let mut backoff = Backoff::default();
    loop {
        match deliver_batch(&link, &ledger, &outbox).await {
            Ok(Delivered::Some) => {
                troubles.borrow_mut().served(About::Reports);
                backoff.reset();
            }
            Ok(Delivered::Fewer) => {}
            Ok(Delivered::None) => {
                backoff.reset();
                news.notified().await;
            }
            Err(error) => {
                let now = Timestamp::now();
                troubles.borrow_mut().refused(About::Reports, &error, now);
                tokio::time::sleep(backoff.next(&mut rand::rng())).await;
            }
        }
    }
}

/// What came of sending a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The hub has the reports.
    Some,
    /// It refused them: the next batch has fewer, or the only one was set aside. Go on.
    Fewer,
    /// There was nothing to send.
    None,
}

/// Delivers the oldest reports.
pub async fn deliver_batch(
    link: &Link,
    ledger: &str,
    outbox: &RefCell<Outbox>,
) -> Result<Delivered, LinkError> {
    let Batch { reports, bytes } = outbox
        .borrow_mut()
        .batch()
        .map_err(|error| broken("waiting reports cannot be read", &error))?;
    let (Some(last), count) = (reports.last().cloned(), reports.len()) else {
        return Ok(Delivered::None);
    };
    if count == 1 && bytes + ENVELOPE > LARGEST_REPORTS {
        let message = format!("it has {bytes} bytes, and the hub takes {LARGEST_REPORTS}");
        return set_aside(outbox, &last, message);
    }
    let batch = ReportBatch {
        ledger: ledger.to_owned(),
        reports,
    };
    let receipt = match link.deliver(&batch).await {
        Ok(receipt) => receipt,
        Err(LinkError::Refused(refusal)) if condemns(&refusal, count, bytes) => {
            if count == 1 {
                return set_aside(outbox, &last, refusal.to_string());
            }
            outbox.borrow_mut().narrow(count);
            return Ok(Delivered::Fewer);
        }
        Err(error) => {
            // A server that will not read so much may just close the connection.
            if let LinkError::Unreachable(cause) = &error
                && !cause.is_connect()
            {
                outbox.borrow_mut().narrow(count);
            }
            return Err(error);
        }
    };
    // A hub that claims to have what was never sent is not believed that far.
    let delivered = receipt.accepted.min(last.sequence);
    let mut outbox = outbox.borrow_mut();
    outbox
        .acknowledge(delivered)
        .map_err(|error| broken("a delivered report cannot be removed", &error))?;
    outbox.widen();
    if delivered < last.sequence {
        Err(LinkError::Malformed)
    } else {
        Ok(Delivered::Some)
    }
}

/// Whether a refusal is about the reports, so that sending the same again is useless. Only the hub itself can say that they make no
/// sense; that they are too many can be said by anybody in between.
fn condemns(refusal: &HubRefusal, reports: usize, bytes: usize) -> bool {
    match refusal.status {
        StatusCode::BAD_REQUEST => refusal.signed,
        StatusCode::PAYLOAD_TOO_LARGE => refusal.signed || reports > 1 || bytes > SMALL,
        _ => false,
    }
}

fn set_aside(
    outbox: &RefCell<Outbox>,
    report: &tenantry_schema::wire::Report,
    message: String,
) -> Result<Delivered, LinkError> {
    let mut outbox = outbox.borrow_mut();
    let at = Timestamp::now();
    tracing::warn!(
        report = report.sequence,
        folder = %outbox.aside().folder().display(),
        "a report is set aside: {message}"
    );
    outbox
        .set_aside(report, &Why { at, message })
        .map_err(|error| broken("a report cannot be set aside", &error))?;
    outbox.widen();
    Ok(Delivered::Fewer)
}

fn broken(what: &'static str, error: &FilesError) -> LinkError {
    LinkError::Outbox(what, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_reports_condemns_them() {
        let says = |status: u16, signed, reports, bytes| {
            let status = StatusCode::from_u16(status).unwrap();
            condemns(&HubRefusal::read(status, b"", signed), reports, bytes)
        };
        assert!(says(400, true, 1, 10) && says(400, true, 9, 10));
        assert!(!says(400, false, 1, 10), "anybody can say so");
        assert!(says(413, false, 2, 10), "fewer at a time do no harm");
        assert!(says(413, false, 1, SMALL + 1) && says(413, true, 1, 10));
        assert!(!says(413, false, 1, 10));
        for status in [401, 403, 404, 408, 429, 500, 502, 503] {
            assert!(!says(status, true, 1, SMALL * 2), "{status}");
        }
    }
}
