//! What bad input gets: an answer in time that names the value and the remedy, and nothing else happens.
//!
//! All messages stand together in one text at the end, so that a person can read them. One server goes through all of it:
//! each refusal leaves Synapse running as it did and the bucket as it was.

#![expect(clippy::unwrap_used, reason = "tests")]

mod scene;
mod stores;

use harness::matrix::Diary;
use harness::small_volume::SmallVolume;
use harness::world::World;
use scene::{Kept, Scene};
use stores::{foreign_backup, malformed_relations, no_space, unwilling_stores};

const UNIT: &str = "synapse/0";

/// The setting that the backup here is made with; not a weak one, which the status would tell of.
const RIGHT: &str = "backup_passphrase=the right horse and no other";

#[test]
fn bad_input_is_refused_in_time_with_value_and_remedy_and_nothing_happens() {
    let world = World::new().unwrap();
    let mut scene = Scene {
        world,
        told: String::new(),
        kept: None,
    };
    scene.juju(&["add-model", "demo"]);
    let place = scene
        .world
        .directory_of_model()
        .join("units/synapse-0/data");
    let small = SmallVolume::mount(&place, "what a full data volume gets").unwrap();
    let image = "synapse-image=matrixdotorg/synapse:v1.163.2";
    scene.juju(&[
        "deploy",
        "./target/charm/synapse.charm",
        "--resource",
        image,
    ]);
    scene.juju(&["deploy", "s3-integrator"]);
    scene.juju(&["integrate", "synapse:backup", "s3-integrator"]);

    scene.head("server_name never set, no credentials yet, no passphrase");
    scene.status();
    scene.refuse_all();
    scene.relate(&[]);
    scene.juju(&["config", "synapse", RIGHT]);
    scene.head("server_name never set");
    scene.status();
    let _ = scene.refuse(&["create-backup"]);
    let _ = scene.refuse(&["restore-backup", "backup-id=backup-20260101000000000001"]);
    let _ = scene.refuse(&["register-user", "username=anna"]);
    for name in ["https://example.org", "exa mple.org", "example.org:99999"] {
        scene.head(&format!("server_name {name} from the start"));
        scene.juju(&["config", "synapse", &format!("server_name={name}")]);
        scene.status();
    }

    scene.juju(&["config", "synapse", "server_name=demo.example"]);
    scene.world.wait_for_status(UNIT, "active", "").unwrap();
    let homeserver = scene.world.homeserver(UNIT).unwrap();
    let registered = scene
        .world
        .act(UNIT, &["register-user", "username=anna"])
        .unwrap();
    let registered = registered.success().unwrap();
    let password = registered["user-password"].as_str().unwrap();
    let mut diary = Diary::begin(&homeserver, "anna", password).unwrap();
    diary.open_room("Travel").unwrap();
    diary.write("It is still here.").unwrap();
    let created = scene
        .world
        .act(UNIT, &["create-backup"])
        .unwrap()
        .success()
        .unwrap();
    let id = created["backup-id"].as_str().unwrap().to_owned();
    scene.kept = Some(Kept {
        synapse: Some(scene.world.synapse(UNIT).unwrap()),
        objects: scene.world.store().objects().unwrap(),
        homeserver,
        diary,
        id: id.clone(),
    });
    scene.untouched();

    for (head, setting) in [
        ("server_name changed", "server_name=other.example"),
        (
            "server_name no longer valid",
            "server_name=https://demo.example",
        ),
    ] {
        scene.head(head);
        scene.juju(&["config", "synapse", setting]);
        scene.status();
        scene.untouched();
    }
    scene.head("server_name unset");
    scene.juju(&["config", "synapse", "--reset", "server_name"]);
    scene.status();
    scene.untouched();
    scene.juju(&["config", "synapse", "server_name=demo.example"]);
    assert_eq!(scene.world.status(UNIT).unwrap(), "active");

    malformed_relations(&mut scene);
    unwilling_stores(&mut scene);

    scene.passphrase("no passphrase", &["--reset", "backup_passphrase"]);
    scene.passphrase("empty passphrase", &["backup_passphrase="]);
    scene.passphrase(
        "passphrase of several lines",
        &["backup_passphrase=right\nwrong"],
    );
    scene.passphrase("passphrase of an empty line", &["backup_passphrase=\n"]);
    scene.passphrase("passphrase from Windows", &["backup_passphrase=right\r\n"]);
    scene.head("wrong passphrase");
    scene.juju(&[
        "config",
        "synapse",
        "backup_passphrase=the wrong horse altogether",
    ]);
    scene.status();
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={id}")]);
    scene.juju(&["config", "synapse", RIGHT]);

    for other in [
        "backup-20260101000000000001",
        "",
        "../x",
        "Latest",
        "backup-2026/../../x",
    ] {
        scene.head(&format!("backup-id={other}"));
        let _ = scene.refuse(&["restore-backup", &format!("backup-id={other}")]);
        let _ = scene.refuse(&["delete-backup", &format!("backup-id={other}")]);
    }
    scene.head("no backup-id");
    let refused = scene.world.juju(&["run", UNIT, "restore-backup"]).unwrap();
    let refused = refused.failure().unwrap();
    assert!(refused.contains("backup-id"), "{refused}");

    foreign_backup(&mut scene, &id);
    if let Some(small) = &small {
        no_space(&mut scene, small, &id);
    }

    scene.head("not the leader");
    scene.juju(&["add-unit", "synapse"]);
    let second = "synapse/1";
    let _ = scene.refuse_on(second, &["create-backup"]);
    let _ = scene.refuse_on(second, &["restore-backup", &format!("backup-id={id}")]);
    let _ = scene.refuse_on(second, &["delete-backup", &format!("backup-id={id}")]);
    let listed = scene.world.act(second, &["list-backups"]).unwrap();
    assert_eq!(listed.success().unwrap()["count"], "1", "anybody may look");

    let kept = scene.kept.as_mut().unwrap();
    kept.synapse = None;
    kept.diary.check(&kept.homeserver).unwrap();

    scene.head("container killed");
    scene.juju(&["lever", "kill-workload", UNIT]);
    let _ = scene.refuse(&["create-backup"]);
    // The unit has come back by itself in the meantime.
    scene.juju(&["lever", "kill-workload", UNIT]);
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={id}")]);
    scene.world.wait_for_status(UNIT, "active", "").unwrap();

    let told = scene.redacted(&[(&id, "<kept>")]);
    drop(small);
    scene.world.finish().unwrap();
    insta::assert_snapshot!(told, @r#"
    server_name never set, no credentials yet, no passphrase
      status            blocked: set server_name: juju config synapse server_name=<domain>
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. access-key is missing; secret-key is missing; endpoint is missing, and so is region. Set access-key at the S3 integrator; set secret-key at the S3 integrator; set endpoint to the store's URL, or region for AWS. Missing backup_passphrase config option. Set one line: juju config synapse backup_passphrase=<passphrase>. Error Creating Backup. There is no database on the volume: Synapse has never started here. Run juju config synapse server_name=<domain>, and wait until the unit is active. [s3-configuration-invalid]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. access-key is missing; secret-key is missing; endpoint is missing, and so is region. Set access-key at the S3 integrator; set secret-key at the S3 integrator; set endpoint to the store's URL, or region for AWS. [s3-configuration-invalid]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. access-key is missing; secret-key is missing; endpoint is missing, and so is region. Set access-key at the S3 integrator; set secret-key at the S3 integrator; set endpoint to the store's URL, or region for AWS. Missing backup_passphrase config option. Set one line: juju config synapse backup_passphrase=<passphrase>. Error Restoring Backup. There is no database on the volume: Synapse has never started here. Run juju config synapse server_name=<domain>, and wait until the unit is active. Nothing was changed, and Synapse was not stopped. [s3-configuration-invalid]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. access-key is missing; secret-key is missing; endpoint is missing, and so is region. Set access-key at the S3 integrator; set secret-key at the S3 integrator; set endpoint to the store's URL, or region for AWS. [s3-configuration-invalid]
    server_name never set
      status            blocked: set server_name: juju config synapse server_name=<domain>
      create-backup     Error Creating Backup. There is no database on the volume: Synapse has never started here. Run juju config synapse server_name=<domain>, and wait until the unit is active. [synapse-never-started]
      restore-backup    Error Restoring Backup. There is no database on the volume: Synapse has never started here. Run juju config synapse server_name=<domain>, and wait until the unit is active. backup-id backup-20260101000000000001 does not exist. list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [synapse-never-started]
      register-user     Failed to register user. Synapse has never started here. Wait until the unit is active, then try again. [synapse-never-started]
    server_name https://example.org from the start
      status            blocked: server_name is invalid: "https://example.org" is a URL: leave out what stands before and behind the domain
    server_name exa mple.org from the start
      status            blocked: server_name is invalid: "exa mple.org" is not a domain name: letters, digits and hyphens, with dots between
    server_name example.org:99999 from the start
      status            blocked: server_name is invalid: "99999" is not a port, in the server name "example.org:99999"
    server_name changed
      status            blocked: server_name cannot change: juju config synapse server_name=demo.example
    server_name no longer valid
      status            blocked: server_name is invalid: "https://demo.example" is a URL: leave out what stands before and behind the domain
    server_name unset
      status            blocked: set server_name: juju config synapse server_name=<domain>
    no relation
      status            active
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. There is no backup relation. Run juju integrate synapse:backup s3-integrator. [no-backup-relation]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. There is no backup relation. Run juju integrate synapse:backup s3-integrator. [no-backup-relation]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. There is no backup relation. Run juju integrate synapse:backup s3-integrator. Nothing was changed, and Synapse was not stopped. [no-backup-relation]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. There is no backup relation. Run juju integrate synapse:backup s3-integrator. [no-backup-relation]
    no access-key
      status            waiting: Backup: the S3 integrator has not given access-key yet
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. The S3 integrator has not given access-key yet. Run its action sync-s3-credentials. [s3-credentials-awaited]
    no secret-key
      status            waiting: Backup: the S3 integrator has not given secret-key yet
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. The S3 integrator has not given secret-key yet. Run its action sync-s3-credentials. [s3-credentials-awaited]
    no endpoint and no region
      status            blocked: Backup: S3 configuration is invalid: endpoint is missing, and so is region
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Endpoint is missing, and so is region. Set endpoint to the store's URL, or region for AWS. [s3-configuration-invalid]
    blank in the access-key
      status            blocked: Backup: S3 configuration is invalid: access-key has a blank or another character that no key has
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. access-key has a blank or another character that no key has. Enter access-key again, without blanks and line ends. [s3-configuration-invalid]
    line end in the secret-key
      status            blocked: Backup: S3 configuration is invalid: secret-key has a blank or another character that no key has
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. secret-key has a blank or another character that no key has. Enter secret-key again, without blanks and line ends. [s3-configuration-invalid]
    bucket with a slash
      status            blocked: Backup: S3 configuration is invalid: bucket is not a bucket's name: demo/prod
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Bucket is not a bucket's name: demo/prod. Give the bucket's bare name; a prefix inside it belongs into path. [s3-configuration-invalid]
    endpoint without a scheme
      status            blocked: Backup: S3 configuration is invalid: endpoint has no scheme: store.example
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Endpoint has no scheme: store.example. Set endpoint=https://store.example, or http://store.example without TLS. [s3-configuration-invalid]
    endpoint of another scheme
      status            blocked: Backup: S3 configuration is invalid: endpoint has neither the scheme http nor https: ftp
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Endpoint has neither the scheme http nor https: ftp. Write https:// or http://. [s3-configuration-invalid]
    region with a blank
      status            blocked: Backup: S3 configuration is invalid: region is not a region's name: us east
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Region is not a region's name: us east. Give a name as us-east-1, or none. [s3-configuration-invalid]
    path that climbs
      status            blocked: Backup: S3 configuration is invalid: path has a segment . or ..: prod/../other
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Path has a segment . or ..: prod/../other. Give a plain prefix as backups/synapse. [s3-configuration-invalid]
    unknown s3-uri-style
      status            blocked: Backup: S3 configuration is invalid: s3-uri-style is neither path nor host: dns
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. s3-uri-style is neither path nor host: dns. Set s3-uri-style to path or host, or leave it out. [s3-configuration-invalid]
    tls-ca-chain that is none
      status            blocked: Backup: S3 configuration is invalid: tls-ca-chain has a bad entry, number 1: it has a damaged certificate, number 1
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. tls-ca-chain has a bad entry, number 1: it has a damaged certificate, number 1. Give the certificates of the store's authority in PEM form, or their base64. [s3-configuration-invalid]
    several at once
      status            blocked: Backup: S3 configuration is invalid: access-key is missing; bucket is not a bucket's name: a b; s3-uri-style is neither path nor host: x
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. access-key is missing; bucket is not a bucket's name: a b; s3-uri-style is neither path nor host: x. Set access-key at the S3 integrator; give the bucket's bare name; a prefix inside it belongs into path; set s3-uri-style to path or host, or leave it out. [s3-configuration-invalid]
    bad DNS name
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: host name store.invalid does not resolve: <the resolver's words>…
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: host name store.invalid does not resolve: <the resolver's words>. Correct endpoint (or the model's proxy), or make store.invalid known to DNS. [name-unresolved]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. Failed to reach the bucket: host name store.invalid does not resolve: <the resolver's words>. Correct endpoint (or the model's proxy), or make store.invalid known to DNS. [name-unresolved]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. Failed to reach the bucket: host name store.invalid does not resolve: <the resolver's words>. Correct endpoint (or the model's proxy), or make store.invalid known to DNS. Nothing was changed, and Synapse was not stopped. [name-unresolved]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. Failed to reach the bucket: host name store.invalid does not resolve: <the resolver's words>. Correct endpoint (or the model's proxy), or make store.invalid known to DNS. [name-unresolved]
    nobody listens
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: http://<address> cannot be reached: client error (Connect): tcp connect…
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: http://<address> cannot be reached: client error (Connect): tcp connect error: Connection refused (os error 111). Correct endpoint, or open the way to it (port, firewall, proxy). [store-unreachable]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. Failed to reach the bucket: http://<address> cannot be reached: client error (Connect): tcp connect error: Connection refused (os error 111). Correct endpoint, or open the way to it (port, firewall, proxy). [store-unreachable]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. Failed to reach the bucket: http://<address> cannot be reached: client error (Connect): tcp connect error: Connection refused (os error 111). Correct endpoint, or open the way to it (port, firewall, proxy). Nothing was changed, and Synapse was not stopped. [store-unreachable]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. Failed to reach the bucket: http://<address> cannot be reached: client error (Connect): tcp connect error: Connection refused (os error 111). Correct endpoint, or open the way to it (port, firewall, proxy). [store-unreachable]
    store that never answers
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: http://<address> did not answer in time to list the bucket
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: http://<address> did not answer in time to list the bucket. Check that the store is well and that endpoint is the right one. [store-timed-out]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. Failed to reach the bucket: http://<address> did not answer in time to list the bucket. Check that the store is well and that endpoint is the right one. [store-timed-out]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. Failed to reach the bucket: http://<address> did not answer in time to list the bucket. Check that the store is well and that endpoint is the right one. Nothing was changed, and Synapse was not stopped. [store-timed-out]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. Failed to reach the bucket: http://<address> did not answer in time to list the bucket. Check that the store is well and that endpoint is the right one. [store-timed-out]
    wrong secret-key
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: http://<address> refuses the secret key
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: http://<address> refuses the secret key. Correct secret-key at the S3 integrator. [secret-key-wrong]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. Failed to reach the bucket: http://<address> refuses the secret key. Correct secret-key at the S3 integrator. [secret-key-wrong]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. Failed to reach the bucket: http://<address> refuses the secret key. Correct secret-key at the S3 integrator. Nothing was changed, and Synapse was not stopped. [secret-key-wrong]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. Failed to reach the bucket: http://<address> refuses the secret key. Correct secret-key at the S3 integrator. [secret-key-wrong]
    unknown access-key
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: http://<address> does not know the access key
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: http://<address> does not know the access key. Correct access-key at the S3 integrator. [access-key-unknown]
    untrusted certificate
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: no trusted connection to https://<address>: its certificate comes…
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: no trusted connection to https://<address>: its certificate comes from an unknown issuer: client error (Connect): TLS handshake failed: invalid peer certificate: UnknownIssuer. Give the certificate of the store's authority as tls-ca-chain. [tls-untrusted]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. Failed to reach the bucket: no trusted connection to https://<address>: its certificate comes from an unknown issuer: client error (Connect): TLS handshake failed: invalid peer certificate: UnknownIssuer. Give the certificate of the store's authority as tls-ca-chain. [tls-untrusted]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. Failed to reach the bucket: no trusted connection to https://<address>: its certificate comes from an unknown issuer: client error (Connect): TLS handshake failed: invalid peer certificate: UnknownIssuer. Give the certificate of the store's authority as tls-ca-chain. Nothing was changed, and Synapse was not stopped. [tls-untrusted]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. Failed to reach the bucket: no trusted connection to https://<address>: its certificate comes from an unknown issuer: client error (Connect): TLS handshake failed: invalid peer certificate: UnknownIssuer. Give the certificate of the store's authority as tls-ca-chain. [tls-untrusted]
    untrusted certificate, mended by tls-ca-chain
      status            active
    forbidden (403)
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: http://<address> does not allow to list the bucket
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: http://<address> does not allow to list the bucket. Allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key. [access-denied]
    missing bucket (404)
      status            blocked: Backup: S3 bucket does not exist or cannot be accessed: failed to reach the bucket: bucket nobodys does not exist at http://<address>
      create-backup     Wrong S3 configuration on create backup action. Check S3 integration. Failed to reach the bucket: bucket nobodys does not exist at http://<address>. Create bucket nobodys, or correct bucket at the S3 integrator. [bucket-missing]
      list-backups      Wrong S3 configuration on list backups action. Check S3 integration. Failed to reach the bucket: bucket nobodys does not exist at http://<address>. Create bucket nobodys, or correct bucket at the S3 integrator. [bucket-missing]
      restore-backup    Wrong S3 configuration on restore backup action. Check S3 integration. Failed to reach the bucket: bucket nobodys does not exist at http://<address>. Create bucket nobodys, or correct bucket at the S3 integrator. Nothing was changed, and Synapse was not stopped. [bucket-missing]
      delete-backup     Wrong S3 configuration on delete backup action. Check S3 integration. Failed to reach the bucket: bucket nobodys does not exist at http://<address>. Create bucket nobodys, or correct bucket at the S3 integrator. [bucket-missing]
    no passphrase
      status            active: Backup: juju config synapse backup_passphrase=<passphrase>
      create-backup     Missing backup_passphrase config option. Set one line: juju config synapse backup_passphrase=<passphrase>. [passphrase-missing]
    empty passphrase
      status            active: Backup: juju config synapse backup_passphrase=<passphrase>
      create-backup     Missing backup_passphrase config option. The passphrase is empty. Set one line: juju config synapse backup_passphrase=<passphrase>. [passphrase-missing]
    passphrase of several lines
      status            active: Backup: backup_passphrase has more than one line
      create-backup     Missing backup_passphrase config option. The passphrase has more than one line, of which gpg would use only the first: give it as a single line. Set one line: juju config synapse backup_passphrase=<passphrase>. [passphrase-missing]
    passphrase of an empty line
      status            active: Backup: juju config synapse backup_passphrase=<passphrase>
      create-backup     Missing backup_passphrase config option. The passphrase is empty. Set one line: juju config synapse backup_passphrase=<passphrase>. [passphrase-missing]
    passphrase from Windows
      status            active: Backup: backup_passphrase has a carriage return: save it with Unix line ends
      create-backup     Missing backup_passphrase config option. The passphrase contains a carriage return, which gpg would make part of it: save it with Unix line ends. Set one line: juju config synapse backup_passphrase=<passphrase>. [passphrase-missing]
    wrong passphrase
      status            active: Backup: <kept> opens with none of the passphrases: set backup_old_passphrases
      restore-backup    Error Restoring Backup. <kept>/inventory.json.gpg cannot be used: failed to decrypt: the passphrase is wrong, or the start of the message is damaged. Add the passphrase that the backup was made with to backup_old_passphrases. Nothing was changed, and Synapse was not stopped. [decryption-failed]
    backup-id=backup-20260101000000000001
      restore-backup    backup-id backup-20260101000000000001 does not exist. list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-not-found]
      delete-backup     backup-id backup-20260101000000000001 does not exist. list-backups shows which exist. [backup-not-found]
    backup-id=
      restore-backup    backup-id is empty. list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-not-found]
      delete-backup     backup-id is empty. list-backups shows which exist. [backup-not-found]
    backup-id=../x
      restore-backup    backup-id ../x does not exist: "../x" is not a backup id: backup- and 20 digits, as list-backups shows them. list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-not-found]
      delete-backup     backup-id ../x does not exist: "../x" is not a backup id: backup- and 20 digits, as list-backups shows them. list-backups shows which exist. [backup-not-found]
    backup-id=Latest
      restore-backup    backup-id Latest does not exist: "Latest" is not a backup id: backup- and 20 digits, as list-backups shows them. list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-not-found]
      delete-backup     backup-id Latest does not exist: "Latest" is not a backup id: backup- and 20 digits, as list-backups shows them. list-backups shows which exist. [backup-not-found]
    backup-id=backup-2026/../../x
      restore-backup    backup-id backup-2026/../../x does not exist: "backup-2026/../../x" is not a backup id: backup- and 20 digits, as list-backups shows them. list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-not-found]
      delete-backup     backup-id backup-2026/../../x does not exist: "backup-2026/../../x" is not a backup id: backup- and 20 digits, as list-backups shows them. list-backups shows which exist. [backup-not-found]
    no backup-id
    backup under another name
      restore-backup    Error Restoring Backup. Failed to read the manifest of backup-20260101000000000002: manifest in the place of backup-20260101000000000002 says that it belongs to <kept>. Restore another one: list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-unreadable]
    backup under another name, manifest adapted
      restore-backup    Error Restoring Backup. Inventory in the place of backup-20260101000000000002 says that it belongs to <kept>. Restore another one: list-backups shows which exist. Nothing was changed, and Synapse was not stopped. [backup-unreadable]
    not the leader
      create-backup     This unit is not the leader. Run it there: juju run synapse/leader create-backup. [not-leader]
      restore-backup    This unit is not the leader. Run it there: juju run synapse/leader restore-backup. Nothing was changed, and Synapse was not stopped. [not-leader]
      delete-backup     This unit is not the leader. Run it there: juju run synapse/leader delete-backup. [not-leader]
    container killed
      create-backup     Error Creating Backup. The container synapse is not ready. Wait until the unit is active, then try again. [container-not-ready]
      restore-backup    Error Restoring Backup. The container synapse is not ready. Wait until the unit is active, then try again. Other units have data of their own: synapse/1. Run juju scale-application synapse 1, or add force=other-units to leave them as they are. Nothing was changed, and Synapse was not stopped. [container-not-ready]
    "#);
}
