//! Delivering reports: in order, each until the hub has it, however long that takes.

use super::backoff::Backoff;
use super::{Link, LinkError};
use crate::outbox::Outbox;
use std::cell::RefCell;
use std::rc::Rc;
use tenantry_schema::wire::ReportBatch;
use tokio::sync::Notify;

/// Delivers what is in `outbox` whenever `news` says that something is, and does so forever. `ledger`: id of the ledger that the
/// reports count in.
pub async fn deliver(link: Link, ledger: String, outbox: Rc<RefCell<Outbox>>, news: Rc<Notify>) {
    let mut backoff = Backoff::default();
    loop {
        match deliver_batch(&link, &ledger, &outbox).await {
            Ok(true) => backoff.reset(),
            Ok(false) => {
                backoff.reset();
                news.notified().await;
            }
            Err(error) => {
                tracing::debug!(%error, "reports wait");
                tokio::time::sleep(backoff.next(&mut rand::rng())).await;
            }
        }
    }
}

/// Delivers the oldest reports. Whether there were any.
pub async fn deliver_batch(
    link: &Link,
    ledger: &str,
    outbox: &RefCell<Outbox>,
) -> Result<bool, LinkError> {
    let reports = match outbox.borrow_mut().batch() {
        Ok(reports) => reports,
        Err(error) => {
            tracing::warn!(%error, "waiting reports cannot be read");
            return Err(LinkError::Malformed);
        }
    };
    let Some(last) = reports.last().map(|report| report.sequence) else {
        return Ok(false);
    };
    let receipt = link
        .deliver(&ReportBatch {
            ledger: ledger.to_owned(),
            reports,
        })
        .await?;
    // A hub that claims to have what was never sent is not believed that far.
    let delivered = receipt.accepted.min(last);
    if let Err(error) = outbox.borrow_mut().acknowledge(delivered) {
        tracing::warn!(%error, "a delivered report cannot be removed");
        return Err(LinkError::Malformed);
    }
    if delivered < last {
        Err(LinkError::Malformed)
    } else {
        Ok(true)
    }
}
