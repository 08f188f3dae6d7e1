//! How much a backup takes in, and whether it can be cut into volumes that fit into the memory and into a manifest; pure.

use std::path::{Path, PathBuf};

use super::create::sealed_size;
use super::format::Tally;
use crate::s3::Memory;

/// The most volumes of a backup: a manifest and an inventory with more could not be read again.
const VOLUMES: u64 = 2_500;
/// What an archive takes around a file: its headers, and its end.
const AROUND: u64 = 64 * 1024;

/// How much there is, and the largest single file of it, which no cut makes smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// All of it.
    pub tally: Tally,
    /// The size of the largest file, and its path.
    pub largest: (u64, PathBuf),
}

/// Why a backup cannot be made as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A single file makes an object whose parts do not fit into the memory.
    #[error(
        "{path} has {size} bytes, and an object that can be sent in {budget} bytes of memory has at most {most}"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// What a run may take of the memory.
        budget: u64,
        /// The most bytes of an object.
        most: u64,
        /// The budget that would be enough, if one is.
        enough: Option<u64>,
    },
    /// There would be too many volumes.
    #[error(
        "{content} bytes in volumes of {size} bytes would be more than the {VOLUMES} volumes of a backup"
    )]
    Volumes {
        /// Bytes of all files.
        content: u64,
        /// The most bytes of a volume.
        size: u64,
        /// The smallest size of volumes that would do.
        enough: u64,
    },
}

impl Extent {
    /// A database of so many bytes, which is copied under one name wherever it lies.
    pub fn of_database(bytes: u64) -> Self {
        let mut extent = Self::default();
        extent.add(Path::new("homeserver.db"), bytes);
        extent
    }

    /// Adds a file, or a directory, which has no size.
    pub fn add(&mut self, path: &Path, size: u64) {
        self.tally.members += 1;
        self.tally.content += size;
        if size > self.largest.0 {
            self.largest = (size, path.to_owned());
        }
    }

    /// Adds what else there is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let tally = Tally {
            members: self.tally.members + other.tally.members,
            content: self.tally.content + other.tally.content,
        };
        let largest = match self.largest.0 < other.largest.0 {
            true => other.largest,
            false => self.largest,
        };
        Self { tally, largest }
    }

    /// The most bytes of a volume within a budget, of as many as are wanted: smaller ones need less memory.
    pub fn volume_size(&self, memory: Memory, wanted: u64) -> Result<u64, Unfit> {
        let most = archive_of(memory.largest_object());
        let (size, path) = &self.largest;
        if size + AROUND > most {
            return Err(Unfit::File {
                path: path.clone(),
                size: *size,
                budget: memory.bytes(),
                most,
                enough: Memory::for_object(sealed_size(size + AROUND)).map(Memory::bytes),
            });
        }
        let size = wanted.min(most);
        // Where files are large, a volume may be little more than half full; the last of each group may be nearly empty.
        let volumes = self.tally.content / size * 2 + 3;
        if volumes > VOLUMES {
            let enough = (self.tally.content * 2).div_ceil(VOLUMES - 3);
            let content = self.tally.content;
            return Err(Unfit::Volumes {
                content,
                size,
                enough,
            });
        }
        Ok(size)
    }
}

/// The largest archive that is no larger than this when it is sealed.
fn archive_of(object: u64) -> u64 {
    object - (sealed_size(object) - object)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn extent(files: u64, size: u64) -> Extent {
        let mut extent = Extent::default();
        for number in 0..files {
            extent.add(Path::new(&format!("media/{number}")), size);
        }
        extent
    }

    #[test]
    fn volumes_that_memory_has_no_room_for_are_cut_smaller() {
        let extent = extent(100, GIB);
        let memory = Memory::default();
        assert_eq!(extent.volume_size(memory, 8 * GIB), Ok(8 * GIB));
        let size = extent.volume_size(memory, 4 << 40).unwrap();
        assert!((39 * GIB..40 * GIB).contains(&size), "{size}");
        assert_eq!(memory.plan(sealed_size(size)).in_flight(1), 1);
        assert!(sealed_size(size) <= memory.largest_object());
    }

    #[test]
    fn a_file_that_is_larger_than_any_object_is_refused_with_the_budget_that_it_needs() {
        let refused = extent(1, 100 * GIB).volume_size(Memory::default(), 8 * GIB);
        let Err(Unfit::File {
            enough: Some(enough),
            ..
        }) = &refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(enough / MIB, 266);
        let memory = Memory::of(*enough).unwrap();
        assert_eq!(
            extent(1, 100 * GIB).volume_size(memory, 8 * GIB),
            Ok(8 * GIB)
        );
    }

    #[test]
    fn more_volumes_than_a_manifest_holds_are_refused_with_a_size_that_does() {
        let extent = extent(100, GIB);
        let refused = extent.volume_size(Memory::default(), 16 * MIB);
        let Err(Unfit::Volumes { enough, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(extent.volume_size(Memory::default(), enough), Ok(enough));
    }

    #[test]
    fn an_extent_knows_its_largest_file() {
        let (small, large) = (extent(3, 5), extent(1, 7));
        let both = small.clone().and(large.clone());
        assert_eq!(
            (both.tally.members, both.tally.content, both.largest.0),
            (4, 22, 7)
        );
        assert_eq!(large.and(small), both);
    }
}
