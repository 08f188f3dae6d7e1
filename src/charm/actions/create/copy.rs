//! The consistent copy of the database that a backup is made of.

use std::path::Path;
use std::time::Duration;

use super::super::led;
use super::super::ready::CREATE;
use super::relative;
use crate::backup::{Database, Snapshot};
use crate::charm::failure::{Failure, Kind};
use crate::charm::volume::{self, SNAPSHOT, Volume};
use crate::charm::{Charm, PRIVATE};
use crate::synapse::{self, data};

/// Room that must stay free on the volume beside the copy of the database.
const RESERVE: u64 = 16 * 1024 * 1024;

/// The consistent copy of the database.
pub(super) struct Copy {
    /// Below this directory of the workload it has the very path that the database has below `/`.
    pub(super) root: String,
    pub(super) size: u64,
    pub(super) database: Database,
    pub(super) made: Snapshot,
    pub(super) warnings: Vec<String>,
}

impl Copy {
    /// Where the copy lies, in the workload.
    pub(super) fn database_path(&self) -> String {
        format!("{}{}", self.root, synapse::DATABASE)
    }
}

/// The copy of the database lies on the data volume for a while; gives its size.
pub(super) fn room(volume: &Volume) -> Result<u64, Failure> {
    let size = data::database_size(&volume.here)
        .map_err(led(CREATE))?
        .unwrap_or_default();
    let available = volume.room().map_err(led(CREATE))?.bytes;
    if size + RESERVE <= available {
        return Ok(size);
    }
    let cause = format!(
        "the copy of the database needs {} bytes on the data volume, and {available} are free",
        size + RESERVE
    );
    Err(Failure::new(
        Kind::Operator,
        "no-space",
        cause,
        "give the storage data more room",
    )
    .led_by(CREATE))
}

/// Copies the database while Synapse runs, and checks the copy.
pub(super) async fn copy(charm: &Charm, here: &Path) -> Result<Copy, Failure> {
    let root = format!("{}/{PRIVATE}/{SNAPSHOT}", synapse::DATA);
    let place = here
        .join(PRIVATE)
        .join(SNAPSHOT)
        .join(relative(synapse::DATA));
    volume::own_directories(here, &place).map_err(led(CREATE))?;
    let copy = format!("{root}{}/homeserver.db", synapse::DATA);
    let copying = data::snapshot(&charm.client, &copy);
    let (copied, pulse) = synapse::pulse(&charm.homeserver, copying).await;
    let copied = copied.map_err(led(CREATE))?;
    let mut warnings = Vec::new();
    if copied.foreign_key_violations > 0 {
        let count = copied.foreign_key_violations;
        warnings.push(format!(
            "{count} rows of the database refer to rows that are not there"
        ));
    }
    let answered = pulse.requests > pulse.failed;
    Ok(Copy {
        root,
        size: copied.size,
        made: Snapshot {
            size: copied.size,
            milliseconds: (copied.seconds * 1000.0) as u64,
            slowest_request: answered.then(|| milliseconds(pulse.slowest)),
            check: copied.check.to_string(),
        },
        database: Database {
            kind: "sqlite".to_owned(),
            schema_version: copied.schema_version,
            schema_compat_version: copied.schema_compat_version,
            rows: copied.rows,
            ..Database::default()
        },
        warnings,
    })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
