//! Whether a backup fits into the memory that it may take.

use super::super::ready::{CREATE, Ready};
use crate::backup::{Extent, Unfit};
use crate::charm::Charm;
use crate::charm::failure::{Failure, Kind};
use crate::charm::report::size;
use crate::charm::selection::Selection;

/// The most bytes of a volume, or why there can be no backup; to be asked before anything is sent.
pub(super) fn volume_size(
    charm: &Charm,
    ready: &Ready,
    selection: &Selection,
    extent: &Extent,
) -> Result<u64, Failure> {
    let wanted = selection.volume_size;
    let granted = extent.volume_size(ready.catalogue.memory(), wanted);
    let granted = granted.map_err(|unfit| failure(charm.application(), &unfit).led_by(CREATE))?;
    if granted < wanted {
        tracing::info!(
            wanted,
            granted,
            "volumes are smaller than they may be: backup_memory has no room for larger ones"
        );
    }
    Ok(granted)
}

/// Sees whether the database fits, before it is copied; the rest is measured afterwards.
pub(super) fn database(
    charm: &Charm,
    ready: &Ready,
    selection: &Selection,
    bytes: u64,
) -> Result<(), Failure> {
    let extent = Extent::of_database(bytes);
    volume_size(charm, ready, selection, &extent).map(drop)
}

fn failure(application: &str, unfit: &Unfit) -> Failure {
    let whole = |bytes: u64| bytes.div_ceil(1 << 20);
    match unfit {
        Unfit::File {
            path,
            size: file,
            budget,
            most,
            enough,
        } => {
            let cause = format!(
                "{} has {}, and with backup_memory={}MiB an object has at most {}",
                path.display(),
                size(*file),
                whole(*budget),
                size(*most)
            );
            let hint = match enough {
                Some(enough) => format!(
                    "raise it: juju config {application} backup_memory={}MiB",
                    whole(*enough)
                ),
                None => "no store takes an object of that size: leave it out with backup_exclude"
                    .to_owned(),
            };
            Failure::new(Kind::Operator, "memory-too-small", cause, hint)
        }
        Unfit::Volumes {
            content,
            size: volume,
            enough,
        } => {
            let cause = format!(
                "{} in volumes of {} are more volumes than a backup may have",
                size(*content),
                size(*volume)
            );
            let hint = format!(
                "raise it: juju config {application} backup_volume_size={}MiB",
                whole(*enough)
            );
            Failure::new(Kind::Operator, "volumes-too-small", cause, hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_refusal_names_the_value_and_the_remedy() {
        let file = Unfit::File {
            path: PathBuf::from("homeserver.db"),
            size: 100 << 30,
            budget: 128 << 20,
            most: 39 << 30,
            enough: Some(266 << 20),
        };
        let volumes = Unfit::Volumes {
            content: 100 << 30,
            size: 16 << 20,
            enough: 83 << 20,
        };
        let told = [file, volumes].map(|unfit| failure("synapse", &unfit).to_string());
        insta::assert_snapshot!(told.join("\n"), @r"
        homeserver.db has 100.0 GiB, and with backup_memory=128MiB an object has at most 39.0 GiB. Raise it: juju config synapse backup_memory=266MiB.
        100.0 GiB in volumes of 16.0 MiB are more volumes than a backup may have. Raise it: juju config synapse backup_volume_size=83MiB.
        ");
    }
}
