//! The keys that a store takes, which may be others from one request to the next.

use std::sync::{Arc, Mutex, PoisonError};

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

/// One access key with its secret.
#[derive(Debug, Clone)]
pub(super) struct Keys(Arc<Mutex<(String, SecretKey)>>);

impl Keys {
    pub(super) fn new(access: &str, secret: &str) -> Self {
        Self(Arc::new(Mutex::new((
            access.to_owned(),
            SecretKey::from(secret),
        ))))
    }

    pub(super) fn become_of(&self, access: &str, secret: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (access.to_owned(), SecretKey::from(secret));
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.0 == access_key {
            true => Ok(held.1.clone()),
            false => Err(s3_error!(InvalidAccessKeyId, "no such access key")),
        }
    }
}
