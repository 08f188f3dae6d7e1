//! The policy of the reference: it is enough, and of each line that is missing the look at the store says so.

use harness::s3::{Options, Policy, Quirk, Server};
use synapse_operator::s3::Verdict;

use super::{checkup, objects, run};

/// The item that tells of each action.
const ITEMS: [(&str, &[&str]); 10] = [
    ("s3:ListBucket", &["list"]),
    ("s3:ListBucketMultipartUploads", &["list-uploads"]),
    ("s3:GetObject", &["get"]),
    ("s3:PutObject", &["put", "multipart"]),
    ("s3:DeleteObject", &["delete"]),
    ("s3:AbortMultipartUpload", &["abort"]),
    ("s3:ListMultipartUploadParts", &["list-parts"]),
    ("s3:GetBucketVersioning", &["versioning"]),
    ("s3:GetBucketObjectLockConfiguration", &["object-lock"]),
    ("s3:GetLifecycleConfiguration", &["lifecycle"]),
];

/// Without these backups are made all the same.
const FOR_THE_LOOK_ONLY: &str = "SeeSettings";

fn reference() -> Policy {
    let text = include_str!("../../../docs/reference/iam-policy.json");
    Policy::read(text, "demo", "prod").unwrap()
}

fn server(policy: Policy) -> Server {
    Server::start(Options {
        quirks: vec![Quirk::Policy(policy)],
        ..Options::default()
    })
    .unwrap()
}

#[tokio::test]
async fn policy_of_the_reference_is_enough_for_the_look() {
    let server = server(reference());
    let found = run(checkup(&server.relation_data(), &[])).await;
    assert_eq!(found.all(Verdict::Fail), [""; 0]);
    for (_, items) in ITEMS {
        for item in items {
            assert_eq!(found.verdict(item), Verdict::Pass, "{:?}", found.of(item));
        }
    }
    assert_eq!(objects(&server), [""; 0]);
}

#[tokio::test]
async fn each_missing_line_of_the_policy_is_named() {
    let whole = reference();
    let actions: Vec<String> = whole.actions().into_iter().map(|(_, one)| one).collect();
    let known: Vec<&str> = ITEMS.iter().map(|(action, _)| *action).collect();
    assert!(
        actions.iter().all(|one| known.contains(&one.as_str())),
        "{actions:?}"
    );
    assert_eq!(actions.len(), known.len());
    for (sid, action) in whole.actions() {
        let server = server(whole.without(&action));
        let found = run(checkup(&server.relation_data(), &[])).await;
        let (_, items) = ITEMS.iter().find(|(one, _)| *one == action).unwrap();
        let verdict = match (sid.as_str(), action.as_str()) {
            (FOR_THE_LOOK_ONLY, _) | (_, "s3:ListMultipartUploadParts") => Verdict::Warn,
            _ => Verdict::Fail,
        };
        for item in *items {
            let check = found.of(item);
            assert_eq!(check.verdict, verdict, "{action}: {check:?}");
            assert_eq!(found.missing(item), [action.as_str()], "{check:?}");
        }
        // And nothing else is blamed.
        for check in &found.0 {
            let own = items.contains(&check.name) || check.name == "left-behind";
            let blamed = found.missing(check.name);
            assert!(own || blamed.is_empty(), "{action}: {check:?}");
            assert!(own || check.verdict != Verdict::Fail, "{action}: {check:?}");
        }
        if action == "s3:DeleteObject" {
            let left = found.of("left-behind");
            assert_eq!(left.verdict, Verdict::Warn, "{left:?}");
        } else {
            assert_eq!(objects(&server), [""; 0], "{action}");
        }
    }
}
