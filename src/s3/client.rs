//! The SDK's client and its settings: nothing in it comes from the environment.

use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, IdentityCache, Region, StalledStreamProtectionConfig,
    endpoint::DefaultResolver,
    interceptors::InterceptorContext,
    retry::{ClassifyRetry, RetryAction, RetryConfig, RetryPartition, TokenBucket},
    timeout::TimeoutConfig,
};
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;

use super::diagnosis;
use super::learnt::{Amend, Learnt};
use super::limits::Limits;
use super::params::{Params, UriStyle};
use super::proxy::Proxy;
use super::region::Compass;
use super::retries::{self, Attempts, Call};
use super::shared::Shared;
use super::trust;
use super::wire::{self, Reached};

/// Makes the client of one bucket. No request is sent.
pub(super) fn client(
    params: &Params,
    proxy: &Proxy,
    limits: &Limits,
    learnt: &Learnt,
    shared: &Shared,
) -> Client {
    let reached = Reached::default();
    let tls = params.is_tls();
    let http = wire::client(
        trust::context(tls, params.authorities()),
        proxy,
        tls,
        limits.connect,
        reached.clone(),
        shared.upload.clone(),
    );
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(params.region().to_owned()))
        .credentials_provider(learnt.keys().clone())
        // The keys may change at any time; keeping them is cheap.
        .identity_cache(IdentityCache::no_cache())
        .endpoint_resolver(Compass {
            home: learnt.home().clone(),
            rules: DefaultResolver::new(),
        })
        .interceptor(learnt.clone())
        .force_path_style(params.style() == UriStyle::Path)
        .http_client(http)
        .retry_classifier(Hopeless { reached })
        .retry_classifier(Amend(learnt.clone()))
        // How often a call is made is for its manner to say, not for a common account of all calls.
        .retry_partition(
            RetryPartition::custom("store")
                .token_bucket(TokenBucket::unlimited())
                .build(),
        )
        // The connector watches progress itself, sending included.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = params.endpoint() {
        config = config.endpoint_url(endpoint.base());
    }
    Client::from_conf(config.build())
}

/// How patiently a call is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// Someone waits for the answer: everything within [`Limits::head`].
    Head,
    /// A small call.
    Control,
    /// A small call that is made only once.
    Once,
    /// An object to be read, whose bytes come after the answer.
    Read,
    /// What an upload depends on.
    Data,
    /// A part of so many bytes.
    Part(u64),
    /// Putting an upload's parts together.
    Complete,
}

impl Manner {
    /// The settings of one call.
    pub(super) fn config(self, limits: &Limits, shared: &Shared, task: &str) -> Builder {
        let timeouts = TimeoutConfig::builder();
        let (timeouts, attempts) = match self {
            Self::Head => (
                timeouts
                    .read_timeout(limits.head)
                    .operation_timeout(limits.head),
                limits.control_attempts,
            ),
            Self::Control => (
                patient(timeouts, limits.control, limits.control),
                limits.control_attempts,
            ),
            Self::Once => (patient(timeouts, limits.control, limits.control), 1),
            Self::Read | Self::Data => (
                patient(timeouts, limits.silence, limits.part),
                limits.part_attempts,
            ),
            Self::Part(bytes) => (
                patient(timeouts, limits.silence, limits.part_of(bytes)),
                limits.part_attempts,
            ),
            Self::Complete => (
                patient(timeouts, limits.complete, limits.complete),
                limits.part_attempts,
            ),
        };
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(limits.first_pause)
            .with_max_backoff(retries::LONGEST_ASKED);
        let attempts = Attempts::of(Call {
            retries: shared.retries.clone(),
            limits: *limits,
            task: task.to_owned(),
            most: attempts,
            hurried: matches!(self, Self::Head),
            bounded: !matches!(self, Self::Head | Self::Control | Self::Once),
            fruit: matches!(self, Self::Data | Self::Part(_) | Self::Complete),
            state: Mutex::default(),
        });
        Config::builder()
            .timeout_config(timeouts.build())
            .retry_config(retries)
            .interceptor(attempts.clone())
            .retry_classifier(attempts)
    }
}

fn patient(
    timeouts: aws_sdk_s3::config::timeout::TimeoutConfigBuilder,
    silence: Duration,
    attempt: Duration,
) -> aws_sdk_s3::config::timeout::TimeoutConfigBuilder {
    timeouts
        .read_timeout(silence)
        .operation_attempt_timeout(attempt)
}

/// Forbids to retry what no retry can mend.
#[derive(Debug)]
struct Hopeless {
    reached: Reached,
}

impl ClassifyRetry for Hopeless {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|outcome| outcome.err());
        match error.and_then(|error| error.as_connector_error()) {
            Some(error) if diagnosis::is_permanent(error, self.reached.get()) => {
                RetryAction::RetryForbidden
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "what no retry can mend"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
