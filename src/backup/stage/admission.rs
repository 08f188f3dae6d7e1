//! What a volume may hold: nothing outside the places of a backup, and no more than the inventory lists.

use std::path::Path;

use crate::archive::{Member, Refusal};
use crate::backup::format::Volume;
use crate::backup::{Place, Scope};

/// The rule for the members of one volume.
#[derive(Debug)]
pub(super) struct Admission {
    /// What all names begin with: the data directory as the workload sees it, without the first slash.
    base: String,
    permitted: fn(&Path, &Scope) -> bool,
    /// What the backup was made of.
    places: Scope,
    /// What of it is wanted.
    scope: Scope,
    members: u64,
    content: u64,
}

impl Admission {
    pub(super) fn new(place: &Place, (places, scope): (&Scope, &Scope), volume: &Volume) -> Self {
        Self {
            base: format!("{}/", place.there.trim_matches('/')),
            permitted: place.permitted,
            places: places.clone(),
            scope: scope.clone(),
            members: volume.members,
            content: volume.content,
        }
    }

    /// Admits the next member and tells whether it is wanted, or names the rule that it breaks.
    pub(super) fn admit(&mut self, member: &Member) -> Result<bool, Refusal> {
        let path = member.path.strip_prefix(&self.base).map(Path::new);
        let Some(path) = path.filter(|path| (self.permitted)(path, &self.places)) else {
            return Err(Refusal::Outside);
        };
        let left = (
            self.members.checked_sub(1),
            self.content.checked_sub(member.size),
        );
        let (Some(members), Some(content)) = left else {
            return Err(Refusal::Surplus);
        };
        (self.members, self.content) = (members, content);
        Ok((self.permitted)(path, &self.scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Kind;

    fn admission(members: u64, content: u64) -> Admission {
        Admission {
            base: "data/".to_owned(),
            permitted: |path, scope| match scope.words() {
                [] => path.starts_with("media/local_content") || path == "homeserver.db",
                _ => path == "homeserver.db",
            },
            places: Scope::default(),
            scope: Scope::default(),
            members,
            content,
        }
    }

    fn member(path: &str, size: u64) -> Member {
        Member {
            path: path.to_owned(),
            kind: Kind::File,
            size,
            mode: 0o600,
            uid: 991,
            gid: 991,
            mtime: 0,
            sha256: None,
        }
    }

    #[test]
    fn only_the_places_of_a_backup_are_admitted() {
        let mut admission = admission(100, 100);
        for path in ["data/homeserver.db", "data/media/local_content/aa/bb"] {
            assert_eq!(admission.admit(&member(path, 1)), Ok(true), "{path}");
        }
        for path in [
            "data",
            "data/other.db",
            "data/homeserver.db/x",
            "data/.synapse-operator/journal.json",
            "data/media/local_contents",
            "media/local_content/aa",
            "homeserver.db",
            "etc/passwd",
            "database/homeserver.db",
        ] {
            let refused = admission.admit(&member(path, 1));
            assert_eq!(refused, Err(Refusal::Outside), "{path}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_admitted_and_told() {
        let mut admission = admission(100, 100);
        admission.scope = ["database".to_owned()].into_iter().collect();
        for (path, wanted) in [
            ("data/homeserver.db", true),
            ("data/media/local_content/aa", false),
        ] {
            assert_eq!(admission.admit(&member(path, 1)), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn nothing_more_than_listed_is_admitted() {
        let file = |size| member("data/homeserver.db", size);
        let mut full = admission(2, 10);
        assert_eq!(full.admit(&file(10)), Ok(true));
        assert_eq!(full.admit(&file(0)), Ok(true));
        assert_eq!(full.admit(&file(0)), Err(Refusal::Surplus));
        assert_eq!(admission(9, 10).admit(&file(11)), Err(Refusal::Surplus));
        assert_eq!(
            admission(9, 10).admit(&file(u64::MAX)),
            Err(Refusal::Surplus)
        );
    }
}
