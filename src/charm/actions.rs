//! Actions: parameters to use case, outcome to results.

mod backup_id;
mod checkup;
mod create;
mod delete;
mod force;
mod legacy;
mod listing;
mod preflight;
mod protect;
mod prune;
mod ready;
mod register;
mod restore;
mod rotate;
mod show;
mod standing;
mod verify;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tracing::{error, info};

use super::bucket_relation::BackupRelation;
use super::failure::{self, Failure, Kind};
use super::{Charm, store};
use crate::backup::Catalogue;
use crate::juju::ToolError;

/// One result is one argument of a hook tool, which Linux bounds at 128 KiB.
const RESULT_LIMIT: usize = 120 * 1024;

/// What an action answers: keys that Juju takes, and text.
pub(super) type Results = BTreeMap<String, String>;

/// The parameters of an action, as the operator gave them.
pub(super) struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    /// A text; a missing one is empty, as no parameter of ours may be empty.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number, unless it is not given; Juju may write it as a float.
    fn whole(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| {
            let float = value.as_f64()?;
            (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
        })
    }

    fn flag(&self, name: &str) -> bool {
        self.0
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }
}

/// Runs one action and tells Juju how it ended. An action that failed is no failure of the process.
pub(super) async fn run(charm: &Charm, name: &str) -> Result<(), ToolError> {
    let parameters = Parameters(charm.tools.action_get().await?);
    info!(action = name, "action started");
    let outcome = match name {
        "create-backup" => create::create(charm, &parameters).await,
        "list-backups" => listing::list(charm, &parameters).await,
        "show-backup" => show::show(charm, &parameters).await,
        "verify-backup" => verify::verify(charm, &parameters).await,
        "restore-backup" => restore::restore(charm, &parameters).await,
        "rotate-passphrase" => rotate::rotate(charm, &parameters).await,
        "check-backup-storage" => checkup::check(charm, &parameters).await,
        "confirm-restore" => restore::confirm(charm).await,
        "rollback-restore" => restore::rollback(charm).await,
        "delete-backup" => delete::delete(charm, &parameters).await,
        "protect-backup" => protect::protect(charm, &parameters).await,
        "unprotect-backup" => protect::unprotect(charm, &parameters).await,
        "prune-backups" => prune::prune(charm, &parameters).await,
        "register-user" => {
            register::register(charm, parameters.text("username"), parameters.flag("admin")).await
        }
        _ => Err(Failure::new(
            Kind::Fault,
            "unknown-action",
            format!("this charm has no action {name}"),
            "",
        )),
    };
    match outcome {
        Ok(mut results) => {
            let notices = store::notices(charm);
            if !notices.is_empty() {
                results.insert("notices".to_owned(), notices.join("\n"));
            }
            info!(action = name, lines = charm.log.lines(), "action finished");
            charm.tools.action_set(&results).await
        }
        Err(failure) => {
            error!(action = name, code = failure.code, "{failure}");
            let code = BTreeMap::from([("error-code".to_owned(), failure.code.to_owned())]);
            charm.tools.action_set(&code).await?;
            charm.tools.action_fail(&failure.to_string()).await
        }
    }
}

/// Only the leader changes what lies in the bucket or on the volume: two units at once would work against each other.
fn leading(charm: &Charm, leader: bool, action: &'static str) -> Result<(), Failure> {
    if leader {
        return Ok(());
    }
    let application = charm.application();
    let hint = format!("run it there: juju run {application}/leader {action}");
    Err(Failure::new(
        Kind::Operator,
        "not-leader",
        "this unit is not the leader",
        hint,
    ))
}

/// The catalogue, once the store has answered: what follows waits longer for each of its calls.
async fn reach(
    charm: &Charm,
    relation: &BackupRelation,
    lead: &'static str,
) -> Result<Catalogue, Failure> {
    let catalogue = store::catalogue(charm, relation).await;
    let catalogue = catalogue.map_err(|failure| failure.led_by(lead))?;
    let probed = store::probe(charm, &catalogue).await;
    probed.map_err(|failure| failure.led_by(lead))?;
    Ok(catalogue)
}

/// Puts the Python charm's leading phrase before whatever went wrong.
fn led<E: std::error::Error + 'static>(lead: &'static str) -> impl Fn(E) -> Failure {
    move |error| failure::sort(&error).led_by(lead)
}

/// The time between two moments, for a result.
fn seconds(started: Timestamp, ended: Timestamp) -> String {
    format!("{:.1}", ended.duration_since(started).as_secs_f64())
}
