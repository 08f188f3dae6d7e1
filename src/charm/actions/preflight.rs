//! What is wrong with a restore, all of it, before anything is written or stopped; and what it is going to do.

mod database;
mod part;
mod plan;

use super::force::forced;
use super::led;
use super::legacy::{self, Old};
use super::ready::{Look, RESTORE, Ready, Task};
use crate::backup::{BackupId, Catalogue, Place, RestoreError, Sealed};
use crate::charm::failure::{Failure, Kind};
use crate::charm::swaps::{keep_hours, parts, place};
use crate::charm::{Charm, now};
use crate::openpgp::Passphrase;
use crate::synapse::data;
pub(super) use part::Asked;
use plan::Plan;
use std::sync::Arc;

/// What an operator may restore in spite of.
const FORCEABLE: [&str; 2] = ["server-name", "other-units"];
/// The endpoint that joins the units of the application.
const PEERS: &str = "synapse-peers";

/// A restore that nothing speaks against.
pub(super) struct Cleared {
    pub(super) ready: Ready,
    pub(super) sealed: Sealed,
    /// What there is to tell of it, when the Python charm has made it.
    pub(super) old: Option<Old>,
    /// Findings that the operator has overridden.
    pub(super) forced: Vec<String>,
    /// What is odd, and no reason not to.
    pub(super) odd: Vec<String>,
    pub(super) plan: String,
    pub(super) keep_hours: u32,
}

/// A restore that something speaks against, and its plan as far as it could be made.
pub(super) struct Hindered {
    pub(super) failure: Failure,
    pub(super) plan: String,
}

impl From<Failure> for Hindered {
    fn from(failure: Failure) -> Self {
        let plan = String::new();
        Self { failure, plan }
    }
}

/// Checks everything at once.
pub(super) async fn check(
    charm: &Charm,
    id: &BackupId,
    asked: Asked<'_>,
    force: &str,
) -> Result<Cleared, Hindered> {
    let force = forced(force, &FORCEABLE, RESTORE)?;
    let mut look = Look::at(charm, Task::Restore).await?;
    let keep_hours = keep_hours(&look.options).unwrap_or_else(|problem| {
        let hint = format!("juju config {} restore_keep_hours=72", charm.application());
        look.findings
            .push(finding("restore-keep-hours-invalid", &problem, hint));
        0
    });
    look.findings.extend(other_units(charm).await?);
    let mut plan = Plan::default();
    let (mut opened, mut old, mut odd) = (None, None, Vec::new());
    let passphrases = look.passphrases.as_slice();
    if let (Some(catalogue), false) = (&look.catalogue, passphrases.is_empty()) {
        let keys = (catalogue, passphrases);
        match legacy::opened(charm, "restore", keys, id, look.server_name.as_ref()).await {
            Ok(found) => {
                opened = Some(found.sealed);
                old = found.old;
            }
            Err(error) => look.findings.push(failed(error)),
        }
    }
    if let (Some(sealed), Some(catalogue), Some(volume)) =
        (&mut opened, &look.catalogue, &look.volume)
    {
        let keys = (catalogue, passphrases);
        match narrow(sealed, keys, &place(&volume.here), asked).await {
            Ok(()) => plan.backup(sealed, now()),
            Err(failure) => look.findings.push(failure),
        }
    }
    if let (Some(sealed), Some(service)) = (&opened, look.service) {
        plan.line("service", format!("Synapse {service}"));
        let looked = database::look(charm, sealed, &look.database, &mut plan).await?;
        look.findings.extend(looked.findings);
        odd = looked.odd;
    }
    if let (Some(sealed), Some(catalogue), Some(volume)) = (&opened, &look.catalogue, &look.volume)
    {
        let place = place(&volume.here);
        let found = sealed.findings(catalogue, &place).await.map_err(failed)?;
        look.findings.extend(found.into_iter().map(failed));
        look.findings.extend(other_server(sealed, &look));
        look.findings
            .extend(database::other_kind(sealed, look.database.kind));
        if let Some(old) = &old {
            plan.line("made", old.plan());
            let other = old.other_kind(sealed, look.database.kind);
            look.findings
                .extend(other.map(|failure| failure.led_by(RESTORE)));
        }
        plan.needs(&sealed.needs(&place).map_err(failed)?);
        plan.swap(
            &data::census(&volume.here, &parts(sealed.scope())).map_err(led(RESTORE))?,
            keep_hours,
        );
    }

    let overridden = |finding: &Failure| force.contains(&finding.code);
    let used: Vec<String> = look
        .findings
        .iter()
        .filter(|finding| overridden(finding))
        .map(|finding| format!("{}: {}", finding.code, finding.cause()))
        .collect();
    look.findings.retain(|finding| !overridden(finding));
    plan.findings(&used, &look.findings);
    let plan = plan.text();
    let ready = look.ready().map_err(|failure| Hindered {
        failure,
        plan: plan.clone(),
    })?;
    match opened {
        Some(sealed) => Ok(Cleared {
            ready,
            sealed,
            old,
            forced: used,
            odd,
            plan,
            keep_hours,
        }),
        None => Err(finding("not-ready", "the backup was not opened", "try again").into()),
    }
}

/// Narrows a backup to what was asked for.
async fn narrow(
    sealed: &mut Sealed,
    keys: (&Catalogue, &[Arc<Passphrase>]),
    place: &Place,
    asked: Asked<'_>,
) -> Result<(), Failure> {
    let Some((scope, beside)) = asked.of(sealed)? else {
        return Ok(());
    };
    let narrowed = sealed.narrow(keys, place, (scope, &beside)).await;
    narrowed.map_err(failed)?;
    if sealed.is_empty() {
        let cause = format!("the backup does not hold {}", sealed.scope());
        let hint = "show-backup backup-id=... contents=true shows what it holds";
        return Err(finding("part-absent", &cause, hint));
    }
    Ok(())
}

fn finding(code: &'static str, cause: &str, hint: impl Into<String>) -> Failure {
    Failure::new(Kind::Operator, code, cause, hint).led_by(RESTORE)
}

fn failed(error: RestoreError) -> Failure {
    let known = legacy::failure(&error, RESTORE).or_else(|| super::backup_id::absent(&error));
    known.unwrap_or_else(|| led(RESTORE)(error))
}

/// Each unit has data of its own: the others would go on with theirs.
async fn other_units(charm: &Charm) -> Result<Option<Failure>, Failure> {
    let mut others = Vec::new();
    for relation in charm
        .tools
        .relation_ids(PEERS)
        .await
        .map_err(led(RESTORE))?
    {
        let units = charm.tools.relation_list(&relation).await;
        others.extend(units.map_err(led(RESTORE))?);
    }
    Ok((!others.is_empty()).then(|| {
        let cause = format!("other units have data of their own: {}", others.join(", "));
        let hint = format!(
            "run juju scale-application {} 1, or add force=other-units to leave them as they are",
            charm.application()
        );
        finding("other-units", &cause, hint)
    }))
}

fn other_server(sealed: &Sealed, look: &Look) -> Option<Failure> {
    let (ours, theirs) = (look.server_name.as_ref()?.as_str(), sealed.server_name());
    if ours != theirs && sealed.is_legacy() {
        let cause = format!("the backup is of the server {theirs}, and this is {ours}");
        let hint = format!("restore it in an application whose server_name is {theirs}");
        // It has no configuration that could turn this server into that one.
        return Some(finding("legacy-server-name", &cause, hint));
    }
    (ours != theirs).then(|| {
        let cause = format!("the backup is of the server {theirs}, and this is {ours}");
        let hint = format!(
            "restore it in an application whose server_name is {theirs}, or add force=server-name to turn this server into {theirs}"
        );
        finding("server-name", &cause, hint)
    })
}

/// How many volumes a backup has, in words.
pub(super) fn volumes(sealed: &Sealed) -> String {
    match sealed.volumes().len() {
        1 => "1 volume".to_owned(),
        count => format!("{count} volumes"),
    }
}
