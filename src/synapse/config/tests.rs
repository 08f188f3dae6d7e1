#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

fn settings(name: &str) -> Settings {
    Settings {
        server_name: ServerName::parse(name).unwrap(),
        public_baseurl: None,
        report_stats: false,
        old_signing_keys: OldSigningKeys::default(),
        database: Database::Sqlite,
    }
}

#[test]
fn homeserver_yaml_reads_like_this() {
    let settings = Settings {
        public_baseurl: Some(PublicBaseurl::parse("https://matrix.example.org/").unwrap()),
        ..settings("example.org")
    };
    insta::assert_snapshot!(settings.homeserver_yaml().unwrap(), @r"
    # Managed by the charm: whatever is changed here is lost at the next hook.
    # Use the charm's options: juju config synapse
    server_name: example.org
    public_baseurl: https://matrix.example.org/
    report_stats: false
    listeners:
    - port: 8008
      bind_addresses:
      - 0.0.0.0
      type: http
      tls: false
      x_forwarded: true
      resources:
      - names:
        - client
        - federation
        - health
        compress: false
    database:
      name: sqlite3
      args:
        database: /data/homeserver.db
    media_store_path: /data/media
    log_config: /data/log.config
    signing_key_path: /data/example.org.signing.key
    macaroon_secret_key_path: /data/macaroon.secret
    form_secret_path: /data/form.secret
    registration_shared_secret_path: /data/registration.secret
    trusted_key_servers:
    - server_name: matrix.org
    suppress_key_server_warning: true
    ");
}

#[test]
fn the_log_configuration_reads_like_this() {
    insta::assert_snapshot!(log_config().unwrap(), @r"
    # Managed by the charm. Pebble keeps the log: kubectl logs, or pebble logs synapse.
    version: 1
    disable_existing_loggers: false
    formatters:
      line:
        format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s'
    handlers:
      stdout:
        class: logging.StreamHandler
        formatter: line
        stream: ext://sys.stdout
    loggers:
      synapse.storage.SQL:
        level: INFO
    root:
      level: INFO
      handlers:
      - stdout
    ");
}

#[test]
fn every_server_name_is_read_back_as_it_was_written() {
    // Those that YAML could take for something else are quoted.
    for name in [
        "example.org",
        "1.2.3.4",
        "123",
        "1e3",
        "true",
        "null",
        "0x1f",
        "[::1]:8448",
        "a:80",
        "1:30",
    ] {
        let yaml = settings(name).homeserver_yaml().unwrap();
        assert_eq!(server_name_of(&yaml).unwrap().as_str(), name, "{yaml}");
    }
}

#[test]
fn the_same_settings_give_the_same_text() {
    let settings = settings("example.org");
    assert_eq!(
        settings.homeserver_yaml().unwrap(),
        settings.homeserver_yaml().unwrap()
    );
}

#[test]
fn another_server_name_than_the_volumes_is_refused() {
    let on_volume = ServerName::parse("old.example").unwrap();
    assert!(
        settings("old.example")
            .check_same_server(&on_volume)
            .is_ok()
    );
    let error = settings("new.example")
        .check_same_server(&on_volume)
        .unwrap_err();
    insta::assert_snapshot!(error, @"server_name cannot change from old.example to new.example: users, rooms and signatures carry it");
}

#[test]
fn a_foreign_homeserver_yaml_is_read_and_a_broken_one_is_an_error() {
    let foreign = "# by hand\nserver_name: \"demo.example\"\npid_file: /x\n\n\n# vim:ft=yaml";
    assert_eq!(server_name_of(foreign).unwrap().as_str(), "demo.example");
    for broken in [
        "",
        "server_name:",
        "server_name: [",
        "server_name: a b",
        "other: x",
    ] {
        assert!(server_name_of(broken).is_err(), "{broken}");
    }
}

#[test]
fn public_addresses_are_checked() {
    for good in [
        "https://matrix.example.org/",
        "http://localhost:8008",
        "https://x.org/matrix/",
        "https://[::1]/",
    ] {
        assert_eq!(PublicBaseurl::parse(good).unwrap().as_str(), good);
    }
    let tell = |url: &str| PublicBaseurl::parse(url).unwrap_err().to_string();
    insta::assert_snapshot!(tell("matrix.example.org"), @r#""matrix.example.org" does not begin with https:// or http://"#);
    insta::assert_snapshot!(tell("https://"), @r#""https://" names no host"#);
    insta::assert_snapshot!(tell("https://user:pass@x.org/"), @r#""https://user:pass@x.org/" names no host"#);
    insta::assert_snapshot!(tell("https://x.org/?a"), @r#""https://x.org/?a" may not contain '?'"#);
    insta::assert_snapshot!(tell("https://x.org /"), @r#""https://x.org /" may not contain ' '"#);
}

#[test]
fn old_signing_keys_are_written_and_read_back() {
    let yaml = "\
old_signing_keys:
  ed25519:a_old: { key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=, expired_ts: 123456789123 }
  \"ed25519:1\":
    key: AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI
    expired_ts: 0
server_name: example.org
";
    let old_signing_keys = old_signing_keys_of(yaml).unwrap();
    let settings = Settings {
        old_signing_keys: old_signing_keys.clone(),
        ..settings("example.org")
    };
    let written = settings.homeserver_yaml().unwrap();
    let part = written.split_once("signing.key\n").unwrap().1;
    insta::assert_snapshot!(part.split_once("macaroon").unwrap().0, @r"
    old_signing_keys:
      ed25519:1:
        key: AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI
        expired_ts: 0
      ed25519:a_old:
        key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE
        expired_ts: 123456789123
    ");
    assert_eq!(old_signing_keys_of(&written).unwrap(), old_signing_keys);
}

#[test]
fn a_configuration_without_old_signing_keys_has_none() {
    let rendered = settings("example.org").homeserver_yaml().unwrap();
    assert!(!rendered.contains("old_signing_keys"), "{rendered}");
    for without in [
        &*rendered,
        "",
        "# nothing",
        "a: 1",
        "old_signing_keys:",
        "old_signing_keys: {}",
    ] {
        let keys = old_signing_keys_of(without).unwrap();
        assert!(keys.is_empty(), "{without}");
    }
    for broken in [
        "old_signing_keys: [",
        "old_signing_keys: text",
        "old_signing_keys: { 'rsa:1': { key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE, expired_ts: 1 } }",
        "old_signing_keys: { 'ed25519:1': { key: AQEB, expired_ts: 1 } }",
        "old_signing_keys: { 'ed25519:1': { key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE } }",
        "old_signing_keys: { 'ed25519:1': { key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE, expired_ts: soon } }",
    ] {
        assert!(old_signing_keys_of(broken).is_err(), "{broken}");
    }
}
