//! A thread that owns a connection and does one job after the other; the writer does what has piled up in one transaction (group commit).

use super::files::Database;
use crate::store::error::StoreError;
use crate::store::reply::Reply;
use rusqlite::Connection;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Most jobs in one transaction: what fails at its end fails for all of them.
const TOGETHER: usize = 500;

/// What a worker does with its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Together, in a transaction.
    Writer,
    /// One by one.
    Reader,
}

/// Does the work, unless there is nothing to do it with, and keeps the answer until the transaction has ended.
type Job =
    Box<dyn FnOnce(Result<&Connection, StoreError>) -> (Result<(), StoreError>, Finish) + Send>;
/// Gives the answer: the job's own, or the error with which the transaction ended.
type Finish = Box<dyn FnOnce(Result<(), StoreError>)>;

/// A handle to the thread. Dropping it ends the thread when all jobs are done.
pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(name: &str, database: Database, kind: Kind) -> Result<Self, StoreError> {
        let (sender, receiver) = channel();
        let run = move || run(database, &receiver, kind);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(StoreError::io("start a thread for", name.as_ref()))?;
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    /// Queues a job.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Reply<T> {
        let (answer, reply) = Reply::pair();
        let job: Job = Box::new(move |connection| {
            let result = connection.and_then(work);
            let own = result.as_ref().map(|_| ()).map_err(Clone::clone);
            let finish: Finish = Box::new(move |ended| {
                // Where nobody waits any more, the failure would be lost.
                if let Err(Err(error)) = answer.send(ended.and(result)) {
                    tracing::warn!(%error, cause = ?std::error::Error::source(&error), "the hub's database could not do its work");
                }
            });
            (own, finish)
        });
        // A worker that is gone drops the job, and with it the answer's sender: the reply says that the store is closed.
        if let Some(jobs) = &self.jobs {
            drop(jobs.send(job));
        }
        reply
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut database: Database, jobs: &Receiver<Job>, kind: Kind) {
    while let Ok(first) = jobs.recv() {
        let most = if kind == Kind::Writer { TOGETHER } else { 1 };
        let batch = std::iter::once(first)
            .chain(std::iter::from_fn(|| jobs.try_recv().ok()))
            .take(most)
            .collect();
        let (finishes, ended) = match database.connection() {
            Ok(connection) if kind == Kind::Writer => together(connection, batch),
            Ok(connection) => each(connection, batch),
            Err(error) => (
                batch.into_iter().map(|job| refuse(job, &error)).collect(),
                Err(error),
            ),
        };
        if let Err(error) = &ended {
            database.recover(error);
        }
        for finish in finishes {
            finish();
        }
    }
}

type Finished = Vec<Box<dyn FnOnce()>>;

fn refuse(job: Job, error: &StoreError) -> Box<dyn FnOnce()> {
    let (_, finish) = job(Err(error.clone()));
    Box::new(move || finish(Ok(())))
}

/// One transaction; a job that fails is undone alone.
fn together(connection: &Connection, jobs: Vec<Job>) -> (Finished, Result<(), StoreError>) {
    let run = |sql: &str| connection.execute_batch(sql).map_err(StoreError::from);
    if let Err(error) = run("BEGIN IMMEDIATE") {
        return (
            jobs.into_iter().map(|job| refuse(job, &error)).collect(),
            Err(error),
        );
    }
    let mut damage = None;
    let mut finishes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let (own, finish) = job(run("SAVEPOINT job").map(|()| connection));
        let kept = run(if own.is_ok() {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        });
        damage = damage.or([own.err(), kept.clone().err()]
            .into_iter()
            .flatten()
            .find(StoreError::is_damage));
        finishes.push((finish, kept));
    }
    let ended = run("COMMIT");
    if ended.is_err() {
        let _ = run("ROLLBACK");
    }
    let result = damage.map_or(Ok(()), Err).and(ended.clone());
    let finishes = finishes.into_iter().map(|(finish, kept)| {
        let ended = ended.clone();
        Box::new(move || finish(ended.and(kept))) as Box<dyn FnOnce()>
    });
    (finishes.collect(), result)
}

fn each(connection: &Connection, jobs: Vec<Job>) -> (Finished, Result<(), StoreError>) {
    let mut result = Ok(());
    let finishes = jobs.into_iter().map(|job| {
        let (own, finish) = job(Ok(connection));
        if own.is_err() {
            result = own;
        }
        Box::new(move || finish(Ok(()))) as Box<dyn FnOnce()>
    });
    let finishes = finishes.collect();
    (finishes, result)
}
