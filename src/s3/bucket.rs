//! One bucket, or the part of it below the relation's path.

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use jiff::Timestamp;
use tokio::sync::watch;

use super::client::{self, Manner};
use super::diagnosis::Scene;
use super::download::Download;
use super::error::S3Error;
use super::keys::Renew;
use super::learnt::Learnt;
use super::limits::Limits;
use super::listing::{self, Listing};
use super::memory::Memory;
use super::params::{Ignored, Params};
use super::proxy::Proxy;
use super::retries::Again;
use super::shared::Shared;

/// A bucket below the relation's path; cheap to clone, and all clones share their connections.
///
/// Every key that goes in or comes out is relative to that path.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    client: Client,
    scene: Scene,
    learnt: Learnt,
    limits: Limits,
    shared: Shared,
    name: String,
    /// The path with a slash behind it, or nothing.
    root: String,
    tls: bool,
    storage_class: Option<String>,
    ignored: Vec<String>,
}

/// What a store tells about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The key, relative to the relation's path.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
    /// The store's tag of the content, without quotes.
    pub etag: Option<String>,
    /// When it was written.
    pub modified: Option<Timestamp>,
}

impl Bucket {
    /// Makes a bucket ready for use; no request is sent.
    #[must_use]
    pub fn open(params: &Params, proxy: &Proxy, limits: Limits) -> Self {
        let root = if params.path().is_empty() {
            String::new()
        } else {
            format!("{}/", params.path())
        };
        let learnt = Learnt::new(params);
        let shared = Shared::new(&limits);
        Self(Arc::new(Inner {
            client: client::client(params, proxy, &limits, &learnt, &shared),
            scene: Scene::new(params, &learnt),
            learnt,
            limits,
            shared,
            name: params.bucket().to_owned(),
            root,
            tls: params.is_tls(),
            storage_class: params.storage_class().map(str::to_owned),
            ignored: params.ignored().iter().map(Ignored::to_string).collect(),
        }))
    }

    /// The same, with a way to newer keys: they are read anew, once, when the store refuses what it took before.
    #[must_use]
    pub fn renewing(self, keys: Arc<Renew>) -> Self {
        self.0.learnt.keys().renewing(keys);
        self
    }

    /// What an operator should know though it hindered nothing: what was corrected, learnt, or is ignored.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let mut notices = self.0.learnt.notices();
        notices.extend(self.0.ignored.iter().cloned());
        notices
    }

    /// The class that volumes are to be stored in, or nothing for the store's own choice.
    #[must_use]
    pub fn storage_class(&self) -> Option<&str> {
        self.0.storage_class.as_deref()
    }

    /// How many parts of an upload may be on their way at once.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.limits.in_flight.get()
    }

    /// What a run may take of the memory.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.0.limits.memory
    }

    /// Notes something for [`Bucket::notices`]; of each matter the latest counts.
    pub(super) fn note(&self, matter: &'static str, text: String) {
        self.0.learnt.note(matter, text);
    }

    /// How many calls were made again so far.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.0.shared.retries.count()
    }

    /// The last call that was made again, and those to come.
    #[must_use]
    pub fn retries(&self) -> watch::Receiver<Option<Again>> {
        self.0.shared.retries.watch()
    }

    /// Asks whether the bucket exists and may be listed; the answer, good or bad, comes within [`Limits::head`].
    ///
    /// It lists one key below the path instead of sending HEAD, because an answer to HEAD has no body that could tell a
    /// wrong secret from a forbidden bucket, and because a key may be allowed to list below its prefix only.
    pub async fn head(&self) -> Result<(), S3Error> {
        let call = self
            .client()
            .list_objects_v2()
            .bucket(self.name())
            .prefix(&self.0.root)
            .max_keys(1);
        let sent = call
            .customize()
            .config_override(self.manner(Manner::Head, "list the bucket"))
            .send()
            .await;
        match sent.map_err(|error| self.explain("list the bucket", None, &error)) {
            Err(error) if listing::is_unknown(&error) => self.head_v1(error).await,
            asked => asked.map(drop),
        }
    }

    /// Opens an object for reading.
    pub async fn get(&self, key: &str) -> Result<Download, S3Error> {
        let call = self
            .client()
            .get_object()
            .bucket(self.name())
            .key(self.full(key));
        let sent = call
            .customize()
            .config_override(self.manner(Manner::Read, &format!("read {key}")))
            .send()
            .await;
        let answer =
            sent.map_err(|error| self.explain(&format!("read {key}"), Some(key), &error))?;
        let size = answer
            .content_length()
            .and_then(|size| u64::try_from(size).ok());
        let etag = answer.e_tag().map(unquoted);
        Ok(Download::new(self.clone(), key, size, etag, answer.body))
    }

    /// What the store tells about one object, or nothing when there is none.
    pub async fn stat(&self, key: &str) -> Result<Option<Object>, S3Error> {
        self.stat_in(key, Manner::Control).await
    }

    pub(super) async fn stat_in(
        &self,
        key: &str,
        manner: Manner,
    ) -> Result<Option<Object>, S3Error> {
        let answer = self.look_at(key, manner).await?;
        Ok(answer.map(|answer| Object {
            key: key.to_owned(),
            size: answer
                .content_length()
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or_default(),
            etag: answer.e_tag().map(unquoted),
            modified: answer.last_modified().and_then(timestamp),
        }))
    }

    /// Until when the store's object lock keeps an object, where there is one and the store tells.
    pub async fn locked_until(&self, key: &str) -> Option<Timestamp> {
        let answer = self.look_at(key, Manner::Control).await.ok()??;
        timestamp(answer.object_lock_retain_until_date()?)
    }

    async fn look_at(
        &self,
        key: &str,
        manner: Manner,
    ) -> Result<Option<HeadObjectOutput>, S3Error> {
        let task = format!("look at {key}");
        let call = self
            .client()
            .head_object()
            .bucket(self.name())
            .key(self.full(key));
        let sent = call
            .customize()
            .config_override(self.manner(manner, &task))
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match self.explain(&task, Some(key), &error) {
                S3Error::NotFound { .. } => Ok(None),
                other => Err(other),
            },
        }
    }

    /// Lists all objects whose keys begin with a prefix, page by page.
    #[must_use]
    pub fn list(&self, prefix: &str) -> Listing {
        Listing::new(self.clone(), prefix, false)
    }

    /// Lists what lies directly below a prefix: objects, and the names that go on behind a further slash.
    #[must_use]
    pub fn list_level(&self, prefix: &str) -> Listing {
        Listing::new(self.clone(), prefix, true)
    }

    /// Where a key lies, as an operator would write it: `s3://bucket/path/key`.
    #[must_use]
    pub fn location(&self, key: &str) -> String {
        format!("s3://{}/{}", self.0.name, self.full(key))
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What all clones have in common: their pace, their retries, and what they have learnt of the store.
    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// The settings of one call, whose retries are counted and told under the name of `task`.
    pub(super) fn manner(&self, manner: Manner, task: &str) -> Builder {
        manner.config(&self.0.limits, &self.0.shared, task)
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn is_tls(&self) -> bool {
        self.0.tls
    }

    pub(super) fn scene(&self) -> &Scene {
        &self.0.scene
    }

    /// The key as the store knows it.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.0.root)
    }

    /// The key as our callers know it.
    pub(super) fn relative<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(&self.0.root).unwrap_or(key)
    }

    /// Whether a store's key lies below the path.
    pub(super) fn holds(&self, key: &str) -> bool {
        key.starts_with(&self.0.root)
    }

    pub(super) fn explain<E>(
        &self,
        task: &str,
        key: Option<&str>,
        error: &SdkError<E, HttpResponse>,
    ) -> S3Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let explained = self.0.scene.explain(task, key, error);
        tracing::debug!(task, error = %explained, "store call failed");
        explained
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.location(""))
    }
}

/// A tag without the quotes that HTTP puts around it.
pub(super) fn unquoted(tag: &str) -> String {
    tag.trim_matches('"').to_owned()
}

pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), 0).ok()
}

/// A request that could not be built, as the SDK would report it.
pub(super) fn unbuilt(
    error: aws_sdk_s3::error::BuildError,
) -> SdkError<aws_sdk_s3::error::ErrorMetadata, HttpResponse> {
    SdkError::construction_failure(error)
}
