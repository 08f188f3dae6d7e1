//! `rotate-passphrase`.

use super::force;
use super::{Parameters, Results, leading, led, reach, seconds};
use crate::backup::{self, BackupId, Claim, Monitor, Rotated, Rotation};
use crate::charm::failure::{self, Failure};
use crate::charm::lease::owning;
use crate::charm::passphrases::Passphrases;
use crate::charm::report::reported;
use crate::charm::{Charm, bucket_relation, now};

const LEAD: &str = "Error rotating the passphrase.";
const STORE_LEAD: &str =
    "Wrong S3 configuration on rotate passphrase action. Check S3 integration.";
/// Names that are told of one kind; the others are counted.
const NAMES: usize = 1000;

pub(super) async fn rotate(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    leading(charm, charm.leader(LEAD).await?, "rotate-passphrase")?;
    let started = now();
    let dry_run = parameters.flag("dry-run");
    let claim = force::claim(parameters.text("force"), Claim::Check, LEAD)?;
    let options = charm.options().await.map_err(led(LEAD))?;
    let Passphrases { current, old, .. } = Passphrases::resolve(charm, options).await;
    let current = current.map_err(|flaw| flaw.failure.or_led_by(LEAD))?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(LEAD))?;
    let catalogue = reach(charm, &relation, STORE_LEAD).await?;

    let (monitor, progress) = Monitor::new();
    let rotation = Rotation {
        catalogue: &catalogue,
        current: &current,
        old: &old,
        dry_run,
        monitor: &monitor,
    };
    let work = async { backup::rotate(&rotation).await.map_err(led(LEAD)) };
    let work = reported(charm, "rotate", progress, work);
    let rotated = match dry_run {
        true => work.await?,
        false => {
            let task = ("rotate-passphrase", LEAD);
            owning(charm, &catalogue, task, claim, work).await?
        }
    };
    let mut results = results(&rotated, dry_run);
    results.insert("seconds".to_owned(), seconds(started, now()));
    let Some((id, error)) = rotated.failed.first() else {
        return Ok(results);
    };
    // What was moved is moved, and worth telling though the action fails.
    results.remove("result");
    charm.tools.action_set(&results).await.map_err(led(LEAD))?;
    let count = rotated.failed.len();
    let first = failure::sort(error);
    let hint = "run rotate-passphrase again: it goes on where it was; each backup opens as before";
    let cause = format!(
        "{count} of the backups could not be moved; the first is {id}: {}",
        first.cause()
    );
    Err(Failure::new(first.kind, first.code, cause, hint).led_by(LEAD))
}

fn results(rotated: &Rotated, dry_run: bool) -> Results {
    let mut results = Results::from([
        (
            "result".to_owned(),
            if dry_run { "ready" } else { "correct" }.to_owned(),
        ),
        ("rotated".to_owned(), rotated.moved.len().to_string()),
        ("skipped".to_owned(), rotated.current.to_string()),
    ]);
    let mut tell = |key: &str, text: String| results.insert(key.to_owned(), text);
    if !dry_run {
        tell("bytes-copied-by-store", rotated.copied.to_string());
        tell("bytes-uploaded", rotated.uploaded.to_string());
    }
    let failed: Vec<BackupId> = rotated.failed.iter().map(|(id, _)| id.clone()).collect();
    for (key, ids) in [
        ("backups", &rotated.moved),
        ("locked", &rotated.locked),
        ("legacy", &rotated.legacy),
        ("failed", &failed),
    ] {
        if !ids.is_empty() {
            tell(key, names(ids));
        }
    }
    let mut notes = Vec::new();
    if !rotated.locked.is_empty() {
        notes.push(
            "no known passphrase opens those under locked: add theirs to backup_old_passphrases",
        );
    }
    if !rotated.legacy.is_empty() {
        notes.push(
            "those under legacy are of the Python charm and keep their passphrase: leave it in backup_old_passphrases",
        );
    }
    if !notes.is_empty() {
        tell("note", notes.join("\n"));
    }
    results
}

fn names(ids: &[BackupId]) -> String {
    let mut lines: Vec<String> = ids.iter().take(NAMES).map(ToString::to_string).collect();
    if let Some(more @ 1..) = ids.len().checked_sub(NAMES) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ids(count: usize) -> Vec<BackupId> {
        let id = |number| BackupId::parse(&format!("backup-20261121120405{number:06}")).unwrap();
        (0..count).map(id).collect()
    }

    #[test]
    fn what_was_not_moved_is_named_with_what_to_do() {
        let rotated = Rotated {
            moved: ids(1),
            current: 3,
            locked: ids(2),
            legacy: ids(1),
            copied: 7,
            uploaded: 5,
            ..Rotated::default()
        };
        let lines = |results: Results| {
            let line = |(key, text): (String, String)| format!("{key}: {text}");
            results.into_iter().map(line).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(lines(results(&rotated, false)), @r"
        backups: backup-20261121120405000000
        bytes-copied-by-store: 7
        bytes-uploaded: 5
        legacy: backup-20261121120405000000
        locked: backup-20261121120405000000
        backup-20261121120405000001
        note: no known passphrase opens those under locked: add theirs to backup_old_passphrases
        those under legacy are of the Python charm and keep their passphrase: leave it in backup_old_passphrases
        result: correct
        rotated: 1
        skipped: 3
        ");
        let dry = lines(results(&rotated, true));
        assert!(
            dry.contains("result: ready") && !dry.contains("bytes-"),
            "{dry}"
        );
    }

    #[test]
    fn many_names_fit_into_one_result() {
        let text = names(&ids(5000));
        assert!(text.len() < 120 * 1024);
        assert!(text.ends_with("and 4000 more"));
        assert!(!names(&ids(NAMES)).contains("more"));
    }
}
