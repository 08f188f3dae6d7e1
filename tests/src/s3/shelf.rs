//! Objects as plain files below one directory, `<bucket>/<key>`, so that a person can look into the bucket.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use tokio::io::AsyncWriteExt as _;

use super::quirks::Quirk;

/// Where what has not become an object yet is kept; no bucket's name begins with a dot.
const WORKSHOP: &str = ".workshop";

/// A directory of buckets.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    tags: Mutex<HashMap<PathBuf, Tag>>,
    next: AtomicU64,
    late: Mutex<Late>,
}

/// New objects that listings do not show yet.
#[derive(Debug, Default)]
struct Late {
    /// In how many listings a new object is missing.
    lists: usize,
    /// In how many an object still is.
    left: HashMap<PathBuf, usize>,
}

/// What cannot be told from an object's file.
#[derive(Debug, Clone)]
pub(super) struct Tag {
    pub(super) etag: String,
    pub(super) crc32c: Option<String>,
}

/// An object's file, looked at.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// A body that has come in whole.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) crc32: Option<String>,
    pub(super) crc32c: Option<String>,
}

impl Shelf {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let workshop = root.join(WORKSHOP);
        if workshop.exists() {
            fs::remove_dir_all(&workshop)?;
        }
        fs::create_dir_all(&workshop)?;
        Ok(Self {
            root: root.to_owned(),
            tags: Mutex::default(),
            next: AtomicU64::new(1),
            late: Mutex::default(),
        })
    }

    /// Lets new objects be late in listings, if one of the quirks says so.
    pub(super) fn be_late(&self, quirks: &[Quirk]) {
        let lists = quirks.iter().find_map(|quirk| match quirk {
            Quirk::LateLists(lists) => Some(*lists),
            _ => None,
        });
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.lists = lists.unwrap_or_default();
        late.left.clear();
    }

    /// Whether a listing does not show an object yet.
    pub(super) fn is_late(&self, path: &Path) -> bool {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.left.get_mut(path).is_some_and(|left| {
            let hidden = *left > 0;
            *left = left.saturating_sub(1);
            hidden
        })
    }

    pub(super) fn create_bucket(&self, bucket: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(bucket))
    }

    /// The bucket's directory, or the error that it is missing.
    pub(super) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.root.join(bucket);
        if path.is_dir() {
            Ok(path)
        } else {
            Err(s3_error!(
                NoSuchBucket,
                "The specified bucket does not exist"
            ))
        }
    }

    /// The path of an object's file, there or not.
    pub(super) fn place(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let odd = |segment: &str| {
            segment.is_empty() || segment == "." || segment == ".." || segment.len() > 250
        };
        if key.split('/').any(odd) || key.contains('\0') {
            return Err(s3_error!(
                InvalidArgument,
                "this store keeps objects as files and cannot keep this key"
            ));
        }
        Ok(self.bucket(bucket)?.join(key))
    }

    pub(super) fn find(&self, bucket: &str, key: &str) -> S3Result<Found> {
        let missing = || s3_error!(NoSuchKey, "The specified key does not exist.");
        let path = self.place(bucket, key)?;
        let metadata = fs::metadata(&path).map_err(|_| missing())?;
        if !metadata.is_file() {
            return Err(missing());
        }
        Ok(Found {
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            path,
        })
    }

    /// The tag of an object; of a file that somebody laid down by hand it is computed.
    pub(super) fn tag(&self, path: &Path) -> S3Result<Tag> {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tag) = tags.get(path) {
            return Ok(tag.clone());
        }
        let mut digest = Md5::new();
        let mut file = fs::File::open(path).map_err(broken)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = io::Read::read(&mut file, &mut buffer).map_err(broken)?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
        }
        let tag = Tag {
            etag: hex(&digest.finalize()),
            crc32c: None,
        };
        tags.insert(path.to_owned(), tag.clone());
        Ok(tag)
    }

    /// Forgets the tag of an object, which is computed when it is asked for the next time.
    pub(super) fn forget_tag(&self, path: &Path) {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        tags.remove(path);
    }

    /// A file that is nobody's object yet.
    pub(super) fn workpiece(&self) -> PathBuf {
        self.root
            .join(WORKSHOP)
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Takes a body into a workpiece. A body that ends too early, or is not what its signature says, leaves nothing.
    pub(super) async fn receive(&self, body: Option<StreamingBlob>) -> S3Result<Received> {
        let path = self.workpiece();
        let received = take_in(body, &path).await;
        if received.is_err() {
            let _ = fs::remove_file(&path);
        }
        received
    }

    /// Makes a workpiece an object, in one step.
    pub(super) fn shelve(&self, workpiece: &Path, place: &Path, tag: Tag) -> S3Result<()> {
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(broken)?;
        }
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        if !place.exists() {
            let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            let lists = late.lists;
            late.left.insert(place.to_owned(), lists);
        }
        fs::rename(workpiece, place).map_err(broken)?;
        tags.insert(place.to_owned(), tag);
        Ok(())
    }

    /// Removes an object and the folders that it leaves empty; a missing one is no error.
    pub(super) fn remove(&self, bucket: &str, key: &str) -> S3Result<()> {
        let (stop, place) = (self.bucket(bucket)?, self.place(bucket, key)?);
        self.tags
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&place);
        match fs::remove_file(&place) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(broken(error)),
        }
        for folder in place
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != stop)
        {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// All keys of a bucket that begin with a prefix, in S3's order.
    pub(super) fn keys(&self, bucket: &str, prefix: &str) -> S3Result<BTreeMap<String, Found>> {
        let root = self.bucket(bucket)?;
        let mut found = BTreeMap::new();
        let mut folders = vec![(root, String::new())];
        while let Some((folder, name)) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(broken)? {
                let Ok(entry) = entry else { continue };
                let (Ok(metadata), Ok(leaf)) = (entry.metadata(), entry.file_name().into_string())
                else {
                    continue;
                };
                let key = format!("{name}{leaf}");
                if metadata.is_dir() {
                    let below = format!("{key}/");
                    if below.starts_with(prefix) || prefix.starts_with(&below) {
                        folders.push((entry.path(), below));
                    }
                } else if key.starts_with(prefix) {
                    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.insert(
                        key,
                        Found {
                            path: entry.path(),
                            size: metadata.len(),
                            modified,
                        },
                    );
                }
            }
        }
        Ok(found)
    }

    /// Loses the object of a path-style URL.
    pub(super) fn forget(&self, url_path: &str) {
        if let Some((bucket, key)) = url_path.trim_start_matches('/').split_once('/') {
            let _ = self.remove(bucket, key);
        }
    }

    /// Takes the last byte off the object of a path-style URL.
    pub(super) fn shorten(&self, url_path: &str) {
        let path = self.root.join(url_path.trim_start_matches('/'));
        if let Ok(file) = fs::OpenOptions::new().write(true).open(path)
            && let Ok(metadata) = file.metadata()
        {
            let _ = file.set_len(metadata.len().saturating_sub(1));
        }
    }
}

async fn take_in(body: Option<StreamingBlob>, path: &Path) -> S3Result<Received> {
    let mut file = tokio::fs::File::create(path).await.map_err(broken)?;
    let mut hasher = ChecksumHasher {
        crc32: Some(Crc32::new()),
        crc32c: Some(Crc32c::new()),
        ..Default::default()
    };
    let (mut md5, mut size) = (Md5::new(), 0);
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_| {
                s3_error!(
                    IncompleteBody,
                    "the body ended too early or is not what was signed"
                )
            })?;
            file.write_all(&chunk).await.map_err(broken)?;
            hasher.update(&chunk);
            md5.update(&chunk);
            size += chunk.len() as u64;
        }
    }
    file.flush().await.map_err(broken)?;
    let sums = hasher.finalize();
    Ok(Received {
        path: path.to_owned(),
        size,
        md5: md5.finalize().into(),
        crc32: sums.checksum_crc32,
        crc32c: sums.checksum_crc32c,
    })
}

impl Received {
    /// Holds what came against what the request had promised.
    pub(super) fn check(
        &self,
        crc32: Option<&str>,
        crc32c: Option<&str>,
        content_md5: Option<&str>,
    ) -> S3Result<()> {
        let differs = |told: Option<&str>, ours: Option<&str>| told.is_some() && told != ours;
        let md5 = STANDARD.encode(self.md5);
        if differs(crc32, self.crc32.as_deref())
            || differs(crc32c, self.crc32c.as_deref())
            || differs(content_md5, Some(&md5))
        {
            let _ = fs::remove_file(&self.path);
            return Err(s3_error!(BadDigest, "the checksum does not fit the body"));
        }
        Ok(())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn broken(error: io::Error) -> s3s::S3Error {
    s3s::S3Error::internal_error(error)
}
