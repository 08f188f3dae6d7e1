//! Whether the media on the data volume are those that the live database knows.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::Charm;
use crate::archive::Sha256Hex;
use crate::backup::walk;
use crate::synapse::data::{Audit, AuditError, AuditFeed, Findings, MediaAudit};
use crate::synapse::{self, below_data};

/// Where uploads lie below the data directory.
const CONTENT: &str = "media/local_content";
/// Names that are shown of each kind of finding.
const SHOWN: usize = 20;
/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// What of an upload is compared with its row in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// Its length: what it holds has just been unpacked as it was compared in the backup.
    Length,
    /// Its content, too, which is read for that.
    Content,
}

/// Compares every upload on the volume at `here` with the database of the server that runs there.
///
/// `None` when there is no database on the volume.
pub(super) async fn audit(
    charm: &Charm,
    here: &Path,
    compared: Compared,
) -> Result<Option<MediaAudit>, AuditError> {
    if !here.join(below_data(synapse::DATABASE)).exists() {
        return Ok(None);
    }
    let audit = Audit::begin(&charm.client, synapse::DATABASE).await?;
    let (feed, root) = (audit.feed(), here.to_owned());
    let walking = spawn_blocking(move || tell(&root, &feed, compared));
    if let Ok(Err(error)) = walking.await {
        // What could not be read is told as missing.
        tracing::warn!(%error, "not all media could be read");
    }
    audit.finish().await.map(Some)
}

/// One line for an operator, and whether it is good news.
pub(super) fn told(audit: &MediaAudit) -> (String, bool) {
    let wrong = audit.wrong_size.count + audit.wrong_digest.count;
    let good = audit.missing.count == 0 && wrong == 0;
    let mut line = format!(
        "{} of {} media of the database have their file",
        audit.rows.saturating_sub(audit.missing.count),
        audit.rows
    );
    for (what, findings) in [
        ("missing", &audit.missing),
        ("of another length", &audit.wrong_size),
        ("of another content", &audit.wrong_digest),
    ] {
        if findings.count > 0 {
            line = format!("{line}; {what}: {}", names(findings));
        }
    }
    if audit.surplus.count > 0 {
        line = format!("{line}; {} files belong to none", audit.surplus.count);
    }
    (line, good)
}

fn names(findings: &Findings) -> String {
    let shown = &findings.names[..findings.names.len().min(SHOWN)];
    let rest = findings.count.saturating_sub(shown.len() as u64);
    match rest {
        0 => shown.join(", "),
        rest => format!("{} and {rest} more", shown.join(", ")),
    }
}

fn tell(root: &Path, feed: &AuditFeed, compared: Compared) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let data = Path::new(synapse::DATA.trim_start_matches('/'));
    walk(&root.join(CONTENT), |here, metadata| {
        if metadata.is_file() {
            let (size, sha256) = match compared {
                Compared::Length => (metadata.len(), None),
                Compared::Content => {
                    let (size, sha256) = digest(here, &mut buffer)?;
                    (size, Some(sha256))
                }
            };
            let below = here.strip_prefix(root).unwrap_or(here);
            let name = data.join(below).display().to_string();
            feed.file(&name, size, sha256.as_ref());
        }
        Ok(true)
    })
}

fn digest(path: &Path, buffer: &mut [u8]) -> io::Result<(u64, Sha256Hex)> {
    let (mut file, mut digest, mut size) = (File::open(path)?, Sha256::new(), 0);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok((size, Sha256Hex::from_digest(&digest.finalize()))),
            Ok(read) => {
                digest.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_tells_what_is_missing_by_name_and_the_rest_by_number() {
        let names = (0..30).map(|number| format!("m{number:02}")).collect();
        let audit = MediaAudit {
            rows: 100,
            missing: Findings { count: 31, names },
            ..MediaAudit::default()
        };
        let (line, good) = told(&audit);
        assert!(!good);
        assert!(
            line.starts_with("69 of 100 media of the database have their file; missing: m00, ")
        );
        assert!(line.ends_with("m19 and 11 more"), "{line}");
        assert!(told(&MediaAudit::default()).1);
    }
}
