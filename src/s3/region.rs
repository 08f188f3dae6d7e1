//! The region that requests are signed for, and its correction by the store.
//!
//! Regions are easily mistaken, and a store that is asked under a wrong one mostly names the right one. It is taken then,
//! once in the life of a bucket, and for AWS the endpoint with it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::endpoint::{
    DefaultResolver, EndpointFuture, Params as EndpointParams, ResolveEndpoint,
};

use super::endpoint::Endpoint;

/// The region of a bucket: as it was given, or as the store has corrected it.
#[derive(Clone)]
pub(super) struct Home(Arc<Inner>);

struct Inner {
    given: String,
    endpoint: Option<Endpoint>,
    corrected: Mutex<Option<String>>,
}

impl Home {
    pub(super) fn new(region: &str, endpoint: Option<&Endpoint>) -> Self {
        Self(Arc::new(Inner {
            given: region.to_owned(),
            endpoint: endpoint.cloned(),
            corrected: Mutex::new(None),
        }))
    }

    /// The region in use.
    pub(super) fn region(&self) -> String {
        self.corrected().unwrap_or_else(|| self.0.given.clone())
    }

    /// The region to tell of when the store wants another one: what was given, where the named one is in use already.
    pub(super) fn wrong(&self, named: Option<&str>) -> String {
        match self.corrected() {
            Some(region) if named == Some(&region) => self.0.given.clone(),
            Some(region) => region,
            None => self.0.given.clone(),
        }
    }

    /// Takes the region that the store named to a request for another one. Tells whether to send that again.
    pub(super) fn correct(&self, used: &str, named: &str) -> bool {
        let mut corrected = self
            .0
            .corrected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match corrected.as_deref() {
            // Somebody else has been told before us.
            Some(region) => region == named && used != named,
            None if named == self.0.given => false,
            None => {
                tracing::info!(given = self.0.given, region = named, "region corrected");
                *corrected = Some(named.to_owned());
                true
            }
        }
    }

    /// What was corrected, in words.
    pub(super) fn notice(&self) -> Option<String> {
        let region = self.corrected()?;
        let given = &self.0.given;
        Some(format!(
            "region {given} is not the bucket's, which is {region}: it is used instead; set region={region} at the S3 integrator"
        ))
    }

    fn corrected(&self) -> Option<String> {
        let corrected = self.0.corrected.lock();
        corrected.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Home({})", self.region())
    }
}

/// Finds the endpoint of a request by the SDK's own rules, under the region that holds at the moment.
#[derive(Debug)]
pub(super) struct Compass {
    pub(super) home: Home,
    pub(super) rules: DefaultResolver,
}

impl ResolveEndpoint for Compass {
    fn resolve_endpoint<'a>(&'a self, params: &'a EndpointParams) -> EndpointFuture<'a> {
        let Some(region) = self.home.corrected() else {
            return self.rules.resolve_endpoint(params);
        };
        let moved = self.home.0.endpoint.as_ref();
        let moved = moved.and_then(|endpoint| endpoint.in_region(&region));
        let endpoint = moved.map_or_else(
            || params.endpoint().map(str::to_owned),
            |endpoint| Some(endpoint.base()),
        );
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let params = EndpointParams::builder()
            .region(region)
            .set_endpoint(endpoint)
            .set_bucket(owned(params.bucket()))
            .set_key(owned(params.key()))
            .set_prefix(owned(params.prefix()))
            .set_copy_source(owned(params.copy_source()))
            .set_force_path_style(params.force_path_style())
            .set_use_fips(params.use_fips())
            .set_use_dual_stack(params.use_dual_stack())
            .set_accelerate(params.accelerate())
            .build();
        EndpointFuture::new(async move {
            let params = params?;
            self.rules.resolve_endpoint(&params).await
        })
    }
}

/// The region that a store names in an answer: in a header, in the body, or in its message.
pub(super) fn named(header: Option<&str>, body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    let in_body = between(&body, "<Region>", "</Region>");
    let in_message = between(&body, "expecting '", "'")
        .or_else(|| between(&body, "expecting &#39;", "&#39;"))
        .or_else(|| between(&body, "expecting &apos;", "&apos;"));
    let name = header.or(in_body).or(in_message)?.trim();
    let plain = name.len() <= 64
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (plain && !name.is_empty()).then(|| name.to_owned())
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?
        .1
        .split_once(end)
        .map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_corrected_once() {
        let home = Home::new("us-east-1", None);
        assert!(!home.correct("us-east-1", "us-east-1"));
        assert_eq!(home.notice(), None);
        assert!(home.correct("us-east-1", "eu-west-1"));
        assert!(
            home.correct("us-east-1", "eu-west-1"),
            "another request was under way"
        );
        assert!(
            !home.correct("eu-west-1", "us-east-1"),
            "a store that goes round in circles"
        );
        assert_eq!(home.region(), "eu-west-1");
        insta::assert_snapshot!(home.notice().unwrap_or_default(), @"region us-east-1 is not the bucket's, which is eu-west-1: it is used instead; set region=eu-west-1 at the S3 integrator");
    }

    #[tokio::test]
    async fn corrected_region_leads_to_another_endpoint_of_aws_and_to_no_other_of_other_stores() {
        for (endpoint, before, after) in [
            (
                None,
                "https://demo.s3.us-east-1.amazonaws.com",
                "https://demo.s3.eu-west-1.amazonaws.com",
            ),
            (
                Some("https://s3.us-east-1.amazonaws.com"),
                "https://demo.s3.us-east-1.amazonaws.com",
                "https://demo.s3.eu-west-1.amazonaws.com",
            ),
            (
                Some("https://s3.amazonaws.com"),
                "https://demo.s3.amazonaws.com",
                "https://demo.s3.eu-west-1.amazonaws.com",
            ),
            (
                Some("http://store.example:9000/sub"),
                "http://demo.store.example:9000/sub",
                "http://demo.store.example:9000/sub",
            ),
        ] {
            let parsed = endpoint.and_then(|text| Endpoint::parse(text, "demo").ok());
            let compass = Compass {
                home: Home::new("us-east-1", parsed.as_ref()),
                rules: DefaultResolver::new(),
            };
            let params = EndpointParams::builder()
                .region("us-east-1")
                .set_endpoint(endpoint.map(str::to_owned))
                .bucket("demo")
                .build();
            let (Ok(params), home) = (params, &compass.home) else {
                panic!("no parameters");
            };
            let found = async || match compass.resolve_endpoint(&params).await {
                Ok(found) => format!("{} {found:?}", found.url()),
                Err(error) => panic!("{error}"),
            };
            let first = found().await;
            assert!(
                first.starts_with(before) && first.contains("us-east-1"),
                "{first}"
            );
            assert!(home.correct("us-east-1", "eu-west-1"));
            let second = found().await;
            assert!(
                second.starts_with(after) && second.contains("eu-west-1"),
                "{second}"
            );
        }
    }

    #[test]
    fn region_is_found_wherever_a_store_names_it() {
        let found = |header, body: &str| named(header, body.as_bytes());
        assert_eq!(found(Some("eu-1"), "").as_deref(), Some("eu-1"));
        assert_eq!(
            found(None, "<Region>eu-2</Region>").as_deref(),
            Some("eu-2")
        );
        assert_eq!(
            found(None, "is wrong; expecting 'eu-3'<").as_deref(),
            Some("eu-3")
        );
        assert_eq!(
            found(None, "is wrong; expecting &#39;eu-4&#39;").as_deref(),
            Some("eu-4")
        );
        for body in ["", "<Region></Region>", "<Region>a b</Region>", "<Region>x"] {
            assert_eq!(found(None, body), None, "{body}");
        }
    }
}
