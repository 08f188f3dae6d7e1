//! `show-backup`: all that is known of one backup, and what is in it.
//!
//! Without the passphrase it tells what the bucket tells. With the one that is set it also opens the sealed inventory,
//! which knows names: of what changed while it was read, of media that are missing, and of every member.

mod contents;
mod facts;
mod text;

use std::sync::Arc;

use jiff::Timestamp;

use super::backup_id::{absent, chosen};
use super::{Parameters, RESULT_LIMIT, Results, led, reach};
use crate::backup::{Catalogue, Examined, Sealed};
use crate::charm::failure::{self, Failure, Kind};
use crate::charm::passphrases::Passphrases;
use crate::charm::{Charm, bucket_relation, now};
use crate::openpgp::{OpenError, Passphrase};

const LEAD: &str = "Error showing backup.";
const STORE_LEAD: &str = "Wrong S3 configuration on show backup action. Check S3 integration.";

/// What is known of a backup.
struct Known {
    examined: Examined,
    inside: Inside,
    /// The model of whoever asks.
    model: String,
    now: Timestamp,
}

/// What could be found out about what is sealed.
enum Inside {
    /// The inventory was opened.
    Open(Box<Sealed>),
    /// It was not, for this reason.
    Shut(String),
}

pub(super) async fn show(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let id = chosen(charm, parameters, (LEAD, STORE_LEAD)).await?;
    let options = charm.options().await.map_err(led(LEAD))?;
    let passphrases = Passphrases::resolve(charm, options).await.opening();
    let passphrases = passphrases.map_err(|flaw| flaw.failure.or_led_by(LEAD));
    let asked = contents::asked(parameters)?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(LEAD))?;
    let catalogue = reach(charm, &relation, STORE_LEAD).await?;
    let failed = |error| absent(&error).unwrap_or_else(|| led(LEAD)(error));
    let now = now();
    let examined = catalogue.examine(&id, now).await.map_err(failed)?;
    if let Some(question) = asked {
        if examined.manifest.is_none() {
            let cause = "there is no inventory of what is in it: only a finished backup of this charm has one";
            let hint = "run it without contents=true";
            let failure = Failure::new(Kind::Operator, "no-inventory", cause, hint);
            return Err(failure.led_by(LEAD));
        }
        return contents::page(&catalogue, &passphrases?, &id, question).await;
    }
    let inside = look_inside(&catalogue, passphrases, &examined).await?;
    let known = Known {
        examined,
        inside,
        model: charm.context.model_uuid.clone(),
        now,
    };
    facts::results(&known)
}

/// Opens the inventory, if that can be done; what hinders it is told and is no failure.
async fn look_inside(
    catalogue: &Catalogue,
    passphrases: Result<Vec<Arc<Passphrase>>, Failure>,
    examined: &Examined,
) -> Result<Inside, Failure> {
    if examined.manifest.is_none() {
        return Ok(Inside::Shut("there is no sealed inventory".to_owned()));
    }
    let Ok(passphrases) = passphrases else {
        return Ok(Inside::Shut("not opened: no passphrase is set".to_owned()));
    };
    match Sealed::open(catalogue, &passphrases, &examined.listed.id).await {
        Ok(sealed) => Ok(Inside::Open(Box::new(sealed))),
        Err(error) => {
            let wrong = failure::within::<OpenError>(&error);
            Ok(Inside::Shut(match wrong {
                Some(OpenError::WrongPassphrase) => {
                    "the passphrase that is set does not open it".to_owned()
                }
                Some(_) | None => format!("cannot be opened: {}", led(LEAD)(error).cause()),
            }))
        }
    }
}

/// As many whole lines of a text as one result may hold.
fn bounded(text: String) -> String {
    if text.len() <= RESULT_LIMIT {
        return text;
    }
    const CUT: &str = "\n(cut here: juju carries no more)";
    let end = text.floor_char_boundary(RESULT_LIMIT - CUT.len());
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}{CUT}", &text[..end])
}

#[cfg(test)]
mod tests;
