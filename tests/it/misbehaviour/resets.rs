//! Stores and networks that break off, stand still or are busy, at each kind of call.

use harness::s3::{Effect, Fault};

use super::{ALL, Rule, Scene, everywhere, walk};

fn busy() -> Effect {
    Effect::Answer {
        status: 503,
        headers: vec![("retry-after", "1".to_owned())],
        body: "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>".to_owned(),
    }
}

fn once() -> Vec<Rule> {
    let first = |name, effect: Effect| everywhere(name, &ALL, |on| Fault::on(on, effect.clone()));
    vec![
        first("each call: busy once, come back in 1 s", busy()),
        first("each call: busy once", Effect::refuse(503, "SlowDown")),
        first("each call: 500 once", Effect::refuse(500, "InternalError")),
        first("each call: reset once", Effect::Drop),
        // An upload whose beginning was confirmed in vain has a name that nobody knows; the sweep finds it.
        first("each call: answer lost once", Effect::Lose).leaving(),
        // The first question of all has to be answered within three seconds, or the setting counts as wrong.
        everywhere("each call but a listing: silent once", &ALL[1..], |on| {
            Fault::on(on, Effect::Stall)
        }),
        first(
            "each call: a bad gateway once",
            Effect::Answer {
                status: 502,
                headers: vec![("content-type", "text/html".to_owned())],
                body: "<html><h1>502 Bad Gateway</h1></html>".to_owned(),
            },
        ),
    ]
}

fn always() -> Vec<Rule> {
    let mut rules = Vec::new();
    for on in ALL {
        for (what, effect) in [
            ("reset", Effect::Drop),
            ("busy", Effect::refuse(503, "SlowDown")),
        ] {
            let name = format!("{on:?}: {what}, always");
            rules.push(
                everywhere(name, &[on], |on| Fault::on(on, effect.clone()).always()).leaving(),
            );
        }
    }
    rules
}

#[tokio::test]
async fn each_kind_of_call_fails_once() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, once()).await, @"");
}

#[tokio::test]
async fn one_kind_of_call_never_succeeds() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, always()).await, @"");
}
