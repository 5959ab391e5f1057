//! Accepting connections: bounded in number, in size and time of their heads, and ended in good order. What is answered is the router's.

use axum::Router;
use axum::http::Extensions;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Connections at once; every agent holds one or two.
const CONNECTIONS: usize = 20_000;
/// Time from opening, or from the answer before, to the end of the next request's head.
const HEAD: Duration = Duration::from_secs(30);
/// Largest head in bytes, and how many headers it may have.
const HEAD_BYTES: usize = 32 << 10;
const HEADERS: usize = 64;
/// Time for requests under way to end after the word to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Tells a handler that waits for something that the hub stops.
#[derive(Debug, Clone)]
pub struct Closing(Option<watch::Receiver<bool>>);

impl Closing {
    /// What [`serve`] put into a request. Without it, it never begins.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or(Self(None))
    }

    /// Returns once the hub stops.
    pub(super) async fn begun(&self) {
        match self.0.clone() {
            // An error means that the server is gone, which is as good.
            Some(mut closing) => drop(closing.wait_for(|begun| *begun).await),
            None => std::future::pending().await,
        }
    }
}

/// Serves `router` at `listener` until `shutdown` ends; then lets requests under way end, waiting ones at once, and returns.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let (stop, closing) = watch::channel(false);
    let service = TowerToHyperService::new(router.layer(axum::Extension(Closing(Some(closing)))));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let connection =
            graceful.watch(http.serve_connection(TokioIo::new(stream), service.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // A reader that went away in mid-sentence is nothing to mend.
                tracing::trace!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = stop.send(true);
    if tokio::time::timeout(GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::info!("some connections did not end in time and are cut");
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            // Usually no file descriptor is left; some come free when connections end.
            tracing::warn!(%error, "a connection cannot be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
