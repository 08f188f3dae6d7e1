//! The `gpg` of this machine, in a home of its own.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// Whose key [`Gpg::make_key`] makes.
pub(super) const USER: &str = "somebody@example.org";

/// A `gpg` that knows one passphrase, from a file. Its agent is stopped when it goes out of scope.
pub(super) struct Gpg {
    home: TempDir,
}

impl Gpg {
    pub(super) fn new(secret: &str) -> Result<Self> {
        let home = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        fs::write(home.path().join("passphrase"), secret)?;
        Ok(Self { home })
    }

    /// `gpg --symmetric` with more options, from a pipe: the length is not known.
    pub(super) fn seal(&self, options: &[&str], content: &[u8]) -> Result<Vec<u8>> {
        self.run(&[options, &["--symmetric"]].concat(), content)
    }

    /// `gpg --symmetric` of a file: the length is known.
    pub(super) fn seal_file(&self, options: &[&str], content: &[u8]) -> Result<Vec<u8>> {
        let path = self.home.path().join("content");
        fs::write(&path, content)?;
        let path = path
            .to_str()
            .context("the temporary directory's name is no text")?;
        self.run(
            &[options, &["--output", "-", "--symmetric", path]].concat(),
            b"",
        )
    }

    /// `gpg --decrypt`; a message that `gpg` complains about is an error.
    pub(super) fn open(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.run(&["--decrypt"], message)
    }

    /// Makes a key pair for [`USER`].
    pub(super) fn make_key(&self) -> Result<()> {
        self.run(
            &[
                "--quick-gen-key",
                USER,
                "future-default",
                "default",
                "never",
            ],
            b"",
        )?;
        Ok(())
    }

    /// Runs `gpg` with that on its standard input and gives its standard output.
    pub(super) fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let path = self.home.path().join("input");
        fs::write(&path, input)?;
        let output = Command::new("gpg")
            .env("GNUPGHOME", self.home.path())
            .env("LC_ALL", "C")
            .args([
                "--batch",
                "--yes",
                "--quiet",
                "--no-symkey-cache",
                "--trust-model",
                "always",
            ])
            .args(["--pinentry-mode", "loopback", "--passphrase-file"])
            .arg(self.home.path().join("passphrase"))
            .args(arguments)
            .stdin(Stdio::from(File::open(&path)?))
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!(
                    "gpg is not installed, and messages are checked against it: apt-get install gnupg"
                )
            }
            other => other?,
        };
        ensure!(
            output.status.success(),
            "gpg {arguments:?}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // It may never have been started; there is nobody to tell if it cannot be stopped.
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "gpg-agent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
