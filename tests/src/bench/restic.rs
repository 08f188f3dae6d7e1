//! restic, another program that people save to S3 with: it encrypts, compresses and knows what it has saved before.
//!
//! Each run has a repository of its own, so that nothing is known before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::process::{self, Reading};
use super::servers::Place;
use crate::demo;
use crate::parts;

/// What its repositories are called in the bucket.
const FOLDER: &str = "restic";

/// The program and its settings.
pub(super) struct Restic {
    program: PathBuf,
    home: PathBuf,
}

/// A repository.
pub(super) struct Repository {
    url: String,
    authority: Option<PathBuf>,
}

impl Restic {
    /// The one on this machine, or a sentence that says how to get it.
    pub(super) fn find(home: &Path) -> Result<Self, String> {
        let program = parts::on_path("restic").ok_or_else(|| {
            "restic is missing: run `make parts-bench`, or install it (on Debian and Ubuntu: sudo apt-get install restic)".to_owned()
        })?;
        fs::create_dir_all(home).map_err(|error| error.to_string())?;
        Ok(Self {
            program,
            home: home.to_owned(),
        })
    }

    /// What it says of its version.
    pub(super) fn version(&self) -> String {
        let output = Command::new(&self.program).arg("version").output();
        let told = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        told.unwrap_or_default()
    }

    /// Makes an empty repository.
    pub(super) fn begin(&self, place: &Place) -> Result<Repository> {
        let authority = match &place.authority {
            None => None,
            Some(authority) => {
                let file = self.home.join("authority.pem");
                fs::write(&file, authority)?;
                Some(file)
            }
        };
        let repository = Repository {
            url: format!("s3:{}/{}/{FOLDER}", place.endpoint, Place::BUCKET),
            authority,
        };
        self.run(&repository, &["init"])?;
        Ok(repository)
    }

    /// Saves what the peer saves, too.
    pub(super) fn save(&self, repository: &Repository, data: &Path) -> Result<Reading> {
        let data = data.to_string_lossy();
        self.run(
            repository,
            &["backup", "--exclude", ".synapse-operator", &data],
        )
    }

    /// Brings the last of it back into a directory, below which it has its old path.
    pub(super) fn bring_back(&self, repository: &Repository, into: &Path) -> Result<Reading> {
        let into = into.to_string_lossy();
        self.run(repository, &["restore", "latest", "--target", &into])
    }

    /// Reads all of a repository.
    pub(super) fn check(&self, repository: &Repository) -> Result<()> {
        self.run(repository, &["check", "--read-data"])?;
        Ok(())
    }

    /// Removes a repository.
    pub(super) fn end(&self, _: &Repository, place: &Place) -> Result<()> {
        fs::remove_dir_all(place.bucket.join(FOLDER)).context("failed to remove the repository")?;
        fs::remove_dir_all(self.home.join("cache")).ok();
        Ok(())
    }

    fn run(&self, repository: &Repository, words: &[&str]) -> Result<Reading> {
        let log = self.home.join("log");
        let mut restic = Command::new(&self.program);
        restic
            .args(["--quiet", "--repo", &repository.url])
            .args(words)
            .env("RESTIC_PASSWORD", demo::PASSPHRASE)
            .env("RESTIC_CACHE_DIR", self.home.join("cache"))
            .env("AWS_ACCESS_KEY_ID", Place::ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", Place::SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?);
        if let Some(authority) = &repository.authority {
            restic.arg("--cacert").arg(authority);
        }
        let began = Instant::now();
        let child = restic.spawn().context("failed to start restic")?;
        let readings = process::await_all(began, &mut [("restic", child)]);
        let readings = readings.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        ensure!(!readings.is_empty(), "restic was not timed");
        Ok(readings[0])
    }
}
