//! The line to the store is slow, narrow, or breaks: what goes over it arrives, or it is said why not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::ordeal::{Scene, Which};
use harness::s3::{Operation, Server, Toxic, Toxiproxy, Way};
use harness::world::Action;
use serde_json::Value;
use synapse_operator::s3::{Bucket, Limits, PartPlan, Proxy, S3Error, Upload};

use super::{MIB, fetched, limits, noise, params, server, told};

/// Nothing takes longer, whatever becomes of the line.
const LONGEST: Duration = Duration::from_secs(60);
const UNIT: &str = "synapse/0";

/// A store, the line to it, and the bucket at the line's other end.
struct Line {
    server: Server,
    proxy: Toxiproxy,
    bucket: Bucket,
}

impl Line {
    fn new(limits: Limits) -> Self {
        let server = server();
        let proxy = Toxiproxy::before(server.address()).unwrap();
        let params = params(&server.relation_data(), &[("endpoint", &proxy.endpoint())]);
        let bucket = Bucket::open(&params, &Proxy::default(), limits);
        Self {
            server,
            proxy,
            bucket,
        }
    }

    fn spoil(&self, toxics: &[Toxic]) {
        for toxic in toxics {
            self.proxy.spoil(toxic).unwrap();
        }
    }

    async fn upload(&self, key: &str, bytes: &[u8]) -> Result<(), S3Error> {
        super::upload(&self.bucket, key, bytes)
            .await?
            .complete()
            .await
            .map(drop)
    }

    async fn fetch(&self, key: &str) -> Result<Vec<u8>, S3Error> {
        fetched(&mut self.bucket.fetch(key).await?).await
    }
}

/// More tries than a test of refusals wants.
fn patient() -> Limits {
    Limits {
        silence: Duration::from_secs(5),
        part_attempts: 12,
        control_attempts: 12,
        ..limits()
    }
}

/// Those of the tests; a small call is given up soon, too.
fn brief() -> Limits {
    Limits {
        control: Duration::from_secs(2),
        // In earnest a line that was good before is given a quarter of an hour.
        part_attempts: 4,
        fruitless: Duration::from_secs(10),
        ..limits()
    }
}

/// That the line is at fault, in words for people.
fn names_the_line(text: &str) -> bool {
    let known = ["broke", "did not answer in time", "cannot be reached"];
    known.iter().any(|words| text.contains(words))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn slow_and_narrow_lines_cost_time_and_nothing_else() {
    let lines = [
        vec![
            Toxic::latency(Way::Up, ms(100), ms(50)),
            Toxic::latency(Way::Down, ms(100), ms(50)),
        ],
        vec![
            Toxic::bandwidth(Way::Up, 4000),
            Toxic::bandwidth(Way::Down, 4000),
        ],
        vec![
            Toxic::slicer(Way::Up, 8000, Duration::from_micros(50)),
            Toxic::slicer(Way::Down, 8000, Duration::from_micros(50)),
        ],
        vec![
            Toxic::slow_close(Way::Up, ms(300)),
            Toxic::slow_close(Way::Down, ms(300)),
        ],
    ];
    let line = Line::new(patient());
    let bytes = noise(7 * MIB, 30);
    for toxics in &lines {
        let began = Instant::now();
        line.spoil(toxics);
        line.upload("a", &bytes).await.unwrap();
        assert!(line.fetch("a").await.unwrap() == bytes, "{toxics:?}");
        line.proxy.heal().unwrap();
        assert!(began.elapsed() < LONGEST, "{toxics:?}");
    }
    assert_eq!(line.server.open_uploads(), 0);
}

#[tokio::test]
async fn a_line_that_breaks_now_and_then_is_survived() {
    let line = Line::new(patient());
    let bytes = noise(12 * MIB, 31);
    // Each connection breaks after a megabyte of the answer: it goes on behind that.
    line.upload("a", &bytes).await.unwrap();
    line.spoil(&[Toxic::limit(Way::Down, MIB as u64)]);
    assert!(line.fetch("a").await.unwrap() == bytes);
    line.proxy.heal().unwrap();
    // One connection in three is reset.
    line.spoil(&[Toxic::reset(Way::Up, ms(20)).for_share(0.33)]);
    line.upload("b", &bytes).await.unwrap();
    assert!(line.fetch("b").await.unwrap() == bytes);
    line.proxy.heal().unwrap();
    // All are cut in the middle, and for a while nobody is let in again.
    let plan = PartPlan::of_parts(PartPlan::SMALLEST);
    let mut upload = Upload::begin(&line.bucket, "c", plan, 2).await.unwrap();
    upload.write(&bytes[..6 * MIB]).await.unwrap();
    line.proxy.shut().unwrap();
    upload.write(&bytes[6 * MIB..]).await.unwrap();
    line.proxy.heal().unwrap();
    upload.complete().await.unwrap();
    assert!(line.fetch("c").await.unwrap() == bytes);
    assert_eq!(line.server.open_uploads(), 0);
}

#[tokio::test]
async fn a_line_that_stays_broken_is_told_and_nothing_is_taken_for_good() {
    let lines = [
        Toxic::reset(Way::Up, ms(0)),
        Toxic::reset(Way::Down, ms(0)),
        Toxic::half_open(Way::Up),
        Toxic::half_open(Way::Down),
        Toxic::limit(Way::Up, 3 * MIB as u64),
        Toxic::limit(Way::Down, 100),
    ];
    let line = Line::new(brief());
    let bytes = noise(7 * MIB, 32);
    line.upload("whole", &bytes).await.unwrap();
    for toxic in &lines {
        let began = Instant::now();
        line.spoil(std::slice::from_ref(toxic));
        let error = line.upload("broken", &bytes).await.err().unwrap();
        assert!(names_the_line(&told(&error)), "{toxic:?}: {error}");
        let fetched = line.fetch("whole").await;
        match fetched {
            Ok(content) => assert!(content == bytes, "{toxic:?}"),
            Err(error) => assert!(names_the_line(&told(&error)), "{toxic:?}: {error}"),
        }
        line.proxy.heal().unwrap();
        assert!(began.elapsed() < LONGEST, "{toxic:?}");
        assert_eq!(line.bucket.stat("broken").await.unwrap(), None, "{toxic:?}");
        // What could not be aborted over such a line is found and aborted over a better one.
        for upload in line.bucket.open_uploads().await.unwrap() {
            line.bucket.abort_upload(&upload).await.unwrap();
        }
        assert_eq!(line.server.open_uploads(), 0);
    }
}

#[tokio::test]
async fn a_line_that_goes_dead_in_the_middle_is_given_up_in_time() {
    let line = Line::new(brief());
    let bytes = noise(12 * MIB, 33);
    line.upload("whole", &bytes).await.unwrap();
    for way in [Way::Up, Way::Down] {
        let plan = PartPlan::of_parts(PartPlan::SMALLEST);
        let mut upload = Upload::begin(&line.bucket, "dead", plan, 1).await.unwrap();
        upload.write(&bytes[..6 * MIB]).await.unwrap();
        let mut fetch = line.bucket.fetch("whole").await.unwrap();
        fetch.chunk().await.unwrap();

        let began = Instant::now();
        line.spoil(&[Toxic::half_open(way)]);
        let error = match upload.write(&bytes[6 * MIB..]).await {
            Err(error) => {
                // The store cannot be told over a dead line.
                let _ = upload.abort().await;
                error
            }
            Ok(()) => upload.complete().await.err().unwrap(),
        };
        assert!(names_the_line(&told(&error)), "{way:?}: {error}");
        if let Err(error) = fetched(&mut fetch).await {
            assert!(names_the_line(&told(&error)), "{way:?}: {error}");
        }
        assert!(began.elapsed() < LONGEST, "{way:?}");
        line.proxy.heal().unwrap();
        assert_eq!(line.bucket.stat("dead").await.unwrap(), None);
        for upload in line.bucket.open_uploads().await.unwrap() {
            line.bucket.abort_upload(&upload).await.unwrap();
        }
        assert_eq!(line.server.open_uploads(), 0);
    }
}

/// What the operator meets, and whether all has to go well.
fn lines() -> Vec<(Vec<Toxic>, bool)> {
    let both = |toxic: fn(Way) -> Toxic| vec![toxic(Way::Up), toxic(Way::Down)];
    vec![
        (both(|way| Toxic::latency(way, ms(100), ms(80))), true),
        (both(|way| Toxic::bandwidth(way, 2000)), true),
        (
            both(|way| Toxic::slicer(way, 4000, Duration::from_micros(100))),
            true,
        ),
        (both(|way| Toxic::reset(way, ms(0))), false),
        (vec![Toxic::half_open(Way::Down)], false),
        (vec![Toxic::limit(Way::Down, 200_000)], true),
    ]
}

#[test]
fn a_backup_and_a_restore_over_each_spoiled_line_end_well_or_say_why() {
    let scene = Scene::deploy().unwrap();
    let world = scene.world();
    let server = world.store().server().unwrap();
    let proxy = Toxiproxy::before(server.address()).unwrap();
    let endpoint = format!("endpoint={}", proxy.endpoint());
    let words = ["config", "s3-integrator", &endpoint];
    world.juju(&words).unwrap().success().unwrap();
    world.wait_for_status(UNIT, "active", "").unwrap();
    let restore = scene.restore_words(Which::Before);
    for (toxics, good) in lines() {
        for toxic in &toxics {
            proxy.spoil(toxic).unwrap();
        }
        let began = Instant::now();
        let created = world.act(UNIT, &["create-backup"]).unwrap();
        let restored = world.act(UNIT, &[&restore[0], &restore[1]]).unwrap();
        let took = began.elapsed();
        proxy.heal().unwrap();
        println!(
            "{toxics:?}: {} {}; {} {}; {took:?}",
            created.status, created.message, restored.status, restored.message
        );
        for ended in [&created, &restored] {
            let well = ended.status == "completed";
            assert!(well || !good, "{toxics:?}: {ended:?}");
            assert!(well || blames_the_line(ended), "{toxics:?}: {ended:?}");
        }
        assert!(took < LONGEST * 4, "{toxics:?}: {took:?}");
        let came_back = match restored.status.as_str() {
            "completed" => Which::Before,
            _ => Which::After,
        };
        assert_eq!(scene.is_whole().unwrap(), came_back, "{toxics:?}");
        scene.restore(Which::After).unwrap();
        // The next backup tidies up after one that failed.
        scene.act(&["create-backup"]).unwrap();
        assert_eq!(server.open_uploads(), 0, "{toxics:?}");
        assert_eq!(incomplete(&scene), BTreeSet::new(), "{toxics:?}");
    }

    // Nothing large gets through for a while, in the middle of a backup: it goes on when it does.
    let parts = || server.calls(Operation::UploadPart);
    let enough = parts() + 2;
    proxy.spoil(&Toxic::limit(Way::Up, 200_000)).unwrap();
    let task = world.begin(UNIT, &["create-backup"]).unwrap();
    let seen = world.wait_until("a part to be sent again", || Ok(parts() >= enough));
    seen.unwrap();
    proxy.heal().unwrap();
    let _ = world.wait_for_task(task).unwrap().success().unwrap();
    assert_eq!(good_backups(&scene), listed(&scene));
    scene.finish().unwrap();
}

fn blames_the_line(ended: &Action) -> bool {
    names_the_line(&ended.message) || names_the_line(&ended.results.to_string())
}

/// Backups of which there are objects and no manifest.
fn incomplete(scene: &Scene) -> BTreeSet<String> {
    let objects = scene.world().store().objects().unwrap();
    let folders = objects.iter().filter_map(|(key, _)| {
        let (folder, _) = key.rsplit_once('/')?;
        folder.contains("/backup-").then(|| folder.to_owned())
    });
    let whole = |folder: &String| {
        let manifest = format!("{folder}/manifest.json");
        objects.iter().any(|(key, _)| *key == manifest)
    };
    folders.filter(|folder| !whole(folder)).collect()
}

fn rows(scene: &Scene) -> Vec<Value> {
    let listed = scene.world().act(UNIT, &["list-backups"]).unwrap();
    let results = listed.success().unwrap();
    serde_json::from_str(results["backups-json"].as_str().unwrap()).unwrap()
}

fn listed(scene: &Scene) -> usize {
    rows(scene).len()
}

fn good_backups(scene: &Scene) -> usize {
    let rows = rows(scene);
    let good = rows.iter().filter(|row| {
        let id = format!("backup-id={}", row["backup-id"].as_str().unwrap());
        let verified = scene.world().act(UNIT, &["verify-backup", &id]).unwrap();
        verified.status == "completed"
    });
    good.count()
}
