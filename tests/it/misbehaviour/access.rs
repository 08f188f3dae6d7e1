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
    insta::assert_snapshot!(walk(&scene, rules()).await, @r"
    another region, named in the body: create, list, restore, verify, delete
    another region, and no name: 
      Create: failed to reach the bucket: region us-east-1 is not the bucket's -> set region to the bucket's own at the S3 integrator
      List: failed to list the bucket: region us-east-1 is not the bucket's -> set region to the bucket's own at the S3 integrator
      Restore: failed to reach the bucket: region us-east-1 is not the bucket's -> set region to the bucket's own at the S3 integrator
      Verify: failed to reach the bucket: region us-east-1 is not the bucket's -> set region to the bucket's own at the S3 integrator
      Delete: failed to reach the bucket: region us-east-1 is not the bucket's -> set region to the bucket's own at the S3 integrator
    another region, moved for good: create, list, restore, verify, delete
    another region, moved for now: create, list, restore, verify, delete
    a clock that is 20 minutes slow: create, list, restore, verify, delete
    a clock that is 20 minutes fast: create, list, restore, verify, delete
    a clock that is 6 minutes slow: create, list, restore, verify, delete
    nobody may do anything: 
      Create: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      List: failed to list the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Restore: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Verify: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Delete: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    the key is unknown: 
      Create: failed to reach the bucket: http://<store> does not know the access key -> correct access-key at the S3 integrator
      List: failed to list the bucket: http://<store> does not know the access key -> correct access-key at the S3 integrator
      Restore: failed to reach the bucket: http://<store> does not know the access key -> correct access-key at the S3 integrator
      Verify: failed to reach the bucket: http://<store> does not know the access key -> correct access-key at the S3 integrator
      Delete: failed to reach the bucket: http://<store> does not know the access key -> correct access-key at the S3 integrator
    the secret is wrong: 
      Create: failed to reach the bucket: http://<store> refuses the secret key -> correct secret-key at the S3 integrator
      List: failed to list the bucket: http://<store> refuses the secret key -> correct secret-key at the S3 integrator
      Restore: failed to reach the bucket: http://<store> refuses the secret key -> correct secret-key at the S3 integrator
      Verify: failed to reach the bucket: http://<store> refuses the secret key -> correct secret-key at the S3 integrator
      Delete: failed to reach the bucket: http://<store> refuses the secret key -> correct secret-key at the S3 integrator
    the bucket is missing: 
      Create: failed to reach the bucket: bucket demo does not exist at http://<store> -> create bucket demo, or correct bucket at the S3 integrator
      List: failed to list the bucket: bucket demo does not exist at http://<store> -> create bucket demo, or correct bucket at the S3 integrator
      Restore: failed to reach the bucket: bucket demo does not exist at http://<store> -> create bucket demo, or correct bucket at the S3 integrator
      Verify: failed to reach the bucket: bucket demo does not exist at http://<store> -> create bucket demo, or correct bucket at the S3 integrator
      Delete: failed to reach the bucket: bucket demo does not exist at http://<store> -> create bucket demo, or correct bucket at the S3 integrator
    the key loses its rights in the middle (403): list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    the key is taken back in the middle (401): list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    the token ends in the middle (400): list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to write part <n> of <id>/<object>: ExpiredToken (400): ordered by the test -> give new keys, with the session token that belongs to them, at the S3 integrator
    the clock jumps once (403): 
      Create: failed to reach the bucket: the clocks of this machine and of http://<store> differ too much -> set the clock of this machine's node, or the store's
      List: failed to list the bucket: the clocks of this machine and of http://<store> differ too much -> set the clock of this machine's node, or the store's
      Restore: failed to reach the bucket: the clocks of this machine and of http://<store> differ too much -> set the clock of this machine's node, or the store's
      Verify: failed to reach the bucket: the clocks of this machine and of http://<store> differ too much -> set the clock of this machine's node, or the store's
      Delete: failed to reach the bucket: the clocks of this machine and of http://<store> differ too much -> set the clock of this machine's node, or the store's
    ");
}
