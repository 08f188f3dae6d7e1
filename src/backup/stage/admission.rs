//! What a volume may hold: nothing outside the places of a backup, and no more than the inventory lists.

use std::path::Path;

use crate::archive::{Dialect, Member, Refusal};
use crate::backup::format::Volume;
use crate::backup::{Heritage, Place, Scope, Use};

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
    /// What names mean in an archive of the Python charm.
    heritage: Option<Heritage>,
}

impl Admission {
    pub(super) fn new(
        place: &Place,
        (places, scope): (&Scope, &Scope),
        volume: &Volume,
        heritage: Option<Heritage>,
    ) -> Self {
        Self {
            base: format!("{}/", place.there.trim_matches('/')),
            permitted: place.permitted,
            places: places.clone(),
            scope: scope.clone(),
            members: volume.members,
            content: volume.content,
            heritage,
        }
    }

    /// Whose archive it is.
    pub(super) fn dialect(&self) -> Dialect {
        match self.heritage {
            Some(_) => Dialect::Foreign,
            None => Dialect::Own,
        }
    }

    /// Admits the next member and tells whether it is wanted, or names the rule that it breaks.
    pub(super) fn admit(&mut self, member: &Member) -> Result<bool, Refusal> {
        let wanted = self.wants(&member.path).ok_or(Refusal::Outside)?;
        let left = (
            self.members.checked_sub(1),
            self.content.checked_sub(member.size),
        );
        let (Some(members), Some(content)) = left else {
            return Err(Refusal::Surplus);
        };
        (self.members, self.content) = (members, content);
        Ok(wanted)
    }

    /// Whether a member of this name is wanted; `None` when the backup may not hold it.
    fn wants(&self, name: &str) -> Option<bool> {
        let permitted = |name: &str, scope| {
            let path = name.strip_prefix(&self.base).map(Path::new);
            path.is_some_and(|path| (self.permitted)(path, scope))
        };
        let Some(heritage) = self.heritage else {
            return permitted(name, &self.places).then(|| permitted(name, &self.scope));
        };
        Some(match (heritage.of)(name)? {
            Use::Part(part) => {
                let named = self.scope.words().iter().any(|word| word == part);
                named || permitted(&heritage.today(name), &self.scope)
            }
            Use::Spare => false,
        })
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
            heritage: None,
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

    #[test]
    fn of_a_foreign_archive_only_what_is_asked_for_is_wanted() {
        let heritage = Heritage {
            of: |name| match name {
                "data/homeserver.db" => Some(Use::Part("database")),
                "data/homeserver.db-shm" => Some(Use::Spare),
                name => name
                    .starts_with("store/local_content/")
                    .then_some(Use::Part("media")),
            },
            moved: &[("store/", "data/media/")],
        };
        let of = |words: &[&str]| Admission {
            heritage: Some(heritage),
            scope: words.iter().map(|word| (*word).to_owned()).collect(),
            permitted: |path, scope| {
                scope.words() == ["media-id:aabb"] && path.ends_with("local_content/aa/bb")
            },
            ..admission(100, 100)
        };
        let wanted = |words: &[&str], name: &str| of(words).admit(&member(name, 1));
        let media = "store/local_content/aa/bb";
        assert_eq!(wanted(&["database"], "data/homeserver.db"), Ok(true));
        assert_eq!(wanted(&["database"], media), Ok(false));
        assert_eq!(wanted(&["database", "media"], media), Ok(true));
        assert_eq!(wanted(&["media-id:aabb"], media), Ok(true));
        let other = "store/local_content/aa/cc";
        assert_eq!(wanted(&["media-id:aabb"], other), Ok(false));
        let spare = wanted(&["database"], "data/homeserver.db-shm");
        assert_eq!(spare, Ok(false));
        for name in ["store/other", "data/homeserver.yaml", "etc/passwd"] {
            assert_eq!(wanted(&["database"], name), Err(Refusal::Outside), "{name}");
        }
    }
}
