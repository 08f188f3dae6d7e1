//! What a bucket has learnt about its store since it was opened, and what follows from it for the next request.
//!
//! ```text
//! request --before it is signed--> attributes, and a note of keys and region in use
//! answer  --before it is read----> clock; keys that worked; what the next classifier needs to know
//! refusal --------Amend----------> other region, newer keys or another time: once more. Anything else stays refused
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    InterceptorContext,
};
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::retry::ErrorKind;

use super::attributes::Attributes;
use super::clock::Clock;
use super::keys::Keyring;
use super::params::Params;
use super::region::{self, Home};

/// The most bytes of a refusal that are looked at.
const LOOKED_AT: usize = 64 << 10;

/// What is known of a store; all clones of a bucket share it.
#[derive(Clone)]
pub(super) struct Learnt(Arc<Inner>);

struct Inner {
    keys: Keyring,
    home: Home,
    clock: Clock,
    store: String,
    attributes: Attributes,
    noted: Mutex<BTreeMap<&'static str, String>>,
}

/// With what a request was made.
#[derive(Debug, Clone)]
struct Made {
    generation: usize,
    region: String,
}

impl Storable for Made {
    type Storer = StoreReplace<Self>;
}

/// What an answer was an answer to, and whether its time was news.
#[derive(Debug, Clone)]
struct Answered {
    made: Made,
    other_time: bool,
}

impl Learnt {
    pub(super) fn new(params: &Params) -> Self {
        Self(Arc::new(Inner {
            keys: Keyring::new(params.keys().clone()),
            home: Home::new(params.region(), params.endpoint()),
            clock: Clock::default(),
            store: params.store(),
            attributes: params.attributes().clone(),
            noted: Mutex::default(),
        }))
    }

    pub(super) fn keys(&self) -> &Keyring {
        &self.0.keys
    }

    pub(super) fn home(&self) -> &Home {
        &self.0.home
    }

    /// Notes something that is worth telling; of each matter the latest counts.
    pub(super) fn note(&self, matter: &'static str, text: String) {
        let mut noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(matter, text);
    }

    /// What was corrected, or learnt and is worth telling.
    pub(super) fn notices(&self) -> Vec<String> {
        let noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = self.0.clock.notice(&self.0.store);
        let first = self.0.home.notice().into_iter().chain(clock);
        first.chain(noted.values().cloned()).collect()
    }
}

impl fmt::Debug for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Learnt({:?})", self.0.home)
    }
}

impl Intercept for Learnt {
    fn name(&self) -> &'static str {
        "what was learnt of the store"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = bag.load::<Metadata>() {
            let attributes = &self.0.attributes;
            attributes.attach(metadata.name(), context.request_mut());
        }
        let made = Made {
            generation: self.0.keys.generation(),
            region: self.0.home.region(),
        };
        bag.interceptor_state().store_put(made);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(made) = bag.load::<Made>().cloned() else {
            return Ok(());
        };
        let answer = context.response();
        if answer.status().is_success() {
            self.0.keys.worked(made.generation);
        }
        // What comes out of a cache tells an older time.
        let fresh = answer.headers().get("age").is_none();
        let date = answer.headers().get("date").filter(|_| fresh);
        let other_time = match (date, components.time_source()) {
            (Some(date), Some(time)) => self.0.clock.learn(date, time.now()),
            _ => false,
        };
        let answered = Answered { made, other_time };
        context.response_mut().add_extension(answered);
        Ok(())
    }
}

/// Has a request sent again that was refused for what is known better now.
#[derive(Debug)]
pub(super) struct Amend(pub(super) Learnt);

impl Amend {
    fn amends(&self, refusal: &HttpResponse) -> bool {
        let Some(Answered { made, other_time }) = refusal.extension::<Answered>() else {
            return false;
        };
        let status = refusal.status().as_u16();
        let body = refusal.body().bytes().unwrap_or_default();
        let body = &body[..body.len().min(LOOKED_AT)];
        let says = |code: &str| {
            let code = format!("<Code>{code}</Code>");
            body.windows(code.len()).any(|text| text == code.as_bytes())
        };
        let Learnt(learnt) = &self.0;
        let elsewhere = matches!(status, 301 | 307 | 308)
            || status == 400 && body.is_empty()
            || says("AuthorizationHeaderMalformed")
            || says("IllegalLocationConstraintException")
            || says("PermanentRedirect")
            || says("TemporaryRedirect");
        if elsewhere {
            let header = refusal.headers().get("x-amz-bucket-region");
            let named = region::named(header, body);
            return named.is_some_and(|named| learnt.home.correct(&made.region, &named));
        }
        let expired = says("ExpiredToken") || says("ExpiredTokenException") || says("InvalidToken");
        if *other_time && (status == 403 || status == 401 || says("RequestTimeTooSkewed")) {
            return true;
        }
        (matches!(status, 401 | 403) || expired) && learnt.keys.refused(made.generation, expired)
    }
}

impl ClassifyRetry for Amend {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        if error.is_some_and(|error| error.is_connector_error()) {
            // Some stores refuse by closing the connection while a part is on its way, and that is all there is to see.
            self.0.0.keys.broken();
        }
        let refusal = context.response().filter(|answer| {
            let status = answer.status().as_u16();
            (300..500).contains(&status)
        });
        match refusal.is_some_and(|refusal| self.amends(refusal)) {
            true => RetryAction::retryable_error_with_explicit_delay(
                ErrorKind::ClientError,
                Duration::ZERO,
            ),
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "what is known better now"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
