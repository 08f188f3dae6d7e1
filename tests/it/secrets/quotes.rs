//! Stores that quote in their refusals all that they were sent, and the secret that they know.

use std::error::Error;

use bytes::Bytes;
use harness::demo::Story;
use harness::s3::{Effect, Fault, Operation, Options, Server};
use harness::world::{Store, World};
use synapse_operator::s3::{Bucket, Limits, Params, PartPlan, Proxy, S3Error, Upload};

use super::search::Needles;

const ACCESS_KEY: &str = "PLANTEDKEYOFTHESTORE0815";
const SECRET_KEY: &str = "planted/secret+key=of&the store 0815";
const TOKEN: &str = "planted/token==of+the-session-0815";
const UNIT: &str = "synapse/0";
const CALLS: [Operation; 9] = [
    Operation::ListObjects,
    Operation::GetObject,
    Operation::HeadObject,
    Operation::PutObject,
    Operation::CreateUpload,
    Operation::UploadPart,
    Operation::CompleteUpload,
    Operation::AbortUpload,
    Operation::DeleteObjects,
];

fn options(secret: &str) -> Options {
    Options {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: secret.to_owned(),
        ..Options::default()
    }
}

/// The secrets, and each signature that was made with them.
fn needles(server: &Server, secrets: &[&str]) -> Needles {
    let mut needles = Needles::default();
    for secret in secrets {
        needles.add("a key", secret);
    }
    for call in CALLS {
        for header in server.header_of_each(call, "authorization") {
            if let Some((_, signature)) = header.split_once("Signature=") {
                needles.add("a signature", signature);
            }
        }
    }
    needles
}

/// All that an error may show anywhere.
fn shown(error: &S3Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let causes: String = causes.map(|cause| format!(": {cause} {cause:?}")).collect();
    format!("{error}{causes} {} {error:?}\n", error.hint())
}

#[tokio::test]
async fn refusal_that_quotes_a_request_is_repeated_without_what_lets_others_in() {
    let server = Server::start(options(&SECRET_KEY.replace(' ', "-"))).unwrap();
    let mut databag = server.relation_data();
    databag.insert("session-token".to_owned(), TOKEN.to_owned());
    let params = Params::parse(&databag).unwrap();
    let limits = Limits {
        control_attempts: 1,
        part_attempts: 1,
        fault_attempts: 1,
        ..Limits::default()
    };
    let mut told = format!("{params:?}");
    for status in [400, 401, 403, 404, 409, 501, 503] {
        for call in CALLS {
            server.order(Fault::on(call, Effect::Echo(status)).always());
        }
        let bucket = Bucket::open(&params, &Proxy::default(), limits);
        let errors = [
            bucket.head().await.err(),
            bucket.list("").all(9).await.err(),
            bucket.get("a").await.err(),
            bucket.fetch("a").await.err(),
            bucket.stat("a").await.err(),
            bucket.put("a", Bytes::from_static(b"x")).await.err(),
            bucket.delete(&["a"]).await.err(),
            Upload::begin(&bucket, "a", PartPlan::default(), 1)
                .await
                .err(),
        ];
        for error in errors.iter().flatten() {
            told += &shown(error);
        }
        told += &format!("{:?} {bucket:?}", bucket.notices());
        server.clear_faults();
    }
    assert!(told.contains("(withheld)"), "nothing was quoted: {told}");
    let needles = needles(&server, &[ACCESS_KEY, &SECRET_KEY.replace(' ', "-"), TOKEN]);
    assert_eq!(
        needles.within("an error", told.as_bytes()),
        [""; 0],
        "{told}"
    );
    for word in ["AWS4-HMAC", "SignedHeaders"] {
        let quoted = told.matches(word).count();
        println!("{word} is quoted {quoted} times, without its values");
    }
}

#[tokio::test]
async fn password_of_a_proxy_is_in_no_error() {
    let password = "planted-password-of-the-proxy";
    let url = format!("http://user:{password}@127.0.0.1:9");
    for endpoint in ["http://store.example:9000", "https://store.example:9000"] {
        let server = harness::s3::relation_data(endpoint, ACCESS_KEY, SECRET_KEY, "demo");
        let mut databag = server;
        databag.insert("secret-key".to_owned(), SECRET_KEY.replace(' ', "-"));
        let proxy = Proxy::new(Some(&url), Some(&url), None).unwrap();
        let bucket = Bucket::open(&Params::parse(&databag).unwrap(), &proxy, Limits::default());
        let told = shown(&bucket.head().await.err().unwrap()) + &format!("{proxy:?}");
        let mut needles = Needles::default();
        needles.add("the password", password);
        assert_eq!(
            needles.within("an error", told.as_bytes()),
            [""; 0],
            "{told}"
        );
    }
}

#[test]
fn store_that_quotes_its_requests_leaves_no_secret_in_logs_results_statuses_and_the_bucket() {
    let secret = SECRET_KEY.replace([' ', '&'], "-");
    let options = options(&secret);
    let world =
        World::with(|directory| Store::embedded_with(&directory.join("s3"), options)).unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let trace = ["model-config", "logging-config=<root>=TRACE;unit=TRACE"];
    world.juju(&trace).unwrap().success().unwrap();
    let created = world
        .act(UNIT, &["create-backup"])
        .unwrap()
        .success()
        .unwrap();
    let id = format!("backup-id={}", created["backup-id"].as_str().unwrap());

    let server = world.store().server().unwrap();
    let mut told = String::new();
    let all: [&[&str]; 6] = [
        &["create-backup"],
        &["list-backups"],
        &["verify-backup", &id],
        &["restore-backup", &id],
        &["delete-backup", &id],
        &["check-backup-storage"],
    ];
    let walks: [(&[Operation], &[&[&str]]); 4] = [
        (&CALLS, &all),
        // What comes late in a run: its failure is written into the bucket.
        (&[Operation::UploadPart], &all[..1]),
        (&[Operation::CompleteUpload], &all[..1]),
        (&[Operation::HeadObject], &all[..3]),
    ];
    for (calls, actions) in walks {
        for call in calls {
            server.order(Fault::on(*call, Effect::Echo(403)).always());
        }
        for words in actions {
            told += &format!("{:?}\n", world.act(UNIT, words).unwrap());
            told += &world.status(UNIT).unwrap();
        }
        server.clear_faults();
    }
    assert!(told.contains("error-code"), "{told}");
    let needles = needles(server, &[ACCESS_KEY, &secret]);
    assert_eq!(
        needles.within("results and statuses", told.as_bytes()),
        [""; 0],
        "{told}"
    );
    for words in [
        &["debug-log", "--replay", "--level", "TRACE"] as &[_],
        &["status", "--format", "json"],
    ] {
        let log = world.juju(words).unwrap().success().unwrap();
        assert_eq!(needles.within(&words.join(" "), log.as_bytes()), [""; 0]);
    }
    let written = world.store().objects().unwrap();
    assert!(
        written.iter().any(|(key, _)| key.ends_with("failed.json")),
        "{written:?}"
    );
    assert_eq!(needles.below(&world.store().bucket(), |_| false), [""; 0]);
    let pod = world.pod(UNIT).unwrap();
    assert_eq!(needles.below(pod.directory(), |_| false), [""; 0]);
    world.finish().unwrap();
}
