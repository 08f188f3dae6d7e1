#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Instant;

use tracing::{debug, error, info, trace, warn};

use super::super::tools::tests::Bench;
use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Logs with one flush at the end, and gives the calls that were made.
fn logged(events: impl FnOnce()) -> String {
    let bench = Bench::new(&["juju-log"]);
    runtime().block_on(async {
        let (layer, guard) = layer(bench.tools(), || Timestamp::UNIX_EPOCH);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        guard.flush().await;
    });
    bench.calls()
}

#[test]
fn events_become_lines_with_their_fields() {
    let calls = logged(|| {
        info!(backup = %"backup-1", bytes = 17, label = "two words", "backup committed");
        info!(target: "synapse_operator::charm", only = true);
        let source = std::io::Error::other("inner");
        error!(error = &source as &dyn std::error::Error, "went wrong");
        warn!(target: "hyper::client", "odd");
        debug!("-looks like a flag");
    });
    insta::assert_snapshot!(calls, @r#"
    juju-log [--log-level] [INFO] [--] [backup committed backup=backup-1 bytes=17 label="two words"
    only=true]
    juju-log [--log-level] [ERROR] [--] [went wrong error=inner]
    juju-log [--log-level] [WARNING] [--] [hyper::client: odd]
    juju-log [--log-level] [DEBUG] [--] [-looks like a flag]
    "#);
}

#[test]
fn others_are_heard_from_warnings_on_and_we_from_debug_on() {
    let calls = logged(|| {
        info!(target: "hyper::client", "not heard");
        trace!("not heard");
        debug!("heard");
    });
    assert_eq!(calls, "juju-log [--log-level] [DEBUG] [--] [heard]\n");
}

#[test]
fn lines_go_out_by_themselves_while_we_work() {
    let bench = Bench::new(&["juju-log"]);
    runtime().block_on(async {
        let (layer, _guard) = layer(bench.tools(), || Timestamp::UNIX_EPOCH);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || info!("on its way"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !bench.calls().contains("on its way") {
            assert!(
                Instant::now() < deadline,
                "nothing came: {:?}",
                bench.calls()
            );
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_secret_that_is_known_is_told_to_nobody() {
    let bench = Bench::new(&["juju-log"]);
    let record = runtime().block_on(async {
        let (layer, guard) = layer(bench.tools(), || Timestamp::UNIX_EPOCH);
        let recorder = guard.recorder();
        recorder.conceal(&"seven whales".to_owned().into());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            // Cut at its limit, a line could hold the half of a secret that nobody would know again.
            let long = "x".repeat(super::line::LIMIT - 10);
            info!(passphrase = "seven whales", "{long}seven whales");
        });
        guard.flush().await;
        recorder.text()
    });
    let calls = bench.calls();
    for text in [&record, &calls] {
        assert!(text.contains("xxx***"), "{text}");
        assert!(
            !text.contains("seven") && !text.contains("whales"),
            "{text}"
        );
    }
}

#[test]
fn a_juju_log_that_hangs_holds_up_the_end_only_once() {
    let bench = Bench::new(&["juju-log"]);
    bench.script("juju-log", "exec sleep 600");
    let tools = bench.tools().with_time_limit(Duration::from_millis(300));
    runtime().block_on(async {
        let (layer, guard) = layer(tools, || Timestamp::UNIX_EPOCH);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..50 {
                info!("one level");
                debug!("and another");
            }
        });
        let begun = Instant::now();
        guard.flush().await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_panic_is_logged_after_what_was_logged_before_it() {
    let bench = Bench::new(&["juju-log"]);
    let outlet = runtime().block_on(async {
        let (layer, guard) = layer(bench.tools(), || Timestamp::UNIX_EPOCH);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || info!("before"));
        Arc::clone(&guard.outlet)
    });
    // The hook belongs to the whole process, so it is only taken on this thread's behalf.
    let here = std::thread::current().id();
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == here {
            outlet.last_words(panic);
        } else {
            others(panic);
        }
    }));
    let caught = std::panic::catch_unwind(|| panic!("no {}", "way"));
    drop(std::panic::take_hook());
    assert!(caught.is_err());
    let calls = bench.calls();
    let (before, panic) = calls.split_once('\n').unwrap();
    assert_eq!(before, "juju-log [--log-level] [INFO] [--] [before]");
    let expected = "juju-log [--log-level] [ERROR] [--] [panic: no way at src/juju/log/tests.rs:";
    assert!(panic.starts_with(expected), "{panic}");
}
