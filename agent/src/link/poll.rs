//! The long poll: a question is always open at the hub, so that a commit arrives within milliseconds. The hub being away stops
//! nothing else.

use super::backoff::Backoff;
use super::{Link, LinkError, Next, WAIT};
use std::time::Duration;
use tenantry_schema::wire::{Questions, SliceRef};
use tokio::sync::{mpsc, oneshot, watch};

/// What comes from the hub.
#[derive(Debug)]
pub enum FromHub {
    /// A believed answer.
    Heard,
    /// A slice; say whether it was accepted.
    Bundle {
        /// As it came.
        bytes: Vec<u8>,
        /// Whether it was accepted.
        accepted: oneshot::Sender<bool>,
    },
    /// An operator asks something.
    Questions(Questions),
    /// No believed answer.
    Trouble(LinkError),
}

/// Keeps asking until the receiver is dropped. `have` is the slice that is on disk here.
pub async fn poll(link: Link, have: watch::Receiver<Option<SliceRef>>, to: mpsc::Sender<FromHub>) {
    let mut backoff = Backoff::default();
    loop {
        let current = have.borrow().clone();
        let asked = tokio::time::Instant::now();
        let answer = tokio::select! {
            answer = link.next(current.as_ref(), WAIT) => answer,
            () = to.closed() => return,
        };
        let pause = match answer {
            Ok(next) => {
                let taken = take(next, &to).await;
                // A hub that answers at once although nothing is new must not be asked in a tight loop.
                let hasty = asked.elapsed() < Duration::from_millis(200);
                match taken {
                    Some(true) => {
                        backoff.reset();
                        Duration::ZERO
                    }
                    Some(false) if !hasty => {
                        backoff.reset();
                        Duration::ZERO
                    }
                    Some(false) => backoff.next(&mut rand::rng()),
                    None => return,
                }
            }
            Err(error) => {
                let pause = backoff.next(&mut rand::rng());
                if to.send(FromHub::Trouble(error)).await.is_err() {
                    return;
                }
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = to.closed() => return,
        }
    }
}

/// Passes an answer on. Whether something new was accepted; `None` if nobody listens any more.
async fn take(next: Next, to: &mpsc::Sender<FromHub>) -> Option<bool> {
    to.send(FromHub::Heard).await.ok()?;
    match next {
        Next::Unchanged => Some(false),
        Next::Questions(questions) => {
            to.send(FromHub::Questions(questions)).await.ok()?;
            Some(true)
        }
        Next::Bundle(bytes) => {
            let (accepted, answer) = oneshot::channel();
            to.send(FromHub::Bundle { bytes, accepted }).await.ok()?;
            answer.await.ok()
        }
    }
}
