//! The server that is asked for what it must refuse, and what it must keep.

use std::fs;
use std::time::Duration;

use harness::matrix::{Diary, Homeserver};
use harness::pod::Process;
use harness::s3::Server;
use harness::world::{Action, World};
use regex::Regex;

use super::UNIT;

/// What the charm may take to refuse.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a busy machine may add to it. Asking a silent store twice would still be noticed.
const SLACK: Duration = Duration::from_millis(2_400);

/// A server, what it must keep, and all that was told.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) told: String,
    pub(super) kept: Option<Kept>,
}

/// What no refusal may change.
pub(super) struct Kept {
    pub(super) homeserver: Homeserver,
    /// Until its container is killed.
    pub(super) synapse: Option<Process>,
    pub(super) diary: Diary,
    pub(super) id: String,
    pub(super) objects: Vec<(String, u64)>,
}

impl Scene {
    pub(super) fn juju(&self, words: &[&str]) {
        self.world.juju(words).unwrap().success().unwrap();
    }

    pub(super) fn hook(&self, name: &str) {
        self.juju(&["lever", "hook", UNIT, name]);
    }

    pub(super) fn store(&self) -> &Server {
        self.world.store().server().unwrap()
    }

    pub(super) fn head(&mut self, text: &str) {
        self.tell(text);
    }

    /// Notes a line; it is seen at once when the test fails before its end.
    pub(super) fn tell(&mut self, line: &str) {
        println!("{line}");
        self.told += line;
        self.told.push('\n');
    }

    pub(super) fn status(&mut self) {
        let status = self.world.status(UNIT).unwrap();
        self.tell(&format!("  status            {status}"));
    }

    /// Runs an action that must be refused, and notes what it says.
    pub(super) fn refuse(&mut self, words: &[&str]) -> Action {
        self.refuse_on(UNIT, words)
    }

    pub(super) fn refuse_on(&mut self, unit: &str, words: &[&str]) -> Action {
        let refused = self.world.act(unit, words).unwrap().failure().unwrap();
        let worked = refused.worked;
        assert!(
            worked <= PATIENCE + SLACK,
            "{words:?} took {worked:?}: {refused:?}"
        );
        assert!(worked > Duration::ZERO, "the charm never ran: {refused:?}");
        let code = refused.result("error-code");
        let line = format!("  {:<17} {} [{code}]", words[0], refused.message);
        self.tell(&line);
        self.untouched();
        refused
    }

    pub(super) fn refuse_all(&mut self) {
        let backup = match &self.kept {
            Some(kept) => format!("backup-id={}", kept.id),
            None => "backup-id=backup-20260101000000000001".to_owned(),
        };
        let _ = self.refuse(&["create-backup"]);
        let _ = self.refuse(&["list-backups"]);
        let _ = self.refuse(&["restore-backup", &backup]);
        let _ = self.refuse(&["delete-backup", &backup]);
    }

    /// The same Synapse serves its users, and neither in the bucket nor on the volume anything was left.
    pub(super) fn untouched(&self) {
        assert_eq!(self.store().open_uploads(), 0);
        let objects = self.world.store().objects().unwrap();
        let Some(kept) = &self.kept else {
            assert_eq!(objects, []);
            return;
        };
        assert_eq!(objects, kept.objects);
        let private = self.world.data(UNIT).unwrap().join(".synapse-operator");
        let names = fs::read_dir(&private).into_iter().flatten();
        let mut names = names.map(|entry| entry.unwrap().file_name());
        // What is meant to stay: that the kept backup does not open with the passphrase of the moment, and the day of the last sweep.
        let left = names.find(|name| name != "newest.json" && name != "swept");
        assert_eq!(left, None, "in {}", private.display());
        if let Some(synapse) = kept.synapse {
            assert_eq!(self.world.synapse(UNIT).unwrap(), synapse);
            kept.homeserver
                .resume(kept.diary.session().token())
                .unwrap();
        }
    }

    /// Lets the relation say something else, has it refused, and lets it say the right thing again.
    pub(super) fn with_relation(
        &mut self,
        head: &str,
        settings: &[(&str, &str)],
        all_actions: bool,
    ) {
        self.head(head);
        self.relate(settings);
        self.status();
        match all_actions {
            true => self.refuse_all(),
            false => drop(self.refuse(&["create-backup"])),
        }
        self.relate(&[]);
        assert_eq!(self.world.status(UNIT).unwrap(), "active", "{head}, mended");
    }

    /// Sets the S3 integrator up as it should be, but for some settings.
    pub(super) fn relate(&self, settings: &[(&str, &str)]) {
        let value = |key: &str, right: String| {
            let other = settings.iter().find(|(name, _)| *name == key);
            format!(
                "{key}={}",
                other.map_or(right, |(_, other)| (*other).to_owned())
            )
        };
        let fact = |key: &str| value(key, self.world.store().fact(key));
        self.juju(&[
            "run",
            "s3-integrator/leader",
            "sync-s3-credentials",
            "--string-args",
            &fact("access-key"),
            &fact("secret-key"),
        ]);
        self.juju(&[
            "config",
            "s3-integrator",
            &fact("endpoint"),
            &fact("bucket"),
            &value("path", "prod".to_owned()),
            &value("s3-uri-style", "path".to_owned()),
            &value("region", String::new()),
            &value("tls-ca-chain", String::new()),
        ]);
    }

    pub(super) fn passphrase(&mut self, head: &str, setting: &[&str]) {
        self.head(head);
        self.juju(&[&["config", "synapse"], setting].concat());
        self.status();
        let _ = self.refuse(&["create-backup"]);
    }

    /// All that was told, with what differs from run to run under other names.
    pub(super) fn redacted(&self, places: &[(&str, &str)]) -> String {
        let mut told = self.told.clone();
        for (place, name) in places {
            told = told.replace(place, name);
        }
        for (pattern, name) in [
            (r"127\.0\.0\.1:[0-9]+", "<address>"),
            (r"\b[0-9]{6,10}\b", "<bytes>"),
            // Depends on the machine's way of resolving names.
            (
                r"(does not resolve): client error.*?(\.(?: [A-Z])|…)",
                "$1: <the resolver's words>$2",
            ),
        ] {
            told = Regex::new(pattern)
                .unwrap()
                .replace_all(&told, name)
                .into_owned();
        }
        told
    }
}
