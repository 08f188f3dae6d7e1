//! The files API: listing, reading, making directories, removing. Writing has a room of its own.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use super::faults::Faults;
use super::file_error::{FileError, absolute, permissions};
use super::reply::{self, Content, Refusal, Reply};
use super::request::{Object, Query};
use super::users::{self, Owner, Whom};
use super::{pattern, random};

/// How much of a file is read at once.
const CHUNK: usize = 64 << 10;
/// How many chunks may lie ready to be sent.
const AHEAD: usize = 4;

/// Answers `GET /v1/files`.
pub(crate) fn get(query: &Query, accept: &str) -> Result<Reply, Refusal> {
    match query.one("action") {
        "read" => {
            let paths: Vec<String> = query.all("path").into_iter().map(str::to_owned).collect();
            if paths.is_empty() {
                return Err(Refusal::bad("must specify one or more paths"));
            }
            if accept != "multipart/form-data" {
                return Err(Refusal::bad("must accept multipart/form-data"));
            }
            Ok(read(paths))
        }
        "list" => {
            let (path, pattern) = (query.one("path"), query.one("pattern"));
            if path.is_empty() {
                return Err(Refusal::bad("must specify path"));
            }
            let itself = match query.one("itself") {
                "true" => true,
                "false" | "" => false,
                _ => {
                    return Err(Refusal::bad(
                        "itself parameter must be \"true\" or \"false\"",
                    ));
                }
            };
            if !path.starts_with('/') {
                return Err(Refusal::bad(format!("path must be absolute, got {path:?}")));
            }
            list(path, pattern, itself)
                .map(reply::sync)
                .map_err(|error| error.to_refusal())
        }
        action => Err(Refusal::bad(format!("invalid action {action:?}"))),
    }
}

/// Answers `POST /v1/files` with a JSON body.
pub(crate) fn post(request: &Object) -> Result<Reply, Refusal> {
    let wrong = |error: String| Refusal::bad(format!("cannot decode request body: {error}"));
    let action: String = request.field("action").map_err(wrong)?;
    let results = match action.as_str() {
        "make-dirs" => request
            .objects("dirs")
            .map_err(wrong)?
            .iter()
            .map(make_dir)
            .collect::<Result<Vec<_>, _>>(),
        "remove" => request
            .objects("paths")
            .map_err(wrong)?
            .iter()
            .map(remove)
            .collect(),
        "write" => return Err(Refusal::bad("must use multipart with \"write\" action")),
        action => return Err(Refusal::bad(format!("invalid action {action:?}"))),
    };
    Ok(reply::sync(results.map_err(wrong)?.into()))
}

/// What became of one path.
pub(crate) fn outcome(path: &str, result: Result<(), FileError>) -> Value {
    match result {
        Ok(()) => json!({"path": path}),
        Err(error) => json!({"path": path, "error": error.to_json()}),
    }
}

/// The owner that a request names for a path.
pub(crate) fn owner(item: &Object) -> Result<Result<Option<Owner>, FileError>, String> {
    let whom = Whom {
        user_id: item.field("user-id")?,
        user: item.field("user")?,
        group_id: item.field("group-id")?,
        group: item.field("group")?,
    };
    Ok(whom
        .resolve()
        .map_err(|error| FileError::generic(format!("cannot look up user and group: {error}"))))
}

fn list(path: &str, pattern: &str, itself: bool) -> Result<Value, FileError> {
    let facts = fs::metadata(path).map_err(|error| FileError::of("stat", path, &error))?;
    let clean = path.trim_end_matches('/');
    let mut found: Vec<(String, String, Metadata)> = Vec::new();
    if itself || !facts.is_dir() {
        let name = clean
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or("/");
        found.push((
            name.to_owned(),
            if clean.is_empty() {
                "/".to_owned()
            } else {
                clean.to_owned()
            },
            facts,
        ));
    } else {
        let unreadable = |error: io::Error| FileError::of("open", path, &error);
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let full = format!("{clean}/{name}");
            let facts = entry
                .metadata()
                .map_err(|error| FileError::of("lstat", &full, &error))?;
            found.push((name, full, facts));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
    }
    let mut shown = Vec::new();
    for (name, full, facts) in found {
        let fits =
            pattern.is_empty() || pattern::fits(pattern, &name).map_err(FileError::generic)?;
        if fits {
            shown.push(show(&name, &full, &facts));
        }
    }
    Ok(shown.into())
}

fn show(name: &str, path: &str, facts: &Metadata) -> Value {
    let kind = facts.file_type();
    let kind = match () {
        () if kind.is_file() => "file",
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "symlink",
        () if kind.is_socket() => "socket",
        () if kind.is_fifo() => "named-pipe",
        () if kind.is_char_device() || kind.is_block_device() => "device",
        () => "unknown",
    };
    let modified = jiff::Timestamp::from_second(facts.mtime()).unwrap_or_default();
    let mut shown = json!({
        "path": path,
        "name": name,
        "type": kind,
        "permissions": format!("{:03o}", facts.mode() & 0o777),
        "last-modified": modified,
        "user-id": facts.uid(),
        "user": users::by_id(facts.uid()).map(|user| user.name).unwrap_or_default(),
        "group-id": facts.gid(),
        "group": users::group_name(facts.gid()),
    });
    if facts.is_file() {
        shown["size"] = json!(facts.len());
    }
    shown
}

fn read(paths: Vec<String>) -> Reply {
    let (sender, chunks) = mpsc::channel(AHEAD);
    let name = format!("{}{}", random::digits(), random::digits());
    let content_type = format!("multipart/form-data; boundary={name}");
    tokio::spawn(async move { send_files(&paths, &name, &sender).await });
    let mut reply = reply::plain(200, None, Content::Stream(chunks));
    if let Ok(value) = content_type.parse() {
        reply
            .headers_mut()
            .insert(hyper::header::CONTENT_TYPE, value);
    }
    reply
}

/// Sends each file as a part, and what became of each as the last one. None when nobody listens.
async fn send_files(paths: &[String], boundary: &str, sender: &mpsc::Sender<Bytes>) -> Option<()> {
    let mut results = Vec::new();
    let mut lead = format!("--{boundary}");
    let cut = Faults::read().cut_read_after();
    for path in paths {
        let result = match open(path).await {
            Ok(file) => {
                let name = path.replace('\\', "\\\\").replace('"', "\\\"");
                let head = format!(
                    "{lead}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                );
                lead = format!("\r\n--{boundary}");
                sender.send(head.into()).await.ok()?;
                send_content(path, file.take(cut.unwrap_or(u64::MAX)), sender).await?
            }
            Err(error) => Err(error),
        };
        results.push(outcome(path, result));
        if cut.is_some() {
            return None;
        }
    }
    let end = format!(
        "{lead}\r\nContent-Disposition: form-data; name=\"response\"\r\nContent-Type: application/json\r\n\r\n{}\n\
         \r\n--{boundary}--\r\n",
        reply::sync_text(200, results.into())
    );
    sender.send(end.into()).await.ok()
}

async fn send_content(
    path: &str,
    mut file: tokio::io::Take<tokio::fs::File>,
    sender: &mpsc::Sender<Bytes>,
) -> Option<Result<(), FileError>> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match file.read_buf(&mut chunk).await {
            Ok(0) => return Some(Ok(())),
            Ok(_) => sender.send(chunk.into()).await.ok()?,
            Err(error) => return Some(Err(FileError::of("read", path, &error))),
        }
    }
}

async fn open(path: &str) -> Result<tokio::fs::File, FileError> {
    absolute(path)?;
    let facts = fs::metadata(path).map_err(|error| FileError::of("stat", path, &error))?;
    if !facts.is_file() {
        return Err(FileError::generic(format!(
            "can only read a regular file: {path:?}"
        )));
    }
    tokio::fs::File::open(path)
        .await
        .map_err(|error| FileError::of("open", path, &error))
}

fn make_dir(item: &Object) -> Result<Value, String> {
    let path: String = item.field("path")?;
    let parents: bool = item.field("make-parents")?;
    let mode: String = item.field("permissions")?;
    let owner = owner(item)?;
    let make = || {
        absolute(&path)?;
        let mode = permissions(&mode, 0o755)?;
        make_directory(&path, mode, owner?, parents)
    };
    Ok(outcome(&path, make()))
}

/// Makes a directory; with parents, those that are missing too, and it may be there already.
pub(crate) fn make_directory(
    path: &str,
    mode: u32,
    owner: Option<Owner>,
    parents: bool,
) -> Result<(), FileError> {
    let clean: PathBuf = Path::new(path).components().collect();
    let path = clean.to_string_lossy().into_owned();
    match fs::metadata(&clean) {
        Ok(facts) if !facts.is_dir() => {
            Err(FileError::generic(format!("mkdir {path}: not a directory")))
        }
        Ok(_) if parents => Ok(()),
        Ok(_) => Err(FileError::generic(format!("mkdir {path}: file exists"))),
        Err(_) => {
            if let (true, Some(parent)) = (parents, clean.parent()) {
                make_directory(&parent.to_string_lossy(), mode, owner, true)?;
            }
            let beside = format!("{path}.mkdir-new");
            let made = DirBuilder::new().mode(mode).create(&beside);
            made.or_else(|error| {
                if error.kind() == ErrorKind::AlreadyExists {
                    Ok(())
                } else {
                    Err(error)
                }
            })
            .map_err(|error| FileError::of("mkdir", &beside, &error))?;
            let settle = || {
                give(&beside, owner)?;
                fs::set_permissions(&beside, fs::Permissions::from_mode(mode))
                    .map_err(|error| FileError::bare(&error))?;
                fs::rename(&beside, &clean)
                    .map_err(|error| FileError::of("rename", &beside, &error))
            };
            settle().inspect_err(|_| drop(fs::remove_dir(&beside)))
        }
    }
}

/// Gives a file to its owner, if one is named.
pub(crate) fn give(path: &str, owner: Option<Owner>) -> Result<(), FileError> {
    let Some(owner) = owner else { return Ok(()) };
    let given = std::os::unix::fs::chown(path, Some(owner.user_id), Some(owner.group_id));
    given.map_err(|error| FileError::bare(&error))
}

fn remove(item: &Object) -> Result<Value, String> {
    let path: String = item.field("path")?;
    let recursive: bool = item.field("recursive")?;
    Ok(outcome(&path, remove_path(&path, recursive)))
}

fn remove_path(path: &str, recursive: bool) -> Result<(), FileError> {
    absolute(path)?;
    let is_directory = fs::symlink_metadata(path).map(|facts| facts.is_dir());
    let removed = match is_directory {
        Ok(true) if recursive => fs::remove_dir_all(path),
        Ok(true) => fs::remove_dir(path),
        Ok(false) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound && recursive => return Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| match Path::new(path).parent() {
        Some(parent) if recursive => FileError::of("open", &parent.to_string_lossy(), &error),
        _ => FileError::of("remove", path, &error),
    })
}
