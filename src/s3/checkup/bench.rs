//! The client of a checkup, and what it has learnt and written so far.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use jiff::Timestamp;

use super::Checkup;
use super::sums::Sum;
use super::traces::Traces;
use crate::s3::bucket::timestamp;
use crate::s3::client;
use crate::s3::diagnosis::Scene;
use crate::s3::error::S3Error;
use crate::s3::learnt::Learnt;
use crate::s3::params::UriStyle;
use crate::s3::shared::Shared;

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(8);
/// How many objects are listed at most.
const LISTED: i32 = 100;
/// How long a question may take of which little is expected.
const ASIDE: Duration = Duration::from_secs(3);

/// Where requests go: what stands in their URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    /// A name or an address, IPv6 in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What all questions are asked with.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) scene: Scene,
    /// What the client corrects by itself.
    pub(super) learnt: Learnt,
    pub(super) bucket: String,
    /// The path with a slash behind it, or nothing.
    pub(super) root: String,
    pub(super) style: UriStyle,
    pub(super) now: fn() -> Timestamp,
    /// How much the store's clock is ahead, in seconds.
    pub(super) ahead: i64,
    /// Whether the store knows only the first version of listings.
    pub(super) v1: bool,
    /// The checksum that the store takes with an object.
    pub(super) sum: Sum,
    pub(super) traces: Traces,
}

impl Bench {
    pub(super) fn new(checkup: &Checkup) -> Self {
        let params = &checkup.params;
        let root = match params.path() {
            "" => String::new(),
            path => format!("{path}/"),
        };
        let learnt = Learnt::new(params);
        let shared = Shared::new(&checkup.limits);
        Self {
            client: client::client(params, &checkup.proxy, &checkup.limits, &learnt, &shared),
            scene: Scene::new(params, &learnt),
            learnt,
            bucket: params.bucket().to_owned(),
            style: params.style(),
            now: checkup.now,
            ahead: 0,
            v1: false,
            sum: Sum::Crc32c,
            traces: Traces::new(&root, checkup.random),
            root,
        }
    }

    /// The time, as the store tells it.
    pub(super) fn store_time(&self) -> Timestamp {
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        let now = (self.now)();
        let shifted = match self.ahead < 0 {
            true => now.checked_sub(ahead),
            false => now.checked_add(ahead),
        };
        shifted.unwrap_or(now)
    }

    /// Goes on in the other style.
    pub(super) fn restyle(&mut self, style: UriStyle) {
        self.style = style;
        let config = self.client.config().to_builder();
        let config = config.force_path_style(style == UriStyle::Path);
        self.client = Client::from_conf(config.build());
    }

    /// A client of the other style, for a look.
    pub(super) fn other_style(&self) -> (UriStyle, Client) {
        let other = match self.style {
            UriStyle::Path => UriStyle::Host,
            UriStyle::Host => UriStyle::Path,
        };
        let config = self.client.config().to_builder();
        let config = config.force_path_style(other == UriStyle::Path);
        (other, Client::from_conf(config.build()))
    }

    /// The settings of a question.
    pub(super) fn patience(&self) -> Builder {
        patience(QUESTION, 2)
    }

    /// The settings of a question of which little is expected.
    pub(super) fn aside(&self) -> Builder {
        patience(ASIDE, 1)
    }

    /// The settings of a request that carries no checksum but its own.
    pub(super) fn bare(&self) -> Builder {
        self.patience()
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
    }

    pub(super) fn explain<E: ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        task: &str,
        key: Option<&str>,
        error: &SdkError<E, HttpResponse>,
    ) -> S3Error {
        self.scene.explain(task, key, error)
    }

    /// The first objects whose keys begin so, with their times.
    pub(super) async fn list(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Option<Timestamp>)>, S3Error> {
        let task = "list the bucket";
        let objects = if self.v1 {
            let call = self.client.list_objects().bucket(&self.bucket);
            let call = call.prefix(prefix).max_keys(LISTED).customize();
            let sent = call.config_override(self.patience()).send().await;
            sent.map(|answer| answer.contents)
                .map_err(|error| self.explain(task, None, &error))?
        } else {
            let call = self.client.list_objects_v2().bucket(&self.bucket);
            let call = call.prefix(prefix).max_keys(LISTED).customize();
            let sent = call.config_override(self.patience()).send().await;
            sent.map(|answer| answer.contents)
                .map_err(|error| self.explain(task, None, &error))?
        };
        let objects = objects.unwrap_or_default().into_iter();
        let found = objects.filter_map(|object| {
            let time = object.last_modified().and_then(timestamp);
            object.key.map(|key| (key, time))
        });
        Ok(found.collect())
    }

    /// What a policy calls the objects below the path.
    pub(super) fn objects(&self) -> String {
        format!("arn:aws:s3:::{}/{}*", self.bucket, self.root)
    }

    /// What a policy calls the bucket.
    pub(super) fn bucket_arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.bucket)
    }

    /// Where requests on objects go, asked of the SDK itself; nothing is sent.
    pub(super) async fn target(&self) -> Result<Target, S3Error> {
        target(&self.client, &self.bucket, &self.scene).await
    }
}

/// Where the requests of a client go.
pub(super) async fn target(
    client: &Client,
    bucket: &str,
    scene: &Scene,
) -> Result<Target, S3Error> {
    let broken = || scene.not_s3("build a request", 0);
    let soon = PresigningConfig::expires_in(ASIDE).map_err(|_| broken())?;
    let call = client.get_object().bucket(bucket).key("x");
    let signed = call
        .presigned(soon)
        .await
        .map_err(|error| scene.explain("build a request", None, &error))?;
    let (scheme, rest) = signed.uri().split_once("://").ok_or_else(broken)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let tls = scheme == "https";
    let behind = authority.rfind(']').map_or(0, |end| end + 1);
    let colon = authority[behind..].rfind(':').map(|at| at + behind);
    let (host, port) = match colon {
        Some(colon) => (
            &authority[..colon],
            authority[colon + 1..].parse().map_err(|_| broken())?,
        ),
        None => (authority, if tls { 443 } else { 80 }),
    };
    Ok(Target {
        tls,
        host: host.to_owned(),
        port,
    })
}

fn patience(whole: Duration, attempts: u32) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .read_timeout(whole)
        .operation_timeout(whole);
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(200));
    aws_sdk_s3::Config::builder()
        .timeout_config(timeouts.build())
        .retry_config(retries)
}
