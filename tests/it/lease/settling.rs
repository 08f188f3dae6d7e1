//! Several who want the lease at once, on stores that honour conditions and on stores that do not.

use futures_util::future::join_all;
use harness::s3::Quirk;

use super::*;

#[tokio::test]
async fn of_several_at_once_one_gets_the_lease() {
    let scene = Scene::new();
    for _ in 0..10 {
        let units = ["synapse/0", "synapse/1", "synapse/2", "synapse/3"];
        let taken = join_all(units.map(|unit| scene.take(unit))).await;
        let (got, refused): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!(got.len(), 1);
        let winner = scene.holder().await;
        for refusal in refused {
            assert_eq!(busy(refusal), winner);
        }
        for lease in got {
            lease.unwrap().release().await;
        }
    }
}

#[tokio::test]
async fn who_comes_second_is_found_out_with_conditions_and_without() {
    let scene = Scene::new();
    let lease = scene.take("synapse/0").await.unwrap();
    // The other one looked before this lease was there.
    let unseen = || Fault::on(Operation::GetObject, Effect::refuse(404, "NoSuchKey"));
    scene.server.order(unseen());
    assert_eq!(busy(scene.take("synapse/1").await), "synapse/0");

    // A store that says yes to both, and keeps what this one wrote.
    scene.server.order(unseen());
    let yes = Effect::Answer {
        status: 200,
        headers: Vec::new(),
        body: String::new(),
    };
    scene.server.order(Fault::on(Operation::PutObject, yes));
    assert_eq!(busy(scene.take("synapse/1").await), "synapse/0");
    lease.release().await;

    // A store that knows no conditions.
    let unknown = Effect::refuse(501, "NotImplemented");
    scene.server.order(Fault::on(Operation::PutObject, unknown));
    let lease = scene.take("synapse/1").await.unwrap();
    assert_eq!(scene.holder().await, "synapse/1");
    lease.release().await;
}

#[tokio::test]
async fn store_that_passes_conditions_over_is_seen_through_and_gives_the_lease_to_one() {
    for quirk in [Quirk::ConditionsIgnored, Quirk::ConditionsRefused] {
        let scene = Scene::new();
        scene.server.become_of(vec![quirk]);
        // As long as in earnest: this machine may have a lot to do.
        let terms = Terms::default();
        let units = ["synapse/0", "synapse/1", "synapse/2", "synapse/3"];
        let taken = units.map(|unit| take(&scene.catalogue, unit, terms, TASK));
        let taken = join_all(taken).await;
        let (got, refused): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!((got.len(), refused.len()), (1, 3));
        let winner = scene.holder().await;
        for refusal in refused {
            assert_eq!(busy(refusal), winner);
        }
        for lease in got {
            lease.unwrap().release().await;
        }
        // Nothing is left of what was tried.
        let left = scene.bucket.list("").all(10).await.unwrap().objects;
        assert_eq!(left, []);
    }
}

#[tokio::test]
async fn who_is_too_slow_for_such_a_store_takes_its_lease_back_and_gives_way() {
    let scene = Scene::new();
    scene.server.become_of(vec![Quirk::ConditionsIgnored]);
    let unhurried = Terms {
        settles: Terms::default().settles,
        ..quick()
    };
    let mut first = take(&scene.catalogue, "synapse/0", unhurried, TASK)
        .await
        .unwrap();
    // The second has looked before the first came, and nothing is quick enough for it.
    let unseen = Fault::on(Operation::GetObject, Effect::refuse(404, "NoSuchKey"));
    scene.server.order(unseen);
    let hurried = Terms {
        renewed_every: PATIENCE / 4,
        settles: Duration::ZERO,
        ..quick()
    };
    // What it tried conditions on is deleted first, then its own lease; only then the first one looks again.
    let deletions = || scene.server.calls(Operation::DeleteObjects);
    let withdrawn = deletions() + 2;
    let renewed = async {
        while deletions() < withdrawn {
            tokio::task::yield_now().await;
        }
        // A call counts when it begins: what it does is seen in the bucket, and a second write begins after the first.
        while scene.document().await.is_some() {}
        first.while_held(scene.written(2)).await;
    };
    let second = take(&scene.catalogue, "synapse/1", hurried, TASK);
    let both = futures_util::future::join(second, renewed);
    let (refused, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(busy(refused), "synapse/0");
    assert_eq!(scene.holder().await, "synapse/0");
    first.release().await;
}
