//! What to do about a restore or a verification that failed, as far as these themselves know.

use super::Kind;
use crate::archive;
use crate::backup::RestoreError;

/// What to do about a backup of which something is missing or altered.
pub(super) const DAMAGED: &str = "the backup is damaged: restore another one";

/// What to do about a failed restore, as far as the restore itself knows; its causes speak for themselves.
pub(super) fn sort(error: &RestoreError) -> Option<(Kind, &'static str, &'static str)> {
    const ROOM: &str = "give the storage data more room, or free what an earlier restore replaced: confirm-restore";
    const ELSEWHERE: &str = "restore another backup, and make a new one now: create-backup";
    Some(match error {
        RestoreError::Object { source, .. } => return sort(source),
        RestoreError::Database(_) => (Kind::Operator, "database-damaged", ELSEWHERE),
        RestoreError::Rehearsal(_) => (Kind::Operator, "rehearsal-failed", ELSEWHERE),
        RestoreError::Absent(_) => {
            let hint = "show-backup backup-id=... contents=true shows what it holds";
            (Kind::Operator, "part-absent", hint)
        }
        RestoreError::NoSpace { .. } => (Kind::Operator, "no-space", ROOM),
        RestoreError::NoInodes { .. } => (Kind::Operator, "no-inodes", ROOM),
        RestoreError::VolumeMissing { .. } => (Kind::Operator, "volume-missing", DAMAGED),
        RestoreError::VolumeSize { .. } => (Kind::Operator, "volume-size", DAMAGED),
        RestoreError::OtherObject(_)
        | RestoreError::OtherMembers { .. }
        | RestoreError::OtherFiles { .. }
        | RestoreError::Twice(_) => (Kind::Operator, "backup-damaged", DAMAGED),
        RestoreError::Archive(archive::ArchiveError::Refused { .. }) => {
            let hint =
                "whoever made it has the passphrase and did not use this charm: do not restore it";
            (Kind::Operator, "archive-refused", hint)
        }
        RestoreError::TakenBack(_) => {
            let hint = "see juju debug-log and kubectl logs; restore another backup, or try again";
            (Kind::Fault, "restore-taken-back", hint)
        }
        RestoreError::Unfinished(_) => {
            let hint =
                "mend what it names; the next hook tries again, at the latest in a few minutes";
            (Kind::Fault, "restore-unfinished", hint)
        }
        RestoreError::Catalogue(_)
        | RestoreError::Format(_)
        | RestoreError::Download { .. }
        | RestoreError::Open(_)
        | RestoreError::Archive(_)
        | RestoreError::Staging { .. }
        | RestoreError::Unpack(_)
        | RestoreError::Unusable(_)
        | RestoreError::Stream(_)
        | RestoreError::Unlooked(_)
        | RestoreError::Panicked => return None,
    })
}
