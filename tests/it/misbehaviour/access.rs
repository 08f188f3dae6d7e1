//! Stores that let nobody in, or not like this: regions, clocks, keys.

use harness::s3::{Effect, Fault, Hint, Operation, Quirk};

use super::{ALL, Rule, Scene, everywhere, fault_of, quirk, walk};

const HERE: &str = "eu-north-7";

fn rules() -> Vec<Rule> {
    let part = |effect| Fault::on(Operation::UploadPart, effect);
    vec![
        quirk(
            "another region, named in the body",
            [Quirk::Region(HERE, Hint::Named)],
        ),
        quirk(
            "another region, and no name",
            [Quirk::Region(HERE, Hint::None)],
        ),
        quirk(
            "another region, moved for good",
            [Quirk::Region(HERE, Hint::Moved)],
        ),
        quirk(
            "another region, moved for now",
            [Quirk::Region(HERE, Hint::Redirected)],
        ),
        quirk("a clock that is 20 minutes slow", [Quirk::Clock(-1200)]),
        quirk("a clock that is 20 minutes fast", [Quirk::Clock(1200)]),
        quirk("a clock that is 6 minutes slow", [Quirk::Clock(-360)]),
        everywhere("nobody may do anything", &ALL, |on| {
            Fault::on(on, Effect::refuse(403, "AccessDenied")).always()
        }),
        everywhere("the key is unknown", &ALL, |on| {
            Fault::on(on, Effect::refuse(403, "InvalidAccessKeyId")).always()
        }),
        everywhere("the secret is wrong", &ALL, |on| {
            Fault::on(on, Effect::refuse(403, "SignatureDoesNotMatch")).always()
        }),
        everywhere("the bucket is missing", &ALL, |on| {
            Fault::on(on, Effect::refuse(404, "NoSuchBucket")).always()
        }),
        fault_of(
            "the key loses its rights in the middle (403)",
            part(Effect::refuse(403, "AccessDenied")).always(),
        ),
        fault_of(
            "the key is taken back in the middle (401)",
            part(Effect::refuse(401, "Unauthorized")).always(),
        ),
        fault_of(
            "the token ends in the middle (400)",
            part(Effect::refuse(400, "ExpiredToken")).always(),
        ),
        everywhere("the clock jumps once (403)", &ALL, |on| {
            Fault::on(on, Effect::refuse(403, "RequestTimeTooSkewed"))
        }),
    ]
}

#[tokio::test]
async fn store_lets_nobody_in_or_not_like_this() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, rules()).await, @"");
}
