//! The same pods for root and for an ordinary user.

use std::process::Command;

use super::is_root;

/// Started by root, the suite runs this subject once more as a user without privileges.
#[test]
fn an_ordinary_user_has_the_same_pods() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(directory.path(), Some(65534), Some(65534)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["pod::", "--test-threads", "2"])
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains(
            "synapse::a_real_synapse_runs_under_pebble_and_serves_a_user_at_the_pods_address ... ok"
        ),
        "{told}"
    );
}
