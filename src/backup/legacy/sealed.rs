//! What was found out about a backup of the Python charm, in the shape of one of ours.

use std::collections::BTreeMap;

use super::Surveyed;
use crate::backup::format::{Inventory, Manifest, State, Tally, VERSION, Volume};
use crate::backup::preflight::Sealed;
use crate::backup::stage::Wanted;
use crate::backup::{Label, Scope};

impl Surveyed {
    /// Takes it for a backup like any other, of the server that its owner has recognised.
    ///
    /// The documents that it lacks are made up of what was found; only what they say of its object and its members was
    /// ever true.
    pub fn sealed(self, server_name: String) -> Sealed {
        let places: Scope = self.parts.keys().map(|part| (*part).to_owned()).collect();
        let components = self.parts.iter();
        let components: BTreeMap<String, Tally> = components
            .map(|(part, tally)| ((*part).to_owned(), *tally))
            .collect();
        let volume = Volume {
            key: self.id.to_string(),
            size: self.size,
            key_packet: 0,
            sha256: self.sha256.clone(),
            members: self.members.count,
            content: self.members.content,
        };
        let inventory = Inventory {
            id: self.id.clone(),
            server_name: server_name.clone(),
            synapse_version: None,
            database: None,
            places: places.clone(),
            members: self.members.clone(),
            volumes: vec![volume.clone()],
            notes: Vec::new(),
            media: None,
            manifest: self.sha256,
        };
        let written = self.written.unwrap_or_default();
        let manifest = Manifest {
            format: Manifest::format(),
            version: VERSION,
            id: self.id,
            started: written,
            finished: written,
            state: State::FinishedWithWarnings,
            server_name,
            charm_version: String::new(),
            synapse_version: None,
            model: None,
            unit: None,
            said: Label::default(),
            database: None,
            places: places.clone(),
            components: components.clone(),
            volumes: vec![volume.clone()],
            inventory: volume.key.clone(),
            size: self.size,
            members: self.members.count,
            content: self.members.content,
            snapshot: None,
            media: None,
            warnings: Vec::new(),
            more: serde_json::Map::new(),
        };
        let taken = all(components.values());
        let wanted = Wanted {
            staged: places.clone(),
            scope: places,
            volumes: vec![volume],
            members: self.members,
            taken,
            swapped: taken.members,
        };
        Sealed {
            manifest,
            inventory,
            message: self.message,
            wanted,
            passphrase: self.passphrase,
            heritage: Some(self.heritage),
        }
    }
}

/// Narrows what is to be restored of such a backup to a part of it; all of its one object is read for any part.
pub(in crate::backup) fn narrow(sealed: &mut Sealed, scope: Scope, beside: &Scope) {
    let words = scope.words().iter().chain(beside.words());
    let staged: Scope = words.cloned().collect();
    let components = &sealed.manifest.components;
    let words = staged.words().iter();
    let known: Option<Vec<&Tally>> = words.map(|word| components.get(word)).collect();
    // What is less than a component is not counted: it needs no more room than all of it.
    if let Some(parts) = known {
        sealed.wanted.taken = all(parts.into_iter());
        sealed.wanted.swapped = sealed.wanted.taken.members;
    }
    sealed.wanted.scope = scope;
    sealed.wanted.staged = staged;
}

/// What several parts come to.
fn all<'a>(parts: impl Iterator<Item = &'a Tally>) -> Tally {
    parts.fold(Tally::default(), |all, part| Tally {
        members: all.members + part.members,
        content: all.content.saturating_add(part.content),
    })
}
