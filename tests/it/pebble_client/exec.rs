//! Commands run through a real daemon.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use synapse_operator::pebble::{Exec, ExecError, PebbleError, Process, Signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::daemon::{Way, eventually, on_each_way};

pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// Bytes of every value in no short pattern.
fn noise(count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

/// Reads the number that a script writes first.
pub(super) async fn pid(process: &mut Process) -> String {
    let mut line = String::new();
    process
        .stdout
        .as_mut()
        .unwrap()
        .read_line(&mut line)
        .await
        .unwrap();
    line.trim().to_owned()
}

/// Kills the command itself.
pub(super) fn kill(pid: &str) {
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// A process that nobody has waited for yet is gone as well.
pub(super) fn is_gone(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

pub(super) async fn wait_gone(pid: &str) {
    eventually("the command is gone", async || is_gone(pid)).await;
}

#[test]
fn binary_data_comes_back_as_it_went_in() {
    on_each_way(|daemon| async move {
        let data = noise(5 * 1024 * 1024 + 7);
        let mut process = daemon.client().exec(&daemon.sh("exec cat")).await.unwrap();
        let (mut stdin, mut stdout) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let feed = async {
            stdin.write_all(&data).await.unwrap();
            stdin.end().await.unwrap();
        };
        let mut back = Vec::new();
        let (_, read) = tokio::join!(feed, stdout.read_to_end(&mut back));
        read.unwrap();
        assert!(back == data, "{} bytes came back", back.len());
        let exited = process.wait(LIMIT).await.unwrap();
        assert_eq!(exited.stderr, "");
    });
}

#[test]
fn small_writes_arrive_when_flushed() {
    on_each_way(|daemon| async move {
        let mut process = daemon.client().exec(&daemon.sh("exec cat")).await.unwrap();
        let mut stdin = process.stdin.take().unwrap();
        for word in ["one", "two"] {
            stdin.write_all(word.as_bytes()).await.unwrap();
            stdin.flush().await.unwrap();
            let mut echo = [0; 3];
            process
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut echo)
                .await
                .unwrap();
            assert_eq!(echo, word.as_bytes());
        }
        stdin.end().await.unwrap();
        process.wait(LIMIT).await.unwrap();
    });
}

#[test]
fn the_exit_code_and_the_end_of_stderr_are_told() {
    on_each_way(|daemon| async move {
        let script = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo disk on fire >&2; exit 3";
        let error = daemon
            .client()
            .run(&daemon.sh(script), b"", 1024)
            .await
            .unwrap_err();
        let ExecError::Exit {
            command,
            code,
            signal,
            stderr,
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!((command.as_str(), *code, *signal), ("sh", 3, None));
        assert_eq!(stderr.len(), 8 * 1024);
        assert!(stderr.ends_with("xdisk on fire\n"), "{stderr}");
    });
}

#[test]
fn a_signal_is_told_from_an_exit_code() {
    on_each_way(|daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo $$; exec sleep 60"))
            .await
            .unwrap();
        pid(&mut process).await;
        process.signal(Signal::Term).await;
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(
            matches!(
                error,
                ExecError::Exit {
                    code: 143,
                    signal: Some(15),
                    ..
                }
            ),
            "{error:?}"
        );
    });
}

#[test]
fn a_command_that_exits_early_does_not_hold_up_its_feeder() {
    on_each_way(|daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("head -c 5; exit 0"))
            .await
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        let data = noise(8 * 1024 * 1024);
        let error = stdin.write_all(&data).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
        drop(stdin);
        process.wait(LIMIT).await.unwrap();

        let output = daemon
            .client()
            .run(&daemon.sh("head -c 5"), &data, 1024)
            .await
            .unwrap();
        assert_eq!(output.stdout, data[..5]);
    });
}

#[test]
fn a_time_limit_is_an_error_of_its_own() {
    on_each_way(|daemon| async move {
        let exec = daemon
            .sh("echo late >&2; exec sleep 60")
            .timeout(Duration::from_millis(300));
        let error = daemon.client().run(&exec, b"", 1024).await.unwrap_err();
        assert!(
            matches!(&error, ExecError::TimedOut { stderr, .. } if stderr == "late\n"),
            "{error:?}"
        );
    });
}

#[test]
fn waiting_has_a_limit_and_kills_behind_itself() {
    on_each_way(|daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo $$; exec sleep 60"))
            .await
            .unwrap();
        let pid = pid(&mut process).await;
        let begin = Instant::now();
        let error = process.wait(Duration::from_millis(300)).await.unwrap_err();
        assert!(
            matches!(error, ExecError::Pebble(PebbleError::TimedOut { .. })),
            "{error:?}"
        );
        assert!(begin.elapsed() < Duration::from_secs(5));
        wait_gone(&pid).await;
    });
}

#[test]
fn streams_that_stand_still_too_long_are_errors() {
    on_each_way(|daemon| async move {
        let exec = daemon
            .sh("exec sleep 60")
            .stall_limit(Duration::from_millis(200));
        let mut process = daemon.client().exec(&exec).await.unwrap();
        let mut stdout = process.stdout.take().unwrap();
        assert_eq!(
            stdout.read(&mut [0; 8]).await.unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        let mut stdin = process.stdin.take().unwrap();
        let error = stdin.write_all(&noise(8 * 1024 * 1024)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        process.kill().await.unwrap();
    });
}

#[test]
fn a_missing_program_is_refused_by_name() {
    on_each_way(|daemon| async move {
        let error = daemon
            .client()
            .exec(&Exec::new(["no-such-program"]))
            .await
            .unwrap_err();
        let ExecError::Pebble(PebbleError::Api {
            code: 400, message, ..
        }) = &error
        else {
            panic!("{error:?}")
        };
        assert!(message.contains("no-such-program"), "{message}");
    });
}

#[test]
fn a_program_that_the_kernel_refuses_is_an_error_of_the_change() {
    on_each_way(|daemon| async move {
        let garbage = daemon.path("garbage");
        daemon
            .client()
            .write(
                &garbage,
                b"garbage",
                &synapse_operator::pebble::WriteOptions {
                    mode: 0o755,
                    ..Default::default()
                },
            )
            .await
            .unwrap();
        let error = daemon
            .client()
            .run(&Exec::new([garbage]), b"", 0)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ExecError::Pebble(PebbleError::Change { .. })),
            "{error:?}"
        );
    });
}

#[test]
fn environment_and_directory_reach_the_command() {
    on_each_way(|daemon| async move {
        let exec = daemon
            .sh("echo $GREETING; pwd")
            .env("GREETING", "hello")
            .working_dir(daemon.path(""));
        assert!(
            !format!("{exec:?}").contains("hello"),
            "values of variables are not shown"
        );
        let output = daemon.client().run(&exec, b"", 4096).await.unwrap();
        let home = daemon.path("");
        assert_eq!(
            output.stdout,
            format!("hello\n{}\n", home.trim_end_matches('/')).as_bytes()
        );
    });
}

#[test]
fn output_beyond_its_limit_kills_the_command() {
    on_each_way(|daemon| async move {
        let begin = Instant::now();
        let error = daemon
            .client()
            .run(&daemon.sh("exec yes"), &noise(4 << 20), 100_000)
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                ExecError::Pebble(PebbleError::TooLong { limit: 100_000, .. })
            ),
            "{error:?}"
        );
        assert!(begin.elapsed() < Duration::from_secs(15));
    });
}

#[test]
fn output_dropped_early_is_no_success() {
    on_each_way(|daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo out; exit 0"))
            .await
            .unwrap();
        drop(process.stdout.take());
        let error = process.wait(LIMIT).await.unwrap_err();
        match daemon.way() {
            // The pipe is gone, and the script may notice.
            Way::PipedOutput => {}
            Way::Daemon | Way::PipedInput => {
                assert!(matches!(error, ExecError::Interrupted { .. }), "{error:?}");
            }
        }
    });
}

#[test]
fn a_daemon_that_stays_away_is_not_waited_for_as_long_as_its_command() {
    on_each_way(|mut daemon| async move {
        let exec = daemon.sh("sleep 60").stall_limit(LIMIT / 100);
        let process = daemon.client().exec(&exec).await.unwrap();
        daemon.kill();
        let begin = Instant::now();
        let error = process.wait(LIMIT * 10).await.unwrap_err();
        assert!(
            matches!(&error, ExecError::Pebble(error) if error.is_connection()),
            "{error:?}"
        );
        assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    });
}

#[test]
fn a_killed_daemon_is_told_even_though_its_change_reads_well() {
    on_each_way(|mut daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo $$; exec sleep 60"))
            .await
            .unwrap();
        let pid = pid(&mut process).await;
        let mut stdout = process.stdout.take().unwrap();
        daemon.kill();
        let error = stdout.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        kill(&pid);
        daemon.start_again();
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(
            matches!(error, ExecError::DaemonRestarted { .. }),
            "{error:?}"
        );
    });
}
