//! Stores that are not well, each with the item that tells it.

use std::net::{TcpListener, ToSocketAddrs as _};
use std::time::{Duration, SystemTime};

use harness::s3::{
    CertificateAuthority, Effect, Fault, Hint, Operation, Options, Policy, Quirk, Server,
    relation_data,
};
use synapse_operator::s3::{Checkup, Proxy, Remedy, Verdict};

use super::{checkup, objects, run};

fn server(quirks: Vec<Quirk>) -> Server {
    Server::start(Options {
        quirks,
        ..Options::default()
    })
    .unwrap()
}

fn at(endpoint: &str) -> std::collections::BTreeMap<String, String> {
    relation_data(endpoint, "the-access-key", "the-secret-key", "demo")
}

#[tokio::test]
async fn a_name_that_does_not_resolve_ends_the_look_with_an_answer() {
    let found = run(checkup(&at("https://no-such-host.invalid"), &[])).await;
    assert_eq!(found.all(Verdict::Fail), ["dns"]);
    assert_eq!(found.all(Verdict::Pass), ["proxy", "left-behind"]);
    assert_eq!(found.what("put"), "the name does not resolve");
    assert_eq!(found.setting("dns").0, "endpoint");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told_with_its_address() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let found = run(checkup(&at(&format!("http://{address}")), &[])).await;
    assert_eq!(found.all(Verdict::Fail), ["tcp"]);
    assert!(
        found.what("tcp").contains(&address.to_string()),
        "{}",
        found.what("tcp")
    );
    assert_eq!(found.what("credentials"), "there is no connection");
}

#[tokio::test]
async fn certificates_are_told_apart_with_issuer_names_and_end() {
    let authority = CertificateAuthority::new().unwrap();
    let look = |certificate, chain: Option<String>| async move {
        let server = Server::start(Options {
            certificate: Some(certificate),
            ..Options::default()
        });
        let server = server.unwrap();
        let chain = chain.unwrap_or_default();
        run(checkup(
            &server.relation_data(),
            &[("tls-ca-chain", &chain)],
        ))
        .await
    };
    let good = authority.issue(&["127.0.0.1", "s3.example.com"]).unwrap();
    let found = look(good.clone(), Some(authority.pem())).await;
    assert_eq!(found.all(Verdict::Fail), [""; 0]);
    let told = found.what("tls");
    assert!(
        told.starts_with("TLS 1.3; certificate for 127.0.0.1, s3.example.com, issued by "),
        "{told}"
    );
    assert!(
        told.contains("until 3999-") || told.contains("until 4000-01-01"),
        "{told}"
    );

    let found = look(good, None).await;
    assert_eq!(found.all(Verdict::Fail), ["tls"]);
    assert!(
        found
            .what("tls")
            .starts_with("its certificate comes from an unknown issuer; certificate for 127.0.0.1"),
        "{}",
        found.what("tls")
    );
    assert_eq!(found.setting("tls").0, "tls-ca-chain");
    assert_eq!(found.what("put"), "there is no trusted connection");

    let other = authority.issue(&["elsewhere.example.com"]).unwrap();
    let found = look(other, Some(authority.pem())).await;
    assert!(
        found.what("tls").starts_with(
            "its certificate is for another name; certificate for elsewhere.example.com"
        ),
        "{}",
        found.what("tls")
    );
    let old = authority.issue_until(&["127.0.0.1"], 2020).unwrap();
    let found = look(old, Some(authority.pem())).await;
    assert!(
        found.what("tls").starts_with("its certificate has expired"),
        "{}",
        found.what("tls")
    );
    assert!(
        found.what("tls").contains("until 2020-01-01"),
        "{}",
        found.what("tls")
    );
}

#[tokio::test]
async fn wrong_scheme_is_told_both_ways() {
    let plain = server(Vec::new());
    let found = run(checkup(&at(&format!("https://{}", plain.address())), &[])).await;
    assert_eq!(found.all(Verdict::Fail), ["tls"]);
    assert_eq!(
        found.setting("tls"),
        ("endpoint", plain.endpoint().as_str())
    );
}

#[tokio::test]
async fn credentials_are_told_apart() {
    let server = server(Vec::new());
    let look = |key: &'static str| run(checkup(&server.relation_data(), &[(key, "another")]));
    for (key, told) in [
        ("access-key", "the store does not know the access key"),
        (
            "secret-key",
            "the store knows the access key and refuses the secret key",
        ),
    ] {
        let found = look(key).await;
        assert_eq!(found.all(Verdict::Fail), ["credentials"], "{key}");
        assert_eq!(found.what("credentials"), told);
        assert_eq!(found.of("credentials").remedies, [Remedy::Credentials]);
        assert_eq!(found.verdict("clock"), Verdict::Pass);
        assert_eq!(found.what("put"), "the credentials are not accepted");
    }
}

#[tokio::test]
async fn wrong_region_is_told_with_the_right_one() {
    for hint in [Hint::Named, Hint::Moved] {
        let server = server(vec![Quirk::Region("eu-west-1", hint)]);
        let found = run(checkup(&server.relation_data(), &[])).await;
        assert_eq!(
            found.verdict("region"),
            Verdict::Warn,
            "{:?}",
            found.of("region")
        );
        assert_eq!(found.setting("region"), ("region", "eu-west-1"));
        assert_eq!(found.all(Verdict::Fail), [""; 0]);
    }
    let server = server(vec![Quirk::Region("eu-west-1", Hint::None)]);
    let found = run(checkup(&server.relation_data(), &[])).await;
    assert_eq!(
        found.all(Verdict::Fail).len(),
        1,
        "{:?}",
        found.all(Verdict::Fail)
    );
}

#[tokio::test]
async fn bucket_that_is_missing_is_told_with_the_command_that_makes_it() {
    let server = server(Vec::new());
    let found = run(checkup(&server.relation_data(), &[("bucket", "absent")])).await;
    assert_eq!(found.all(Verdict::Fail), ["bucket"]);
    let told = format!("{:?}", found.of("bucket").remedies);
    assert!(
        told.contains("create-bucket --bucket absent --endpoint-url http://"),
        "{told}"
    );
    assert_eq!(found.verdict("credentials"), Verdict::Pass);
}

#[tokio::test]
async fn clock_that_is_off_is_told_in_seconds() {
    let server = server(vec![Quirk::Clock(1200)]);
    let found = run(checkup(&server.relation_data(), &[])).await;
    assert_eq!(
        found.verdict("clock"),
        Verdict::Warn,
        "{:?}",
        found.of("clock")
    );
    let told = found.what("clock");
    assert!(told.contains(" s behind the store's"), "{told}");
    assert_eq!(found.all(Verdict::Fail), [""; 0]);
}

#[tokio::test]
async fn dialects_are_told() {
    let quirks = vec![
        Quirk::NoListV2,
        Quirk::ConditionsIgnored,
        Quirk::NoListUploads,
        Quirk::NoDeleteMany,
        Quirk::NoChecksum("crc64nvme", 400),
    ];
    let found = run(checkup(&server(quirks).relation_data(), &[])).await;
    assert_eq!(found.all(Verdict::Fail), [""; 0]);
    let warned = found.all(Verdict::Warn);
    for item in [
        "list-version",
        "conditional-put",
        "list-uploads",
        "delete",
        "checksum-crc64nvme",
    ] {
        assert!(warned.contains(&item), "{item}: {:?}", found.of(item));
    }
    assert!(found.what("conditional-put").starts_with("ignored"));
    let refuses = server(vec![
        Quirk::ConditionsRefused,
        Quirk::UploadsByKeyOnly,
        Quirk::DemandsMd5,
    ]);
    let found = run(checkup(&refuses.relation_data(), &[])).await;
    assert!(
        found.what("conditional-put").starts_with("refused"),
        "{}",
        found.what("conditional-put")
    );
    assert!(
        found
            .what("list-uploads")
            .starts_with("only by the exact key"),
        "{}",
        found.what("list-uploads")
    );
    assert_eq!(found.what("put"), "allowed, with Content-MD5");
    assert_eq!(objects(&refuses), [""; 0]);
    assert_eq!(refuses.open_uploads(), 0);
}

#[tokio::test]
async fn traces_of_a_killed_look_are_swept_by_the_next_and_nothing_else() {
    let server = server(Vec::new());
    let bucket = server.directory().join("demo/prod");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let lay = |name: &str, time: SystemTime| {
        let path = bucket.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
    };
    lay("check-0123456789abcdef/object", hour_ago);
    lay("check-fedcba9876543210/object", SystemTime::now());
    lay("check-list.txt/object", hour_ago);
    lay("backup-20260101000000000001/manifest.json", hour_ago);
    let found = run(checkup(&server.relation_data(), &[])).await;
    assert_eq!(found.what("left-behind"), "nothing");
    let mut left: Vec<String> = objects(&server);
    left.sort();
    let names = [
        "backup-20260101000000000001",
        "check-fedcba9876543210",
        "check-list.txt",
    ];
    assert_eq!(left.len(), names.len(), "{left:?}");
    for (path, name) in left.iter().zip(names) {
        assert!(path.contains(name), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_falls_silent_is_given_up_in_time() {
    let server = server(Vec::new());
    server.order(Fault::on(Operation::PutObject, Effect::Stall).always());
    let began = std::time::Instant::now();
    let found = run(checkup(&server.relation_data(), &[])).await;
    assert!(
        began.elapsed() < Duration::from_secs(85),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(found.verdict("put"), Verdict::Fail, "{:?}", found.of("put"));
    assert_eq!(
        found.verdict("list"),
        Verdict::Pass,
        "{:?}",
        found.of("list")
    );
}

#[tokio::test]
async fn key_that_may_do_nothing_may_be_an_unknown_one() {
    let nothing = Policy::read(r#"{"Statement":[]}"#, "demo", "prod").unwrap();
    let server = server(vec![Quirk::Policy(nothing)]);
    let found = run(checkup(&server.relation_data(), &[])).await;
    let told = found.what("credentials");
    assert!(told.starts_with("nothing at all is allowed"), "{told}");
    assert_eq!(found.missing("put"), ["s3:PutObject"]);
}

#[tokio::test]
async fn proxy_in_the_way_is_named_and_so_is_the_entry_that_leaves_the_store_out() {
    let proxy = server(Vec::new());
    let url = format!("http://planted:password@{}", proxy.address());
    // The name does not resolve here: only the proxy can know it. This one happens to be a store itself.
    let look = |no_proxy: &str| Checkup {
        proxy: Proxy::new(Some(&url), None, Some(no_proxy)).unwrap(),
        ..checkup(&at("http://store.invalid:9000"), &[])
    };
    let found = run(look("10.0.0.0/8")).await;
    let told = format!(
        "store.invalid is reached through http://{}",
        proxy.address()
    );
    assert_eq!(found.what("proxy"), told);
    assert_eq!(found.what("dns"), "the proxy's name 127.0.0.1 is 127.0.0.1");
    assert_eq!(found.verdict("put"), Verdict::Pass, "{:?}", found.of("put"));
    let found = run(look(".invalid")).await;
    assert_eq!(
        found.what("proxy"),
        "none for store.invalid: no_proxy has .invalid"
    );
    assert_eq!(found.all(Verdict::Fail), ["dns"]);
}

#[tokio::test]
async fn proxy_that_refuses_the_way_is_told() {
    let proxy = server(Vec::new());
    let url = format!("http://planted:password@{}", proxy.address());
    let look = Checkup {
        proxy: Proxy::new(None, Some(&url), None).unwrap(),
        ..checkup(&at("https://store.invalid"), &[])
    };
    let found = run(look).await;
    assert_eq!(found.all(Verdict::Fail), ["tls"], "{:?}", found.of("tls"));
    assert!(
        found
            .what("tls")
            .contains("gives no way to store.invalid:443"),
        "{}",
        found.what("tls")
    );
    assert_eq!(
        found.of("tls").remedies,
        [Remedy::Proxy("store.invalid".to_owned())]
    );
    assert!(!format!("{:?}", found.0).contains("planted"));
}

#[tokio::test]
async fn style_that_leads_nowhere_is_told_with_the_one_that_does() {
    let server = server(Vec::new());
    let url = format!("http://localhost:{}", server.address().port());
    // There are machines on which every name below localhost is this machine.
    if ("demo.localhost", 0).to_socket_addrs().is_ok() {
        return;
    }
    let found = run(checkup(&at(&url), &[])).await;
    assert_eq!(found.what("style"), "path; host does not work");
    let found = run(checkup(&at(&url), &[("s3-uri-style", "host")])).await;
    assert_eq!(found.all(Verdict::Fail), ["dns"]);
    assert_eq!(found.setting("dns"), ("s3-uri-style", "path"));
}

#[tokio::test]
async fn storage_class_is_tried_only_when_the_relation_names_one() {
    let server = server(Vec::new());
    let found = run(checkup(
        &server.relation_data(),
        &[("storage-class", "STANDARD_IA")],
    ))
    .await;
    assert_eq!(found.what("storage-class"), "STANDARD_IA is accepted");
    assert_eq!(objects(&server), [""; 0]);
}

#[tokio::test]
async fn store_that_gives_other_bytes_back_is_told() {
    let server = server(Vec::new());
    server.order(Fault::on(Operation::PutObject, Effect::Shorten));
    let found = run(checkup(&server.relation_data(), &[])).await;
    assert_eq!(found.verdict("get"), Verdict::Fail, "{:?}", found.of("get"));
    assert!(
        found.what("get").contains("checksum"),
        "{}",
        found.what("get")
    );
}
