//! Stores that list, delete and forget in a way of their own.

use harness::s3::{Effect, Fault, Operation, Quirk};

use super::{Rule, Scene, fault, fault_of, quirk, walk};

fn answer(status: u16, body: &str) -> Effect {
    Effect::Answer {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

fn in_listings() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::ListObjects, effect);
    let circle = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>";
    vec![
        quirk("list: the second version is unknown", [Quirk::NoListV2]),
        quirk(
            "list: the second version is taken for the first",
            [Quirk::ListTypeIgnored, Quirk::SmallPages(2)],
        ),
        quirk("list: two keys a page", [Quirk::SmallPages(2)]),
        quirk("list: a new object is missing once", [Quirk::LateLists(1)]),
        quirk(
            "list: a new object is missing ten times",
            [Quirk::LateLists(10)],
        ),
        fault_of(
            "list: in circles",
            on(answer(200, circle)).after(1).always(),
        ),
        fault_of(
            "list: empty, always",
            on(answer(200, "<ListBucketResult/>")).always(),
        ),
        fault_of(
            "list: another document",
            on(answer(200, "<Other/>")).always(),
        ),
        fault_of(
            "list: a page of a proxy",
            on(answer(200, "<html>please log in</html>")).always(),
        ),
        fault_of("list: breaks off", on(Effect::Cut(100)).always()),
        fault_of("list: stands still", on(Effect::StallBody(100)).always()),
        fault_of(
            "list: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        ),
    ]
}

fn in_deletions() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::DeleteObjects, effect);
    vec![
        quirk("delete: objects are kept", [Quirk::KeepsObjects]).leaving(),
        quirk("delete: not many at a time", [Quirk::NoDeleteMany]).leaving(),
        fault_of(
            "delete: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        )
        .leaving(),
        fault_of("delete: done, and the answer is lost", on(Effect::Lose)),
        fault_of(
            "delete: done, and answered with 500",
            on(Effect::refuse_after(500, "InternalError")),
        ),
    ]
}

fn in_aborts() -> Vec<Rule> {
    let stopped = Fault::on(Operation::UploadPart, Effect::refuse(403, "AccessDenied")).always();
    let unaborted = |effect| Fault::on(Operation::AbortUpload, effect);
    vec![
        fault_of(
            "a run is stopped, and uploads cannot be listed",
            stopped.clone(),
        )
        .quirks([Quirk::NoListUploads]),
        fault_of(
            "a run is stopped, and uploads are listed by key only",
            stopped.clone(),
        )
        .quirks([Quirk::UploadsByKeyOnly]),
        fault_of(
            "a run is stopped, and the first abort does nothing",
            stopped.clone(),
        )
        .quirks([Quirk::AbortTwice]),
        fault_of(
            "a run is stopped, and the abort is busy once",
            stopped.clone(),
        )
        .and(unaborted(Effect::refuse(503, "SlowDown"))),
        fault_of(
            "a run is stopped, and the abort is lost once",
            stopped.clone(),
        )
        .and(unaborted(Effect::Lose)),
        fault_of("a run is stopped, and aborts are refused", stopped.clone())
            .and(unaborted(Effect::refuse(403, "AccessDenied")).always())
            .leaving(),
        fault(
            "abort: unknown to the store",
            Operation::AbortUpload,
            Effect::refuse(501, "NotImplemented"),
        )
        .and(stopped)
        .leaving(),
    ]
}

#[tokio::test]
async fn store_misbehaves_in_listings() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, in_listings()).await, @"");
}

#[tokio::test]
async fn store_misbehaves_when_something_is_to_go() {
    let scene = Scene::new(100_000);
    let rules = in_deletions().into_iter().chain(in_aborts()).collect();
    insta::assert_snapshot!(walk(&scene, rules).await, @"");
}
