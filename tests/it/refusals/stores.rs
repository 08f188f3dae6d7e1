//! Relations, stores, backups and volumes that are not as they should be.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use harness::s3::{CertificateAuthority, Effect, Fault, Operation, Options, Server};
use harness::small_volume::SmallVolume;

use super::UNIT;
use super::scene::Scene;

/// What is left when it is full: less than the charm wants to leave free.
const LEFT: u64 = 8 << 20;

pub(super) fn malformed_relations(scene: &mut Scene) {
    scene.head("no relation");
    scene.juju(&["remove-relation", "synapse:backup", "s3-integrator"]);
    scene.status();
    scene.refuse_all();
    scene.juju(&["integrate", "synapse:backup", "s3-integrator"]);
    assert_eq!(scene.world.status(UNIT).unwrap(), "active");

    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    for (head, settings) in [
        ("no access-key", &[("access-key", "")] as &[_]),
        ("no secret-key", &[("secret-key", "")]),
        ("no endpoint and no region", &[("endpoint", "")]),
        ("blank in the access-key", &[("access-key", "the key")]),
        ("line end in the secret-key", &[("secret-key", "the\nkey")]),
        ("bucket with a slash", &[("bucket", "demo/prod")]),
        (
            "endpoint without a scheme",
            &[("endpoint", "store.example")],
        ),
        (
            "endpoint of another scheme",
            &[("endpoint", "ftp://store.example")],
        ),
        ("region with a blank", &[("region", "us east")]),
        ("path that climbs", &[("path", "prod/../other")]),
        ("unknown s3-uri-style", &[("s3-uri-style", "dns")]),
        (
            "tls-ca-chain that is none",
            &[("tls-ca-chain", certificate)],
        ),
        (
            "several at once",
            &[("access-key", ""), ("bucket", "a b"), ("s3-uri-style", "x")],
        ),
    ] {
        scene.with_relation(head, settings, false);
    }
}

pub(super) fn unwilling_stores(scene: &mut Scene) {
    scene.with_relation(
        "bad DNS name",
        &[("endpoint", "http://store.invalid")],
        true,
    );
    scene.with_relation(
        "nobody listens",
        &[("endpoint", "http://127.0.0.1:1")],
        true,
    );
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    scene.with_relation("store that never answers", &[("endpoint", &endpoint)], true);
    scene.with_relation("wrong secret-key", &[("secret-key", "wrong")], true);
    scene.with_relation("unknown access-key", &[("access-key", "unknown")], false);

    let authority = CertificateAuthority::new().unwrap();
    let certificate = Some(authority.issue(&["127.0.0.1"]).unwrap());
    let secure = Server::start(Options {
        certificate,
        ..Options::default()
    })
    .unwrap();
    let endpoint = secure.endpoint();
    scene.with_relation("untrusted certificate", &[("endpoint", &endpoint)], true);
    scene.head("untrusted certificate, mended by tls-ca-chain");
    scene.relate(&[("endpoint", &endpoint), ("tls-ca-chain", &authority.pem())]);
    scene.status();
    scene.relate(&[]);

    scene.head("forbidden (403)");
    let forbidden = Effect::refuse(403, "AccessDenied");
    scene
        .store()
        .order(Fault::on(Operation::ListObjects, forbidden).always());
    scene.hook("update-status");
    scene.status();
    let _ = scene.refuse(&["create-backup"]);
    scene.store().clear_faults();
    scene.hook("update-status");
    assert_eq!(
        scene.world.status(UNIT).unwrap(),
        "active",
        "it clears by itself"
    );

    scene.head("missing bucket (404)");
    let buckets = scene.store().directory().to_owned();
    scene.relate(&[("bucket", "nobodys")]);
    scene.status();
    scene.refuse_all();
    fs::create_dir(buckets.join("nobodys")).unwrap();
    scene.hook("update-status");
    assert_eq!(
        scene.world.status(UNIT).unwrap(),
        "active",
        "it clears by itself"
    );
    assert_eq!(fs::read_dir(buckets.join("nobodys")).unwrap().count(), 0);
    scene.relate(&[]);
}

/// A backup of another server, and one whose manifest stands under another name.
pub(super) fn foreign_backup(scene: &mut Scene, id: &str) {
    let place = scene.world.store().bucket().join("prod");
    let other = "backup-20260101000000000002";
    scene.head("backup under another name");
    copy(&place.join(id), &place.join(other), |manifest| manifest);
    scene.kept.as_mut().unwrap().objects = scene.world.store().objects().unwrap();
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={other}")]);
    scene.head("backup under another name, manifest adapted");
    copy(&place.join(id), &place.join(other), |manifest| {
        manifest.replace(id, other)
    });
    scene.kept.as_mut().unwrap().objects = scene.world.store().objects().unwrap();
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={other}")]);
    fs::remove_dir_all(place.join(other)).unwrap();
    scene.kept.as_mut().unwrap().objects = scene.world.store().objects().unwrap();
}

fn copy(from: &Path, to: &Path, change: impl Fn(String) -> String) {
    fs::create_dir_all(to).unwrap();
    for name in ["volume-0001.tar.gpg", "inventory.json.gpg"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let manifest = fs::read_to_string(from.join("manifest.json")).unwrap();
    fs::write(to.join("manifest.json"), change(manifest)).unwrap();
}

pub(super) fn no_space(scene: &mut Scene, small: &SmallVolume, id: &str) {
    let before = scene.told.len();
    scene.head("no room on the data volume");
    small.fill(LEFT).unwrap();
    let _ = scene.refuse(&["create-backup"]);
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={id}")]);
    small.clear().unwrap();
    // Apart from the rest, because only root gets here.
    let told = scene.redacted(&[]);
    insta::assert_snapshot!(&told[told.rfind("no room").unwrap()..], @r"
    no room on the data volume
      create-backup     Error Creating Backup. The copy of the database needs <bytes> bytes on the data volume, and <bytes> are free. Give the storage data more room. [no-space]
      restore-backup    Error Restoring Backup. Staging needs <bytes> bytes on the data volume, and <bytes> are free. Give the storage data more room, or free what an earlier restore replaced: confirm-restore. Nothing was changed, and Synapse was not stopped. [no-space]
    ");
    scene.told.truncate(before);
}
