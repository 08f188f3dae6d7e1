//! `restore-backup`, and what may follow it: `confirm-restore`, `rollback-restore`.

use std::collections::BTreeMap;

use super::backup_id::{absent, chosen};
use super::legacy;
use super::preflight::{Asked, Cleared, Hindered, check, volumes};
use super::ready::{RESTORE, Task};
use super::{Parameters, Results, leading, led, seconds};
use crate::backup::{self, Kept, Made, Monitor, Operation, Restoration, Scope};
use crate::charm::failure::{Failure, Kind};
use crate::charm::lease::{Without, holding};
use crate::charm::media::{self, Compared};
use crate::charm::observe;
use crate::charm::report::reported;
use crate::charm::swaps::{keep_hours, parts, place};
use crate::charm::volume::Volume;
use crate::charm::{Charm, failure, now};
use crate::synapse::config::DatabaseKind;
use crate::synapse::data::{self, Part};
use tracing::warn;

/// The leading phrases of the two that the Python charm did not have.
const CONFIRM: &str = "Error confirming the restore.";
const ROLLBACK: &str = "Error rolling the restore back.";

/// What an operator wants to know first when a restore has failed.
const UNCHANGED: &str = "Nothing was changed, and Synapse was not stopped.";

pub(super) async fn restore(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let restored = restore_with(charm, parameters).await;
    restored.map_err(|failure| match failure.code {
        "restore-taken-back" | "restore-unfinished" => failure,
        _ => failure.followed_by(UNCHANGED),
    })
}

async fn restore_with(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    leading(charm, charm.leader(RESTORE).await?, "restore-backup")?;
    let started = now();
    let id = chosen(charm, parameters, Task::Restore.leads()).await?;
    let asked = Asked {
        components: parameters.text("components"),
        media_id: parameters.text("media-id"),
    };
    let checked = check(charm, &id, asked, parameters.text("force")).await;
    let (dry, plan) = match &checked {
        Ok(Cleared { plan, .. }) | Err(Hindered { plan, .. }) => {
            (parameters.flag("dry-run"), plan.clone())
        }
    };
    if dry && !plan.is_empty() {
        let told = BTreeMap::from([("plan".to_owned(), plan)]);
        charm.tools.action_set(&told).await.map_err(led(RESTORE))?;
    }
    let cleared = checked.map_err(|hindered| hindered.failure)?;
    if dry {
        return Ok(Results::from([
            ("result".to_owned(), "ready".to_owned()),
            ("seconds".to_owned(), seconds(started, now())),
        ]));
    }

    let Cleared {
        ready,
        sealed,
        old,
        forced,
        odd,
        keep_hours,
        ..
    } = cleared;
    let place = place(&ready.volume.here);
    let (monitor, progress) = Monitor::new();
    let restoration = Restoration {
        client: &charm.client,
        catalogue: &ready.catalogue,
        passphrases: &ready.passphrases,
        place: &place,
        monitor: &monitor,
    };
    let scope = sealed.scope().clone();
    let (finished, server) = (sealed.finished(), sealed.server_name().to_owned());
    let (members, content, volumes) = (sealed.members(), sealed.content(), volumes(&sealed));
    let components = parts(&scope);
    let database = components.contains(&data::Part::Database);
    let seen = old.as_ref().map(|old| old.checked(&sealed, database));
    let compared = match sealed.media_agreed() && components.contains(&data::Part::Media) {
        true => Compared::Length,
        false => Compared::Content,
    };
    let service = charm.service();
    let failed = |error| absent(&error).unwrap_or_else(|| led(RESTORE)(error));
    let work = async {
        let Some(old) = &old else {
            let restored = backup::restore(&restoration, sealed, &service, now).await;
            return restored.map(|made| (made, None)).map_err(failed);
        };
        let restored = legacy::restore(charm, &restoration, sealed, old).await;
        restored.map_err(|error| legacy::failure(&error, RESTORE).unwrap_or_else(|| failed(error)))
    };
    let held = holding(
        charm,
        &ready.catalogue,
        ("restore-backup", RESTORE),
        Without::GoOn,
        reported(charm, "restore", progress, work),
    );
    let (made, checked) = held.await?;

    let mut results = swapped(charm, &made, &scope, &ready.volume, keep_hours);
    results.extend([
        ("backup-id".to_owned(), id.to_string()),
        ("server-name".to_owned(), server),
        ("backup-finished".to_owned(), finished.to_string()),
        ("content".to_owned(), content.to_string()),
        ("files".to_owned(), members.to_string()),
        (
            "checked".to_owned(),
            format!(
                "passphrase, seal of {volumes}, names, sizes and SHA-256 of {members} files and directories"
            ),
        ),
        ("seconds".to_owned(), seconds(started, now())),
    ]);
    if let (Some(old), Some(seen)) = (&old, seen) {
        results.extend(old.told(checked.as_ref()));
        results.insert("checked".to_owned(), seen);
    }
    if !odd.is_empty() {
        results.insert("warnings".to_owned(), odd.join("\n"));
    }
    let concerned = |part: &Part| match part {
        Part::Database | Part::Media | Part::MediaId(_) => true,
        Part::Keys | Part::Config | Part::RemoteMedia | Part::Extra(_) => false,
    };
    let concerned = components.iter().any(concerned);
    // What may lie on the volume beside PostgreSQL is not the database of this server.
    let here = ready.database.kind == DatabaseKind::Sqlite;
    if concerned
        && here
        && let Some(told) = media(charm, &ready.volume, compared).await
    {
        results.insert("media".to_owned(), told);
    }
    if !forced.is_empty() {
        results.insert("overridden".to_owned(), forced.join("\n"));
    }
    Ok(results)
}

/// Whether every medium that the database knows now has its file, in a line.
async fn media(charm: &Charm, volume: &Volume, compared: Compared) -> Option<String> {
    match media::audit(charm, &volume.here, compared).await {
        Ok(audit) => {
            let (line, good) = media::told(&audit?);
            if !good {
                warn!("{line}");
            }
            Some(line)
        }
        Err(error) => {
            let cause = failure::chain(&error);
            warn!(%cause, "media and database were not compared");
            Some("media and database could not be compared".to_owned())
        }
    }
}

pub(super) async fn rollback(charm: &Charm) -> Result<Results, Failure> {
    let started = now();
    let (volume, kept) = kept(charm, ROLLBACK).await?;
    let options = charm.options().await.map_err(led(ROLLBACK))?;
    let keep_hours = keep_hours(options).unwrap_or_default();
    let place = place(&volume.here);
    let (monitor, progress) = Monitor::new();
    let service = charm.service();
    let work = backup::rollback(&charm.client, &place, &kept, &service, now(), &monitor);
    let made = reported(charm, "rollback", progress, work).await;
    let made = made.map_err(led(ROLLBACK))?;
    let mut results = swapped(charm, &made, &kept.scope, &volume, keep_hours);
    results.insert("restored".to_owned(), held(&kept.operation));
    results.insert("seconds".to_owned(), seconds(started, now()));
    Ok(results)
}

pub(super) async fn confirm(charm: &Charm) -> Result<Results, Failure> {
    let (volume, kept) = kept(charm, CONFIRM).await?;
    let before = volume.room().map_err(led(CONFIRM))?.bytes;
    backup::confirm(&place(&volume.here)).map_err(led(CONFIRM))?;
    let after = volume.room().map_err(led(CONFIRM))?.bytes;
    let freed = held(&kept.operation);
    Ok(Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("freed".to_owned(), after.saturating_sub(before).to_string()),
        (
            "note".to_owned(),
            format!("{freed} is gone; there is no way back any more"),
        ),
    ]))
}

/// The way back that is kept on this unit.
async fn kept(charm: &Charm, lead: &'static str) -> Result<(Volume, Kept), Failure> {
    if let Some(unfinished) = charm.unfinished.get() {
        let hint = "wait until the unit is active, then try again";
        let cause = unfinished.message();
        let failure = Failure::new(Kind::Waiting, "restore-unfinished", cause, hint);
        return Err(failure.led_by(lead));
    }
    let volume = observe::volume(charm).await.map_err(led(lead))?;
    let kept = volume.as_ref().and_then(|volume| volume.kept.clone());
    match (volume, kept) {
        (Some(volume), Some(kept)) => Ok((volume, kept)),
        _ => {
            let cause = "nothing is kept that a restore has replaced";
            let hint = "it is kept after restore-backup, until confirm-restore or the end of restore_keep_hours";
            Err(Failure::new(Kind::Operator, "nothing-kept", cause, hint).led_by(lead))
        }
    }
}

/// What a kept tree holds.
fn held(operation: &Operation) -> String {
    match operation {
        Operation::Restore(backup) => format!("the data from before the restore of {backup}"),
        Operation::Rollback(backup) => format!("the data of the restored {backup}"),
    }
}

/// What every swap tells that was made.
fn swapped(charm: &Charm, made: &Made, scope: &Scope, before: &Volume, keep_hours: u32) -> Results {
    let mut results = Results::from([("result".to_owned(), "correct".to_owned())]);
    let mut tell = |key: &str, text: String| results.insert(key.to_owned(), text);
    if let Some(downtime) = made.downtime {
        tell("seconds-down", format!("{:.1}", downtime.as_secs_f64()));
    }
    tell(
        "fix-ups",
        match made.fix_ups.as_slice() {
            [] => "none".to_owned(),
            fix_ups => fix_ups.join("\n"),
        },
    );
    let undo = match &made.kept {
        None => "not possible: there was no data before".to_owned(),
        Some(_) if keep_hours == 0 => "not possible: restore_keep_hours is 0".to_owned(),
        Some(kept) => {
            let until = kept.until(keep_hours).strftime("%Y-%m-%d %H:%M UTC");
            format!(
                "until {until}: juju run {} rollback-restore",
                charm.context.unit
            )
        }
    };
    tell("undo", undo);
    if made.freed > 0 {
        let note = "what an earlier restore had replaced was freed: this one's is kept instead";
        tell("note", note.to_owned());
    }
    // What cannot be read any more was not touched either.
    if let Ok(census) = data::census(&before.here, &parts(scope))
        && !census.left.is_empty()
    {
        tell("left-alone", census.left.join(", "));
    }
    results
}
