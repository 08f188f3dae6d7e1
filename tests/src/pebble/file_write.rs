//! Files written over the API: each beside its place, renamed when it is whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hyper::body::Incoming;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::file_error::{FileError, absolute, permissions};
use super::files::{give, make_directory, outcome, owner};
use super::multipart::Multipart;
use super::random;
use super::reply::{self, Refusal, Reply};
use super::request::Object;

/// The longest list of files that is taken.
const LONGEST: usize = 1 << 20;

/// Answers `POST /v1/files` with a multipart body.
pub(crate) async fn post(body: Incoming, boundary: &str) -> Result<Reply, Refusal> {
    let mut body = Multipart::new(body, boundary);
    let result = take_in(&mut body, boundary).await;
    if result.is_err() {
        body.drain().await;
    }
    result
}

async fn take_in(body: &mut Multipart, boundary: &str) -> Result<Reply, Refusal> {
    if boundary.len() < 32 {
        return Err(Refusal::bad(format!("invalid boundary {boundary:?}")));
    }
    let items = read_items(body).await?;
    let mut results: BTreeMap<String, Result<(), FileError>> = BTreeMap::new();
    for number in 0.. {
        let broken =
            |error: String| Refusal::bad(format!("cannot read file part {number}: {error}"));
        let Some(part) = body.next().await.map_err(broken)? else {
            break;
        };
        if part.name != "files" {
            return Err(Refusal::bad(format!(
                "field name must be \"files\", got {:?}",
                part.name
            )));
        }
        let path = part.file_name;
        let item = items.iter().rev().find(|(each, _)| *each == path);
        let (_, item) =
            item.ok_or_else(|| Refusal::bad(format!("no metadata for path {path:?}")))?;
        let wrong =
            |error: String| Refusal::bad(format!("cannot decode request metadata: {error}"));
        let result = write(&path, item, body).await.map_err(wrong)?;
        results.insert(path, result);
    }
    let results = items.iter().map(|(path, _)| {
        let missing = || {
            Err(FileError::generic(format!(
                "no file content for path {path:?}"
            )))
        };
        outcome(path, results.remove(path).unwrap_or_else(missing))
    });
    Ok(reply::sync(results.collect()))
}

/// The first part, which says where the others go and whose they are to be.
async fn read_items(body: &mut Multipart) -> Result<Vec<(String, Object)>, Refusal> {
    let unreadable = |error: String| Refusal::bad(format!("cannot read request metadata: {error}"));
    let part = body
        .next()
        .await
        .map_err(unreadable)?
        .ok_or_else(|| unreadable("EOF".to_owned()))?;
    if part.name != "request" {
        return Err(Refusal::bad(format!(
            "metadata field name must be \"request\", got {:?}",
            part.name
        )));
    }
    let mut text = Vec::new();
    while let Some(more) = body.content().await.map_err(unreadable)? {
        text.extend_from_slice(&more);
        if text.len() > LONGEST {
            return Err(unreadable("too long".to_owned()));
        }
    }
    let wrong = |error: String| Refusal::bad(format!("cannot decode request metadata: {error}"));
    let request = Object::decode(&text).map_err(wrong)?;
    let action: String = request.field("action").map_err(wrong)?;
    if action != "write" {
        return Err(Refusal::bad(format!(
            "multipart action must be \"write\", got {action:?}"
        )));
    }
    let items = request.objects("files").map_err(wrong)?;
    if items.is_empty() {
        return Err(Refusal::bad("must specify one or more files"));
    }
    items
        .into_iter()
        .map(|item| Ok((item.field("path").map_err(wrong)?, item)))
        .collect()
}

/// Writes one file; the outer error is a request that makes no sense.
async fn write(
    path: &str,
    item: &Object,
    body: &mut Multipart,
) -> Result<Result<(), FileError>, String> {
    let (mode, parents): (String, bool) = (item.field("permissions")?, item.field("make-dirs")?);
    let owner = owner(item)?;
    let prepare = || {
        absolute(path)?;
        let owner = owner?;
        if let (true, Some(parent)) = (parents, Path::new(path).parent()) {
            make_directory(&parent.to_string_lossy(), 0o755, owner, true)
                .map_err(|error| error.within("cannot create directory"))?;
        }
        Ok((owner, permissions(&mode, 0o644)?))
    };
    let (owner, mode) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Err(error)),
    };
    let letters: String = random::digits().chars().take(12).collect();
    let beside = Beside(format!("{path}.{letters}~"));
    if let Err(error) = fill(&beside.0, body).await {
        return Ok(Err(error));
    }
    let settle = || {
        give(&beside.0, owner)?;
        fs::set_permissions(&beside.0, fs::Permissions::from_mode(mode))
            .map_err(|error| FileError::bare(&error))?;
        let failed = |error: &std::io::Error| {
            FileError::of("rename", &format!("{} {path}", beside.0), error)
        };
        if fs::symlink_metadata(path).is_ok_and(|facts| facts.is_dir()) {
            return Err(failed(&std::io::Error::from_raw_os_error(
                rustix::io::Errno::EXIST.raw_os_error(),
            )));
        }
        fs::rename(&beside.0, path).map_err(|error| failed(&error))
    };
    Ok(settle())
}

/// Takes a part's content into a new file. It is not synced: a test's machine does not lose its power.
async fn fill(path: &str, body: &mut Multipart) -> Result<(), FileError> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .await;
    let mut file = opened.map_err(|error| FileError::of("open", path, &error))?;
    let failed = |error: std::io::Error| FileError::of("write", path, &error);
    while let Some(more) = body.content().await.map_err(FileError::generic)? {
        file.write_all(&more).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

/// A file that goes unless it was renamed.
struct Beside(String);

impl Drop for Beside {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                super::log::say(&format!("cannot remove {}: {error}", self.0));
            }
            _ => {}
        }
    }
}
