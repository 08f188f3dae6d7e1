//! One volume as it is read: three stages at work at once, and the download beside them. The last one unpacks it into
//! staging, or, for a verification, only lets it pass.

use std::future::ready;
use std::io::{self, Read as _, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::admission::Admission;
use super::{cause, download, joined, unlock};
use crate::archive::{self, Kind};
use crate::backup::format::{MemberDigest, Volume};
use crate::backup::pipe::{PipeReader, PipeWriter, broken, pipe};
use crate::backup::{Catalogue, Heritage, Monitor, Place, RestoreError, Scope};
use crate::openpgp::{Authenticated, Passphrase};
use crate::pebble;

/// See the same constant of the creating side.
const DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long `tar` may take to end after its last byte: it may still be writing to a slow disk.
const ENDING: Duration = Duration::from_secs(15 * 60);

/// The most that a member's headers and padding take in an archive.
const PER_MEMBER: u64 = 16 * 1024;
/// The most that the end of an archive takes: a whole record of tar's.
const PER_ARCHIVE: u64 = 1024 * 1024;

/// What all volumes are read with.
pub(in crate::backup) struct Reading<'a> {
    pub(in crate::backup) catalogue: &'a Catalogue,
    pub(in crate::backup) passphrases: &'a [Arc<Passphrase>],
    pub(in crate::backup) place: &'a Place,
    pub(in crate::backup) monitor: &'a Monitor,
    /// How the archive is to be understood, when the Python charm has made it.
    pub(in crate::backup) heritage: Option<Heritage>,
}

/// What all volumes are unpacked with.
pub(in crate::backup) struct Unpacking<'a> {
    pub(in crate::backup) client: &'a pebble::Client,
    pub(in crate::backup) reading: Reading<'a>,
}

/// A volume that has ended well, and is as the inventory says.
pub(in crate::backup) struct Whole {
    pub(in crate::backup) message: Authenticated,
    /// Its members added to those before.
    pub(in crate::backup) digest: MemberDigest,
    /// Plain files among those that were wanted.
    pub(in crate::backup) files: u64,
}

impl Reading<'_> {
    /// Reads a volume to its authenticated end; `sink` is given what is wanted of the archive as it passes.
    ///
    /// `places` is what the backup was made of, and `scope` what of it is wanted.
    async fn read(
        &self,
        parts: (&Scope, &Scope),
        volume: &Volume,
        digest: MemberDigest,
        sink: impl AsyncFnOnce(PipeReader) -> Result<(), RestoreError>,
    ) -> Result<Whole, RestoreError> {
        let (passed_out, passed) = pipe();
        let taken = sink(passed);
        self.flow(parts, volume, digest, Onward::To(passed_out), taken)
            .await
    }

    /// Reads a volume made of such places to its authenticated end, and no more.
    pub(in crate::backup) async fn check(
        &self,
        places: &Scope,
        volume: &Volume,
        digest: MemberDigest,
    ) -> Result<Whole, RestoreError> {
        let nowhere = Onward::Nowhere(self.monitor.clone());
        let parts = (places, places);
        self.flow(parts, volume, digest, nowhere, ready(Ok(())))
            .await
    }

    async fn flow(
        &self,
        (places, scope): (&Scope, &Scope),
        volume: &Volume,
        digest: MemberDigest,
        onward: Onward,
        taken: impl Future<Output = Result<(), RestoreError>>,
    ) -> Result<Whole, RestoreError> {
        let (opened_out, opened) = pipe();
        let (sealed_out, sealed) = pipe();
        let passphrases = self.passphrases.to_vec();
        let headers = volume.members.saturating_mul(PER_MEMBER);
        let most = volume.content.saturating_add(headers);
        let most = most.saturating_add(PER_ARCHIVE);
        let admission = Admission::new(self.place, (places, scope), volume, self.heritage);
        let opening =
            tokio::task::spawn_blocking(move || open(sealed, opened_out, &passphrases, most));
        let noting = tokio::task::spawn_blocking(move || note(opened, onward, admission, digest));
        let (downloaded, opened, noted, taken) = tokio::join!(
            download(self.catalogue, (&volume.key, volume.key_packet), sealed_out),
            joined(opening),
            joined(noting),
            taken,
        );
        let (object, message, (digest, files)) = match (downloaded, opened, noted, taken) {
            (Ok(object), Ok((message, _)), Ok(noted), Ok(())) => (object, message, noted),
            (downloaded, opened, noted, taken) => {
                let errors = [downloaded.err(), opened.err(), noted.err(), taken.err()];
                return Err(cause(errors).of(&volume.key));
            }
        };
        if object != (volume.size, volume.sha256.clone()) {
            return Err(RestoreError::OtherObject(volume.key.clone()));
        }
        Ok(Whole {
            message,
            digest,
            files,
        })
    }
}

/// Where an archive goes that is judged as it passes.
enum Onward {
    To(PipeWriter),
    /// Nobody wants it; how much there was is told.
    Nowhere(Monitor),
}

impl Write for Onward {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::To(out) => out.write(bytes),
            Self::Nowhere(monitor) => {
                monitor.add(bytes.len() as u64);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::To(out) => out.flush(),
            Self::Nowhere(_) => Ok(()),
        }
    }
}

impl Unpacking<'_> {
    /// Unpacks what is wanted of a volume into a directory of the workload, which is there and empty.
    pub(in crate::backup) async fn unpack(
        &self,
        parts: (&Scope, &Scope),
        volume: &Volume,
        digest: MemberDigest,
        into: &str,
    ) -> Result<Whole, RestoreError> {
        let sink = async |archive| self.extract(archive, into).await;
        self.reading.read(parts, volume, digest, sink).await
    }

    /// Feeds `tar -x`. Its input ends only if everything before it ended well; otherwise it is killed first.
    async fn extract(&self, mut pieces: PipeReader, into: &str) -> Result<(), RestoreError> {
        let directory = format!("--directory={into}");
        let command = [
            "tar",
            "--extract",
            "--file=-",
            // See the creating side; where less is there to be read, less is read.
            "--blocking-factor=512",
            "--preserve-permissions",
            "--no-same-owner",
            &directory,
        ];
        let moved = self.reading.heritage.map_or(&[][..], |old| old.moved);
        let moved: Vec<String> = moved.iter().map(transform).collect();
        let command = command.into_iter().chain(moved.iter().map(String::as_str));
        let exec = pebble::Exec::new(command)
            .env("LC_ALL", "C")
            .user(self.reading.place.user_id, self.reading.place.group_id)
            .timeout(DEADLINE)
            .bulk(pebble::Bulk::Input("--file=-"));
        let started = self.client.exec(&exec).await;
        let mut process = started.map_err(RestoreError::Unpack)?;
        let Some(mut stdin) = process.stdin.take() else {
            return Err(RestoreError::Stream(broken()));
        };
        let broke_off = loop {
            match pieces.next().await {
                Ok(Some(piece)) => {
                    self.reading.monitor.add(piece.len() as u64);
                    if stdin.write_all(&piece).await.is_err() {
                        // tar is gone; how it ended says why.
                        break None;
                    }
                    pieces.give_back(piece);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = broke_off {
            // Killed before its input is closed: `tar` must not take a broken stream for the end of a good one.
            if let Err(error) = process.kill().await {
                tracing::warn!(%error, "tar may still run");
            }
            return Err(RestoreError::Stream(error));
        }
        stdin.end().await.map_err(RestoreError::Stream)?;
        let ended = process.wait(ENDING).await;
        ended.map_err(RestoreError::Unpack)?;
        // `tar` is content with the mark of the end, and may not have waited for the padding behind it.
        while let Some(piece) = pieces.next().await.map_err(RestoreError::Stream)? {
            self.reading.monitor.add(piece.len() as u64);
        }
        Ok(())
    }
}

/// Has `tar` unpack into today's directory what lay in another one.
fn transform((from, to): &(&str, &str)) -> String {
    // `tar` sees the name before it takes a slash off its front.
    format!("--transform=s,^/*{from},{to},")
}

/// Opens a message as it passes, which may have so many bytes; the plaintext ends well only after the message did. Tells
/// which passphrase fitted.
pub(in crate::backup) fn open(
    source: PipeReader,
    mut out: PipeWriter,
    passphrases: &[Arc<Passphrase>],
    most: u64,
) -> Result<(Authenticated, usize), RestoreError> {
    let (opened, passphrase) = unlock(source, passphrases)?;
    let mut opened = opened.at_most(most);
    // An error of opening is repeated by `authenticate`, under its own name.
    let mut read = |free: &mut [u8]| Ok(opened.read(free).unwrap_or(0));
    while out.fill(&mut read).map_err(RestoreError::Stream)? > 0 {}
    let message = opened.authenticate().map_err(RestoreError::Open)?;
    out.finish().map_err(RestoreError::Stream)?;
    Ok((message, passphrase))
}

/// Reads the archive as it passes, judges every member, and adds it to the digest; gives the number of files too.
fn note(
    source: PipeReader,
    mut onward: Onward,
    mut admission: Admission,
    mut digest: MemberDigest,
) -> Result<(MemberDigest, u64), RestoreError> {
    let mut files = 0;
    let dialect = admission.dialect();
    let admit = |member: &archive::Member| {
        let wanted = admission.admit(member)?;
        files += u64::from(wanted && member.kind == Kind::File);
        Ok(wanted)
    };
    archive::pass_in(dialect, source, &mut onward, admit, |member| {
        digest.add(&member).map(drop)
    })?;
    if let Onward::To(out) = onward {
        out.finish().map_err(RestoreError::Stream)?;
    }
    Ok((digest, files))
}
