//! How an object is cut into parts, and what is known of a part before it is sent; pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest as _, Md5};

use super::checksum::Sum;
use super::memory::Memory;

const MIB: u64 = 1 << 20;

/// The size of an upload's parts, decided before it starts.
///
/// Holds: a whole number of MiB between 5 MiB and 5 GiB. All parts but the last have this size, because some stores
/// demand it, and there are at most 900 of them, because some stores take no more than 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    part: u64,
    /// What its parts may take of the memory together.
    memory: u64,
}

impl PartPlan {
    /// The most parts of an upload.
    pub const MOST_PARTS: u64 = 900;
    /// The smallest part that stores take, unless it is the last.
    pub const SMALLEST: u64 = 5 * MIB;
    /// The largest part that stores take.
    pub const LARGEST: u64 = 5 * 1024 * MIB;
    /// The part that is right unless the object is huge.
    pub const DEFAULT: u64 = 16 * MIB;

    /// The plan for an object of about this size: the default part, or as much more as the size demands.
    ///
    /// The estimate should be an upper bound; the plan adds no reserve. An object beyond the largest plan's capacity
    /// (about 4.4 TiB) gets that plan.
    #[must_use]
    pub fn for_size(estimate: u64) -> Self {
        Self::of_parts(estimate.div_ceil(Self::MOST_PARTS).max(Self::DEFAULT))
    }

    /// The plan with parts of this size, brought to a whole number of MiB and into the limits.
    #[must_use]
    pub fn of_parts(bytes: u64) -> Self {
        let clamped = bytes.clamp(Self::SMALLEST, Self::LARGEST);
        Self {
            part: clamped.div_ceil(MIB) * MIB,
            ..Self::default()
        }
    }

    /// The same plan for parts that take no more than so many bytes together.
    #[must_use]
    pub fn within(self, memory: u64) -> Self {
        Self { memory, ..self }
    }

    /// The size of every part but the last.
    #[must_use]
    pub fn part_size(self) -> u64 {
        self.part
    }

    /// The most bytes that an upload of this plan can take.
    #[must_use]
    pub fn capacity(self) -> u64 {
        self.part * Self::MOST_PARTS
    }

    /// How many parts may be on their way at once, of as many as are wanted: at least one, and beside them one is filled.
    #[must_use]
    pub fn in_flight(self, wanted: usize) -> usize {
        let most = usize::try_from(self.memory / self.part).unwrap_or(usize::MAX);
        wanted.min(most.saturating_sub(1)).max(1)
    }

    /// The number of parts that an object of this size has; an empty one has one, too.
    #[must_use]
    pub fn parts(self, size: u64) -> u64 {
        size.div_ceil(self.part).max(1)
    }
}

impl Default for PartPlan {
    fn default() -> Self {
        Self {
            part: Self::DEFAULT,
            memory: Memory::default().of_parts(),
        }
    }
}

/// What we know of a part's bytes: their MD5, and the checksum that travels with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digests {
    /// Absent where the store's tag is not held against it.
    md5: Option<[u8; 16]>,
    sum: Sum,
    value: Option<String>,
}

impl Digests {
    pub(super) fn of(bytes: &[u8], sum: Sum) -> Self {
        let md5 = Some(Md5::digest(bytes).into());
        Self {
            md5,
            ..Self::summed(bytes, sum)
        }
    }

    /// The checksum alone, where there is one: for a store that is known to look at it.
    pub(super) fn summed(bytes: &[u8], sum: Sum) -> Self {
        let value = match sum {
            // The library gives every checksum in 64 bits; of CRC32C (Castagnoli's polynomial) the lower 32 count.
            Sum::Crc32c => {
                Some(STANDARD.encode(&checksum(CrcAlgorithm::Crc32Iscsi, bytes).to_be_bytes()[4..]))
            }
            Sum::Crc64Nvme => {
                Some(STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes()))
            }
            Sum::Md5 | Sum::None => None,
        };
        Self {
            md5: None,
            sum,
            value,
        }
    }

    /// The checksum as S3 writes it, if it is of this kind.
    pub(super) fn value(&self, sum: Sum) -> Option<String> {
        self.value.clone().filter(|_| self.sum == sum)
    }

    /// The header `Content-MD5`, if that is what travels with the bytes.
    pub(super) fn content_md5(&self) -> Option<String> {
        let md5 = self.md5.filter(|_| self.sum == Sum::Md5);
        md5.map(|md5| STANDARD.encode(md5))
    }

    /// Whether a store's answer is about the same bytes.
    ///
    /// A tag is compared only when it looks like an MD5 and the store did not encrypt, which makes it something else. A
    /// checksum that the store left out is no sign of anything.
    pub(super) fn agree(&self, etag: Option<&str>, told: Option<&str>, encrypted: bool) -> bool {
        let tag = etag
            .unwrap_or_default()
            .trim_matches('"')
            .to_ascii_lowercase();
        let is_md5 = tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_hexdigit());
        let ours =
            |md5: [u8; 16]| -> String { md5.iter().map(|byte| format!("{byte:02x}")).collect() };
        let tagged = || self.md5.is_none_or(|md5| tag == ours(md5));
        let ours_told =
            told.is_none_or(|told| self.value.as_deref().is_none_or(|value| value == told));
        (encrypted || !is_md5 || tagged()) && ours_told
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_plan_serves_up_to_fourteen_gib() {
        let plan = PartPlan::for_size(14 << 30);
        assert_eq!(
            (plan.part_size(), plan.capacity() / MIB),
            (16 * MIB, 14_400)
        );
        assert_eq!(PartPlan::for_size(0), PartPlan::default());
        assert_eq!(PartPlan::for_size(15 << 30).part_size(), 18 * MIB);
    }

    #[test]
    fn digests_are_written_as_s3_writes_them() {
        let bytes = b"123456789";
        let tag = Some("\"25f9e794323b453885f5181f1b624d0b\"");
        for (sum, value, content_md5) in [
            (Sum::Crc32c, Some("4waSgw=="), None),
            (Sum::Crc64Nvme, Some("rosUhgp5mIg="), None),
            (Sum::Md5, None, Some("JfnnlDI7RTiF9RgfG2JNCw==")),
            (Sum::None, None, None),
        ] {
            let digests = Digests::of(bytes, sum);
            assert_eq!(digests.value(sum).as_deref(), value);
            assert_eq!(digests.content_md5().as_deref(), content_md5);
            assert!(digests.agree(tag, value, false));
        }
    }

    #[test]
    fn only_a_tag_that_is_an_md5_is_compared() {
        let digests = Digests::of(b"123456789", Sum::Crc32c);
        let other = "00000000000000000000000000000000";
        assert!(!digests.agree(Some(other), None, false));
        assert!(digests.agree(Some(other), None, true));
        assert!(digests.agree(Some("00000000000000000000000000000000-1"), None, false));
        assert!(digests.agree(None, None, false));
        assert!(!digests.agree(None, Some("AAAAAA=="), false));
        let summed = Digests::summed(b"123456789", Sum::Crc32c);
        assert!(summed.agree(Some(other), digests.value(Sum::Crc32c).as_deref(), false));
        assert!(!summed.agree(Some(other), Some("AAAAAA=="), false));
    }

    proptest! {
        #[test]
        fn any_estimate_fits_its_plan(estimate in 0..=PartPlan::LARGEST * PartPlan::MOST_PARTS) {
            let plan = PartPlan::for_size(estimate);
            prop_assert!(plan.capacity() >= estimate);
            prop_assert!(plan.parts(estimate) <= PartPlan::MOST_PARTS);
        }

        #[test]
        fn any_plan_keeps_the_limits_of_stores(bytes in any::<u64>()) {
            let plan = PartPlan::of_parts(bytes);
            prop_assert!((PartPlan::SMALLEST..=PartPlan::LARGEST).contains(&plan.part_size()));
            prop_assert_eq!(plan.part_size() % MIB, 0);
            prop_assert_eq!(plan.parts(plan.capacity()), PartPlan::MOST_PARTS);
        }

        #[test]
        fn parts_add_up_to_the_object(size in 1..1_u64 << 40, part in 5..2048_u64) {
            let plan = PartPlan::of_parts(part * MIB);
            let (parts, part) = (plan.parts(size), plan.part_size());
            prop_assert!((parts - 1) * part < size && size <= parts * part);
        }

        #[test]
        fn a_larger_estimate_never_gets_smaller_parts(a in any::<u64>(), b in any::<u64>()) {
            prop_assert!(PartPlan::for_size(a.min(b)).part_size() <= PartPlan::for_size(a.max(b)).part_size());
        }
    }
}
