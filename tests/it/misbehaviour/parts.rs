//! Stores with rules about parts, met by an upload of three of them.

use harness::s3::{Effect, Fault, Operation, Quirk};

use super::{MIB, Rule, Scene, fault_of, quirk, walk};

fn rules() -> Vec<Rule> {
    let part = |effect| Fault::on(Operation::UploadPart, effect);
    vec![
        quirk("equal parts (R2)", [Quirk::EvenParts]),
        quirk("at most 1,000 parts", [Quirk::MostParts(1000)]),
        quirk("at most 2 parts", [Quirk::MostParts(2)]),
        fault_of(
            "the last part breaks off twice",
            part(Effect::Drop).after(2).times(2),
        ),
        fault_of("the second part stands still", part(Effect::Stall).after(1)),
        fault_of(
            "the third part is refused, and the first abort does nothing",
            part(Effect::refuse(403, "AccessDenied")).after(2).always(),
        )
        .quirks([Quirk::AbortTwice]),
    ]
}

#[tokio::test]
async fn store_has_rules_about_parts() {
    let scene = Scene::new(33 * MIB);
    insta::assert_snapshot!(walk(&scene, rules()).await, @r"
    equal parts (R2): create, list, restore, verify, delete
    at most 1,000 parts: create, list, restore, verify, delete
    at most 2 parts: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to write part <n> of <id>/<object>: InvalidArgument (400): Part number must be an integer between 1 and 2 -> see the store's message and its log
    the last part breaks off twice: create, list, restore, verify, delete
    the second part stands still: create, list, restore, verify, delete
    the third part is refused, and the first abort does nothing: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    ");
}
