//! Which points there are: written down where the moment is the S3 server's, enumerated where it is the charm's own.

use super::harm::Harm;
use super::point::{Deed, Point, When};
use crate::trap::Recording;

/// A file that is there as long as a restore could be finished or undone.
const JOURNAL: &str = "/journal.json";
/// Half of the volume that the charm downloads.
const HALF: u64 = 600 << 10;

/// Moments before anything is stopped: the charm waits for the manifest, the inventory, the volume.
pub fn gates() -> Vec<Point> {
    let gates = [
        ("manifest", 0, None),
        ("inventory", 1, None),
        ("volume", 2, None),
        ("volume", 2, Some(HALF)),
    ];
    let gate = |(object, passed, given)| When::Gate {
        object,
        passed,
        given,
    };
    let everywhere = [
        Harm::Kill,
        Harm::TerminateAndKill,
        Harm::Pod,
        Harm::Pebble,
        Harm::Synapse,
    ];
    let mut points = Vec::new();
    for moment in gates {
        points.extend(everywhere.map(|harm| Point::new(gate(moment), harm)));
    }
    points.push(Point::new(gate(gates[3]), Harm::Tar));
    points
}

/// The calls before the journal appears: what the charm does to the disk in checking and staging.
pub fn before_the_journal(recording: &Recording) -> Vec<Point> {
    let journal = recording.from(JOURNAL).len();
    let before = &recording.steps[..recording.steps.len() - journal];
    each(Deed::Restore, before)
}

/// All calls from the moment on at which the journal appears.
pub fn from_the_journal_on(deed: Deed, recording: &Recording) -> Vec<Point> {
    each(deed, recording.from(JOURNAL))
}

/// Each call that only the charm makes: killed there, and one other harm, so that over all calls each harm has its turns.
fn each(deed: Deed, steps: &[crate::trap::Step]) -> Vec<Point> {
    let steps = steps.iter().filter(|step| step.is_ours_alone());
    let mut others = Harm::AT_CALLS.iter().skip(1).cycle();
    let mut points = Vec::new();
    for step in steps {
        let when = When::Step(step.clone());
        points.push(Point::new(when.clone(), Harm::Kill).of(deed));
        points.extend(others.next().map(|harm| Point::new(when, *harm).of(deed)));
    }
    points
}

/// So many of these points, spread over all of them.
pub fn some_of(points: Vec<Point>, wanted: usize) -> Vec<Point> {
    let all = points.len();
    let chosen = |at: &usize| {
        // The first is taken, and whenever another of the wanted falls due.
        *at == 0 || at * wanted / all != (at - 1) * wanted / all
    };
    let points = points.into_iter().enumerate();
    points
        .filter(|(at, _)| chosen(at))
        .map(|(_, point)| point)
        .take(wanted)
        .collect()
}
