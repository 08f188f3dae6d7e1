//! All points there are, and then moments by chance, for a while.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::damage::Damaged;
use super::harm::Harm;
use super::plan;
use super::point::{Deed, Outcome, Point, When};
use super::scene::{Scene, Which};
use crate::trap::Recording;

/// How often the charm is struck in its mending.
const TWICE: usize = 12;
/// How often while it waits.
const WAITING: usize = 12;
/// More points than these that do not hold end it.
const MOST_FAILURES: usize = 10;
/// How close the places are at which a byte is flipped.
const EVERY_PLACE: usize = 1;

/// How long, and which chances.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// What the moments by chance follow from.
    pub seed: u64,
    /// How long they go on.
    pub time: Duration,
    /// Whether all the points that have a name come before them.
    pub named: bool,
}

/// The recordings of good runs from which points are made.
struct Runs {
    restore: Recording,
    mending: Option<Recording>,
    rollback: Option<Recording>,
    confirm: Option<Recording>,
}

impl Soak {
    /// Goes through all of it and prints each point. After one that does not hold it goes on with a new server, up to a limit.
    pub fn run(&self, say: fn(&str)) -> Result<()> {
        let scene = Scene::deploy()?;
        let runs = Runs::record(&scene, say)?;
        let mut bath = Bath {
            scene,
            say,
            failures: Vec::new(),
        };
        if self.named {
            let points = runs.points();
            say(&format!("{} named points", points.len()));
            for point in &points {
                bath.suffer(point)?;
            }
            bath.damage()?;
        }
        say(&format!("moments by chance, SOAK_SEED={}", self.seed));
        let mut chance = Chance(self.seed);
        let began = Instant::now();
        while began.elapsed() < self.time {
            bath.suffer(&runs.by_chance(&mut chance))?;
        }
        bath.finish()?;
        full(say)
    }
}

/// A server that goes through it, and what did not hold.
struct Bath {
    scene: Scene,
    say: fn(&str),
    failures: Vec<String>,
}

impl Bath {
    fn suffer(&mut self, point: &Point) -> Result<()> {
        match suffer(&self.scene, point, self.say) {
            Ok(()) => Ok(()),
            Err(error) => {
                (self.say)(&format!("FAILED {error:#}"));
                self.failures.push(format!("{error:#}"));
                ensure!(
                    self.failures.len() < MOST_FAILURES,
                    "too many points do not hold:\n{}",
                    self.failures.join("\n")
                );
                // What is left of the old one is kept for a look.
                self.scene = Scene::deploy()?;
                self.scene.restore(Which::After)
            }
        }
    }

    fn damage(&self) -> Result<()> {
        let scene = Scene::deploy_with_small_volumes()?;
        let id = scene.id(Which::Before);
        let damages = Damaged::all(&scene, id, EVERY_PLACE)?;
        (self.say)(&format!("{} damaged backups", damages.len()));
        for damaged in &damages {
            let told = damaged.suffer(&scene, id)?;
            (self.say)(&format!("{damaged}: {told}"));
        }
        scene.is_whole()?;
        scene.finish()
    }

    fn finish(self) -> Result<()> {
        ensure!(
            self.failures.is_empty(),
            "{} points do not hold:\n{}",
            self.failures.len(),
            self.failures.join("\n")
        );
        self.scene.check_diary()?;
        self.scene.finish()
    }
}

/// The same on a volume that is filled up.
fn full(say: fn(&str)) -> Result<()> {
    let Some(scene) = Scene::deploy_on_a_small_volume()? else {
        return Ok(());
    };
    scene.restore(Which::After)?;
    let recording = scene.record_restore()?;
    scene.restore(Which::After)?;
    for point in plan::full(&recording) {
        suffer(&scene, &point, say)?;
    }
    scene.finish()
}

fn suffer(scene: &Scene, point: &Point, say: fn(&str)) -> Result<()> {
    let began = Instant::now();
    let outcome = point.suffer(scene)?;
    let took = began.elapsed().as_secs_f64();
    say(&format!("{took:5.1} s  {point}: {outcome:?}"));
    ensure!(
        outcome != Outcome::Missed || point.may_be_missed(),
        "this point was never reached: {point}"
    );
    Ok(())
}

impl Runs {
    fn record(scene: &Scene, say: fn(&str)) -> Result<Self> {
        // As the points will find it: with what an earlier restore replaced.
        scene.restore(Which::After)?;
        let restore = scene.record_restore()?;
        let mut runs = Self {
            restore,
            mending: None,
            rollback: None,
            confirm: None,
        };
        if plan::middle(&runs.restore).is_none() {
            say("this charm keeps no journal: only what comes before the swap is tried");
            scene.restore(Which::After)?;
            return Ok(runs);
        }
        runs.rollback = Some(scene.record(&[Deed::Rollback.action()])?);
        scene.restore(Which::Before)?;
        runs.confirm = Some(scene.record(&[Deed::Confirm.action()])?);
        scene.restore(Which::After)?;
        runs.mending = Some(scene.record_mending(&runs.restore)?);
        Ok(runs)
    }

    fn points(&self) -> Vec<Point> {
        let mut points = plan::from_the_journal_on(Deed::Restore, &self.restore);
        points.extend(plan::waiting(Deed::Restore, &self.restore, WAITING));
        if let Some(mending) = &self.mending {
            points.extend(plan::twice(&self.restore, mending, TWICE));
        }
        if let Some(rollback) = &self.rollback {
            points.extend(plan::from_the_journal_on(Deed::Rollback, rollback));
            points.extend(plan::waiting(Deed::Rollback, rollback, WAITING));
        }
        if let Some(confirm) = &self.confirm {
            points.extend(plan::every_call(Deed::Confirm, confirm));
        }
        points.extend(plan::gates());
        points.extend(plan::before_the_journal(&self.restore));
        points
    }

    /// Any call of any of these actions, or any moment at which one waits, and anything that can happen then.
    fn by_chance(&self, chance: &mut Chance) -> Point {
        let rollback = self.rollback.as_ref().map(|run| (Deed::Rollback, run));
        let (deed, run) = match (chance.below(4), rollback) {
            (0, Some(rollback)) => rollback,
            _ => (Deed::Restore, &self.restore),
        };
        let journaled = plan::middle(&self.restore).is_some();
        let last = match (journaled, deed) {
            // Of a charm without a journal only what comes before its swap.
            (false, _) => run.steps.iter().position(|step| step.call == "rename"),
            (true, _) => None,
        };
        let steps = &run.steps[..last.unwrap_or(run.steps.len())];
        let calls: Vec<_> = steps.iter().filter(|step| step.is_ours_alone()).collect();
        let ticks = match last.and_then(|last| run.steps.get(last)) {
            Some(step) => &run.ticks[..run.ticks.len() - run.ticks_from(step).len()],
            None => &run.ticks[..],
        };
        let at_a_tick = calls.is_empty() || chance.below(2) == 0;
        let point = match at_a_tick {
            true => {
                let harm = Harm::WHILE_WAITING[chance.below(Harm::WHILE_WAITING.len())];
                Point::new(When::Step(ticks[chance.below(ticks.len())].clone()), harm)
            }
            false => {
                let harm = Harm::AT_CALLS[chance.below(Harm::AT_CALLS.len())];
                Point::new(When::Step(calls[chance.below(calls.len())].clone()), harm)
            }
        };
        point.of(deed)
    }
}

/// Numbers that follow from a seed: SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % limit.max(1) as u64).unwrap_or_default()
    }
}
