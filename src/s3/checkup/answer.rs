//! What an answer tells besides its content.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

const LONGEST: usize = 60;

/// Notes the head of the last answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Head>>);

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// Whether there was an answer at all.
    pub(super) came: bool,
    /// The store's time.
    pub(super) date: Option<Timestamp>,
    /// The store's name for itself.
    pub(super) server: Option<String>,
    /// The region that the store says the bucket is in.
    pub(super) region: Option<String>,
}

impl Witness {
    pub(super) fn head(&self) -> Head {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "note the head of the answer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let text = |name: &str| {
            let value = headers.get(name)?;
            let clean = value.chars().map(|c| if c.is_control() { ' ' } else { c });
            Some(clean.take(LONGEST).collect::<String>())
        };
        let date = headers
            .get("date")
            .and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        let head = Head {
            came: true,
            date,
            server: text("server"),
            region: text("x-amz-bucket-region"),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = head;
        Ok(())
    }
}
