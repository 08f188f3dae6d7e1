//! Media and the database they belong to: what is there on one side only, and rows that are put back.

use std::fs;
use std::path::{Path, PathBuf};

use harness::matrix::{self, picture};
use sha2::{Digest, Sha256};
use synapse_operator::archive::Sha256Hex;
use synapse_operator::synapse::data::{
    Audit, AuditError, AuditFeed, Findings, MediaAudit, MediaId, MediaRows, put_media_rows,
    snapshot,
};

use super::inhabited;
use crate::fixups::scene::Scene;

/// The columns of a database from before files had digests.
const OLD: &str = "CREATE TABLE local_media_repository (media_id TEXT UNIQUE, media_length INTEGER, url_cache TEXT, quarantined_by TEXT)";

/// Tells all files of a scene's media, as they lie there, from a thread of their own.
fn audit(
    scene: &Scene,
    database: &str,
    tell: impl FnOnce(&AuditFeed) + Send + 'static,
) -> Result<MediaAudit, AuditError> {
    scene.block_on(async {
        let audit = Audit::begin(&scene.client, database).await?;
        let feed = audit.feed();
        tokio::task::spawn_blocking(move || tell(&feed))
            .await
            .unwrap();
        audit.finish().await
    })
}

/// All files below a directory, with what they hold.
fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(&path, found),
            false => found.push(path),
        }
    }
}

fn tell_all(data: &Path, feed: &AuditFeed) {
    let mut files = Vec::new();
    walk(&data.join("media"), &mut files);
    for file in files {
        let content = fs::read(&file).unwrap();
        let name = file.strip_prefix(data.parent().unwrap()).unwrap();
        let digest = Sha256Hex::from_digest(&Sha256::digest(&content));
        feed.file(name.to_str().unwrap(), content.len() as u64, Some(&digest));
    }
}

fn audit_all(scene: &Scene, database: &str) -> Result<MediaAudit, AuditError> {
    let data = scene.pod.host_path(Path::new("/data"));
    audit(scene, database, move |feed| tell_all(&data, feed))
}

fn findings(names: &[&str]) -> Findings {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    let count = names.len() as u64;
    Findings { count, names }
}

fn id(address: &str) -> &str {
    address.rsplit('/').next().unwrap()
}

#[test]
fn every_difference_between_media_and_database_is_found() {
    let scene = inhabited();
    scene.user("anna");
    let anna = matrix::Homeserver::at(scene.pod.address())
        .login("anna", "of a test")
        .unwrap();
    let upload = |number| {
        anna.upload("sea.png", "image/png", &picture(number))
            .unwrap()
    };
    let media: Vec<String> = (0..6).map(upload).collect();
    let data = scene.pod.host_path(Path::new("/data"));
    let copy = "/data/copy.db";
    scene.block_on(snapshot(&scene.client, copy)).unwrap();
    let whole = audit_all(&scene, copy).unwrap();
    let size = picture(0).len() as u64;
    assert_eq!((whole.rows, whole.files, whole.bytes), (6, 6, 6 * size));
    assert!(whole.thumbnails >= 6, "{whole:?}");
    let none = MediaAudit {
        rows: 6,
        files: 6,
        bytes: 6 * size,
        thumbnails: whole.thumbnails,
        ..MediaAudit::default()
    };
    assert_eq!(whole, none);
    // The same of the server that runs.
    assert_eq!(audit_all(&scene, "/data/homeserver.db").unwrap(), none);

    let file = |address: &str| {
        let id = id(address);
        data.join("media/local_content")
            .join(&id[..2])
            .join(&id[2..4])
            .join(&id[4..])
    };
    fs::remove_file(file(&media[0])).unwrap();
    fs::write(file(&media[1]), "cut").unwrap();
    let mut other = fs::read(file(&media[2])).unwrap();
    other[50] ^= 1;
    fs::write(file(&media[2]), other).unwrap();
    let later = upload(7);
    fs::write(data.join("media/local_content/notes"), "an administrator's").unwrap();
    let quarantine = format!(
        "UPDATE local_media_repository SET quarantined_by = '@a:b' WHERE media_id = '{}'",
        id(&media[3])
    );
    scene.sql(copy, &quarantine);
    let announced = format!(
        "UPDATE local_media_repository SET media_length = NULL WHERE media_id = '{}'",
        id(&media[4])
    );
    scene.sql(copy, &announced);
    let preview = format!(
        "UPDATE local_media_repository SET url_cache = 'https://x' WHERE media_id = '{}'",
        id(&media[5])
    );
    scene.sql(copy, &preview);
    fs::remove_file(file(&media[5])).unwrap();

    let found = audit_all(&scene, copy).unwrap();
    let expected = MediaAudit {
        rows: 4,
        bytes: 4 * size,
        files: 6,
        thumbnails: found.thumbnails,
        missing: findings(&[id(&media[0])]),
        surplus: findings(&[id(&later), "notes"]),
        wrong_size: findings(&[id(&media[1])]),
        wrong_digest: findings(&[id(&media[2])]),
    };
    assert_eq!(found, expected);
}

#[test]
fn thousands_of_findings_are_counted_and_a_thousand_named() {
    let scene = Scene::new();
    let rows = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000) \
                INSERT INTO local_media_repository SELECT printf('aabb%04d', x), x, NULL, NULL FROM n";
    scene.sql("/data/old.db", &format!("{OLD}; {rows}"));
    let told = audit(&scene, "/data/old.db", |feed| {
        for number in 2501..=4000 {
            let path = format!("data/media/local_content/aa/bb/{number:04}");
            feed.file(
                &path,
                number,
                Some(&Sha256Hex::from_digest(b"not asked for")),
            );
        }
        feed.file(
            "data/media/local_thumbnails/aa/bb/0001/32-32-image-png-crop",
            1,
            None,
        );
        feed.file("data/homeserver.db", 1, None);
    })
    .unwrap();
    assert_eq!((told.rows, told.files, told.thumbnails), (3000, 1500, 1));
    assert_eq!((told.missing.count, told.missing.names.len()), (2500, 1000));
    assert_eq!((told.surplus.count, told.surplus.names.len()), (1000, 1000));
    assert_eq!(told.surplus.names[0], "aabb3001");
    assert_eq!((told.wrong_size.count, told.wrong_digest.count), (0, 0));
}

#[test]
fn audit_that_fails_keeps_nobody_waiting_and_one_that_is_dropped_leaves_nothing_running() {
    let scene = Scene::new();
    let many = |feed: &AuditFeed| {
        for _ in 0..100_000 {
            feed.file("data/media/local_content/aa/bb/cc", 1, None);
        }
    };
    for (file, told) in [
        ("/data/none.db", "No such file"),
        ("/data/empty.db", "has no table"),
    ] {
        scene.workload("touch /data/empty.db; chown 991:991 /data/empty.db");
        match audit(&scene, file, many).unwrap_err() {
            AuditError::Run(error) => assert!(error.stderr().contains(told), "{error}"),
            error => panic!("{error:?}"),
        }
    }
    scene.sql("/data/old.db", OLD);
    let running = || {
        scene.workload(
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[C]ompares the local' || true",
        )
    };
    scene.block_on(async {
        let audit = Audit::begin(&scene.client, "/data/old.db").await.unwrap();
        assert_eq!(running(), "1");
        drop(audit);
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        while running() != "0" {
            assert!(tokio::time::Instant::now() < deadline, "it runs on");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn rows_of_a_medium_come_back_and_coming_back_twice_changes_nothing() {
    let scene = inhabited();
    scene.user("anna");
    let anna = matrix::Homeserver::at(scene.pod.address())
        .login("anna", "of a test")
        .unwrap();
    let media = anna.upload("sea.png", "image/png", &picture(1)).unwrap();
    let other = anna.upload("lake.png", "image/png", &picture(2)).unwrap();
    scene
        .block_on(snapshot(&scene.client, "/data/copy.db"))
        .unwrap();
    scene.stop_synapse();
    let database = "/data/homeserver.db";
    let wanted = MediaId::parse(id(&media)).unwrap();
    let put = || put_media_rows(&scene.client, "/data/copy.db", database, &wanted);
    let rows = |table: &str| {
        scene.sql(
            database,
            &format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5"),
        )
    };
    let all = || {
        [
            rows("local_media_repository"),
            rows("local_media_repository_thumbnails"),
        ]
    };
    let before = all();

    for table in [
        "local_media_repository",
        "local_media_repository_thumbnails",
    ] {
        scene.sql(
            database,
            &format!("DELETE FROM {table} WHERE media_id = '{}'", id(&media)),
        );
    }
    assert!(all() != before);
    let first = scene.block_on(put()).unwrap();
    assert!(
        first.known && !first.replaced && !first.quarantined && first.thumbnails > 0,
        "{first:?}"
    );
    assert_eq!(all(), before);
    let again = scene.block_on(put()).unwrap();
    assert_eq!(
        again,
        MediaRows {
            replaced: true,
            ..first
        }
    );
    assert_eq!(all(), before);
    assert_eq!(scene.journal(), "write-ahead log");
    scene.assert_alone();

    // What has been locked away since stays so, and thumbnails that the backup has not are not there.
    let more = format!(
        "UPDATE local_media_repository SET quarantined_by = '@mod:demo.example', upload_name = 'other' WHERE media_id = '{0}'; \
         INSERT INTO local_media_repository_thumbnails VALUES ('{0}', 1, 1, 'image/png', 'crop', 1)",
        id(&media)
    );
    scene.sql(database, &more);
    let quarantined = scene.block_on(put()).unwrap();
    assert_eq!(
        quarantined,
        MediaRows {
            quarantined: true,
            ..again
        }
    );
    let seen = scene.sql(
        database,
        "SELECT media_id, upload_name, quarantined_by FROM local_media_repository",
    );
    assert!(
        seen.contains(&format!("{} sea.png @mod:demo.example", id(&media))),
        "{seen}"
    );
    assert!(
        seen.contains(&format!("{} lake.png None", id(&other))),
        "{seen}"
    );
    assert_eq!(rows("local_media_repository_thumbnails"), before[1]);

    // An older database has fewer columns; one that does not know the medium changes nothing.
    scene.sql(
        "/data/copy.db",
        "ALTER TABLE local_media_repository DROP COLUMN safe_from_quarantine",
    );
    scene.block_on(put()).unwrap();
    let before = all();
    scene.sql("/data/copy.db", "DELETE FROM local_media_repository");
    let unknown = scene.block_on(put()).unwrap();
    assert!(!unknown.known);
    assert_eq!(all(), before);

    scene.workload("rm /data/copy.db");
    let error = scene.block_on(put()).unwrap_err();
    assert!(error.stderr().contains("No such file"), "{error}");
    assert_eq!(all(), before);
    scene.start_synapse();
    assert_eq!(anna.download(&other).unwrap(), picture(2));
}
