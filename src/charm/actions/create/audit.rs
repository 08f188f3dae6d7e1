//! Whether the media in a backup are those of the database in it.

use jiff::Timestamp;

use super::copy::Copy;
use crate::backup::{Catalogue, Manifest, Media, MediaFindings};
use crate::charm::{Charm, failure};
use crate::synapse::data::{Audit, AuditError, MediaAudit};

/// Begins to compare the media that will be read with the copy of the database.
pub(super) async fn begin(charm: &Charm, copy: &Copy) -> Result<Audit, AuditError> {
    Audit::begin(&charm.client, &copy.database_path()).await
}

/// Ends the comparison, and tells what an operator should know: what has got worse since the backup before.
pub(super) async fn end(
    audit: Result<Audit, AuditError>,
    before: Option<Media>,
    warnings: &mut Vec<String>,
) -> Option<(Media, MediaFindings)> {
    let ended = async { audit?.finish().await };
    let audit = match ended.await {
        Ok(audit) => audit,
        // The backup is none the worse for it.
        Err(error) => {
            let cause = failure::chain(&error);
            tracing::warn!(%cause, "media and database were not compared");
            warnings.push("media and database could not be compared".to_owned());
            return None;
        }
    };
    let (media, named) = findings(audit);
    warnings.extend(risen(media, before.unwrap_or_default()));
    Some((media, named))
}

/// The last backup of a server that was finished, as far as the bucket tells.
pub(super) async fn last(
    catalogue: &Catalogue,
    server_name: &str,
    now: Timestamp,
) -> Option<Manifest> {
    let manifest = catalogue.last_finished(now).await.ok().flatten()?;
    (manifest.server_name == server_name).then_some(manifest)
}

fn findings(audit: MediaAudit) -> (Media, MediaFindings) {
    let media = Media {
        rows: audit.rows,
        files: audit.files,
        missing: audit.missing.count,
        surplus: audit.surplus.count,
        wrong: audit.wrong_size.count + audit.wrong_digest.count,
    };
    let named = MediaFindings {
        missing: audit.missing.names,
        surplus: audit.surplus.names,
        wrong: [audit.wrong_size.names, audit.wrong_digest.names].concat(),
    };
    (media, named)
}

/// What is worse than before. Surplus files are not: they came after the copy of the database, or do no harm.
fn risen(media: Media, before: Media) -> Vec<String> {
    let kinds = [
        ("have no file", media.missing, before.missing),
        ("have another file than noted", media.wrong, before.wrong),
    ];
    kinds
        .iter()
        .filter(|(_, count, before)| count > before)
        .map(|(what, count, before)| match before {
            0 => format!("{count} media of the database {what}"),
            before => format!("{count} media of the database {what}, {before} at the last backup"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_got_worse_is_a_warning() {
        let media = |missing, wrong| Media {
            missing,
            wrong,
            surplus: 7,
            ..Media::default()
        };
        let none: [&str; 0] = [];
        assert_eq!(risen(media(0, 0), Media::default()), none);
        assert_eq!(risen(media(3, 1), media(3, 2)), none);
        assert_eq!(
            risen(media(4, 1), media(3, 0)),
            [
                "4 media of the database have no file, 3 at the last backup",
                "1 media of the database have another file than noted",
            ]
        );
    }
}
