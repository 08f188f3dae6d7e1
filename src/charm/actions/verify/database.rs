//! Looks into the database of a backup: whether SQLite finds it whole, and it is what the inventory says.

use std::collections::BTreeMap;

use super::super::legacy;
use crate::backup::{RestoreError, Sealed};
use crate::charm::{Charm, failure};
use crate::synapse;
use crate::synapse::data::{self, CheckError, Checked};

/// Looks into the database below an unpacked data directory, as the workload sees it.
pub(super) async fn look(
    charm: &Charm,
    sealed: &Sealed,
    there: &str,
) -> Result<Checked, RestoreError> {
    let path = format!("{there}/{}", synapse::below_data(synapse::DATABASE));
    let checked = data::check(&charm.client, &path).await;
    let checked = checked.map_err(|error| match &error {
        CheckError::Damaged(_) => RestoreError::Database(failure::chain(&error)),
        CheckError::Ask(_) => RestoreError::Unlooked(failure::chain(&error)),
    })?;
    let Some(listed) = sealed.database() else {
        return match legacy::other_server(sealed, &checked) {
            None => Ok(checked),
            Some(theirs) => Err(RestoreError::Database(format!(
                "it is of the server {theirs}, and the signing key beside it of {}",
                sealed.server_name()
            ))),
        };
    };
    if checked.schema_version != listed.schema_version {
        return Err(RestoreError::Database(format!(
            "it has schema {}, and had {} when it was saved",
            checked.schema_version, listed.schema_version
        )));
    }
    same_rows(&listed.rows, &checked.rows).map_err(RestoreError::Database)?;
    Ok(checked)
}

/// Whether there are as many rows as were counted when it was saved.
pub(super) fn same_rows(
    listed: &BTreeMap<String, u64>,
    found: &BTreeMap<String, u64>,
) -> Result<(), String> {
    let other = |(table, count): &(&String, &u64)| found.get(*table) != Some(*count);
    match listed.iter().find(other) {
        None => Ok(()),
        Some((table, count)) => {
            let found = found.get(table).copied().unwrap_or_default();
            Err(format!(
                "its table {table} has {found} rows, and had {count} when it was saved"
            ))
        }
    }
}
