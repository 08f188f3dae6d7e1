//! How fast bytes may pass, whoever sends or receives them.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much of what was not used may be made up for: a process that woke late, not one that had nothing to send.
const LEEWAY: Duration = Duration::from_millis(250);
/// What passes at a time lasts no longer than this.
const STEP_MILLIS: u64 = 50;
/// And is no smaller than this.
const SMALLEST_STEP: u64 = 1024;

/// A rate that all holders of a clone keep together; without one nothing waits.
///
/// In any ten seconds no more passes than the rate allows and three percent: what [`LEEWAY`] makes up for, and one step.
#[derive(Debug, Clone)]
pub(super) struct Pace(Option<Arc<Meter>>);

#[derive(Debug)]
struct Meter {
    /// Bytes a second.
    rate: NonZeroU64,
    /// When all that was let pass will have passed.
    free: Mutex<Instant>,
}

impl Pace {
    /// Nothing has passed yet.
    pub(super) fn new(rate: Option<NonZeroU64>) -> Self {
        Self(rate.map(|rate| {
            Arc::new(Meter {
                rate,
                free: Mutex::new(Instant::now()),
            })
        }))
    }

    /// How many of `most` bytes should pass at a time.
    pub(super) fn step(&self, most: usize) -> usize {
        let Some(meter) = &self.0 else { return most };
        let step = (meter.rate.get() / 1000 * STEP_MILLIS).max(SMALLEST_STEP);
        most.min(usize::try_from(step).unwrap_or(usize::MAX))
    }

    /// Takes the turn of so many bytes and tells when it is, if that is not now.
    pub(super) fn turn(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let meter = self.0.as_ref()?;
        let mut free = meter.free.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(LEEWAY).unwrap_or(now);
        let begin = (*free).max(earliest);
        *free = begin + meter.lasts(bytes);
        (begin > now).then_some(begin)
    }

    /// Waits for the turn of so many bytes.
    pub(super) async fn pass(&self, bytes: usize) {
        if let Some(turn) = self.turn(bytes, Instant::now()) {
            tokio::time::sleep_until(turn).await;
        }
    }

    /// How many of `most` connections are enough to keep the rate: each takes in ahead of its turn what its buffers hold.
    pub(super) fn connections(&self, most: usize) -> usize {
        const EACH: u64 = 16 << 20;
        match &self.0 {
            None => most,
            Some(meter) => usize::try_from(meter.rate.get() / EACH)
                .unwrap_or(most)
                .clamp(1, most),
        }
    }
}

impl Meter {
    fn lasts(&self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn pace(rate: u64) -> Pace {
        Pace::new(NonZeroU64::new(rate))
    }

    /// Several senders pass all that they can for a while, each waking a little late; when what has passed.
    fn passed(rate: u64, senders: usize, late: &[u64]) -> Vec<(Duration, u64)> {
        let pace = pace(rate);
        let start = Instant::now();
        let mut late = late.iter().cycle();
        let mut due: Vec<Duration> = vec![Duration::ZERO; senders];
        let mut passed = Vec::new();
        while let Some(sender) = (0..senders).min_by_key(|sender| due[*sender]) {
            let now = due[sender];
            if now > Duration::from_secs(25) {
                break;
            }
            let step = pace.step(128 << 10);
            let turn = pace.turn(step, start + now);
            let at = turn.map_or(now, |turn| {
                turn - start + Duration::from_millis(*late.next().unwrap_or(&0))
            });
            passed.push((at, step as u64));
            due[sender] = at;
        }
        passed.sort_unstable();
        passed
    }

    /// The least and the most that passes in any window of what was busy throughout.
    fn extremes(passed: &[(Duration, u64)]) -> (u64, u64) {
        let last = passed.last().map_or(Duration::ZERO, |(at, _)| *at);
        let (mut least, mut most) = (u64::MAX, 0);
        let (mut end, mut sum) = (0, 0);
        for (begin, bytes) in passed {
            if *begin + WINDOW > last {
                break;
            }
            while passed[end].0 < *begin + WINDOW {
                sum += passed[end].1;
                end += 1;
            }
            (least, most) = (least.min(sum), most.max(sum));
            sum -= bytes;
        }
        (least, most)
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let pace = Pace::new(None);
        assert_eq!(pace.turn(usize::MAX, Instant::now()), None);
        assert_eq!((pace.step(7), pace.connections(4)), (7, 4));
    }

    #[test]
    fn what_was_not_used_is_lost_but_for_a_little() {
        let pace = pace(1000);
        let start = Instant::now();
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.turn(1000, later), None);
        let next = pace.turn(1, later).map(|turn| turn - later);
        assert_eq!(next, Some(Duration::from_secs(1) - LEEWAY));
    }

    #[test]
    fn slow_rates_pass_in_small_steps_and_over_one_connection() {
        let slow = pace(64 << 10);
        assert_eq!(slow.step(128 << 10), 3250);
        assert_eq!(slow.connections(4), 1);
        let fast = pace(1 << 30);
        assert_eq!((fast.step(128 << 10), fast.connections(4)), (128 << 10, 4));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn rate_is_kept_to_five_percent_in_any_ten_seconds(
            rate in (64_u64 << 10)..(40 << 20),
            senders in 1_usize..5,
            late in prop::collection::vec(0_u64..40, 1..20),
        ) {
            let (least, most) = extremes(&passed(rate, senders, &late));
            let told = rate * WINDOW.as_secs();
            prop_assert!(most <= told + told / 20, "{most} of {told}");
            prop_assert!(least >= told - told / 20, "{least} of {told}");
        }
    }
}
