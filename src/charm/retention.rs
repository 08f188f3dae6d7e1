//! Which backups are kept, as the options and the S3 integrator say.

use super::bucket_relation::BackupRelation;
use crate::backup::{Bound, Interval, Policy, Weekday};
use crate::juju::Options;

const RETENTION: &str = "backup_retention";
const WEEKDAY: &str = "backup_retention_first_weekday";

/// Reads the options; gives the one that is wrong, and what is wrong with it.
pub(super) fn policy(options: &Options) -> Result<Policy, (&'static str, String)> {
    let weekday = match options.text(WEEKDAY) {
        None => Weekday::default(),
        Some(text) => Weekday::parse(text).map_err(|error| (WEEKDAY, error.to_string()))?,
    };
    let text = options.text(RETENTION).unwrap_or_default();
    Policy::parse(text, weekday).map_err(|error| (RETENTION, error.to_string()))
}

/// The age from which on a backup goes, as the S3 integrator says.
pub(super) fn bound(relation: &BackupRelation) -> Option<Bound> {
    let BackupRelation::Ready(params) = relation else {
        return None;
    };
    let days = u64::from(params.delete_older_than_days()?);
    Some(Bound {
        older_than: Interval::of_days(days)?,
        said_by: "delete-older-than-days of the S3 integrator",
    })
}
