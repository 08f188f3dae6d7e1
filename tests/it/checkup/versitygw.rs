//! The same policy at a real store, with a user and a bucket policy of its own.

use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use harness::s3::{Policy, Versitygw, find_versitygw, relation_data};
use serde_json::{Value, json};
use synapse_operator::s3::Verdict;

use super::{Findings, checkup, run};

const USER: &str = "keeper";
const SECRET: &str = "the-keepers-secret";

/// Makes a user who may do nothing yet.
fn add_user(server: &Versitygw) {
    let made = Command::new(find_versitygw().unwrap())
        .args(["admin", "--access", Versitygw::ACCESS_KEY])
        .args(["--secret", Versitygw::SECRET_KEY])
        .args(["--endpoint-url", &server.endpoint()])
        .args(["create-user", "--access", USER])
        .args(["--secret", SECRET, "--role", "user"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// The policy of the reference for the user, without one action.
fn policy(without: Option<&str>) -> String {
    let text = include_str!("../../../docs/reference/iam-policy.json");
    let text = text.replace("BUCKET", Versitygw::BUCKET);
    let mut policy: Value = serde_json::from_str(&text.replace("PATH", "prod")).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Principal"] = json!({"AWS": [USER]});
        let actions = statement["Action"].as_array_mut().unwrap();
        actions.retain(|action| action.as_str() != without);
    }
    policy.to_string()
}

async fn set_policy(server: &Versitygw, policy: String) {
    let keys = Credentials::new(
        Versitygw::ACCESS_KEY,
        Versitygw::SECRET_KEY,
        None,
        None,
        "test",
    );
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .endpoint_url(server.endpoint())
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    let call = client.put_bucket_policy().bucket(Versitygw::BUCKET);
    call.policy(policy).send().await.unwrap();
}

async fn look(server: &Versitygw) -> Findings {
    let data = relation_data(&server.endpoint(), USER, SECRET, Versitygw::BUCKET);
    run(checkup(&data, &[])).await
}

#[tokio::test]
async fn versitygw_holds_its_user_to_the_policy_and_each_missing_line_is_named() {
    let server = Versitygw::start(None).unwrap();
    add_user(&server);
    set_policy(&server, policy(None)).await;
    let found = look(&server).await;
    assert_eq!(found.all(Verdict::Fail), [""; 0]);
    assert_eq!(found.what("left-behind"), "nothing");

    let text = include_str!("../../../docs/reference/iam-policy.json");
    for (_, action) in Policy::read(text, "demo", "prod").unwrap().actions() {
        // It knows no such rules, and says so to everybody.
        if action == "s3:GetLifecycleConfiguration" {
            continue;
        }
        set_policy(&server, policy(Some(&action))).await;
        let found = look(&server).await;
        let named: Vec<&str> = found
            .0
            .iter()
            .filter(|check| found.missing(check.name).contains(&action.as_str()))
            .map(|check| check.name)
            .collect();
        assert!(!named.is_empty(), "{action} is not named: {:?}", found.0);
        let failed = found.all(Verdict::Fail);
        assert!(
            failed.iter().all(|item| named.contains(item)),
            "{action}: {failed:?}"
        );
    }
}
