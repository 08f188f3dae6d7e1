//! A backup of media, and the moment of the PostgreSQL database that it goes with: how to bring both back, and whether
//! the database that is there is from that moment.
//!
//! The database is saved by its own charm. Every row of an older database finds its file in a newer backup of media, and
//! not the other way round, so the database has to be restored as it was when ours began, or a little before.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backup;
use crate::juju::UnitName;
use crate::synapse::config::DatabaseKind;
use crate::synapse::data::Identity;

/// How much older the database may be without a word: users who write nothing leave such gaps.
const OLDER: SignedDuration = SignedDuration::from_mins(10);

/// What a backup knows of the database that it goes with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::charm) struct Companion {
    /// The application that has it, when that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::charm) provider: Option<String>,
    /// The database itself.
    #[serde(flatten)]
    pub(in crate::charm) identity: Identity,
}

impl Companion {
    /// Reads it out of a backup's description of its database; `None` when the database is of another kind, or was
    /// described by somebody else.
    pub(in crate::charm) fn read(database: &backup::Database) -> Option<Self> {
        if database.kind != DatabaseKind::Postgres.as_str() {
            return None;
        }
        serde_json::from_value(serde_json::to_value(database).ok()?).ok()
    }

    /// Writes it down as a backup's description of its database.
    pub(in crate::charm) fn write(&self) -> Result<backup::Database, serde_json::Error> {
        let mut described = serde_json::to_value(self)?;
        described["kind"] = DatabaseKind::Postgres.as_str().into();
        serde_json::from_value(described)
    }

    /// What an operator should know of the database when a backup is made.
    pub(in crate::charm) fn warnings(&self) -> Vec<String> {
        let moved = self.identity.collation_moved.then(|| {
            format!(
                "PostgreSQL's C library orders texts in another way than when the indexes of {} were built: \
                 run REINDEX DATABASE there",
                self.identity.name
            )
        });
        moved.into_iter().collect()
    }

    /// The commands that bring both back, in their order, and the one that saves the database.
    pub(in crate::charm) fn recipe(&self, unit: &UnitName, backup: &str) -> String {
        let provider = self.provider.as_deref().unwrap_or("postgresql-k8s");
        let (database, at) = (&self.identity.name, self.identity.at);
        let moment = at.strftime("%Y-%m-%d %H:%M:%S");
        let application = unit.application();
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\
# The database is not in this backup: it is {database} of {provider}, and this backup goes with it as of {moment} UTC.
# To save it, each time before a backup of Synapse:
juju run {provider}/leader create-backup --wait=4h
# To restore both, the database first. Synapse has to be down meanwhile:
juju ssh --container synapse {unit} /charm/bin/pebble stop synapse
juju run {provider}/leader list-backups
juju run {provider}/leader restore restore-to-time=\"{moment}+00\"
# or, when PostgreSQL archives no log, the newest of its backups that began before {moment} UTC:
#   juju run {provider}/leader restore backup-id=<its backup-id>
# When juju status shows {provider} as active:
juju run {application}/leader restore-backup backup-id={backup} --wait=4h"
        );
        text
    }

    /// What is odd about the database that is there, for somebody who restores this backup beside it.
    pub(in crate::charm) fn compare(&self, live: &Identity) -> Vec<String> {
        let then = &self.identity;
        let mut odd = Vec::new();
        let told = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        if live.is_empty() && !then.is_empty() {
            odd.push(format!(
                "the database is empty, and the backup goes with one of {}: restore it first",
                told(then.at)
            ));
            return odd;
        }
        if let (Some(here), Some(there)) = (&live.system_identifier, &then.system_identifier)
            && here != there
        {
            odd.push(format!(
                "the database is in another cluster (system identifier {here}) than the one of the backup ({there})"
            ));
        }
        match (live.newest(), then.newest()) {
            (Some(newest), _) if newest > then.at => odd.push(format!(
                "the database goes on until {}, {} after the backup, which is of {}: what was uploaded since will be missing",
                told(newest),
                span(newest.duration_since(then.at)),
                told(then.at)
            )),
            (Some(newest), Some(last)) if last.duration_since(newest) > OLDER => odd.push(format!(
                "the database ends at {}, {} before that of the backup, which ends at {}",
                told(newest),
                span(last.duration_since(newest)),
                told(last)
            )),
            (Some(_) | None, _) => (),
        }
        odd
    }
}

/// A length of time in the unit that fits.
fn span(duration: SignedDuration) -> String {
    let (count, unit) = match duration.as_secs() {
        seconds @ ..120 => (seconds, "seconds"),
        seconds @ 120..7200 => (seconds / 60, "minutes"),
        seconds @ 7200..172_800 => (seconds / 3600, "hours"),
        seconds => (seconds / 86_400, "days"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const AT: i64 = 1_795_284_000_000;
    const MINUTE: i64 = 60_000;

    fn identity(newest: i64) -> Identity {
        let at = Timestamp::from_millisecond(AT).unwrap();
        let described = json!({
            "server-version": "16.8", "name": "synapse", "host": "db:5432", "system-identifier": "7710704173616778360",
            "at": at.to_string(), "size": 7_634_279, "locale": "C.UTF-8", "schema-version": 94, "schema-compat-version": 84,
            "newest-event": newest, "rows": {"users": 1, "events": 20},
        });
        serde_json::from_value(described).unwrap()
    }

    fn companion() -> Companion {
        Companion {
            provider: Some("postgresql-k8s".to_owned()),
            identity: identity(AT - MINUTE),
        }
    }

    #[test]
    fn what_was_written_into_a_backup_is_read_back() {
        let described = companion().write().unwrap();
        assert_eq!(
            (described.kind.as_str(), described.schema_version),
            ("postgresql", 94)
        );
        assert_eq!(described.rows["events"], 20);
        assert_eq!(Companion::read(&described).unwrap(), companion());
        let sqlite = backup::Database {
            kind: "sqlite".to_owned(),
            ..described
        };
        assert!(Companion::read(&sqlite).is_none());
    }

    #[test]
    fn the_recipe_reads_like_this() {
        let unit = UnitName::parse("synapse/0").unwrap();
        insta::assert_snapshot!(companion().recipe(&unit, "backup-20261121180000000000"), @r#"
        # The database is not in this backup: it is synapse of postgresql-k8s, and this backup goes with it as of 2026-11-21 18:00:00 UTC.
        # To save it, each time before a backup of Synapse:
        juju run postgresql-k8s/leader create-backup --wait=4h
        # To restore both, the database first. Synapse has to be down meanwhile:
        juju ssh --container synapse synapse/0 /charm/bin/pebble stop synapse
        juju run postgresql-k8s/leader list-backups
        juju run postgresql-k8s/leader restore restore-to-time="2026-11-21 18:00:00+00"
        # or, when PostgreSQL archives no log, the newest of its backups that began before 2026-11-21 18:00:00 UTC:
        #   juju run postgresql-k8s/leader restore backup-id=<its backup-id>
        # When juju status shows postgresql-k8s as active:
        juju run synapse/leader restore-backup backup-id=backup-20261121180000000000 --wait=4h
        "#);
    }

    #[test]
    fn a_database_of_another_moment_is_told_with_its_times() {
        let mut empty = identity(AT);
        empty.rows.clear();
        let mut foreign = identity(AT - MINUTE);
        foreign.system_identifier = Some("1".to_owned());
        let lines: Vec<String> = [
            identity(AT - MINUTE),
            identity(AT - 5 * MINUTE),
            identity(AT + 30 * MINUTE),
            identity(AT - 300 * MINUTE),
            foreign,
            empty,
        ]
        .iter()
        .map(|live| companion().compare(live).join("; "))
        .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"


        the database goes on until 2026-11-21 18:30:00 UTC, 30 minutes after the backup, which is of 2026-11-21 18:00:00 UTC: what was uploaded since will be missing
        the database ends at 2026-11-21 13:00:00 UTC, 4 hours before that of the backup, which ends at 2026-11-21 17:59:00 UTC
        the database is in another cluster (system identifier 1) than the one of the backup (7710704173616778360)
        the database is empty, and the backup goes with one of 2026-11-21 18:00:00 UTC: restore it first
        ");
    }
}
