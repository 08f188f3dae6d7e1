//! Passphrases: in plain text and in secrets, weak, changed, old ones for reading, and backups moved from one to another.

#![expect(clippy::unwrap_used, reason = "tests")]

mod rotation;
mod scene;

use scene::Scene;

/// What the story sets in plain text.
const PLAIN: &str = "correct horse battery staple";
const SECRET: &str = "seven whales sing at noon";

#[test]
fn secret_wins_over_plain_text_and_the_status_tells_what_is_wrong() {
    let scene = Scene::new();
    scene.says("active");
    let id = scene.add_secret("backup", &format!("passphrase={SECRET}"));
    let bare = id.trim_start_matches("secret:").to_owned();
    scene.config(&format!("backup_passphrase_secret={id}"));

    // Not granted: nothing falls back to the plain text in silence.
    const RESET: &str = "the secret is used: juju config synapse --reset backup_passphrase";
    scene.says(&format!(
        "active: Backup: juju grant-secret {bare} synapse; {RESET}"
    ));
    insta::assert_snapshot!(scene.refused(&["create-backup"]).replace(&bare, "<id>"), @"Error Creating Backup. Synapse may not read the secret of backup_passphrase_secret. Run juju grant-secret <id> synapse. [secret-not-granted]");
    scene.juju(&["grant-secret", "backup", "synapse"]);
    scene.update_status();
    scene.says(&format!("active: Backup: {RESET}"));
    let first = scene.create();
    scene.config("--reset=backup_passphrase");
    scene.says("active");
    scene.verify(&first);

    // A weak one is told, never refused; and the newest backup no longer opens.
    scene.juju(&["update-secret", "backup", "passphrase=hunter2"]);
    const WEAK: &str = "weak passphrase: it is among those that are tried first";
    let locked = format!("{first} opens with none of the passphrases: set backup_old_passphrases");
    scene.says(&format!("active: Backup: {WEAK}; {locked}"));
    scene.update_status();
    scene.says(&format!("active: Backup: {WEAK}; {locked}"));
    assert!(
        scene
            .refused(&["verify-backup", &format!("backup-id={first}")])
            .contains("decryption-failed")
    );
    let created = scene.act(&["create-backup"]);
    assert_eq!(created["warnings"], WEAK);
    scene.says(&format!("active: Backup: {WEAK}"));

    // What is no passphrase is told by the status, too.
    scene.juju(&["update-secret", "backup", "phrase=another key"]);
    scene.says(&format!("active: Backup: the secret has no key passphrase: juju update-secret {bare} passphrase#file=<file>"));
    assert!(
        scene
            .refused(&["create-backup"])
            .ends_with("[secret-without-passphrase]")
    );
    scene.update_secret_from_file("backup", "passphrase", "two\nlines");
    scene.says("active: Backup: the passphrase in the secret has more than one line");
    assert!(
        scene
            .refused(&["create-backup"])
            .ends_with("[passphrase-invalid]")
    );
    scene.config("backup_passphrase_secret=secret:backup");
    scene.says("active: Backup: juju config synapse backup_passphrase_secret=secret:<id>");
    assert!(
        scene
            .refused(&["create-backup"])
            .ends_with("[secret-invalid]")
    );
    scene.config(&format!("backup_passphrase_secret={id}"));
    scene.juju(&["remove-secret", "backup"]);
    scene.update_status();
    scene.says("active: Backup: the secret of backup_passphrase_secret does not exist");
    assert!(
        scene
            .refused(&["create-backup"])
            .ends_with("[secret-not-found]")
    );

    // In plain text, too.
    scene.config("--reset=backup_passphrase_secret");
    scene.config("backup_passphrase=two\nlines");
    scene.says("active: Backup: backup_passphrase has more than one line");
    scene.config("--reset=backup_passphrase");
    scene.says("active: Backup: juju config synapse backup_passphrase=<passphrase>");

    // Older ones alone still open what they sealed.
    let old = scene.add_secret("old", &format!("first={SECRET}"));
    scene.juju(&["grant-secret", "old", "synapse"]);
    scene.config(&format!("backup_old_passphrases={old}"));
    scene.verify(&first);
    assert!(
        scene
            .refused(&["create-backup"])
            .ends_with("[passphrase-missing]")
    );
    scene.finish();
}
