//! The S3 server of a world: ours or a real one, both with their objects as plain files.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::s3::{Options, Running, Server, Versitygw};

/// A running S3 server with one bucket.
#[derive(Debug)]
pub enum Store {
    /// The one in this process, which needs no installing and takes faults.
    Embedded(Box<Server>),
    /// versitygw, a server that others wrote.
    Versitygw(Versitygw),
    /// Another one, of which only its bucket's name is known: what it keeps is seen through its API alone.
    Foreign(Box<Running>, &'static str),
}

impl Store {
    /// Starts the server in this process, its objects below a directory.
    pub fn embedded(directory: &Path) -> Result<Self> {
        Self::embedded_with(directory, Options::default())
    }

    /// The same, set up in another way.
    pub fn embedded_with(directory: &Path, options: Options) -> Result<Self> {
        let directory = Some(directory.to_owned());
        let options = Options {
            directory,
            ..options
        };
        Ok(Self::Embedded(Box::new(Server::start(options)?)))
    }

    /// The server in this process, which takes faults.
    pub fn server(&self) -> Result<&Server> {
        match self {
            Self::Embedded(server) => Ok(server),
            Self::Versitygw(_) | Self::Foreign(..) => bail!("this store takes no faults"),
        }
    }

    /// Starts versitygw.
    pub fn versitygw() -> Result<Self> {
        Ok(Self::Versitygw(Versitygw::start(None)?))
    }

    /// One fact of the relation to it, as in `endpoint`, `bucket`, `access-key`.
    pub fn fact(&self, key: &str) -> String {
        let data = match self {
            Self::Embedded(server) => server.relation_data(),
            Self::Versitygw(server) => server.relation_data(),
            Self::Foreign(server, bucket) => server.relation_data(bucket),
        };
        data.get(key).cloned().unwrap_or_default()
    }

    /// The number of its process, when it has one of its own.
    pub fn process_id(&self) -> Option<u32> {
        match self {
            Self::Embedded(_) | Self::Foreign(..) => None,
            Self::Versitygw(server) => Some(server.process_id()),
        }
    }

    /// The directory that holds the bucket's objects as plain files.
    pub fn bucket(&self) -> PathBuf {
        let buckets = match self {
            Self::Embedded(server) => server.directory().to_owned(),
            Self::Versitygw(server) => server.objects(),
            Self::Foreign(..) => PathBuf::new(),
        };
        buckets.join(self.fact("bucket"))
    }

    /// The keys and sizes of all objects in the bucket.
    pub fn objects(&self) -> Result<Vec<(String, u64)>> {
        let bucket = self.bucket();
        let mut objects = Vec::new();
        let mut directories = vec![bucket.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory)? {
                let entry = entry?;
                // Servers keep what is unfinished in a place of their own, whose name begins with a dot.
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                match entry.file_type()?.is_dir() {
                    true => directories.push(entry.path()),
                    false => {
                        let key = entry
                            .path()
                            .strip_prefix(&bucket)?
                            .to_string_lossy()
                            .into_owned();
                        objects.push((key, entry.metadata()?.len()));
                    }
                }
            }
        }
        objects.sort();
        Ok(objects)
    }
}
