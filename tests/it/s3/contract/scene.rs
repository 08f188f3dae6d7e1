//! One store and a fresh bucket in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use harness::s3::Running;
use synapse_operator::s3::{Bucket, Limits, Proxy};

use crate::s3::params;

/// What a store showed, in as few words as a table has room for.
pub(super) type Shown = String;

/// What is shown of what must be.
pub(super) fn yes() -> Shown {
    "yes".to_owned()
}

/// A store and a bucket that one question has for itself.
pub(super) struct Scene {
    pub(super) store: Arc<Running>,
    /// The bucket's name.
    pub(super) name: String,
}

impl Scene {
    /// Makes a bucket that is named after the question.
    pub(super) async fn new(store: Arc<Running>, question: &str) -> Self {
        // Names of buckets have at most 63 characters and no underscores.
        let name: String = question.replace('_', "-").chars().take(60).collect();
        let name = name.trim_end_matches('-').to_owned();
        store.make_bucket(&name).await.unwrap();
        Self { store, name }
    }

    pub(super) fn databag(&self) -> BTreeMap<String, String> {
        self.store.relation_data(&self.name)
    }

    /// The bucket as the charm sees it, with some facts of the relation changed.
    pub(super) fn bucket(&self, changes: &[(&str, &str)]) -> Bucket {
        let params = params(&self.databag(), changes);
        Bucket::open(&params, &Proxy::default(), limits())
    }

    /// The SDK itself.
    pub(super) fn raw(&self) -> Client {
        self.store.client()
    }
}

/// Production's but for the pauses: real servers on a busy machine are given their time.
fn limits() -> Limits {
    Limits {
        silence: Duration::from_secs(15),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        part_attempts: 3,
        control_attempts: 3,
        ..Limits::default()
    }
}

/// What became of a call that a store may refuse.
pub(super) fn outcome<T, E: ProvideErrorMetadata>(
    answer: &Result<T, SdkError<E, HttpResponse>>,
    well: &str,
) -> Shown {
    match answer {
        Ok(_) => well.to_owned(),
        Err(error) => refused(error),
    }
}

/// How a store refused.
pub(super) fn refused<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Shown {
    let status = error
        .raw_response()
        .map(|answer| answer.status().as_u16().to_string());
    format!(
        "{} {}",
        status.as_deref().unwrap_or("no answer"),
        error.code().unwrap_or("without a code")
    )
}
