//! One named point: a moment of an action, and what happens there.

use std::fmt;

use anyhow::{Context, Result, ensure};

use super::harm::Harm;
use super::scene::{Scene, UNIT, Which};
use crate::s3::{Effect, Fault, Operation};
use crate::trap::{Step, What};
use crate::world::Action;

/// An action that is put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// `restore-backup`.
    Restore,
    /// `rollback-restore`, of a restore that went well.
    Rollback,
    /// `confirm-restore`, of a restore that went well.
    Confirm,
}

/// A moment.
#[derive(Debug, Clone)]
pub enum When {
    /// The S3 server keeps the charm waiting for an object: after so many others, with so many bytes of it given.
    Gate {
        /// As in `manifest`.
        object: &'static str,
        /// Objects that pass before.
        passed: usize,
        /// Bytes that are given; without them not even the answer begins.
        given: Option<u64>,
    },
    /// A call that changes what lies on the disk.
    Step(Step),
}

/// A moment and what happens then.
#[derive(Debug, Clone)]
pub struct Point {
    /// What is done meanwhile.
    pub deed: Deed,
    /// When.
    pub when: When,
    /// What happens.
    pub harm: Harm,
    /// The last step that the journal told before, for the reader.
    pub told: Option<String>,
    /// A call at which the charm is killed once more, when it wakes up and mends what it finds.
    pub again: Option<Step>,
}

/// What came of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, and the server was this one afterwards.
    Whole(Which),
    /// The action was over before its moment came: the run went another way than the one before.
    Missed,
}

impl Deed {
    /// The action.
    pub fn action(self) -> &'static str {
        match self {
            Self::Restore => "restore-backup",
            Self::Rollback => "rollback-restore",
            Self::Confirm => "confirm-restore",
        }
    }
}

impl Point {
    /// A point of a restore.
    pub fn new(when: When, harm: Harm) -> Self {
        let deed = Deed::Restore;
        Self {
            deed,
            when,
            harm,
            told: None,
            again: None,
        }
    }

    /// The same, told to be in this step of the journal.
    #[must_use]
    pub fn told(self, told: Option<String>) -> Self {
        Self { told, ..self }
    }

    /// The same of another action.
    #[must_use]
    pub fn of(self, deed: Deed) -> Self {
        Self { deed, ..self }
    }

    /// Whether a good run may be over before this moment: how much there is to remove depends on what lay
    /// there before, and how often the charm waits on how soon it is answered.
    pub fn may_be_missed(&self) -> bool {
        match &self.when {
            When::Gate { .. } => false,
            When::Step(step) => {
                step.is_a_tick() || step.call.starts_with("unlink") || step.call == "rmdir"
            }
        }
    }

    /// Goes through it, and through a restore with nothing in its way afterwards.
    pub fn suffer(&self, scene: &Scene) -> Result<Outcome> {
        self.go_through(scene)
            .with_context(|| format!("at the point: {self}"))
    }

    fn go_through(&self, scene: &Scene) -> Result<Outcome> {
        if self.deed != Deed::Restore {
            scene.restore(Which::Before)?;
        }
        let Some(ended) = self.strike(scene)? else {
            scene.is_whole()?;
            scene.restore(Which::After)?;
            return Ok(Outcome::Missed);
        };
        self.wake(scene)?;
        let which = scene.is_whole()?;
        if ended.status == "completed" {
            let wanted = match self.deed {
                Deed::Restore | Deed::Confirm => Which::Before,
                Deed::Rollback => Which::After,
            };
            ensure!(
                which == wanted,
                "{ended:?}, but the server is the one of {which:?}"
            );
        }
        scene.restore(Which::After)?;
        Ok(Outcome::Whole(which))
    }

    /// Brings the action to its moment, does the harm, and waits for the end of the action. `None` when the moment never came.
    fn strike(&self, scene: &Scene) -> Result<Option<Action>> {
        let world = &scene.world;
        let mut seen = 0;
        match &self.when {
            When::Gate { passed, given, .. } if self.harm == Harm::Store => {
                Harm::end_store(scene.store()?, *passed, *given);
            }
            When::Gate { passed, given, .. } => {
                let effect = given.map_or(Effect::Hold, Effect::HoldBody);
                let hold = Fault::on(Operation::GetObject, effect);
                // Only this one: what the charm asks anew shall be answered.
                scene.store()?.order(hold.after(*passed));
                seen = scene.store()?.calls(Operation::GetObject) + passed + 1;
            }
            When::Step(step) => {
                let what = match self.harm {
                    Harm::Kill => What::Kill,
                    Harm::Full => What::Fail("ENOSPC".to_owned()),
                    Harm::ReadOnly => What::Fail("EROFS".to_owned()),
                    _ => What::Stop,
                };
                let trap = step.trap(what);
                let trap = match self.harm {
                    Harm::ReadOnly => trap.onwards(),
                    _ => trap,
                };
                world.trap(UNIT, &trap)?;
            }
        }
        let restore = scene.restore_words(Which::Before);
        let words: Vec<&str> = match self.deed {
            Deed::Restore => restore.iter().map(String::as_str).collect(),
            Deed::Rollback | Deed::Confirm => vec![self.deed.action()],
        };
        let task = world.begin(UNIT, &words)?;
        let trapped = match &self.when {
            When::Gate { .. } if self.harm == Harm::Store => {
                let ended = world.wait_for_task(task)?;
                scene.store()?.clear_faults();
                return Ok(Some(ended));
            }
            When::Gate { .. } => {
                let store = scene.store()?;
                let there = || Ok(store.calls(Operation::GetObject) >= seen);
                world.wait_until(&format!("{self}"), there)?;
                None
            }
            When::Step(_) => match world.trapped(UNIT)? {
                Some(trapped) => Some(trapped),
                None => {
                    world.wait_for_task(task)?.success()?;
                    return Ok(None);
                }
            },
        };
        self.harm.strike(scene, trapped.as_ref(), task)?;
        scene.store()?.clear_faults();
        if self.harm.takes_the_pod() {
            world.revive_pod(UNIT)?;
        }
        let ended = match &trapped {
            Some(trapped) => world.resume_until_ended(UNIT, trapped, task)?,
            None => world.wait_for_task(task)?,
        };
        if self.harm == Harm::Room {
            scene.volume()?.clear()?;
        }
        Ok(Some(ended))
    }

    /// What Juju does by itself in the next minutes.
    fn wake(&self, scene: &Scene) -> Result<()> {
        let world = &scene.world;
        if let Some(step) = &self.again {
            world.trap(UNIT, &step.trap(What::Kill))?;
        }
        // A hook that is killed is tried again with the next.
        scene.hook("update-status")?;
        world.untrap(UNIT)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deed = self.deed.action();
        let told = match &self.told {
            Some(step) => format!(" [{step}]"),
            None => String::new(),
        };
        write!(formatter, "{deed}{told}: {} at {}", self.harm, self.when)?;
        match &self.again {
            Some(step) => write!(formatter, ", then killed in mending at {step}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate {
                object,
                given: None,
                ..
            } => write!(formatter, "the request of the {object}"),
            Self::Gate {
                object,
                given: Some(bytes),
                ..
            } => {
                write!(formatter, "byte {bytes} of the {object}")
            }
            Self::Step(step) => step.fmt(formatter),
        }
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kill => "killed",
            Self::TerminateAndKill => "terminated and killed",
            Self::Terminate => "terminated",
            Self::Tar => "tar killed",
            Self::Synapse => "Synapse killed",
            Self::Pebble => "Pebble killed",
            Self::Pod => "pod killed",
            Self::Store => "S3 server gone",
            Self::Full => "disk full",
            Self::Room => "volume filled up",
            Self::ReadOnly => "volume read-only",
        })
    }
}
