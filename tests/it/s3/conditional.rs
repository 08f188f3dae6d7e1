//! Writing under a condition at stores that read tags in their own way.

use bytes::Bytes;
use harness::s3::{Effect, Fault, Operation};
use synapse_operator::s3::{Condition, ConditionError};

use super::{bucket, server};

#[tokio::test]
async fn a_tag_that_is_denied_and_still_there_is_given_once_more_without_quotes() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    let tag = bucket.put("a", Bytes::from_static(b"old")).await;
    let tag = tag.unwrap().unwrap();
    // Ceph's gateway compares the quotes, too.
    let denied = Effect::refuse(412, "PreconditionFailed");
    server.order(Fault::on(Operation::PutObject, denied));
    let taken = Effect::Answer {
        status: 200,
        headers: Vec::new(),
        body: String::new(),
    };
    server.order(Fault::on(Operation::PutObject, taken));
    let (new, seen) = (Bytes::from_static(b"new"), Condition::Tagged(tag.clone()));
    bucket.put_if("a", new, &seen).await.unwrap();
    let told = server.header_of_each(Operation::PutObject, "if-match");
    assert_eq!(told, [String::new(), format!("\"{tag}\""), tag]);
}

#[tokio::test]
async fn a_tag_that_is_no_more_is_not_given_twice() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    let seen = bucket.put("a", Bytes::from_static(b"old")).await;
    let seen = Condition::Tagged(seen.unwrap().unwrap());
    bucket.put("a", Bytes::from_static(b"other")).await.unwrap();
    let written = bucket.put_if("a", Bytes::from_static(b"new"), &seen).await;
    assert!(
        matches!(&written, Err(ConditionError::Unmet { key }) if key == "a"),
        "{written:?}"
    );
    assert_eq!(server.calls(Operation::PutObject), 3);
}
