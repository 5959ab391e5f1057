//! An answer that is on its way from another thread.

use super::error::StoreError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// The answer to a request to the store: await it in a task, or [`wait`](Reply::wait) for it on a thread.
#[must_use = "a reply that nobody reads hides failures"]
pub struct Reply<T> {
    receiver: oneshot::Receiver<Result<T, StoreError>>,
}

/// Where the answer is put.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

impl<T> Reply<T> {
    /// A reply and where to answer it.
    pub(super) fn pair() -> (Answer<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self { receiver })
    }

    /// Blocks until the answer is there. Not for async tasks.
    pub fn wait(self) -> Result<T, StoreError> {
        self.receiver
            .blocking_recv()
            .unwrap_or(Err(StoreError::Closed))
    }
}

impl<T> Future for Reply<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}
