//! Streams through named pipes: what is different from streams through the daemon, and when there are none.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use synapse_operator::pebble::{Bulk, Client, Exec, ExecError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::daemon::{Daemon, Way, eventually, on_each, on_these};
use super::exec::{LIMIT, kill, pid};

const PIPED: [Way; 2] = [Way::PipedInput, Way::PipedOutput];

/// Any user but root.
const USER: u32 = 54_321;

/// What a command's input and output are, as the kernel calls them.
const LOOK: &str = "readlink /proc/$$/fd/0 /proc/$$/fd/1";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that never does anything with the pipe that it is given.
fn heedless(daemon: &Daemon, script: &str) -> Exec {
    let bulk = match daemon.way() {
        Way::PipedInput => Bulk::Input("-"),
        Way::Daemon | Way::PipedOutput => Bulk::Output("-"),
    };
    Exec::new(["sh", "-c", script, "-"]).bulk(bulk)
}

#[test]
fn a_command_that_never_opens_its_pipe_is_no_success_and_holds_nobody_up() {
    on_these(&PIPED, |daemon| async move {
        let client = daemon.client();
        let run = async |script| client.run(&heedless(&daemon, script), b"input", 10).await;
        let error = run("exit 0").await.unwrap_err();
        assert!(matches!(error, ExecError::Interrupted { .. }), "{error:?}");
        let error = run("echo no >&2; exit 4").await.unwrap_err();
        let told = matches!(&error, ExecError::Exit { code: 4, stderr, .. } if stderr == "no\n");
        assert!(told, "{error:?}");
    });
}

#[test]
fn a_command_that_does_not_open_its_pipe_for_too_long_is_a_stall() {
    on_these(&PIPED, |daemon| async move {
        let exec = heedless(&daemon, "exec sleep 60").stall_limit(Duration::from_millis(200));
        let mut process = daemon.client().exec(&exec).await.unwrap();
        let error = match daemon.way() {
            Way::PipedInput => {
                let mut stdin = process.stdin.take().unwrap();
                stdin.write_all(b"x").await.unwrap_err()
            }
            Way::Daemon | Way::PipedOutput => {
                let mut stdout = process.stdout.take().unwrap();
                stdout.read(&mut [0; 8]).await.unwrap_err()
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        process.kill().await.unwrap();
    });
}

#[test]
fn an_empty_stream_is_a_good_one_when_the_pipe_was_opened() {
    on_these(&PIPED, |daemon| async move {
        let run = daemon.client();
        let output = run.run(&daemon.sh("exit 0"), b"", 10).await.unwrap();
        assert_eq!(output.stdout, b"");
    });
}

#[test]
fn the_end_of_a_pipe_alone_is_no_end_of_the_output() {
    on_these(&[Way::PipedOutput], |daemon| async move {
        // A file lets the command go on, which has closed the pipe before.
        let go = daemon.path("go");
        let script = format!("echo all; exec >&-; until [ -e {go} ]; do sleep 0.01; done; exit 3");
        let mut process = daemon.client().exec(&daemon.sh(&script)).await.unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let mut all = vec![0; 4];
        stdout.read_exact(&mut all).await.unwrap();
        assert_eq!(all, b"all\n");
        let more = timeout(Duration::from_millis(200), stdout.chunk()).await;
        assert!(more.is_err(), "it may still fail: {more:?}");
        fs::write(go, "").unwrap();
        assert_eq!(stdout.read_to_end(&mut all).await.unwrap(), 0);
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(
            matches!(error, ExecError::Exit { code: 3, .. }),
            "{error:?}"
        );
    });
}

#[test]
fn a_killed_command_looks_like_an_end_and_is_none() {
    on_these(&Way::ALL, |daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo $$; exec yes"))
            .await
            .unwrap();
        let pid = pid(&mut process).await;
        let mut stdout = process.stdout.take().unwrap();
        let mut seen = vec![0; 4 << 20];
        stdout.read_exact(&mut seen).await.unwrap();
        kill(&pid);
        stdout.read_to_end(&mut seen).await.unwrap();
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(
            matches!(
                error,
                ExecError::Exit {
                    signal: Some(9),
                    ..
                }
            ),
            "{error:?}"
        );
    });
}

#[test]
fn a_killed_reader_breaks_the_pipe() {
    on_these(&Way::ALL, |daemon| async move {
        let mut process = daemon
            .client()
            .exec(&daemon.sh("echo $$; exec sleep 60"))
            .await
            .unwrap();
        kill(&pid(&mut process).await);
        let mut stdin = process.stdin.take().unwrap();
        let error = stdin.write_all(&vec![7; 8 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
        drop(stdin);
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(
            matches!(
                error,
                ExecError::Exit {
                    signal: Some(9),
                    ..
                }
            ),
            "{error:?}"
        );
    });
}

#[test]
fn what_a_child_writes_when_the_command_is_gone_is_not_lost() {
    on_these(&[Way::PipedOutput], |daemon| async move {
        let go = daemon.path("go");
        let child = format!("(until [ -e {go} ]; do sleep 0.01; done; echo late) 2>&- <&- &");
        let exec = daemon.sh(&format!("echo $$; {child} exit 0"));
        let mut process = daemon.client().exec(&exec).await.unwrap();
        let pid = pid(&mut process).await;
        super::exec::wait_gone(&pid).await;
        let mut stdout = process.stdout.take().unwrap();
        let mut late = [0; 5];
        let reading = stdout.read_exact(&mut late);
        let going = async { fs::write(&go, "").unwrap() };
        let (read, ()) = tokio::join!(reading, going);
        read.unwrap();
        assert_eq!(&late, b"late\n");
        assert_eq!(stdout.read(&mut late).await.unwrap(), 0);
        process.wait(LIMIT).await.unwrap();
    });
}

#[test]
fn the_pipe_is_open_to_the_commands_user_alone_and_gone_once_both_ends_are_open() {
    if !is_root() {
        return;
    }
    on_these(&PIPED, |daemon| async move {
        // Before it opens the pipe, the command lets others look at it.
        let (far, redirect) = match daemon.way() {
            Way::PipedInput => ("400", "<"),
            Way::Daemon | Way::PipedOutput => ("200", ">"),
        };
        let (ready, go) = (daemon.path("shared/ready"), daemon.path("go"));
        fs::write(&ready, "").unwrap();
        fs::set_permissions(&ready, Permissions::from_mode(0o666)).unwrap();
        let wait = format!("until [ -e {go} ]; do sleep 0.01; done");
        let script =
            format!("echo \"$0\" >{ready}; {wait}; exec {redirect}\"$0\"; echo opened >&2; {LOOK}");
        let exec = heedless(&daemon, &script).user(USER, USER);
        let mut process = daemon.client().exec(&exec).await.unwrap();
        let read = || fs::read_to_string(&ready).unwrap().trim().to_owned();
        eventually("the command told the path", async || !read().is_empty()).await;
        let path = read();
        let facts = fs::symlink_metadata(&path).unwrap();
        assert_eq!(format!("{:o}", facts.mode()), format!("10{far}"));
        assert_eq!(facts.uid(), USER);
        let room = Path::new(&path).parent().unwrap();
        let facts = fs::symlink_metadata(room).unwrap();
        assert_eq!((facts.mode() & 0o7777, facts.uid()), (0o711, 0));

        // Another user gets at neither end, and the command's own cannot put a file in the pipe's place.
        let tries = format!(
            "cat {path}; echo x >{path}; ls {}; rm {path}",
            room.display()
        );
        for (user, refused) in [(USER + 1, 4), (USER, 2)] {
            let tries = match user {
                USER => tries
                    .split_once(" ls ")
                    .map(|(_, rest)| format!("ls {rest}"))
                    .unwrap(),
                _ => tries.clone(),
            };
            let other = Exec::new(["sh", "-c", &tries]).user(user, user);
            let error = daemon.client().run(&other, b"", 100).await.unwrap_err();
            let count = error.stderr().matches("Permission denied").count();
            assert_eq!(count, refused, "{}", error.stderr());
        }

        fs::write(&go, "").unwrap();
        process.stdin.take().unwrap().end().await.unwrap();
        let mut seen = String::new();
        process
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut seen)
            .await
            .unwrap();
        process.wait(LIMIT).await.unwrap();
        assert!(!room.exists());
        fs::remove_file(ready).unwrap();
        fs::remove_file(go).unwrap();
    });
}

#[test]
fn no_plain_file_takes_the_place_of_a_pipe_that_is_gone() {
    on_these(&[Way::PipedOutput], |daemon| async move {
        let script = "until [ ! -e \"$0\" ]; do sleep 0.01; done; echo plaintext >\"$0\"; exit 9";
        let mut process = daemon
            .client()
            .exec(&heedless(&daemon, script))
            .await
            .unwrap();
        drop(process.stdout.take());
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(matches!(error, ExecError::Exit { .. }), "{error:?}");
        assert_eq!(daemon.shared(), Vec::<String>::new());
    });
}

#[test]
fn leftovers_of_killed_runs_are_swept_and_nothing_else_is() {
    on_each(|daemon| async move {
        let shared = daemon.path("shared");
        let place = |name: &str| format!("{shared}/{name}");
        let (left, gone) = ("a".repeat(32), "b".repeat(32));
        let (used, full) = ("c".repeat(32), "d".repeat(32));
        let names = [
            format!("bulk-{left}"),
            format!("bulk-{gone}-gone"),
            format!("bulk-{used}"),
            format!("bulk-{full}"),
            "bulk-other".to_owned(),
            "pebble".to_owned(),
        ];
        for name in &names {
            fs::create_dir(place(name)).unwrap();
        }
        let make = |name: &str| rustix::fs::mkfifoat(rustix::fs::CWD, name, 0o600.into());
        make(&place(&format!("{}/stream", names[0]))).unwrap();
        fs::write(place(&format!("{}/other", names[3])), "not ours").unwrap();
        let lock = fs::File::open(place(&names[2])).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        std::os::unix::fs::symlink(&shared, place(&format!("bulk-{}", "e".repeat(32)))).unwrap();

        // A client that has not looked yet.
        let fresh = Client::new(daemon.client().socket()).sharing(&shared, &shared);
        let seen = fresh
            .run(&Way::PipedOutput.sh(LOOK), b"", 4096)
            .await
            .unwrap();
        assert!(String::from_utf8(seen.stdout).unwrap().contains("/bulk-"));
        let mut kept = daemon.shared();
        kept.sort();
        let mut expected = vec![
            names[2].clone(),
            // What somebody else put there keeps it.
            names[3].clone(),
            format!("bulk-{}", "e".repeat(32)),
            names[4].clone(),
            names[5].clone(),
        ];
        expected.sort();
        assert_eq!(kept, expected);
        fs::remove_dir_all(&shared).unwrap();
        fs::create_dir(&shared).unwrap();
    });
}

#[test]
fn without_a_shared_directory_that_works_everything_goes_through_the_daemon() {
    on_each(|daemon| async move {
        let shared = daemon.path("shared");
        let apart = daemon.path("apart");
        fs::create_dir(&apart).unwrap();
        let closed = daemon.path("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let absent = daemon.path("absent");
        let mut cases = vec![
            (&absent, &absent, None),
            (&shared, &apart, None),
            (&shared, &absent, None),
        ];
        if is_root() {
            cases.push((&closed, &closed, Some(USER)));
        }
        for (here, there, user) in cases {
            let client = Client::new(daemon.client().socket()).sharing(here, there);
            for way in Way::ALL {
                let mut exec = way.sh(&format!("{LOOK}; cat"));
                (exec.user_id, exec.group_id) = (user, user);
                let output = client.run(&exec, b"input", 4096).await.unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(text.ends_with("input"), "{text}");
                assert!(!text.contains("/bulk-"), "{here} {there}: {text}");
            }
        }
        for directory in [&apart, &closed] {
            assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "{directory}");
        }
    });
}
