//! The memory that a run may take, and what follows from it; pure.
//!
//! ```text
//! create, rotate     the program | a document's two parts | part | part | part ...   one more than are in flight
//! restore, verify    the program | pieces that are read ahead                        a share of the budget
//! ```

use super::parts::PartPlan;

const MIB: u64 = 1 << 20;

/// How many bytes of memory a run may take in all.
///
/// Holds: between [`Memory::SMALLEST`] and [`Memory::LARGEST`]. Whatever is read or written, the budget is kept by
/// having fewer parts in flight; only an object whose single part is larger than its share takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    /// With less there is no room for two parts of the usual size: one that is filled, and one on its way.
    pub const SMALLEST: u64 = 80 * MIB;
    /// More than any plan can use.
    pub const LARGEST: u64 = 64 * 1024 * MIB;
    /// What a run may take unless it is told otherwise.
    pub const DEFAULT: u64 = 128 * MIB;

    /// The program itself, its threads, what waits between them, TLS, and the stretching of a passphrase.
    const PROGRAM: u64 = 28 * MIB;
    /// The parts of the document that is sent beside the volumes: one that is filled, and one on its way.
    const DOCUMENT: u64 = 2 * PartPlan::SMALLEST;
    /// Of so much of a budget ...
    const WHOLE: u64 = 32;
    /// ... this share is read ahead.
    const AHEAD: u64 = 3;

    /// A budget of so many bytes, if it is one.
    #[must_use]
    pub fn of(bytes: u64) -> Option<Self> {
        (Self::SMALLEST..=Self::LARGEST)
            .contains(&bytes)
            .then_some(Self(bytes))
    }

    /// The bytes of it.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// What the parts of the volumes may take together.
    #[must_use]
    pub fn of_parts(self) -> u64 {
        self.0.saturating_sub(Self::PROGRAM + Self::DOCUMENT)
    }

    /// What may be read ahead.
    #[must_use]
    pub fn ahead(self) -> u64 {
        self.0 / Self::WHOLE * Self::AHEAD
    }

    /// The plan for a volume of about this size.
    #[must_use]
    pub fn plan(self, estimate: u64) -> PartPlan {
        PartPlan::for_size(estimate).within(self.of_parts())
    }

    /// The plan for a document of about this size, which is sent beside the volumes: of the smallest parts that do.
    #[must_use]
    pub fn plan_of_document(self, estimate: u64) -> PartPlan {
        PartPlan::of_parts(estimate.div_ceil(PartPlan::MOST_PARTS)).within(Self::DOCUMENT)
    }

    /// The largest object that can be sent within it.
    #[must_use]
    pub fn largest_object(self) -> u64 {
        let part = (self.of_parts() / 2).min(PartPlan::LARGEST) / MIB * MIB;
        PartPlan::of_parts(part).capacity()
    }

    /// The budget that an object of this size needs, in whole MiB; nothing where none is enough.
    #[must_use]
    pub fn for_object(size: u64) -> Option<Self> {
        let part = size
            .div_ceil(PartPlan::MOST_PARTS)
            .div_ceil(MIB)
            .checked_mul(MIB)?;
        let enough = part.max(PartPlan::DEFAULT) * 2 + Self::PROGRAM + Self::DOCUMENT;
        Self::of(enough.max(Self::SMALLEST)).filter(|memory| memory.largest_object() >= size)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Self::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;

    fn memory(mib: u64) -> Memory {
        Memory::of(mib * MIB).unwrap()
    }

    #[test]
    fn parts_in_flight_follow_from_the_budget() {
        let in_flight = |mib, wanted| memory(mib).plan(GIB).in_flight(wanted);
        // What is wanted is the most.
        assert_eq!((in_flight(128, 3), in_flight(128, 1)), (3, 1));
        assert_eq!(
            [80, 96, 128, 256, 1024].map(|mib| in_flight(mib, 32)),
            [1, 2, 4, 12, 32]
        );
        // Larger parts leave room for fewer.
        assert_eq!(
            [8, 14, 26, 39].map(|size| memory(128).plan(size * GIB).in_flight(32)),
            [4, 4, 2, 1]
        );
    }

    #[test]
    fn a_document_takes_two_of_the_smallest_parts_for_millions_of_members() {
        let plan = memory(128).plan_of_document(1_000_000 * 1024);
        assert_eq!((plan.part_size(), plan.in_flight(32)), (5 * MIB, 1));
        assert!(memory(128).plan_of_document(64 * GIB).capacity() >= 64 * GIB);
    }

    #[test]
    fn the_largest_object_is_one_of_which_two_parts_fit() {
        let largest = |mib| memory(mib).largest_object() / GIB;
        assert_eq!([80, 128, 256, 1024].map(largest), [18, 39, 95, 433]);
        let enough = |gib: u64| Memory::for_object(gib * GIB).unwrap().bytes() / MIB;
        assert_eq!([1, 39, 100].map(enough), [80, 128, 266]);
        assert_eq!(Memory::for_object(u64::MAX), None);
    }

    #[test]
    fn what_is_no_budget_is_none() {
        assert_eq!(Memory::of(Memory::SMALLEST - 1), None);
        assert_eq!(Memory::of(Memory::LARGEST + 1), None);
    }

    proptest! {
        #[test]
        fn no_object_takes_more_than_its_budget(mib in 80_u64..65_536, size in any::<u64>(), wanted in 1_usize..33) {
            let memory = memory(mib);
            let size = size % memory.largest_object() + 1;
            let plan = memory.plan(size);
            prop_assert!(plan.capacity() >= size);
            let parts = plan.part_size() * (plan.in_flight(wanted) as u64 + 1);
            prop_assert!(parts + Memory::PROGRAM + Memory::DOCUMENT <= memory.bytes(), "{parts}");
        }

        #[test]
        fn a_budget_that_is_named_is_enough(size in 1..PartPlan::LARGEST * PartPlan::MOST_PARTS / 2) {
            if let Some(memory) = Memory::for_object(size) {
                prop_assert!(memory.largest_object() >= size);
            }
        }
    }
}
