//! Swaps of data as the charm sees them: where they happen, what they ask of Synapse, and those that a killed process
//! left open.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{info, warn};

use super::fix_ups::fix_up;
use super::observe::{self, Observation};
use super::report::reported;
use super::standing::Standing;
use super::volume::{self, SCRATCH, SNAPSHOT};
use super::{Charm, CharmError, POLL, PRIVATE, STARTING, failure, now};
use crate::backup::{self, Ended, Monitor, Operation, Place, Scope, Service, Swapped, TakenBack};
use crate::juju::{Event, Options, Status};
use crate::pebble::ServiceStatus;
use crate::synapse::{self, data};

/// The option that says how long what was replaced is kept.
pub(super) const KEEP_HOURS: &str = "restore_keep_hours";
/// As in config.yaml.
const KEEP_HOURS_DEFAULT: u32 = 72;

/// Where data is swapped, on the volume that is mounted at `here`.
pub(super) fn place(here: &Path) -> Place {
    Place {
        here: here.to_owned(),
        there: synapse::DATA.to_owned(),
        private: PRIVATE,
        user_id: synapse::UID,
        group_id: synapse::GID,
        staging: "staging",
        replaced: |root, scope| data::replaced(root, &parts(scope)),
        permitted: |path, scope| data::permitted(path, &parts(scope)),
        service: synapse::SERVICE.to_owned(),
    }
}

/// The parts of the data directory that a scope names; words of a later version name none.
pub(super) fn parts(scope: &Scope) -> Vec<data::Part> {
    let words = scope.words().iter();
    words
        .filter_map(|word| data::Part::parse(word).ok())
        .collect()
}

/// How many hours what was replaced is kept; an error says what is wrong with the option.
pub(super) fn keep_hours(options: &Options) -> Result<u32, String> {
    match options.whole(KEEP_HOURS) {
        None => Ok(KEEP_HOURS_DEFAULT),
        Some(hours) => u32::try_from(hours)
            .map_err(|_negative| format!("{KEEP_HOURS} is {hours}, and must be 0 or more hours")),
    }
}

impl Charm {
    /// What a swap asks of Synapse.
    #[expect(
        clippy::type_complexity,
        reason = "these types have no names to put into an alias"
    )]
    pub(super) fn service(
        &self,
    ) -> Service<
        impl AsyncFn(&Swapped) -> Result<Vec<String>, String>,
        impl AsyncFn() -> Result<(), String>,
    > {
        Service {
            fix_up: async |swapped: &Swapped| fix_up(self, swapped).await,
            bring_up: async || self.works().await,
        }
    }

    /// Brings Synapse up on whatever data is live, and waits until it serves that server.
    async fn works(&self) -> Result<(), String> {
        let brought_up = self.bring_up().await;
        let (seen, hindrance, _) = brought_up.map_err(|error| failure::chain(&error))?;
        if let Err(silent) = self.answers().await {
            return Err(hindrance.map_or(silent, |hindrance| hindrance.message().to_owned()));
        }
        let volume = observe::volume(self)
            .await
            .map_err(|error| failure::chain(&error))?;
        let Some(wanted) = volume.and_then(|volume| volume.server_name).or_else(|| {
            let before = seen.volume.as_ref();
            before.and_then(|volume| volume.server_name.clone())
        }) else {
            return Ok(());
        };
        let served = self.homeserver.served_server_name().await;
        match served.map_err(|error| failure::chain(&error))? {
            served if served == wanted => Ok(()),
            served => Err(format!("Synapse serves {served}, and not {wanted}")),
        }
    }

    /// Waits until Synapse answers; one that has ended will not.
    async fn answers(&self) -> Result<(), String> {
        let until = Instant::now() + STARTING;
        loop {
            let Err(silent) = self.homeserver.health().await else {
                return Ok(());
            };
            let services = self.client.services(&[synapse::SERVICE]).await;
            let services = services.map_err(|error| failure::chain(&error))?;
            let ended = |status| match status {
                ServiceStatus::Active | ServiceStatus::Unknown => false,
                ServiceStatus::Inactive | ServiceStatus::Backoff | ServiceStatus::Error => true,
            };
            if services.is_empty() || services.iter().any(|service| ended(service.current)) {
                return Err("Synapse does not stay up; kubectl logs says why".to_owned());
            }
            if Instant::now() >= until {
                return Err(failure::chain(&silent));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends the swap of a process that was killed, before anything else is done.
    pub(super) async fn end_open_swap(&self) -> Result<(), CharmError> {
        let Some(here) = observe::mount(self).await? else {
            return Ok(());
        };
        let place = place(here);
        if !backup::swap_is_open(&here.join(PRIVATE)) {
            // One run at a time: whoever left this is gone.
            for left in [SNAPSHOT, SCRATCH] {
                volume::remove(&here.join(PRIVATE).join(left));
            }
            if let Err(error) = backup::tidy(&place) {
                warn!(
                    error = failure::chain(&error),
                    "what a killed run left stays"
                );
            }
            return Ok(());
        }
        info!("a swap of data is open, whose process was killed");
        if self.client.services(&[]).await.is_err() {
            let waiting = Status::waiting("waiting for the container synapse");
            self.unfinished.get_or_init(|| waiting);
            return Ok(());
        }
        let (monitor, progress) = Monitor::new();
        let service = self.service();
        let work = backup::recover(&self.client, &place, &service, &monitor);
        match reported(self, "restore", progress, work).await {
            Ok(None) => (),
            Ok(Some((operation, ended))) => {
                let text = recovered(&operation, &ended);
                warn!("{text}");
                if let Event::Action(_) = self.context.event {
                    self.tools.action_log(&text).await?;
                }
            }
            Err(error) => {
                let text = format!("restore is unfinished: {}", failure::chain(&error));
                warn!("{text}");
                self.unfinished.get_or_init(|| Status::blocked(text));
            }
        }
        Ok(())
    }
}

/// What became of a swap whose process was killed.
fn recovered(operation: &Operation, ended: &Ended) -> String {
    let what = match operation {
        Operation::Restore(backup) => format!("restore of {backup}"),
        Operation::Rollback(backup) => format!("rollback of the restore of {backup}"),
    };
    match ended {
        Ended::Made(_) => format!("the {what} was cut off, and is now finished"),
        Ended::TakenBack(TakenBack { works: Ok(()), .. }) => {
            format!(
                "the {what} was cut off, and everything was put back: the server runs as before"
            )
        }
        Ended::TakenBack(TakenBack {
            works: Err(reason), ..
        }) => format!(
            "the {what} was cut off, and everything was put back; the server does not answer: {reason}"
        ),
    }
}

/// Lets go of what was replaced once its time is over, unless it may be the only good data there is.
pub(super) fn expire(charm: &Charm, seen: &Observation, standing: &mut Standing) {
    let Some(volume) = &seen.volume else {
        return;
    };
    standing.kept = volume.kept.clone();
    let Ok(hours) = keep_hours(&seen.options) else {
        return;
    };
    let kept_since = now()
        .checked_sub(SignedDuration::from_hours(i64::from(hours)))
        .unwrap_or(Timestamp::MIN);
    match backup::forget_staged(&place(&volume.here), kept_since) {
        Ok(true) => info!(hours, "what a killed restore had staged was removed"),
        Ok(false) => (),
        Err(error) => warn!(error = failure::chain(&error), "what was staged stays"),
    }
    let works = matches!(standing.health, Some(Ok(()))) && charm.unfinished.get().is_none();
    let over = volume
        .kept
        .as_ref()
        .is_some_and(|kept| kept.until(hours) <= now());
    if !works || !over {
        return;
    }
    match backup::confirm(&place(&volume.here)) {
        Ok(_) => {
            info!(
                hours,
                "what the last restore replaced was freed: its time is over"
            );
            standing.kept = None;
        }
        Err(error) => warn!(
            error = failure::chain(&error),
            "what a restore replaced stays"
        ),
    }
}
