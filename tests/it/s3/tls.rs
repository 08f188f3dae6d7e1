//! Certificates: which are trusted, and how each other one is told.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::s3::{
    Certificate, CertificateAuthority, Operation, Options, Server, Versitygw, relation_data,
};
use hyper::HeaderMap;
use synapse_operator::s3::{S3Error, TlsReason};

use super::{MIB, bucket, noise, read, refusal, server, upload};

fn tls_server(certificate: Certificate) -> Server {
    Server::start(Options {
        certificate: Some(certificate),
        ..Options::default()
    })
    .unwrap()
}

async fn reason(server: &Server, chain: Option<String>) -> TlsReason {
    let databag = server.relation_data();
    let chain = chain.unwrap_or_default();
    match refusal(bucket(&databag, &[("tls-ca-chain", &chain)]).head()).await {
        S3Error::Tls { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// The headers of the last part, which must have come as plain bytes with their length and checksum.
fn plain_part(server: &Server) -> HeaderMap {
    let headers = server.headers(Operation::UploadPart).unwrap();
    assert!(
        headers.contains_key("content-length") && headers.contains_key("x-amz-checksum-crc32c"),
        "{headers:?}"
    );
    for unwanted in [
        "transfer-encoding",
        "content-encoding",
        "x-amz-trailer",
        "x-amz-checksum-crc32",
        "expect",
    ] {
        assert!(!headers.contains_key(unwanted), "{headers:?}");
    }
    headers
}

#[tokio::test]
async fn without_tls_a_part_is_signed_whole() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    upload(&bucket, "a", b"content")
        .await
        .unwrap()
        .complete()
        .await
        .unwrap();
    assert_eq!(plain_part(&server)["x-amz-content-sha256"].len(), 64);
}

#[tokio::test]
async fn a_relations_authority_is_trusted_in_every_form() {
    let authority = CertificateAuthority::new().unwrap();
    let server = tls_server(authority.issue(&["127.0.0.1"]).unwrap());
    let pem = authority.pem();
    let other = CertificateAuthority::new().unwrap().pem();
    let forms = [
        pem.clone(),
        serde_json::to_string(&[&pem]).unwrap(),
        serde_json::to_string(&[&other, &pem]).unwrap(),
        serde_json::to_string(&[STANDARD.encode(&pem)]).unwrap(),
        STANDARD.encode(&pem),
    ];
    for chain in forms {
        bucket(&server.relation_data(), &[("tls-ca-chain", &chain)])
            .head()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_given() {
    let certificate = Certificate::self_signed(&["127.0.0.1"]).unwrap();
    let chain = certificate.certificate.clone();
    let server = tls_server(certificate);
    let bucket = bucket(&server.relation_data(), &[("tls-ca-chain", &chain)]);
    bucket.head().await.unwrap();
}

#[tokio::test]
async fn an_object_goes_both_ways_over_tls() {
    let authority = CertificateAuthority::new().unwrap();
    let server = tls_server(authority.issue(&["127.0.0.1"]).unwrap());
    let bucket = bucket(
        &server.relation_data(),
        &[("tls-ca-chain", &authority.pem())],
    );
    let bytes = noise(11 * MIB, 5);
    let completed = upload(&bucket, "a", &bytes)
        .await
        .unwrap()
        .complete()
        .await
        .unwrap();
    assert_eq!(completed.parts, 3);
    assert!(read(&bucket, "a").await.unwrap() == bytes);
    let headers = plain_part(&server);
    assert_eq!(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
}

#[tokio::test]
async fn versitygw_is_spoken_to_over_tls() {
    let authority = CertificateAuthority::new().unwrap();
    let server = Versitygw::start(Some(&authority.issue(&["127.0.0.1"]).unwrap())).unwrap();
    let bucket = bucket(
        &server.relation_data(),
        &[("tls-ca-chain", &authority.pem())],
    );
    let bytes = noise(11 * MIB, 6);
    upload(&bucket, "a", &bytes)
        .await
        .unwrap()
        .complete()
        .await
        .unwrap();
    assert!(read(&bucket, "a").await.unwrap() == bytes);
    let error = refusal(super::bucket(&server.relation_data(), &[]).head()).await;
    assert!(
        matches!(
            error,
            S3Error::Tls {
                reason: TlsReason::UntrustedIssuer,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn each_certificate_that_cannot_be_trusted_is_told_with_its_reason() {
    let authority = CertificateAuthority::new().unwrap();
    let stranger = CertificateAuthority::new().unwrap();
    let good = tls_server(authority.issue(&["127.0.0.1"]).unwrap());
    assert_eq!(reason(&good, None).await, TlsReason::UntrustedIssuer);
    assert_eq!(
        reason(&good, Some(stranger.pem())).await,
        TlsReason::UntrustedIssuer
    );
    let elsewhere = tls_server(authority.issue(&["s3.example.com"]).unwrap());
    assert_eq!(
        reason(&elsewhere, Some(authority.pem())).await,
        TlsReason::NameMismatch
    );
    let old = tls_server(authority.issue_until(&["127.0.0.1"], 2001).unwrap());
    assert_eq!(
        reason(&old, Some(authority.pem())).await,
        TlsReason::Expired
    );
    let early = tls_server(authority.issue_from(&["127.0.0.1"], 3000).unwrap());
    assert_eq!(
        reason(&early, Some(authority.pem())).await,
        TlsReason::NotYetValid
    );
    let alone = tls_server(Certificate::self_signed(&["127.0.0.1"]).unwrap());
    for chain in [None, Some(authority.pem())] {
        assert_eq!(reason(&alone, chain).await, TlsReason::SelfSigned);
    }
    let careless = tls_server(authority.as_server());
    assert_eq!(
        reason(&careless, Some(authority.pem())).await,
        TlsReason::AuthorityAsServer
    );
    assert_eq!(
        good.calls(Operation::ListObjects),
        0,
        "nothing was sent over a connection without trust"
    );
}

#[tokio::test]
async fn the_wrong_scheme_is_told_as_such() {
    let plain = server();
    let endpoint = plain.endpoint().replace("http:", "https:");
    let error = refusal(bucket(&plain.relation_data(), &[("endpoint", &endpoint)]).head()).await;
    assert!(
        matches!(
            error,
            S3Error::Tls {
                reason: TlsReason::NotTls,
                ..
            }
        ),
        "{error:?}"
    );

    let authority = CertificateAuthority::new().unwrap();
    let secure = tls_server(authority.issue(&["127.0.0.1"]).unwrap());
    let endpoint = secure.endpoint().replace("https:", "http:");
    let error = refusal(bucket(&secure.relation_data(), &[("endpoint", &endpoint)]).head()).await;
    assert!(
        matches!(error, S3Error::NotS3 { .. } | S3Error::Interrupted { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_untrusted_store_is_not_asked_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let counter = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        drop(stream);
        listener.set_nonblocking(true).unwrap();
        listener
    });
    let databag = relation_data(&endpoint, "the-access-key", "the-secret-key", "demo");
    let error = refusal(bucket(&databag, &[]).list("").all(1)).await;
    assert!(
        matches!(
            error,
            S3Error::Tls {
                reason: TlsReason::NotTls,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        counter.join().unwrap().accept().is_err(),
        "one connection and no more"
    );
}
