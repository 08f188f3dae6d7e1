//! Which points there are: written down where the moment is the S3 server's, enumerated where it is the charm's own.

use super::harm::Harm;
use super::point::{Deed, Point, When};
use crate::trap::{Recording, Step};

/// A file that is there as long as a restore could be finished or undone.
const JOURNAL: &str = "/journal.json";
/// Half of each of the two volumes that the charm downloads.
const HALF: u64 = 600 << 10;

/// Moments before anything is stopped: the charm waits for the manifest, the inventory, the first volume, the rest of it,
/// and the rest of the second one, when the first is whole.
fn moments() -> [When; 5] {
    let gate = |object, passed, given| When::Gate {
        object,
        passed,
        given,
    };
    [
        gate("manifest", 0, None),
        gate("inventory", 1, None),
        // Before it the lease is read twice.
        gate("volume", 4, None),
        gate("volume", 4, Some(HALF)),
        gate("second volume", 5, Some(HALF)),
    ]
}

/// All that can happen while the charm waits for the S3 server.
pub fn gates() -> Vec<Point> {
    let everywhere = [
        Harm::Kill,
        Harm::Terminate,
        Harm::TerminateAndKill,
        Harm::Synapse,
        Harm::Pebble,
        Harm::Pod,
        Harm::Store,
    ];
    let mut points = Vec::new();
    for moment in moments() {
        points.extend(everywhere.map(|harm| Point::new(moment.clone(), harm)));
    }
    let [.., half] = moments();
    points.push(Point::new(half, Harm::Tar));
    points
}

/// One of them for each moment, and one for each harm.
pub fn some_gates() -> Vec<Point> {
    let [manifest, inventory, volume, half, second] = moments();
    [
        (manifest, Harm::Kill),
        (inventory.clone(), Harm::Pod),
        (inventory, Harm::Store),
        (volume.clone(), Harm::TerminateAndKill),
        (volume, Harm::Synapse),
        (half.clone(), Harm::Tar),
        (half.clone(), Harm::Terminate),
        (half, Harm::Store),
        (second.clone(), Harm::Pebble),
        (second.clone(), Harm::Kill),
        (second, Harm::Store),
    ]
    .map(|(when, harm)| Point::new(when, harm))
    .into()
}

/// The calls before the journal appears: what the charm does to the disk in checking and staging.
pub fn before_the_journal(recording: &Recording) -> Vec<Point> {
    match recording.from(JOURNAL).len() {
        0 => Vec::new(),
        journal => each(
            Deed::Restore,
            &recording.steps[..recording.steps.len() - journal],
        ),
    }
}

/// All calls from the moment on at which the journal appears.
pub fn from_the_journal_on(deed: Deed, recording: &Recording) -> Vec<Point> {
    each(deed, recording.from(JOURNAL))
}

/// Moments at which the charm waits for something, spread over all of the time from the journal on: above all for the
/// service to stop, to start and to be healthy. What dies then is one or the other in turn.
pub fn waiting(deed: Deed, recording: &Recording, wanted: usize) -> Vec<Point> {
    let Some(first) = recording.from(JOURNAL).first() else {
        return Vec::new();
    };
    let ticks = recording.ticks_from(first);
    let mut harms = Harm::WHILE_WAITING.iter().cycle();
    let points = ticks.iter().step_by((ticks.len() / wanted.max(1)).max(1));
    let points = points
        .take(wanted)
        .filter_map(|tick| Some((tick, *harms.next()?)));
    points
        .map(|(tick, harm)| Point::new(When::Step(tick.clone()), harm).of(deed))
        .collect()
}

/// All calls of an action.
pub fn every_call(deed: Deed, recording: &Recording) -> Vec<Point> {
    each(deed, &recording.steps)
}

/// Killed in the middle of the swap, and once more while what was found is mended: at so many calls of the mending.
pub fn twice(restore: &Recording, mending: &Recording, wanted: usize) -> Vec<Point> {
    let Some(middle) = middle(restore) else {
        return Vec::new();
    };
    let killed = |again: &Step| Point {
        again: Some(again.clone()),
        ..Point::new(When::Step(middle.clone()), Harm::Kill)
    };
    let calls = mending
        .from(JOURNAL)
        .iter()
        .filter(|step| step.is_ours_alone());
    let points: Vec<Point> = calls.map(killed).collect();
    some_of(points, wanted)
}

/// The call in the middle of a restore's swap: the middle one of its renames from the journal on.
pub(super) fn middle(restore: &Recording) -> Option<&Step> {
    let renames = restore.from(JOURNAL).iter();
    let renames: Vec<&Step> = renames
        .filter(|step| step.call.starts_with("rename"))
        .collect();
    renames.get(renames.len() / 2).copied()
}

/// Each call that only the charm makes: killed there, and one other harm, so that over all calls each harm has its turns.
fn each(deed: Deed, steps: &[Step]) -> Vec<Point> {
    let mut others = Harm::AT_CALLS.iter().skip(1).cycle();
    let mut told = None;
    let mut points = Vec::new();
    let removes = |at: Option<usize>| at.and_then(|at| steps.get(at)).is_some_and(is_removal);
    for (at, step) in steps.iter().enumerate() {
        told = step_told_by(step).or(told);
        // Of a tree that is removed the first and the last call will do.
        let within = removes(at.checked_sub(1)) && removes(Some(at)) && removes(Some(at + 1));
        if within || !step.is_ours_alone() {
            continue;
        }
        let when = When::Step(step.clone());
        let harms = [Some(&Harm::Kill), others.next()];
        points.extend(
            harms
                .into_iter()
                .flatten()
                .map(|harm| Point::new(when.clone(), *harm).of(deed).told(told.clone())),
        );
    }
    points
}

fn is_removal(step: &Step) -> bool {
    step.call.starts_with("unlink") || step.call == "rmdir"
}

/// The step that the journal tells from this call on, when it is the one that writes it.
fn step_told_by(step: &Step) -> Option<String> {
    let (_, after) = step.written.split_once(r#"\"step\":"#)?;
    let word = after.trim_start_matches([' ', '\\', '"']);
    let end = word.find('\\').unwrap_or(word.len());
    Some(word[..end].to_owned())
}

/// The volume is filled up while it is downloaded to, when the journal appears, and in the middle of the swap.
pub fn full(recording: &Recording) -> Vec<Point> {
    let [.., half] = moments();
    let journal = recording
        .from(JOURNAL)
        .iter()
        .find(|step| step.is_ours_alone());
    let calls = [journal, middle(recording)].into_iter().flatten();
    let moments = calls.map(|step| When::Step(step.clone()));
    let moments = std::iter::once(half).chain(moments);
    moments.map(|when| Point::new(when, Harm::Room)).collect()
}

/// So many of these points, spread over all of them: at one call the killing, at the next the other harm.
pub fn some_of(mut points: Vec<Point>, wanted: usize) -> Vec<Point> {
    let all = points.len();
    if all <= wanted {
        return points;
    }
    let chosen: Vec<usize> = (0..wanted)
        .map(|turn| turn * all / wanted / 2 * 2 + turn % 2)
        .collect();
    let mut at = 0;
    points.retain(|_| {
        at += 1;
        chosen.contains(&(at - 1))
    });
    points
}
