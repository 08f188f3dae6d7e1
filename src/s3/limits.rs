//! How long this room waits and how often it tries.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::checksum::Checksum;
use super::memory::Memory;

/// The time-outs and the numbers of attempts. The default is what production uses.
///
/// Two rules stand behind the numbers. A question that bad input can spoil (wrong host, wrong port, wrong certificate)
/// is answered within three seconds. And data on its way is given up only when nothing moves any more, however long a
/// part takes in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name resolution, connection and TLS handshake together.
    pub connect: Duration,
    /// The question whether the bucket can be used, with all of its attempts.
    pub head: Duration,
    /// One attempt of a small call: a listing's page, a deletion, a small object.
    pub control: Duration,
    /// The longest silence while a part or an object is on its way: no byte sent, none received.
    pub silence: Duration,
    /// One attempt to put an upload's parts together, which stores do by copying.
    pub complete: Duration,
    /// One attempt to send one part, even if it never quite falls silent.
    pub part: Duration,
    /// Attempts of a small call.
    pub control_attempts: u32,
    /// Attempts of a part.
    pub part_attempts: u32,
    /// Attempts of any call that the store answers with a failure of its own, which a full disk looks like, too.
    pub fault_attempts: u32,
    /// The longest time in which parts or objects are tried without a single success.
    pub fruitless: Duration,
    /// The longest pause before the first retry; it doubles from one to the next, and each pause is a random share of it.
    pub first_pause: Duration,
    /// The longest pause before any retry.
    pub longest_pause: Duration,
    /// The most bytes a second that are sent.
    pub upload_rate: Option<NonZeroU64>,
    /// The most bytes a second that are received.
    pub download_rate: Option<NonZeroU64>,
    /// Parts of an upload that may be on their way at once.
    pub in_flight: NonZeroUsize,
    /// What a run may take of the memory: it bounds the parts in flight, and says how far ahead is read.
    pub memory: Memory,
    /// What bodies travel with for the store to check.
    pub checksum: Checksum,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(2_500),
            head: Duration::from_millis(2_800),
            control: Duration::from_secs(30),
            silence: Duration::from_secs(60),
            complete: Duration::from_secs(15 * 60),
            part: Duration::from_secs(60 * 60),
            control_attempts: 4,
            part_attempts: 100,
            fault_attempts: 8,
            fruitless: Duration::from_secs(15 * 60),
            first_pause: Duration::from_millis(300),
            longest_pause: Duration::from_secs(20),
            upload_rate: None,
            download_rate: None,
            in_flight: NonZeroUsize::MIN.saturating_add(2),
            memory: Memory::default(),
            checksum: Checksum::Auto,
        }
    }
}

impl Limits {
    /// How long an attempt to send a part of so many bytes may take: under a limit of the rate, twice as long as its share.
    pub(super) fn part_of(&self, bytes: u64) -> Duration {
        let Some(rate) = self.upload_rate else {
            return self.part;
        };
        let all = bytes.saturating_mul(self.in_flight.get() as u64);
        self.part.max(Duration::from_secs(all / rate * 2))
    }

    /// The pause before asking again after so many tries that brought nothing; `random` chooses its share of the longest.
    pub(super) fn pause(&self, fruitless: u32, random: u8) -> Duration {
        let doublings = fruitless.saturating_sub(1).min(20);
        let longest = self.first_pause.saturating_mul(1 << doublings);
        longest.min(self.longest_pause) * u32::from(random) / u32::from(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_a_share_of_it() {
        let limits = Limits::default();
        let longest = |fruitless| limits.pause(fruitless, u8::MAX).as_millis();
        assert_eq!([0, 1, 2, 3].map(longest), [300, 300, 600, 1200]);
        assert_eq!([8, 40, u32::MAX].map(longest), [20_000; 3]);
        assert_eq!(limits.pause(3, 0), Duration::ZERO);
        assert_eq!(limits.pause(1, 51), Duration::from_millis(60));
    }
}
