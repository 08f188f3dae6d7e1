//! The S3 servers of the bench, each a process of its own: versitygw, plainly and over TLS, and the suite's own server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::parts;
use crate::s3::{CertificateAuthority, Versitygw};

/// Where objects go: what a client has to know, and what the bench knows besides.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What it is called in the tables.
    pub(super) name: &'static str,
    /// The URL.
    pub(super) endpoint: String,
    /// The certificate of its authority, as PEM.
    pub(super) authority: Option<String>,
    /// The process that serves.
    pub(super) process: u32,
    /// The directory that holds the bucket's objects as plain files.
    pub(super) bucket: PathBuf,
}

impl Place {
    /// The bucket's name, the same everywhere.
    pub(super) const BUCKET: &str = Versitygw::BUCKET;
    /// The access key, the same everywhere.
    pub(super) const ACCESS_KEY: &str = Versitygw::ACCESS_KEY;
    /// The secret key, the same everywhere.
    pub(super) const SECRET_KEY: &str = Versitygw::SECRET_KEY;
}

/// A server that runs; it ends when this is dropped.
pub(super) struct Server {
    place: Place,
    _held: Held,
}

enum Held {
    Versitygw(#[expect(dead_code, reason = "it is there to be dropped")] Versitygw),
    Own(#[expect(dead_code, reason = "it is there to be dropped")] Ended),
}

impl Server {
    /// versitygw over TLS, with a certificate of an authority that nobody knows.
    pub(super) fn versitygw_with_tls() -> Result<Self> {
        let authority = CertificateAuthority::new()?;
        let server = Versitygw::start(Some(&authority.issue(&["127.0.0.1"])?))?;
        let place = Place {
            name: "versitygw, TLS",
            endpoint: server.endpoint(),
            authority: Some(authority.pem()),
            process: server.process_id(),
            bucket: server.objects().join(Place::BUCKET),
        };
        Ok(Self {
            place,
            _held: Held::Versitygw(server),
        })
    }

    /// The suite's own server, which tests have in their own process, as a process of its own.
    pub(super) fn own(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let mut child = Command::new(parts::program("s3-server")?)
            .arg("--dir")
            .arg(directory)
            .args(["--access-key", Place::ACCESS_KEY, "--bucket", Place::BUCKET])
            .env("S3_SERVER_SECRET_KEY", Place::SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start s3-server")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        let held = Ended(child);
        BufReader::new(output).read_line(&mut line)?;
        let place = Place {
            name: "in-process",
            endpoint: line.trim().to_owned(),
            authority: None,
            process: held.0.id(),
            bucket: directory.join(Place::BUCKET),
        };
        Ok(Self {
            place,
            _held: Held::Own(held),
        })
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
