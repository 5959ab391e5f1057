//! Agents' reports on their way into the inventory: kept durably first, then handed to the loop, which plans their customers again.

use super::Hub;
use crate::store::{Happening, HistoryEntry, News, StateStore, StoreError, StoredReport};
use crate::web::{ReportError, ReportSink};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::inventory::ServerObservation;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Receipt, ReportBatch};
use tokio::sync::mpsc;

/// How many events and refusals of a server are kept in memory, for the pages.
pub(super) const RECENT: usize = 20;

/// What was new in a batch of reports, which is kept already.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) server: ServerKey,
    pub(super) news: News,
    pub(super) received_at: Timestamp,
}

/// What wakes the loop.
#[derive(Debug)]
pub(super) enum Wake {
    /// The branch may have moved.
    Branch,
    /// A push has ended.
    Pushed,
    /// There is something new to show.
    Told,
    /// Reports arrived.
    Reports(Box<Reports>),
    /// Somebody asks which repositories of backups there are to be looked after.
    Upkeep(tokio::sync::oneshot::Sender<Option<crate::backups::Upkeep>>),
    /// The hub stops.
    Stop,
}

/// The door through which reports come in.
pub struct ReportDoor {
    store: Arc<dyn StateStore>,
    wake: mpsc::UnboundedSender<Wake>,
}

impl ReportDoor {
    pub(super) fn new(store: Arc<dyn StateStore>, wake: mpsc::UnboundedSender<Wake>) -> Self {
        Self { store, wake }
    }
}

impl ReportSink for ReportDoor {
    fn accept(
        &self,
        server: ServerKey,
        batch: ReportBatch,
    ) -> BoxFuture<'_, Result<Receipt, ReportError>> {
        Box::pin(async move {
            let received_at = Timestamp::now();
            let recorded = self
                .store
                .record_reports(server.clone(), batch, received_at)
                .await
                .map_err(|error| match error {
                    StoreError::BadBatch(why) => ReportError::Refused(why.to_owned()),
                    other => ReportError::Unavailable(Box::new(other)),
                })?;
            if let Some(news) = recorded.news {
                // The loop is gone only while the hub stops; the reports are kept, and read again at the next start.
                let _ = self.wake.send(Wake::Reports(Box::new(Reports {
                    server,
                    news,
                    received_at,
                })));
            }
            Ok(recorded.receipt)
        })
    }
}

impl Hub {
    /// Reports that were kept before this start.
    pub(super) fn restore(
        &mut self,
        reports: BTreeMap<ServerKey, StoredReport>,
        mut history: BTreeMap<ServerKey, Vec<HistoryEntry>>,
    ) {
        for (
            server,
            StoredReport {
                report,
                received_at,
                ..
            },
        ) in reports
        {
            let mut seen = ServerObservation {
                revision: 1,
                report,
                received_at,
                refusals: Vec::new(),
                events: Vec::new(),
                matches: Vec::new(),
            };
            let history = history.remove(&server).unwrap_or_default();
            remember(&server, &mut seen, history);
            self.inventory.servers.insert(server, seen);
        }
    }

    /// Takes in what is new of a server.
    pub(super) fn observe(&mut self, reports: Reports) {
        let Reports {
            server,
            news,
            received_at,
        } = reports;
        self.dirty.push(server.customer.clone());
        match (self.inventory.servers.get_mut(&server), news.latest) {
            (Some(seen), latest) => {
                seen.revision += 1;
                seen.received_at = received_at;
                if let Some(latest) = latest {
                    seen.report = latest.report;
                }
                remember(&server, seen, news.history);
            }
            (None, Some(StoredReport { report, .. })) => {
                let mut seen = ServerObservation {
                    revision: 1,
                    report,
                    received_at,
                    refusals: Vec::new(),
                    events: Vec::new(),
                    matches: Vec::new(),
                };
                remember(&server, &mut seen, news.history);
                self.inventory.servers.insert(server, seen);
            }
            (None, None) => {}
        }
    }
}

fn remember(server: &ServerKey, seen: &mut ServerObservation, history: Vec<HistoryEntry>) {
    for entry in history {
        match entry.what {
            Happening::Event(event) => seen.events.push(event),
            Happening::Refusal(refusal) => seen.refusals.push(refusal),
            Happening::Match(found) => seen.matches.push((&*found).into()),
            Happening::Gap { from, to } => {
                tracing::warn!("reports {from} to {to} of {server} never arrived");
            }
        }
    }
    keep_last(&mut seen.events);
    keep_last(&mut seen.refusals);
    keep_last(&mut seen.matches);
}

fn keep_last<T>(items: &mut Vec<T>) {
    let surplus = items.len().saturating_sub(RECENT);
    items.drain(..surplus);
}
