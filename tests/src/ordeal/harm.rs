//! What is done to a unit at one moment of a restore.

use anyhow::Result;
use rustix::process::Signal;

use super::scene::{Scene, UNIT};
use crate::s3::{Effect, Fault, Operation, Server};
use crate::world::Trapped;

/// What dies, or what is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The charm's process, by SIGKILL.
    Kill,
    /// The charm's process: asked to end, and killed when it has had no time for it.
    TerminateAndKill,
    /// The charm's process: asked to end, and left to it.
    Terminate,
    /// `tar` in the workload.
    Tar,
    /// Synapse, which Pebble starts again.
    Synapse,
    /// Pebble, and so the workload.
    Pebble,
    /// The whole pod, Juju's agent included.
    Pod,
    /// The S3 server, from now until the end of the action.
    Store,
    /// Room on the disk: the call fails.
    Full,
    /// All room on the volume, until the action has ended: all who write to it fail.
    Room,
    /// The right to write: the call and all of its kind after it fail.
    ReadOnly,
}

impl Harm {
    /// What can be done at any call.
    pub const AT_CALLS: [Self; 7] = [
        Self::Kill,
        Self::Pod,
        Self::TerminateAndKill,
        Self::Full,
        Self::Synapse,
        Self::ReadOnly,
        Self::Pebble,
    ];

    /// What can be done while the charm waits for something.
    pub const WHILE_WAITING: [Self; 6] = [
        Self::Synapse,
        Self::Kill,
        Self::Pebble,
        Self::Pod,
        Self::Terminate,
        Self::TerminateAndKill,
    ];

    /// Whether Juju will find a lost pod.
    pub(super) fn takes_the_pod(self) -> bool {
        self == Self::Pod
    }

    /// Does it, to a unit that stands still. What is stopped is to be resumed afterwards, if it is still there.
    pub(super) fn strike(self, scene: &Scene, trapped: Option<&Trapped>, task: u64) -> Result<()> {
        let world = &scene.world;
        match self {
            // What stands still at a call was killed there by the trap itself.
            Self::Kill => match trapped {
                Some(trapped) => trapped.kill(),
                None => world.cancel(task).map(drop),
            },
            Self::TerminateAndKill | Self::Terminate => {
                let process = match trapped {
                    Some(trapped) => trapped.process,
                    None => world.charm_process(UNIT)?,
                };
                let Some(process) = process else {
                    return Ok(());
                };
                process.signal(Signal::TERM)?;
                if self == Self::TerminateAndKill {
                    process.signal(Signal::CONT)?;
                    process.signal(Signal::KILL)?;
                }
                Ok(())
            }
            Self::Tar => world.kill_tar(UNIT),
            Self::Synapse => world.kill_synapse(UNIT).map(drop),
            Self::Pebble => world.kill_pebble(UNIT),
            Self::Pod => world.kill_pod(UNIT),
            Self::Room => scene.volume()?.fill(0),
            // The trap or the gate did it.
            Self::Full | Self::ReadOnly | Self::Store => Ok(()),
        }
    }

    /// Lets the S3 server answer nothing any more: from this order on, or after so many objects and so many bytes of the next.
    pub(super) fn end_store(store: &Server, passed: usize, given: Option<u64>) {
        let mut passed = passed;
        if let Some(bytes) = given {
            store.order(Fault::on(Operation::GetObject, Effect::Cut(bytes)).after(passed));
            passed = 0;
        }
        let gone = |operation| Fault::on(operation, Effect::Drop).always();
        store.order(gone(Operation::GetObject).after(passed));
        for operation in [
            Operation::HeadObject,
            Operation::ListObjects,
            Operation::PutObject,
        ] {
            store.order(gone(operation).after(passed));
        }
    }
}
