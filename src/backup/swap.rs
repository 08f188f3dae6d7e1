//! Puts one set of data in the place of another, as a transaction: made, or taken back, whatever happens.
//!
//! ```text
//! stop -> move-out -> move-in -> fix-up -> start -> close          made
//!   \________\___________\_________\________\
//!                                             take-back -> restart  taken back
//! ```
//!
//! Each step stands in the [`Journal`] before it is made, and can be made again after any crash. The same loop serves a
//! restore, a rollback, and whoever finds the journal of a process that was killed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::journal::{Incoming, Journal, JournalError, Operation, Resolution, Step};
use super::moves::{MoveError, Moves};
use super::place::remove_tree;
use super::stage::Staged;
use super::{BackupId, Kept, Monitor, Phase, Place, Scope, previous};
use crate::pebble;

/// How long a service may take to stop. Longer than its kill delay and Pebble's own five seconds after it.
const STOPPING: Duration = Duration::from_secs(60);

/// What the swap asks of its caller, who knows what runs on the data.
pub struct Service<F, B> {
    /// Mends what is wrong in data only because it is older than the world; tells what it mended.
    pub fix_up: F,
    /// Starts the service on what is live now, and answers once it is sure that it works, or with what is wrong.
    pub bring_up: B,
}

/// What a swap has put where, for whoever mends it.
#[derive(Debug)]
pub struct Swapped {
    /// When the swap began.
    pub began: Timestamp,
    /// The data directory as it is now.
    pub live: PathBuf,
    /// What was there before, in the same layout.
    pub replaced: PathBuf,
    /// The parts of it that were swapped.
    pub scope: Scope,
    /// The staged data directory, of which what was not moved is still there.
    pub staged: PathBuf,
    /// A directory on the same file system that may not be there yet, and goes when the swap has ended.
    pub scratch: PathBuf,
}

/// How a swap ended.
#[derive(Debug)]
pub enum Ended {
    /// The new data is live, and the service works on it.
    Made(Made),
    /// The old data is live again.
    TakenBack(TakenBack),
}

/// A swap that was made.
#[derive(Debug)]
pub struct Made {
    /// What was mended.
    pub fix_ups: Vec<String>,
    /// The way back; `None` when there was nothing before.
    pub kept: Option<Kept>,
    /// How many older ways back were freed.
    pub freed: usize,
    /// How long the service did not answer; `None` when the process that stopped it was killed.
    pub downtime: Option<Duration>,
}

/// A swap that was taken back.
#[derive(Debug)]
pub struct TakenBack {
    /// Why.
    pub reason: String,
    /// Whether the service works on the old data, or what it says instead.
    pub works: Result<(), String>,
}

/// Why a swap stays open: the next wake-up tries again.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal cannot be written, so nothing was begun.
    #[error("failed to write the journal of the restore")]
    Write(#[source] io::Error),
    /// What was moved could not be moved back.
    #[error("failed to put everything back")]
    Back(#[source] MoveError),
    /// The service did not stop, so nothing can be moved.
    #[error("{0}, so nothing can be moved back")]
    Stop(String),
    /// What is not needed any more could not be removed.
    #[error("failed to remove what is not needed any more")]
    Close(#[source] io::Error),
}

/// A swap under way.
pub(super) struct Swap<'a> {
    place: &'a Place,
    journal: Journal,
    stopped: Option<Instant>,
    reason: String,
    fix_ups: Vec<String>,
}

impl<'a> Swap<'a> {
    /// Begins to put a staged backup in place. Asks for the proof that all of it is authentic.
    pub(super) fn restore(
        place: &'a Place,
        backup: &BackupId,
        staged: &Staged,
        now: Timestamp,
    ) -> Result<Self, SwapError> {
        let operation = Operation::Restore(backup.clone());
        let scope = staged.scope().clone();
        Self::begin(
            place,
            Journal::new(operation, scope, now, Incoming::Staging),
        )
    }

    /// Begins to put back what an earlier swap has replaced.
    pub(super) fn rollback(
        place: &'a Place,
        kept: &Kept,
        now: Timestamp,
    ) -> Result<Self, SwapError> {
        let operation = match &kept.operation {
            Operation::Restore(backup) => Operation::Rollback(backup.clone()),
            Operation::Rollback(backup) => Operation::Restore(backup.clone()),
        };
        let incoming = Incoming::Kept(kept.id.clone());
        Self::begin(
            place,
            Journal::new(operation, kept.scope.clone(), now, incoming),
        )
    }

    fn begin(place: &'a Place, journal: Journal) -> Result<Self, SwapError> {
        let swap = Self::of(place, journal);
        let private = place.private();
        let begun = place
            .own(&private)
            .and_then(|()| swap.journal.write(&private));
        begun.map_err(SwapError::Write)?;
        Ok(swap)
    }

    /// Takes over the swap of a process that was killed, if there is one; what becomes of it stands in its journal.
    pub(super) fn found(place: &'a Place) -> Result<Option<Self>, SwapError> {
        let Some(journal) = Journal::read(&place.private())? else {
            return Ok(None);
        };
        let mut swap = Self::of(place, journal);
        let step = match (swap.journal.resolution(), swap.journal.step) {
            (Resolution::Undo, Step::Restart) => Step::Restart,
            (Resolution::Undo, _) => Step::TakeBack,
            (Resolution::Finish, Step::Close) => Step::Close,
            // From the first move on: one that was being taken back without a word in the journal is made again.
            (Resolution::Finish, _) => Step::Stop,
        };
        swap.reason = "its process was killed".to_owned();
        if swap.journal.resolution() == Resolution::Finish {
            // Noted under the step that it had reached, so that it is not tried a second time.
            swap.journal.attempts += 1;
            swap.journal
                .write(&place.private())
                .map_err(SwapError::Write)?;
        }
        swap.journal.step = step;
        Ok(Some(swap))
    }

    fn of(place: &'a Place, journal: Journal) -> Self {
        Self {
            place,
            journal,
            stopped: None,
            reason: String::new(),
            fix_ups: Vec::new(),
        }
    }

    /// What it is about.
    pub(super) fn operation(&self) -> &Operation {
        &self.journal.operation
    }

    /// Carries the swap to its end. After an error it stays open, for the next wake-up.
    pub(super) async fn carry<F, B>(
        mut self,
        client: &pebble::Client,
        service: &Service<F, B>,
        monitor: &Monitor,
    ) -> Result<Ended, SwapError>
    where
        F: AsyncFn(&Swapped) -> Result<Vec<String>, String>,
        B: AsyncFn() -> Result<(), String>,
    {
        loop {
            let made = match self.journal.step {
                Step::Stop => {
                    monitor.enter(Phase::Swapping, 0);
                    self.stopped = Some(Instant::now());
                    self.stop(client).await.and_then(|()| self.list())
                }
                Step::MoveOut => previous::prepare(self.place, &self.journal)
                    .map_err(|error| format!("failed to make room for what is replaced: {error}"))
                    .and_then(|()| told(self.moves().out())),
                Step::MoveIn => told(self.moves().in_()),
                Step::FixUp => {
                    let mended = (service.fix_up)(&self.swapped()).await;
                    mended.map(|mended| self.fix_ups = mended)
                }
                Step::Start => {
                    monitor.enter(Phase::Starting, 0);
                    (service.bring_up)().await
                }
                Step::Close => {
                    let downtime = self.stopped.map(|stopped| stopped.elapsed());
                    return self.close(downtime).map(Ended::Made);
                }
                Step::TakeBack => {
                    monitor.enter(Phase::TakingBack, 0);
                    // As long as nothing was listed, nothing was moved, and nothing has to stand still.
                    if self.journal.out.is_some() {
                        self.stop(client).await.map_err(SwapError::Stop)?;
                        self.moves().back().map_err(SwapError::Back)?;
                    }
                    Ok(())
                }
                Step::Restart => {
                    let works = (service.bring_up)().await;
                    self.forget()?;
                    let reason = self.reason;
                    return Ok(Ended::TakenBack(TakenBack { reason, works }));
                }
            };
            self.advance(made);
        }
    }

    /// Goes on to the next step, or to the way back.
    ///
    /// A journal that cannot be written any more, as on a full disk, is no reason to stand still: what it says last leads
    /// back from before the service was started, and forth from then on, and each move can be made again.
    fn advance(&mut self, made: Result<(), String>) {
        self.journal.step = match made {
            Err(reason) => {
                tracing::warn!(step = ?self.journal.step, reason, "the swap is taken back");
                self.reason = reason;
                Step::TakeBack
            }
            Ok(()) => match self.journal.step {
                Step::Stop => Step::MoveOut,
                Step::MoveOut => Step::MoveIn,
                Step::MoveIn => Step::FixUp,
                Step::FixUp => Step::Start,
                Step::Start | Step::Close => Step::Close,
                Step::TakeBack | Step::Restart => Step::Restart,
            },
        };
        tracing::debug!(step = ?self.journal.step, "swap");
        if let Err(error) = self.journal.write(&self.place.private()) {
            tracing::warn!(step = ?self.journal.step, %error, "the journal could not be written");
            if !matches!(
                self.journal.step,
                Step::TakeBack | Step::Restart | Step::Close
            ) {
                self.reason = format!("failed to write the journal: {error}");
                self.journal.step = Step::TakeBack;
            }
        }
    }

    fn moves(&self) -> Moves<'_> {
        Moves::of(self.place, &self.journal)
    }

    fn swapped(&self) -> Swapped {
        Swapped {
            began: self.journal.began,
            live: self.place.live().to_owned(),
            replaced: previous::data(&self.place.private(), &self.journal.kept),
            scope: self.journal.scope.clone(),
            staged: self.place.staged(),
            scratch: self.place.staging(),
        }
    }

    /// Stops the service and makes sure that it has stopped.
    ///
    /// One that Pebble does not know, as after a restart of the container, does not run.
    async fn stop(&self, client: &pebble::Client) -> Result<(), String> {
        let service = [self.place.service.as_str()];
        let stopped = async {
            if client.services(&service).await?.is_empty() {
                return Ok(true);
            }
            client.stop(&service, STOPPING).await?;
            let now = client.services(&service).await?;
            Ok(now.iter().all(|service| !runs(service.current)))
        };
        let failed = |error: pebble::PebbleError| {
            format!("failed to stop the service {}: {error}", service[0])
        };
        match stopped.await.map_err(failed)? {
            true => Ok(()),
            false => Err(format!(
                "the service {} runs although it was stopped",
                service[0]
            )),
        }
    }

    /// Notes what is live, unless that was done before.
    fn list(&mut self) -> Result<(), String> {
        if self.journal.out.is_none() {
            self.journal.out = Some(told(Moves::live_names(self.place, &self.journal.scope))?);
        }
        Ok(())
    }

    /// Keeps the way back, and frees everything else.
    fn close(&self, downtime: Option<Duration>) -> Result<Made, SwapError> {
        let private = self.place.private();
        let replaced = self.journal.out.iter().flatten().next().is_some();
        let kept = replaced.then_some(&self.journal.kept);
        let closed = || {
            // What was put back from there is live now, and no way back of its own.
            if let Incoming::Kept(id) = &self.journal.incoming {
                previous::free(&private, id)?;
            }
            let freed = previous::free_others(&private, kept)?;
            remove_tree(&self.place.staging())?;
            Journal::remove(&private)?;
            Ok(freed)
        };
        let freed = closed().map_err(SwapError::Close)?;
        Ok(Made {
            fix_ups: self.fix_ups.clone(),
            kept: kept.map(|id| Kept {
                id: id.clone(),
                scope: self.journal.scope.clone(),
                operation: self.journal.operation.clone(),
                at: self.journal.began,
            }),
            freed,
            downtime,
        })
    }

    /// Removes what a swap that was taken back leaves; what it was to put in place, if it was kept before, stays kept.
    fn forget(&self) -> Result<(), SwapError> {
        let private = self.place.private();
        let forgotten = || {
            previous::free(&private, &self.journal.kept)?;
            remove_tree(&self.place.staging())?;
            Journal::remove(&private)
        };
        forgotten().map_err(SwapError::Close)
    }
}

fn runs(status: pebble::ServiceStatus) -> bool {
    match status {
        pebble::ServiceStatus::Inactive | pebble::ServiceStatus::Error => false,
        pebble::ServiceStatus::Active
        | pebble::ServiceStatus::Backoff
        | pebble::ServiceStatus::Unknown => true,
    }
}

/// An error and its cause as one line, for a journal's reader.
fn told<T>(made: Result<T, MoveError>) -> Result<T, String> {
    made.map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

/// Whether a swap is open in the private directory `private`.
pub fn swap_is_open(private: &Path) -> bool {
    Journal::is_there(private)
}
