use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const BASE: [(&str, &str); 4] = [
    ("access-key", "planted-key"),
    ("secret-key", "planted-secret"),
    ("bucket", "demo"),
    ("endpoint", "http://s3:9000"),
];

/// A good databag with some values changed; an empty value takes the key away.
fn databag(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = BASE.iter().chain(changes);
    let mut databag: BTreeMap<String, String> = pairs
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    databag.retain(|key, value| !value.is_empty() || key.starts_with('-'));
    databag
}

/// The outcome as text: what was understood, or each problem with its hint.
fn told(changes: &[(&str, &str)]) -> String {
    match Params::parse(&databag(changes)) {
        Ok(params) => {
            let certificates = params.authorities().len();
            format!(
                "{} {} region={} path={:?} {:?} certificates={certificates}",
                params.store(),
                params.bucket(),
                params.region(),
                params.path(),
                params.style()
            )
        }
        Err(problems) => problems.iter().fold(String::new(), |mut text, problem| {
            let _ = writeln!(text, "{problem} -> {}", problem.hint);
            text
        }),
    }
}

#[test]
fn good_data_is_understood_with_its_defaults() {
    insta::assert_snapshot!(told(&[]), @r#"http://s3:9000 demo region=us-east-1 path="" Path certificates=0"#);
    insta::assert_snapshot!(
        told(&[("endpoint", ""), ("region", "eu-west-1")]),
        @r#"https://s3.eu-west-1.amazonaws.com demo region=eu-west-1 path="" Host certificates=0"#
    );
    insta::assert_snapshot!(
        told(&[("endpoint", " https://S3.Example.com:443/sub/ "), ("region", "garage"), ("path", "//a///b c/"), ("s3-uri-style", "Host")]),
        @r#"https://s3.example.com:443/sub demo region=garage path="a/b c" Host certificates=0"#
    );
    insta::assert_snapshot!(
        told(&[("endpoint", "https://s3.eu-north-1.amazonaws.com")]),
        @r#"https://s3.eu-north-1.amazonaws.com demo region=eu-north-1 path="" Path certificates=0"#
    );
    insta::assert_snapshot!(told(&[("endpoint", "http://[::1]:9000")]), @r#"http://[::1]:9000 demo region=us-east-1 path="" Path certificates=0"#);
}

/// What does nothing, with its reason.
fn ignored(changes: &[(&str, &str)]) -> String {
    let params = Params::parse(&databag(changes));
    let ignored = params.map(|params| params.ignored().to_vec());
    let lines = ignored.unwrap_or_default().into_iter();
    lines.map(|ignored| format!("{ignored}\n")).collect()
}

#[test]
fn books_of_the_libraries_are_passed_over() {
    let books = [
        ("data", "{]"),
        ("lib-version", "1.0"),
        ("secret-extra", "secret:x"),
        ("requested-secrets", "[]"),
    ];
    assert_eq!(told(&books), told(&[]));
    assert_eq!(ignored(&books), "");
}

#[test]
fn every_key_does_something_or_is_named_as_ignored() {
    insta::assert_snapshot!(ignored(&[
        ("s3-api-version", "4"), ("storage-class", "STANDARD_IA"), ("session-token", "planted"), ("region", "r"), ("path", "p"),
        ("delete-older-than-days", "30"), ("attributes", r#"["x-amz-meta-a=1", "Host=evil"]"#), ("s3-uri-style", "host"),
        ("endpoint", "https://10.0.0.1"), ("acl", "public-read"), ("tls-ca-chain", ""),
    ]), @r"
    s3-uri-style host is not used, but path: endpoint is an address
    attribute host is ignored: no header that goes with objects
    acl is ignored: it is not known
    ");
    let params = Params::parse(&databag(&[
        ("storage-class", "STANDARD_IA"),
        ("delete-older-than-days", "30"),
        ("session-token", "planted-token"),
    ]));
    let facts = params.map(|params| {
        let class = params.storage_class().map(str::to_owned);
        (
            class,
            params.delete_older_than_days(),
            params.secrets().len(),
        )
    });
    assert_eq!(
        facts.ok(),
        Some((Some("STANDARD_IA".to_owned()), Some(30), 3))
    );
    assert_eq!(
        ignored(&[("delete-older-than-days", "soon")]),
        "delete-older-than-days is ignored: it is not a number of days\n"
    );
}

#[test]
fn api_version_two_and_a_class_that_is_none_are_refused() {
    insta::assert_snapshot!(told(&[("s3-api-version", "2"), ("storage-class", "COLD ONE"), ("token", "a b")]), @r"
    token has a blank or another character that no key has -> enter token again, without blanks and line ends
    s3-api-version is 2, and only 4 is spoken -> set s3-api-version=4, or leave it out
    storage-class is not the name of a class: COLD ONE -> give a name as STANDARD_IA, or none
    ");
}

#[test]
fn bucket_is_put_into_the_host_only_where_it_can_stand_there() {
    let style = |bucket, endpoint, wish| {
        let databag = databag(&[
            ("bucket", bucket),
            ("endpoint", endpoint),
            ("s3-uri-style", wish),
            ("region", "eu-west-1"),
        ]);
        let params = Params::parse(&databag).ok();
        params.map(|params| (params.style(), params.ignored().len()))
    };
    use UriStyle::{Host, Path};
    for (bucket, endpoint, wish, wanted, told) in [
        ("demo", "", "", Host, 0),
        ("demo.backups", "", "", Path, 0),
        ("demo.backups", "", "host", Path, 1),
        ("demo.backups", "https://s3.example.com", "host", Path, 1),
        ("demo.backups", "http://s3.example.com", "host", Path, 1),
        ("demo", "https://s3.example.com:9000/sub/", "host", Host, 0),
        ("Demo", "https://s3.example.com", "host", Path, 1),
        ("a_b", "", "host", Path, 1),
        ("-ab", "", "", Path, 0),
        ("demo", "http://10.0.0.1:9000", "host", Path, 1),
        ("demo", "http://[fd00::1]:9000", "host", Path, 1),
        ("demo", "http://[fd00::1]:9000", "", Path, 0),
        ("demo", "http://s3", "path", Path, 0),
    ] {
        assert_eq!(
            style(bucket, endpoint, wish),
            Some((wanted, told)),
            "{bucket} {endpoint} {wish}"
        );
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let problems = Params::parse(&BTreeMap::new()).err().unwrap_or_default();
    insta::assert_snapshot!(problems.iter().map(|p| format!("{p} -> {}\n", p.hint)).collect::<String>(), @r"
    access-key is missing -> set access-key at the S3 integrator
    secret-key is missing -> set secret-key at the S3 integrator
    bucket is missing -> set bucket at the S3 integrator
    endpoint is missing, and so is region -> set endpoint to the store's URL, or region for AWS
    ");
}

#[test]
fn everything_that_is_malformed_is_named_at_once() {
    insta::assert_snapshot!(
        told(&[
            ("access-key", "planted key"), ("secret-key", "planted\nsecret"), ("bucket", "demo/backups"), ("endpoint", "s3.example.com"),
            ("region", "eu west"), ("path", "a/../b"), ("s3-uri-style", "virtual"), ("tls-ca-chain", "[\"x\"]"),
        ]),
        @r"
    access-key has a blank or another character that no key has -> enter access-key again, without blanks and line ends
    secret-key has a blank or another character that no key has -> enter secret-key again, without blanks and line ends
    bucket is not a bucket's name: demo/backups -> give the bucket's bare name; a prefix inside it belongs into path
    endpoint has no scheme: s3.example.com -> set endpoint=https://s3.example.com, or http://s3.example.com without TLS
    region is not a region's name: eu west -> give a name as us-east-1, or none
    path has a segment . or ..: a/../b -> give a plain prefix as backups/synapse
    s3-uri-style is neither path nor host: virtual -> set s3-uri-style to path or host, or leave it out
    tls-ca-chain has a bad entry, number 1: it is neither PEM, nor JSON, nor base64 -> give the certificates of the store's authority in PEM form, or their base64
    "
    );
}

#[test]
fn each_way_to_spoil_an_endpoint_has_its_own_words() {
    let words = [
        "ftp://s3",
        "http://",
        "https://user:planted@s3",
        "user:planted@s3",
        "http://s3:0",
        "http://s3:99999",
        "http://s3:",
        "http://s3:+9",
        "http://a b",
        "http://s3/?x=1",
        "http://s3/demo",
        "https://demo.s3.eu-west-1.amazonaws.com/",
        "s3:80",
        "http://[::1",
        "http://-s3",
        "http:///x",
    ]
    .map(|endpoint| told(&[("endpoint", endpoint)]))
    .concat();
    assert!(!words.contains("planted"), "{words}");
    insta::assert_snapshot!(words, @r"
    endpoint has neither the scheme http nor https: ftp -> write https:// or http://
    endpoint has no host: http:// -> write https:// and the store's host
    endpoint has a user or a password in it -> give keys as access-key and secret-key only
    endpoint has no scheme: s3 -> set endpoint=https://s3, or http://s3 without TLS
    endpoint has no valid port: s3:0 -> give a port between 1 and 65535, or none
    endpoint has no valid port: s3:99999 -> give a port between 1 and 65535, or none
    endpoint has no valid port: s3: -> give a port between 1 and 65535, or none
    endpoint has no valid port: s3:+9 -> give a port between 1 and 65535, or none
    endpoint is not a URL: http://a b -> write scheme, host and port as in https://s3.example.com:9000
    endpoint has a query or a fragment -> give scheme, host and port only
    endpoint ends in the bucket's name: http://s3/demo -> set endpoint=http://s3
    endpoint begins with the bucket's name: https://demo.s3.eu-west-1.amazonaws.com/ -> set endpoint=https://s3.eu-west-1.amazonaws.com
    endpoint has no scheme: s3:80 -> set endpoint=http://s3:80
    endpoint is not a URL: http://[::1 -> write scheme, host and port as in https://s3.example.com:9000
    endpoint is not a URL: http://-s3 -> write scheme, host and port as in https://s3.example.com:9000
    endpoint has no host: http:///x -> write https:// and the store's host
    ");
}

#[test]
fn a_chain_of_certificates_is_read_in_every_form_that_is_in_use() {
    let der = |index: usize| webpki_root_certs::TLS_SERVER_ROOT_CERTS[index].to_vec();
    let pem = |index: usize| {
        let body = STANDARD.encode(der(index));
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap_or_default())
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        )
    };
    let json = |texts: &[String]| serde_json::to_string(texts).unwrap_or_default();
    let both = pem(0) + &pem(1);
    let forms = [
        ("one PEM", pem(0), 1),
        ("two PEMs in one text", both.clone(), 2),
        (
            "PEM with written-out line ends",
            both.replace('\n', "\\n"),
            2,
        ),
        ("JSON of PEMs", json(&[pem(0), pem(1)]), 2),
        ("JSON of one bundle", json(std::slice::from_ref(&both)), 2),
        (
            "JSON of base64 of PEM",
            json(&[STANDARD.encode(pem(0)), STANDARD.encode(pem(1))]),
            2,
        ),
        ("JSON of base64 of DER", json(&[STANDARD.encode(der(0))]), 1),
        (
            "JSON text",
            serde_json::to_string(&both).unwrap_or_default(),
            2,
        ),
        ("base64 of JSON", STANDARD.encode(json(&[pem(0)])), 1),
        ("base64 of PEM", STANDARD.encode(&both), 2),
        ("base64 of DER", STANDARD.encode(der(0)), 1),
        (
            "base64 in lines",
            STANDARD.encode(&both).replace("LS0", "LS0\n"),
            2,
        ),
    ];
    for (form, text, count) in forms {
        let params = Params::parse(&databag(&[("tls-ca-chain", &text)]));
        assert_eq!(
            params.map(|params| params.authorities().len()).ok(),
            Some(count),
            "{form}"
        );
    }
}

#[test]
fn a_chain_that_cannot_be_trusted_is_refused_with_its_reason() {
    let deep = (0..9).fold("x".to_owned(), |text, _| {
        serde_json::to_string(&[text]).unwrap_or_default()
    });
    let words = [
        "[]",
        "[1]",
        "{}",
        "hello",
        "aGVsbG8=",
        "[\"\"]",
        &deep,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAAAA",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ]
    .map(|chain| {
        told(&[("tls-ca-chain", chain)])
            .split(" -> ")
            .next()
            .unwrap_or_default()
            .to_owned()
            + "\n"
    })
    .concat();
    insta::assert_snapshot!(words, @r"
    tls-ca-chain has no certificate in it
    tls-ca-chain has an entry that is not a text: number 1
    tls-ca-chain is neither PEM, nor JSON, nor base64
    tls-ca-chain is neither PEM, nor JSON, nor base64
    tls-ca-chain is the base64 of something that is not a certificate
    tls-ca-chain has no certificate in it
    tls-ca-chain has a bad entry, number 1: it is wrapped too many times
    tls-ca-chain has a damaged certificate, number 1
    tls-ca-chain has a damaged certificate, number 1
    tls-ca-chain has no certificate in it
    ");
}

#[test]
fn debug_forms_show_no_secret() {
    let text = format!("{:?}", Params::parse(&databag(&[])));
    assert!(text.contains("demo") && !text.contains("planted"), "{text}");
}

proptest! {
    #[test]
    fn any_databag_ends_in_an_answer(key in "[a-z-]{0,12}", value in any::<String>(), pick in 0..8_usize) {
        let known = ["attributes", "storage-class", "bucket", "endpoint", "region", "delete-older-than-days", "s3-uri-style", "tls-ca-chain"];
        let _ = Params::parse(&databag(&[(known[pick], &value), (&key, &value)]));
    }

    #[test]
    fn a_path_that_is_taken_has_no_odd_segment(path in "[a-z./ ]{0,20}") {
        if let Ok(params) = Params::parse(&databag(&[("path", &path)])) {
            prop_assert!(params.path().is_empty() || params.path().split('/').all(|s| !s.is_empty() && s != "." && s != ".."));
        }
    }

    #[test]
    fn an_endpoint_that_is_taken_is_a_url(text in "(https?://)?[a-zA-Z0-9.:@/?#\\[\\]_ -]{0,24}") {
        if let Ok(params) = Params::parse(&databag(&[("endpoint", &text)])) {
            prop_assert!(params.store().parse::<hyper::Uri>().is_ok_and(|uri| uri.host().is_some()), "{}", params.store());
        }
    }
}
