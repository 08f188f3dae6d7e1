//! One wake-up: observe, decide, apply, and say how things stand.
//!
//! Juju starts this program for every hook and every action. A hook looks at the whole world ([`observe`]), works out
//! what is to be done ([`decide`], pure), does it, and sets the status from what then really runs. An action does its
//! work ([`actions`]) and then the same. This is the only room that gives orders; the clock is read here.

mod actions;
mod apply;
mod bucket_relation;
mod database;
mod decide;
mod failure;
mod fix_ups;
mod lease;
mod media;
mod newest;
mod observe;
mod owner;
mod passphrases;
mod process;
mod report;
mod retention;
mod selection;
mod standing;
mod store;
mod swaps;
mod sweep;
mod transfer;
mod volume;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::juju::log::Recorder;
use crate::juju::{Context, Event, Status, ToolError, Tools};
use crate::s3::Bucket;
use crate::synapse::{ApiError, Homeserver};
use crate::{juju, pebble};
use failure::Failure;
use observe::Observation;

/// Where Pebble of the workload listens, as Juju mounts it.
const SOCKET: &str = "/charm/containers/synapse/pebble.socket";
/// The directory around it, which both containers see: its path here, and in the workload's container.
const SHARED: (&str, &str) = ("/charm/containers/synapse", "/charm/container");
/// Directory on the data volume that is the charm's own: copies and staging, never part of a backup.
const PRIVATE: &str = ".synapse-operator";
/// How often a Synapse that starts is asked whether it is there.
const POLL: Duration = Duration::from_millis(100);
/// How long Synapse may take from its start to its first answer; a large database migrates meanwhile.
const STARTING: Duration = Duration::from_secs(120);

/// The stack of a thread that may block: reserved is all of it, and a limit of the address space counts that.
const STACK: usize = 1 << 20;
/// Threads that may block: those of a backup or a restore wait for each other, so there must be more than all of them.
const THREADS: usize = 64;

/// What every part of one wake-up works with.
struct Charm {
    context: Context,
    tools: Tools,
    /// What this wake-up has logged; whoever reads a secret makes it known here.
    log: Recorder,
    client: pebble::Client,
    homeserver: Homeserver,
    /// What the store refused in this wake-up: it is not asked again, as each time may cost seconds.
    refused: OnceLock<Failure>,
    /// The bucket of the backup relation, once it was opened.
    bucket: OnceLock<Bucket>,
    /// The options, once they were asked for.
    options: OnceCell<juju::Options>,
    /// Where the data volume is mounted, once that was asked for.
    mount: OnceCell<Option<PathBuf>>,
    /// Why a swap of data that a killed process left open is neither made nor taken back.
    unfinished: OnceLock<Status>,
}

/// Why a wake-up failed: the hook is then retried by Juju.
#[derive(Debug, thiserror::Error)]
enum CharmError {
    #[error(transparent)]
    Juju(#[from] ToolError),
    #[error(transparent)]
    Observe(#[from] observe::ObserveError),
    #[error(transparent)]
    Decide(#[from] decide::DecideError),
    #[error(transparent)]
    Apply(#[from] apply::ApplyError),
}

/// Runs one hook or action; the whole program.
pub fn main() -> ExitCode {
    process::keep_secrets();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .max_blocking_threads(THREADS)
        .build();
    let (Ok(runtime), Ok(context)) = (runtime, Context::from_env()) else {
        // There is no agent to tell it to, and nothing may be printed.
        return ExitCode::FAILURE;
    };
    let code = runtime.block_on(async {
        let tools = Tools::new(context.tools.clone());
        let Ok(log) = juju::log::install(tools.clone(), now) else {
            return ExitCode::FAILURE;
        };
        let charm = Charm {
            client: pebble::Client::new(Path::new(SOCKET)).sharing(SHARED.0, SHARED.1),
            homeserver: Homeserver::local(),
            refused: OnceLock::new(),
            bucket: OnceLock::new(),
            options: OnceCell::new(),
            mount: OnceCell::new(),
            unfinished: OnceLock::new(),
            log: log.recorder(),
            context,
            tools,
        };
        let ended = tokio::select! {
            // Dropping the work at any point is as safe as being killed at any point, which Juju does too.
            ended = charm.wake() => Some(ended),
            () = process::terminated() => None,
        };
        let Some(ended) = ended else {
            info!("terminated");
            log.flush().await;
            return process::terminate();
        };
        if let Err(error) = &ended {
            error!("{}", failure::chain(error));
        }
        log.flush().await;
        if ended.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    });
    // A name that is being resolved cannot be given up; nobody waits for it any more.
    runtime.shutdown_background();
    code
}

/// The time.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

impl Charm {
    async fn wake(&self) -> Result<(), CharmError> {
        debug!(event = ?self.context.event, juju = self.context.juju_version, "woken");
        match &self.context.event {
            Event::Action(action) => {
                self.end_open_swap().await?;
                actions::run(self, &action.name).await?;
                // The action has had its answer, which an exit code other than 0 would replace.
                if let Err(error) = self.reconcile().await {
                    warn!("{}", failure::chain(&error));
                }
                Ok(())
            }
            // The unit is going: nothing is started, and what runs is stopped with its container.
            Event::Stop | Event::Remove => Ok(()),
            Event::Unknown(_) | Event::Exec => Ok(()),
            Event::Install
            | Event::Start
            | Event::ConfigChanged
            | Event::UpgradeCharm
            | Event::LeaderElected
            | Event::LeaderSettingsChanged
            | Event::UpdateStatus
            | Event::Relation(_)
            | Event::Storage(_)
            | Event::PebbleReady { .. }
            | Event::PebbleNotice { .. }
            | Event::PebbleCheckFailed { .. }
            | Event::PebbleCheckRecovered { .. }
            | Event::Secret(_) => {
                self.end_open_swap().await?;
                self.reconcile().await?;
                sweep::daily(self).await;
                Ok(())
            }
        }
    }

    /// Brings the unit to where it should be, and says where it is.
    async fn reconcile(&self) -> Result<(), CharmError> {
        let (seen, hindrance, started) = self.bring_up().await?;
        let mut standing = standing::look(self, &seen, started).await;
        swaps::expire(self, &seen, &mut standing);
        for notice in store::notices(self) {
            match self.context.event {
                Event::UpdateStatus => debug!("{notice}"),
                _ => info!("{notice}"),
            }
        }
        let status = standing::status(&self.context.unit, &seen.options, hindrance, &standing);
        let version = async {
            match &standing.version {
                Some(version) => self.tools.application_version_set(version).await,
                None => Ok(()),
            }
        };
        let (version, status) = tokio::join!(version, self.tools.status_set(&status));
        version.and(status)?;
        Ok(())
    }

    /// Makes the steps that are due; gives what was seen before, what hinders Synapse, and whether it was started.
    async fn bring_up(&self) -> Result<(Observation, Option<Status>, bool), CharmError> {
        let seen = observe::observe(self).await?;
        let decision = decide::decide(self.application(), &seen, getrandom::fill)?;
        let started = apply::apply(self, decision.steps).await?;
        Ok((seen, decision.hindrance, started))
    }

    /// The options, asked for once in a wake-up.
    async fn options(&self) -> Result<&juju::Options, ToolError> {
        self.options
            .get_or_try_init(|| self.tools.config_get())
            .await
    }

    fn application(&self) -> &str {
        self.context.unit.application()
    }

    /// Whether this unit leads; a failure to find out is the action's.
    async fn leader(&self, lead: &'static str) -> Result<bool, Failure> {
        let asked = self.tools.is_leader().await;
        asked.map_err(|error| failure::sort(&error).led_by(lead))
    }

    /// Waits until Synapse answers, and gives its last excuse when it does not within `patience`.
    async fn healthy(&self, patience: Duration) -> Result<(), ApiError> {
        let until = Instant::now() + patience;
        loop {
            match self.homeserver.health().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(POLL).await,
                answer => return answer,
            }
        }
    }

    /// The version of the Synapse that runs, when it answers.
    async fn synapse_version(&self) -> Option<String> {
        self.homeserver.version().await.ok()
    }
}
