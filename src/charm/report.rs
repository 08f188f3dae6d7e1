//! What a long action tells while it works: to whoever waits for it, and in the unit's status.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, info};

use super::Charm;
use crate::backup::{Phase, Progress};
use crate::juju::{Event, Status, ToolError};
use crate::s3::{Again, Bucket};

/// How often a number that grows is told. Juju keeps about a thousand lines of one task.
const TICK: Duration = Duration::from_secs(5);
const MEBI: f64 = 1024.0 * 1024.0;

/// Does the work and tells how it goes, under the name of `task`.
pub(super) async fn reported<T>(
    charm: &Charm,
    task: &str,
    progress: watch::Receiver<Progress>,
    work: impl Future<Output = T>,
) -> T {
    tokio::select! {
        // The work is never dropped before its end; the telling may be, at any point: it only talks.
        outcome = work => outcome,
        never = tell(charm, task, progress) => match never {},
    }
}

async fn tell(
    charm: &Charm,
    task: &str,
    mut progress: watch::Receiver<Progress>,
) -> std::convert::Infallible {
    let mut tick = interval_at(Instant::now() + TICK, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Phase> = None;
    let mut since = Instant::now();
    let retries = charm.bucket.get().map(Bucket::retries);
    let mut told_retries = charm.bucket.get().map_or(0, Bucket::retried);
    loop {
        let now = *progress.borrow_and_update();
        if told != Some(now.phase) {
            told = Some(now.phase);
            since = Instant::now();
            info!(phase = %now.phase, "phase");
        }
        let line = line(now, since.elapsed());
        let status = Status::maintenance(format!("{task}: {line}"));
        let told_both: Result<(), ToolError> = async {
            if let Event::Action(_) = charm.context.event {
                let again = retries.as_ref().and_then(|again| again.borrow().clone());
                let again = again.filter(|again| again.count > told_retries);
                told_retries = again.as_ref().map_or(told_retries, |again| again.count);
                let again = again.map(|again| retried(&again, Instant::now()));
                let line = format!("{line}{}", again.unwrap_or_default());
                charm.tools.action_log(&line).await?;
            }
            charm.tools.status_set(&status).await
        }
        .await;
        if let Err(error) = told_both {
            debug!(%error, "progress could not be told");
        }
        next(&mut progress, told, &mut tick).await;
    }
}

/// Returns at the next tick, or as soon as another phase has begun.
async fn next(
    progress: &mut watch::Receiver<Progress>,
    told: Option<Phase>,
    tick: &mut tokio::time::Interval,
) {
    let another = progress.wait_for(|progress| Some(progress.phase) != told);
    tokio::select! {
        // Both may be dropped and asked again: a tick is not lost, and the phase is still there.
        _ = tick.tick() => (),
        Ok(_) = another => (),
    }
}

/// One line of progress: phase, and bytes, rate and time left where there are any.
fn line(progress: Progress, elapsed: Duration) -> String {
    let Progress {
        phase,
        bytes,
        total,
    } = progress;
    if bytes == 0 {
        return phase.to_string();
    }
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001) / MEBI;
    let mebi = bytes as f64 / MEBI;
    match total {
        0 => format!("{phase}: {mebi:.1} MiB, {rate:.1} MiB/s"),
        total => {
            let percent = (bytes.saturating_mul(100) / total).min(100);
            let all = total as f64 / MEBI;
            let left = ((all - mebi) / rate).max(0.0).ceil() as u64;
            format!(
                "{phase}: {percent}%, {mebi:.1} of {all:.1} MiB, {rate:.1} MiB/s, {} left",
                time(left)
            )
        }
    }
}

/// What is being tried again, why, and when.
fn retried(again: &Again, now: Instant) -> String {
    let Again {
        task,
        why,
        next,
        count,
    } = again;
    let when = match next.saturating_duration_since(now).as_secs_f64().ceil() {
        0.0 => "now".to_owned(),
        seconds => format!("in {seconds} s"),
    };
    format!("; trying to {task} again {when}: {why} (retry {count})")
}

/// A number of bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    const STEP: f64 = 1024.0;
    let mut number = bytes as f64 / STEP;
    let mut unit = "KiB";
    for larger in ["MiB", "GiB", "TiB"] {
        if number < STEP {
            break;
        }
        (number, unit) = (number / STEP, larger);
    }
    format!("{number:.1} {unit}")
}

/// Seconds as one says them: `40 s`, `2 min 5 s`, `3 h 20 min`.
fn time(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_phase_bytes_and_rate() {
        let progress = Progress {
            phase: Phase::Uploading,
            bytes: 50 << 20,
            total: 200 << 20,
        };
        assert_eq!(
            line(progress, Duration::from_secs(2)),
            "uploading: 25%, 50.0 of 200.0 MiB, 25.0 MiB/s, 6 s left"
        );
        let unknown = Progress {
            total: 0,
            ..progress
        };
        assert_eq!(
            line(unknown, Duration::from_secs(2)),
            "uploading: 50.0 MiB, 25.0 MiB/s"
        );
        let fresh = Progress {
            bytes: 0,
            ..progress
        };
        assert_eq!(line(fresh, Duration::ZERO), "uploading");
        assert_eq!(
            [59, 125, 12_000].map(time),
            ["59 s", "2 min 5 s", "3 h 20 min"]
        );
    }

    #[tokio::test]
    async fn what_is_tried_again_is_told_with_its_reason() {
        let now = Instant::now();
        let again = Again {
            task: "write part 7 of a".to_owned(),
            why: "SlowDown (503)".to_owned(),
            next: now + Duration::from_millis(2300),
            count: 4,
        };
        assert_eq!(
            retried(&again, now),
            "; trying to write part 7 of a again in 3 s: SlowDown (503) (retry 4)"
        );
        assert!(retried(&again, now + Duration::from_secs(9)).contains(" again now: "));
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let told = [0, 1536, 5 << 20, 3 << 30, 5000 << 40].map(size);
        assert_eq!(
            told,
            ["0.0 KiB", "1.5 KiB", "5.0 MiB", "3.0 GiB", "5000.0 TiB"]
        );
    }
}
