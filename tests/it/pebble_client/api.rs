//! Everything but exec, against a real daemon.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use synapse_operator::pebble::{
    Check, CheckStatus, Client, DirOptions, ExecCheck, FileType, Layer, PathErrorKind, PebbleError,
    Service, ServiceStatus, Signal, Span, Startup, WriteOptions,
};

use super::daemon::{block_on, eventually, on_each};

const LIMIT: Duration = Duration::from_secs(20);

fn service(command: &str) -> Service {
    Service {
        command: Some(command.to_owned()),
        startup: Some(Startup::Enabled),
        environment: BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]),
        kill_delay: Some(Span(Duration::from_secs(60))),
        ..Service::default()
    }
}

fn layer(name: &str, service: Service) -> Layer {
    Layer {
        services: BTreeMap::from([(name.to_owned(), service)]),
        ..Layer::default()
    }
}

#[test]
fn a_missing_daemon_is_told_at_once() {
    let error = block_on(Client::new("/nonexistent/pebble.socket").system_info()).unwrap_err();
    assert!(
        matches!(error, PebbleError::CannotConnect { .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "connect to pebble at /nonexistent/pebble.socket"
    );
}

#[test]
fn a_layer_becomes_the_plan_and_comes_back_equal() {
    on_each(|daemon| async move {
        let client = daemon.client();
        assert!(client.system_info().await.unwrap().version.starts_with('v'));
        let mut layer = layer("one", service("sleep 60"));
        let check = Check {
            level: Some("alive".to_owned()),
            period: Some(Span(Duration::from_millis(90_000))),
            threshold: Some(3),
            exec: Some(ExecCheck {
                command: "true".to_owned(),
                ..ExecCheck::default()
            }),
            ..Check::default()
        };
        layer.checks.insert("well".to_owned(), check);
        for _ in 0..2 {
            client.add_layer("test", &layer).await.unwrap();
            let plan = client.plan().await.unwrap();
            assert_eq!(plan.services, layer.services);
            assert_eq!(plan.checks, layer.checks);
        }
    });
}

#[test]
fn services_start_replan_and_stop() {
    on_each(|daemon| async move {
        let client = daemon.client();
        client
            .add_layer("test", &layer("one", service("sleep 60")))
            .await
            .unwrap();
        let current = async |client: &Client| client.services(&["one"]).await.unwrap()[0].current;
        assert_eq!(current(&client).await, ServiceStatus::Inactive);

        client.replan(LIMIT).await.unwrap();
        assert_eq!(current(&client).await, ServiceStatus::Active);
        client.restart(&["one"], LIMIT).await.unwrap();
        let since = client.services(&[]).await.unwrap()[0].current_since;
        client.replan(LIMIT).await.unwrap();
        assert_eq!(
            client.services(&[]).await.unwrap()[0].current_since,
            since,
            "nothing changed, nothing restarted"
        );
        client.signal(Signal::Hup, &["one"]).await.unwrap();
        client.stop(&["one"], LIMIT).await.unwrap();
        assert_eq!(current(&client).await, ServiceStatus::Inactive);
        client.start(&["one"], LIMIT).await.unwrap();
        client.stop(&["one"], LIMIT).await.unwrap();

        assert!(client.services(&["other"]).await.unwrap().is_empty());
        let error = client.start(&["other"], LIMIT).await.unwrap_err();
        assert!(
            matches!(error, PebbleError::Api { code: 400, .. }),
            "{error:?}"
        );
    });
}

#[test]
fn a_service_that_does_not_start_is_told_with_its_last_words() {
    on_each(|daemon| async move {
        let client = daemon.client();
        let bad = service("sh -c 'echo no database >&2; exit 7'");
        client.add_layer("test", &layer("bad", bad)).await.unwrap();
        let error = client.start(&["bad"], LIMIT).await.unwrap_err();
        let PebbleError::Change { kind, err, log, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(kind, "start");
        assert!(err.contains("exited quickly with code 7"), "{err}");
        assert!(log.contains("no database"), "{log}");
        assert!(
            error.to_string().starts_with("start service \"bad\": "),
            "{error}"
        );
        client.stop(&["bad"], LIMIT).await.unwrap();
    });
}

#[test]
fn a_wait_goes_on_over_its_slices_to_its_limit() {
    on_each(|daemon| async move {
        let client = daemon.client();
        let slow = service("sh -c 'trap \"\" TERM; while true; do sleep 0.1; done'");
        let slow = Service {
            kill_delay: Some(Span(Duration::from_millis(4_600))),
            ..slow
        };
        client
            .add_layer("test", &layer("slow", slow))
            .await
            .unwrap();
        let error = client
            .start(&["slow"], Duration::from_millis(200))
            .await
            .unwrap_err();
        // A start takes a second and would be good after it.
        assert!(matches!(error, PebbleError::TimedOut { .. }), "{error:?}");
        client.start(&["slow"], LIMIT).await.unwrap();

        // The first slice ends before the service does.
        let begin = Instant::now();
        client.stop(&["slow"], LIMIT).await.unwrap();
        assert!(begin.elapsed() > Duration::from_secs(4));
    });
}

#[test]
fn checks_and_health_are_told() {
    on_each(|daemon| async move {
        let client = daemon.client();
        assert!(client.health().await.unwrap());
        let mut layer = Layer::default();
        let check = Check {
            period: Some(Span(Duration::from_millis(50))),
            threshold: Some(2),
            exec: Some(ExecCheck {
                command: "false".to_owned(),
                ..ExecCheck::default()
            }),
            ..Check::default()
        };
        layer.checks.insert("ill".to_owned(), check);
        client.add_layer("test", &layer).await.unwrap();
        eventually("the check is down", async || {
            let checks = client.checks(&["ill"]).await.unwrap();
            checks[0].status == CheckStatus::Down && checks[0].failures >= 2
        })
        .await;
        assert!(!client.health().await.unwrap());
        assert!(client.checks(&["other"]).await.unwrap().is_empty());
    });
}

#[test]
fn files_are_written_read_listed_and_removed() {
    on_each(|daemon| async move {
        let client = daemon.client();
        let path = daemon.path("deep/er/a \"file\" \\ here");
        let options = WriteOptions {
            mode: 0o640,
            make_dirs: true,
            ..WriteOptions::default()
        };
        let content: Vec<u8> = (0..=255).cycle().take(700_000).collect();
        client.write(&path, &content, &options).await.unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert!(client.read(&path, 700_000).await.unwrap().unwrap() == content);
        let error = client.read(&path, 699_999).await.unwrap_err();
        assert!(
            matches!(error, PebbleError::TooLong { limit: 699_999, .. }),
            "{error:?}"
        );

        let info = client.stat(&path).await.unwrap().unwrap();
        assert_eq!(
            (info.kind, info.size, info.mode()),
            (FileType::File, Some(700_000), Some(0o640))
        );
        assert_eq!(info.user_id, Some(metadata.uid()));
        let entries = client.list(&daemon.path("deep")).await.unwrap().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (entries[0].name.as_str(), entries[0].kind),
            ("er", FileType::Directory)
        );

        client.write(&path, b"", &options).await.unwrap();
        assert_eq!(client.read(&path, 0).await.unwrap(), Some(Vec::new()));
        client.remove(&path, false).await.unwrap();
        assert_eq!(client.read(&path, 10).await.unwrap(), None);
        assert_eq!(client.stat(&path).await.unwrap(), None);
        assert_eq!(client.list(&daemon.path("nothing")).await.unwrap(), None);
        client.remove(&daemon.path("deep"), true).await.unwrap();
        client.remove(&daemon.path("deep"), true).await.unwrap();
    });
}

#[test]
fn each_path_has_an_error_of_its_own() {
    on_each(|daemon| async move {
        let client = daemon.client();
        let path = |error: PebbleError| match error {
            PebbleError::Path { kind, .. } => kind,
            other => panic!("{other:?}"),
        };
        let dir = daemon.path("dir");
        client.make_dir(&dir, &DirOptions::default()).await.unwrap();
        let again = client
            .make_dir(&dir, &DirOptions::default())
            .await
            .unwrap_err();
        assert_eq!(path(again), PathErrorKind::Other);
        let parents = DirOptions {
            make_parents: true,
            ..DirOptions::default()
        };
        client.make_dir(&dir, &parents).await.unwrap();

        let not_a_file = client.read(&dir, 10).await.unwrap_err();
        assert_eq!(path(not_a_file), PathErrorKind::Other);
        let missing = client
            .remove(&daemon.path("nothing"), false)
            .await
            .unwrap_err();
        assert!(missing.is_not_found());
        let no_parent = daemon.path("nothing/file");
        let error = client
            .write(&no_parent, b"x", &WriteOptions::default())
            .await
            .unwrap_err();
        assert_eq!(path(error), PathErrorKind::NotFound);
        let two_lines = daemon.path("a\r\nb");
        let error = client
            .write(&two_lines, b"x", &WriteOptions::default())
            .await
            .unwrap_err();
        assert_eq!(path(error), PathErrorKind::Other);
    });
}

#[test]
fn long_answers_arrive_whole() {
    on_each(|daemon| async move {
        let client = daemon.client();
        let mut layer = Layer::default();
        for n in 0..300 {
            layer
                .services
                .insert(format!("service-{n:03}"), service("sleep 60"));
        }
        client.add_layer("test", &layer).await.unwrap();
        assert_eq!(client.plan().await.unwrap().services, layer.services);
        assert_eq!(client.services(&[]).await.unwrap().len(), 300);
    });
}

#[test]
fn notices_are_added_and_listed() {
    on_each(|daemon| async move {
        let client = daemon.client();
        let data = BTreeMap::from([("colour".to_owned(), "blue".to_owned())]);
        let id = client.notify("example.com/test", &data).await.unwrap();
        let notices = client.notices().await.unwrap();
        let notice = notices.iter().find(|notice| notice.id == id).unwrap();
        assert_eq!(
            (notice.kind.as_str(), notice.key.as_str()),
            ("custom", "example.com/test")
        );
        assert_eq!(notice.last_data, data);
    });
}

#[test]
fn changes_are_looked_at_and_aborted() {
    on_each(|daemon| async move {
        let client = daemon.client();
        assert!(client.change("4242").await.unwrap_err().is_not_found());
        let error = client.change("../services").await.unwrap_err();
        assert!(matches!(error, PebbleError::Protocol { .. }), "{error:?}");
        client
            .add_layer("test", &layer("one", service("sleep 60")))
            .await
            .unwrap();
        let change = client.start(&["one"], LIMIT).await.unwrap();
        assert!(client.change(&change.id).await.unwrap().ready);
        let error = client.abort(&change.id).await.unwrap_err();
        assert!(
            matches!(error, PebbleError::Api { code: 400, .. }),
            "{error:?}"
        );
        client.stop(&["one"], LIMIT).await.unwrap();
    });
}
