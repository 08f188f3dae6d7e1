//! Whose the backups in the bucket and path are.

use crate::backup::OwnerError;
use crate::charm::bucket_relation::BackupRelation;
use crate::charm::failure::Failure;
use crate::charm::{Charm, owner, store};
use crate::s3::{Check, Remedy, Verdict};

/// The item.
pub(super) const NAME: &str = "owner";

/// Asks who has said that the backups are his.
pub(super) async fn look(charm: &Charm, relation: &BackupRelation) -> Check {
    let (verdict, what, remedies) = match ask(charm, relation).await {
        Ok(what) => (Verdict::Pass, what.to_owned(), Vec::new()),
        Err(failure) => {
            let remedy = Remedy::Advice(failure.hint().to_owned());
            (Verdict::Warn, failure.cause().to_owned(), vec![remedy])
        }
    };
    Check {
        name: NAME,
        verdict,
        what,
        remedies,
    }
}

/// What is well, or why this server may not change them.
async fn ask(charm: &Charm, relation: &BackupRelation) -> Result<&'static str, Failure> {
    let catalogue = store::catalogue(charm, relation).await?;
    let me = owner::look(charm).await?;
    match catalogue.stated_owner().await {
        Ok(None) => Ok("nobody yet: the first create-backup makes the path this server's own"),
        Ok(Some(stated)) if stated.is(&me) => Ok("this server"),
        Ok(Some(stated)) => Err(owner::refused(&OwnerError::Foreign(Box::new(stated)))),
        Err(error) => Err(owner::refused(&error)),
    }
}
