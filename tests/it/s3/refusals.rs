//! Bad input: each ends in time, with an error that names it.

use std::net::TcpListener;

use harness::s3::{Effect, Fault, Operation, relation_data};
use synapse_operator::s3::{Bucket, Proxy, S3Error};

use super::{bucket, limits, params, refusal, server, told};

async fn head(endpoint: &str) -> S3Error {
    refusal(
        bucket(
            &relation_data(endpoint, "the-access-key", "the-secret-key", "demo"),
            &[],
        )
        .head(),
    )
    .await
}

/// The answer of a store that refuses in these words.
async fn refused(status: u16, headers: Vec<(&'static str, String)>, body: &str) -> S3Error {
    let server = server();
    let body = body.to_owned();
    server.order(
        Fault::on(
            Operation::ListObjects,
            Effect::Answer {
                status,
                headers,
                body,
            },
        )
        .always(),
    );
    refusal(bucket(&server.relation_data(), &[]).head()).await
}

fn code(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>no</Message></Error>")
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = head(&format!("http://{address}")).await;
    assert!(
        matches!(&error, S3Error::Unreachable { store, .. } if store.ends_with(&address.to_string())),
        "{error:?}"
    );
    assert!(told(&error).contains("refused"), "{}", told(&error));
    let error = head(&format!("https://{address}")).await;
    assert!(matches!(error, S3Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endpoint_that_swallows_everything_is_given_up_in_time() {
    // Nobody accepts: the connection waits in the queue, and the request gets no answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["http", "https"] {
        let error = head(&format!("{scheme}://{}", listener.local_addr().unwrap())).await;
        assert!(
            matches!(
                error,
                S3Error::TimedOut { .. } | S3Error::Unreachable { .. }
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let error = head("http://no-such-host.invalid:9000").await;
    assert!(
        matches!(&error, S3Error::Dns { host, .. } if host == "no-such-host.invalid"),
        "{error:?}"
    );
    assert!(error.hint().contains("no-such-host.invalid"));
}

#[tokio::test]
async fn every_call_gives_up_at_once_on_an_endpoint_that_was_never_reached() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let databag = relation_data(
        &format!("http://{address}"),
        "the-access-key",
        "the-secret-key",
        "demo",
    );
    let bucket = bucket(&databag, &[]);
    let errors = [
        refusal(bucket.list("").all(1)).await,
        refusal(bucket.put("a", bytes::Bytes::new())).await,
        refusal(bucket.get("a")).await,
        refusal(bucket.stat("a")).await,
    ];
    assert!(
        errors
            .iter()
            .all(|error| matches!(error, S3Error::Unreachable { .. })),
        "{errors:?}"
    );
}

#[tokio::test]
async fn a_bucket_that_may_not_be_used_is_told() {
    for (status, body) in [
        (403, code("AccessDenied")),
        (403, String::new()),
        (401, "<html/>".to_owned()),
    ] {
        let error = refused(status, vec![], &body).await;
        assert!(matches!(error, S3Error::AccessDenied { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_unknown_is_told_in_every_dialect() {
    for (status, name) in [
        (403, "InvalidAccessKeyId"),
        (404, "XAdminUserNotFound"),
        (403, "NotSignedUp"),
    ] {
        let error = refused(status, vec![], &code(name)).await;
        assert!(matches!(error, S3Error::KeyUnknown { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_wrong_region_is_told_with_the_right_one() {
    let aws = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>\
               <Region>eu-west-1</Region></Error>";
    let versitygw = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message></Error>";
    let header = || vec![("x-amz-bucket-region", "eu-west-1".to_owned())];
    let errors = [
        refused(400, vec![], aws).await,
        refused(400, vec![], versitygw).await,
        refused(301, header(), &code("PermanentRedirect")).await,
        refused(301, header(), "").await,
    ];
    for error in errors {
        assert!(
            matches!(&error, S3Error::WrongRegion { expected: Some(name), .. } if name == "eu-west-1"),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "region us-east-1 is not the bucket's, which is eu-west-1"
        );
    }
    let error = refused(301, vec![], &code("PermanentRedirect")).await;
    assert!(
        matches!(error, S3Error::WrongRegion { expected: None, .. }),
        "{error:?}"
    );
    let error = refused(400, vec![], &code("AuthorizationHeaderMalformed")).await;
    assert!(matches!(error, S3Error::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    let error = refused(403, vec![], &code("RequestTimeTooSkewed")).await;
    assert!(matches!(error, S3Error::ClockSkew { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_no_store_is_told_as_such() {
    for (status, body) in [
        (404, "<html>nginx</html>"),
        (200, "<html>hello</html>"),
        (400, "Client sent an HTTP request to an HTTPS server."),
        (405, ""),
    ] {
        let error = refused(status, vec![], body).await;
        assert!(
            matches!(error, S3Error::NotS3 { .. }),
            "{status}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_busy_store_is_asked_again_and_then_quoted() {
    let server = server();
    server.order(Fault::on(
        Operation::ListObjects,
        Effect::refuse(503, "SlowDown"),
    ));
    bucket(&server.relation_data(), &[]).head().await.unwrap();
    let error = refused(503, vec![], &code("SlowDown")).await;
    assert_eq!(
        error.to_string(),
        "store refused to list the bucket: SlowDown (503): no"
    );
}

#[tokio::test]
async fn an_answer_that_quotes_our_credentials_is_not_passed_on() {
    let body = "<Error><Code>Strange</Code><Message>no \n the-access-key the-secret-key here</Message>\
                <StringToSign>AWS4-HMAC-SHA256 the-secret-key</StringToSign></Error>";
    let error = refused(400, vec![], body).await;
    assert_eq!(
        error.to_string(),
        "store refused to list the bucket: Strange (400): no   (withheld) (withheld) here"
    );
}

#[tokio::test]
async fn a_proxy_is_used_except_where_it_is_not_wanted() {
    let proxy = server();
    let url = format!("http://{}", proxy.address());
    let databag = relation_data(
        "http://store.invalid:9000",
        "the-access-key",
        "the-secret-key",
        "demo",
    );
    let params = params(&databag, &[]);
    let through = Proxy::new(Some(&url), None, Some("localhost,10.0.0.0/8")).unwrap();
    // The name does not resolve here: only the proxy can know it. This one happens to be a store itself.
    Bucket::open(&params, &through, limits())
        .head()
        .await
        .unwrap();
    assert_eq!(proxy.calls(Operation::ListObjects), 1);
    let around = Proxy::new(Some(&url), None, Some("localhost,.invalid")).unwrap();
    assert!(matches!(
        refusal(Bucket::open(&params, &around, limits()).head()).await,
        S3Error::Dns { .. }
    ));
    let other = Proxy::new(None, Some(&url), None).unwrap();
    assert!(matches!(
        refusal(Bucket::open(&params, &other, limits()).head()).await,
        S3Error::Dns { .. }
    ));
}

#[test]
fn a_bucket_shows_no_credentials() {
    let databag = relation_data(
        "https://s3.example.com",
        "the-access-key",
        "the-secret-key",
        "demo",
    );
    let text = format!("{:?}", bucket(&databag, &[("path", "model")]));
    assert_eq!(text, "Bucket(s3://demo/model/)");
}
