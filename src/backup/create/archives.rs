//! From the stream of `tar` to the archives of the volumes, and what is noted of every member on the way.

use std::collections::BTreeMap;
use std::io;

use tokio::sync::mpsc;

use super::volumes::SealedPipe;
use super::{CreateError, Tally, Watcher};
use crate::archive::{self, Archives, Member, Passed};
use crate::backup::format::InventoryWriter;
use crate::backup::pipe::{PipeReader, PipeWriter, broken, pipe};

/// What is noted of the members, from one `tar` to the next.
pub(super) struct Notes {
    /// The inventory, which is open until the last volume is whole.
    pub(super) inventory: InventoryWriter<SealedPipe>,
    /// How much there is of each part of the data directory.
    pub(super) components: BTreeMap<String, Tally>,
    /// What is in each volume that was closed.
    pub(super) closed: Vec<Passed>,
    pub(super) component: fn(&str) -> &'static str,
    pub(super) watcher: Watcher,
}

/// An archive that was begun, on its way to be sealed.
pub(super) struct Begun {
    pub(super) archive: PipeReader,
    /// The most bytes that it will have.
    pub(super) most: u64,
}

impl Notes {
    /// Cuts the stream of one `tar` into archives and notes every member.
    pub(super) fn read(
        mut self,
        source: PipeReader,
        most: u64,
        begun: mpsc::Sender<Begun>,
    ) -> Result<Self, CreateError> {
        let Self {
            inventory,
            components,
            closed,
            component,
            watcher,
        } = &mut self;
        let mut shelf = Shelf { begun, closed };
        archive::cut(
            source,
            most,
            &mut shelf,
            |_| Ok(()),
            |member| {
                tally(components, component(&member.path), &member);
                watcher(&member)?;
                inventory.add(&member)
            },
        )?;
        Ok(self)
    }
}

fn tally(components: &mut BTreeMap<String, Tally>, name: &str, member: &Member) {
    if !components.contains_key(name) {
        components.insert(name.to_owned(), Tally::default());
    }
    if let Some(tally) = components.get_mut(name) {
        tally.members += 1;
        tally.content += member.size;
    }
}

/// Hands each archive over to be sealed as soon as it is begun.
struct Shelf<'a> {
    begun: mpsc::Sender<Begun>,
    closed: &'a mut Vec<Passed>,
}

impl Archives for Shelf<'_> {
    type Archive = PipeWriter;

    fn open(&mut self, most: u64) -> io::Result<PipeWriter> {
        let (writer, archive) = pipe();
        let begun = self.begun.blocking_send(Begun { archive, most });
        begun.map_err(|_| broken())?;
        Ok(writer)
    }

    fn close(&mut self, archive: PipeWriter, passed: Passed) -> io::Result<()> {
        self.closed.push(passed);
        archive.finish()
    }
}
