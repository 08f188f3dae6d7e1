//! This process: what it must not leave behind, and how it ends when it is told to.

use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Makes sure that no core dump holds what is in memory, and that no other process of this user can look into it.
///
/// What the system does not allow is left as it is: the charm works without.
pub(super) fn keep_secrets() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Returns when the process is told to end.
pub(super) async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    }
}

/// Ends the process by the signal it was told to end with.
///
/// Juju runs a hook that was ended by SIGTERM again; one that exits with a number would be an error.
pub(super) fn terminate() -> ExitCode {
    drop(signal_hook::low_level::emulate_default_handler(
        signal_hook::consts::SIGTERM,
    ));
    ExitCode::FAILURE
}
