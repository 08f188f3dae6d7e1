//! Stores that give back what they hold in a way of their own.

use harness::s3::{Effect, Fault, Operation};

use super::{Rule, Scene, fault_of, walk};

fn rules() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::GetObject, effect);
    let head = |effect| Fault::on(Operation::HeadObject, effect);
    let html = Effect::Answer {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>please log in</html>".to_owned(),
    };
    vec![
        fault_of("read: breaks off, each once", on(Effect::Cut(50)).times(3)),
        fault_of("read: breaks off, always", on(Effect::Cut(50)).always()),
        fault_of("read: stands still, once", on(Effect::StallBody(50))),
        fault_of(
            "read: stands still, always",
            on(Effect::StallBody(50)).always(),
        ),
        fault_of(
            "read: ranges are passed over",
            on(Effect::Whole(None)).always(),
        ),
        fault_of(
            "read: another range than asked for",
            on(Effect::Header("content-range", Some("bytes 1-2/3"))).always(),
        ),
        fault_of("read: another tag each time", on(Effect::WrongTag).after(2)),
        fault_of("read: no tag", on(Effect::Header("etag", None)).always()),
        fault_of(
            "read: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        ),
        fault_of(
            "read: not there, always",
            on(Effect::refuse(404, "NoSuchKey")).always(),
        )
        .leaving(),
        fault_of(
            "read: in an archive",
            on(Effect::refuse(403, "InvalidObjectState")).always(),
        ),
        fault_of("read: a page to log in", on(html.clone()).always()).leaving(),
        fault_of(
            "look: refused",
            head(Effect::refuse(403, "AccessDenied")).always(),
        ),
        fault_of(
            "look: not there, always",
            head(Effect::refuse(404, "NotFound")).always(),
        ),
        fault_of(
            "look: unknown to the store",
            head(Effect::refuse(501, "NotImplemented")).always(),
        ),
    ]
}

#[tokio::test]
async fn store_misbehaves_when_an_object_is_read() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, rules()).await, @"");
}
