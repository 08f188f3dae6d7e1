//! Whether a store honours the conditions of a write, as far as can be seen.

use bytes::Bytes;
use futures_util::future::join;

use crate::s3::{Bucket, Condition, ConditionError};

/// What the name of the object begins with that is written to find out.
pub(in crate::backup) const PREFIX: &str = "lease-probe-";
/// A tag that no object has.
const NO_TAG: &str = "00000000000000000000000000000000";

/// Whether the store refuses to write over an object that should be absent, and over one that should have another tag.
///
/// There are stores that answer such a write well and make it all the same, so it is tried each time, on an object whose
/// name nobody else can know. What cannot be found out counts as a no: then the slower way is taken, which needs no
/// condition.
pub(super) async fn honoured(bucket: &Bucket, token: &str) -> bool {
    let key = format!("{PREFIX}{token}.json");
    let content = || Bytes::from_static(b"{}\n");
    let honoured = match bucket.put_if(&key, content(), &Condition::Absent).await {
        Ok(_) => {
            let tagged = Condition::Tagged(NO_TAG.to_owned());
            let again = join(
                bucket.put_if(&key, content(), &Condition::Absent),
                bucket.put_if(&key, content(), &tagged),
            );
            let (absent, tagged) = again.await;
            is_unmet(&absent) && is_unmet(&tagged)
        }
        // The first try was made, its answer was lost, and it stood in the way of the second: a condition was honoured,
        // and the other one was not tried.
        Err(error) => {
            tracing::debug!(%error, "conditions of the store were not tried");
            false
        }
    };
    if let Err(error) = bucket.delete(&[&key]).await {
        tracing::debug!(%error, key, "what was written to try the store's conditions stays");
    }
    tracing::debug!(honoured, "conditions of the store tried");
    honoured
}

fn is_unmet<T>(written: &Result<T, ConditionError>) -> bool {
    matches!(written, Err(ConditionError::Unmet { .. }))
}
