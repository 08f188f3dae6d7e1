//! A command never outlives its owner, and never takes a lost owner for the end of its input.

use std::path::Path;

use synapse_operator::pebble::{Exec, ExecError};
use tokio::io::AsyncWriteExt;

use super::daemon::{Daemon, block_on, on_each_way};
use super::exec::{LIMIT, is_gone, pid, wait_gone};

#[test]
fn a_dropped_process_takes_the_command_with_it() {
    on_each_way(|daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo $$; exec sleep 60"))
            .await
            .unwrap();
        let pid = pid(&mut process).await;
        assert!(!is_gone(&pid));
        drop(process);
        wait_gone(&pid).await;
    });
}

#[test]
fn a_command_does_not_outlive_the_runtime_that_started_it() {
    on_each_way(|daemon| async move {
        let client = daemon.client();
        let exec = daemon.sh("echo $$; exec sleep 60");
        let pid = std::thread::spawn(move || {
            block_on(async {
                let mut process = client.exec(&exec).await.unwrap();
                let pid = pid(&mut process).await;
                std::mem::forget(process);
                pid
            })
        })
        .join()
        .unwrap();
        wait_gone(&pid).await;
    });
}

/// The script leaves a file behind once its input has ended well, as `tar -x` would commit what it has read.
fn committer(daemon: &Daemon, file: &str) -> Exec {
    // `read` is the shell's own, so it is the command itself that sees the end, not a child.
    daemon.sh(&format!(
        "echo $$; while read -r line; do :; done; touch {file}"
    ))
}

#[test]
fn a_failed_source_kills_before_the_input_ends() {
    on_each_way(|daemon| async move {
        let (own, child) = (daemon.path("own"), daemon.path("child"));
        let with_child = daemon.sh(&format!("echo $$; cat >/dev/null; touch {child}"));
        for (exec, ok) in [(committer(&daemon, &own), &own), (with_child, &child)] {
            let mut process = daemon.client().exec(&exec).await.unwrap();
            let pid = pid(&mut process).await;
            let mut stdin = process.stdin.take().unwrap();
            stdin.write_all(b"half of it\n").await.unwrap();
            stdin.flush().await.unwrap();
            process.kill().await.unwrap();
            assert!(is_gone(&pid), "kill returns when the command is gone");
            drop(stdin);
            assert!(!Path::new(ok).exists());
        }
    });
}

#[test]
fn an_input_dropped_in_any_order_is_never_a_clean_end() {
    on_each_way(|daemon| async move {
        for order in 0..4 {
            let ok = daemon.path(&format!("ok-{order}"));
            let mut process = daemon
                .client()
                .exec(&committer(&daemon, &ok))
                .await
                .unwrap();
            let pid = pid(&mut process).await;
            let mut stdin = process.stdin.take().unwrap();
            stdin.write_all(b"half of it\n").await.unwrap();
            stdin.flush().await.unwrap();
            match order {
                0 => {
                    drop(stdin);
                    let error = process.wait(LIMIT).await.unwrap_err();
                    assert!(matches!(error, ExecError::Abandoned { .. }), "{error:?}");
                }
                1 => {
                    drop(process.stdout.take());
                    drop(stdin);
                    drop(process);
                }
                2 => {
                    drop(process);
                    drop(stdin);
                }
                _ => {
                    stdin.shutdown().await.unwrap();
                    process.stdin = Some(stdin);
                    let error = process.wait(LIMIT).await.unwrap_err();
                    assert!(matches!(error, ExecError::Abandoned { .. }), "{error:?}");
                }
            }
            wait_gone(&pid).await;
            assert!(!Path::new(&ok).exists(), "order {order}");
        }
    });
}

#[test]
fn an_input_that_was_ended_is_a_clean_end() {
    on_each_way(|daemon| async move {
        let ok = daemon.path("ok");
        let mut process = daemon
            .client()
            .exec(&committer(&daemon, &ok))
            .await
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(b"all of it\n").await.unwrap();
        stdin.end().await.unwrap();
        process.wait(LIMIT).await.unwrap();
        assert!(Path::new(&ok).exists());
    });
}
