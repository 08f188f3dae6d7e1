//! A part of a backup: which volumes hold it, and what they come to.

use std::path::Path;
use std::sync::Arc;

use super::format::{MemberDigest, Tally, Volume};
use super::preflight::Sealed;
use super::stage::{Wanted, visit};
use super::{Catalogue, Place, RestoreError, Scope};
use crate::archive::Member;
use crate::openpgp::Passphrase;

/// Finds out what a restore of `scope` takes of a backup, when it needs `beside` to be staged as well.
///
/// The inventory is read twice more: which volumes are needed is known only at its end, and what all their members come
/// to only then.
pub(super) async fn wanted(
    keys: (&Catalogue, &[Arc<Passphrase>]),
    sealed: &Sealed,
    place: &Place,
    scope: Scope,
    beside: &Scope,
) -> Result<Wanted, RestoreError> {
    let words = scope.words().iter().chain(beside.words());
    let staged: Scope = words.cloned().collect();
    let found = find(keys, sealed, place, (&scope, &staged)).await?;

    let walk = (Walk::new(sealed), MemberDigest::default(), Ok(()));
    let chosen = found.needed.clone();
    let digesting = move |(walk, digest, noted): &mut (Walk, MemberDigest, std::io::Result<()>),
                          member: &Member| {
        walk.go();
        if chosen[walk.volume] && noted.is_ok() {
            *noted = digest.add(member).map(drop);
        }
    };
    let (catalogue, passphrases) = keys;
    let digested = visit(catalogue, passphrases, &sealed.manifest, walk, digesting).await?;
    let (_, digest, noted) = digested.state;
    noted.map_err(RestoreError::Stream)?;
    Ok(Wanted {
        scope,
        staged,
        volumes: found.volumes(sealed),
        members: digest.finish(),
        taken: found.taken,
        swapped: found.swapped,
    })
}

/// The volumes that hold anything of `scope`.
pub(super) async fn volumes(
    keys: (&Catalogue, &[Arc<Passphrase>]),
    sealed: &Sealed,
    place: &Place,
    scope: &Scope,
) -> Result<Vec<Volume>, RestoreError> {
    let found = find(keys, sealed, place, (scope, scope)).await?;
    Ok(found.volumes(sealed))
}

/// Goes through the inventory, and looks which members are to be swapped, and which to be staged.
async fn find(
    (catalogue, passphrases): (&Catalogue, &[Arc<Passphrase>]),
    sealed: &Sealed,
    place: &Place,
    (swapped, staged): (&Scope, &Scope),
) -> Result<Walk, RestoreError> {
    let permitted = place.permitted;
    let base = format!("{}/", place.there.trim_matches('/'));
    let (swapped, staged) = (swapped.clone(), staged.clone());
    let is_in = move |member: &Member, scope: &Scope| {
        let path = member.path.strip_prefix(&base);
        path.is_some_and(|path| permitted(Path::new(path), scope))
    };
    let looking = move |walk: &mut Walk, member: &Member| {
        walk.go();
        if is_in(member, &staged) {
            walk.taken.members += 1;
            walk.taken.content += member.size;
            walk.needed[walk.volume] = true;
            walk.swapped += u64::from(is_in(member, &swapped));
        }
    };
    let walk = Walk::new(sealed);
    let found = visit(catalogue, passphrases, &sealed.manifest, walk, looking).await?;
    Ok(found.state)
}

/// Goes through the members of an inventory and knows which volume each is in.
struct Walk {
    /// Members of each volume.
    counts: Vec<u64>,
    /// The volume of the current member.
    volume: usize,
    /// Members of it that have come.
    seen: u64,
    needed: Vec<bool>,
    /// Members that are to be staged.
    taken: Tally,
    /// Members that are to be swapped.
    swapped: u64,
}

impl Walk {
    fn new(sealed: &Sealed) -> Self {
        let volumes = sealed.inventory.volumes.iter();
        let counts: Vec<u64> = volumes.map(|volume| volume.members).collect();
        Self {
            needed: vec![false; counts.len() + 1],
            counts,
            volume: 0,
            seen: 0,
            taken: Tally::default(),
            swapped: 0,
        }
    }

    /// The volumes that are needed.
    fn volumes(&self, sealed: &Sealed) -> Vec<Volume> {
        let volumes = sealed.inventory.volumes.iter().zip(&self.needed);
        volumes
            .filter(|(_, needed)| **needed)
            .map(|(volume, _)| volume.clone())
            .collect()
    }

    /// Goes on to the next member.
    ///
    /// Until the inventory was read to its end, nobody knows whether its volumes have as many members as it lists.
    fn go(&mut self) {
        while self
            .counts
            .get(self.volume)
            .is_some_and(|count| self.seen >= *count)
        {
            self.volume += 1;
            self.seen = 0;
        }
        self.seen += 1;
    }
}
