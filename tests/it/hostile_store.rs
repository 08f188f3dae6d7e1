//! Servers that no store is: answers without an end, of the wrong size, too deep, with names that nobody should follow.
//!
//! Each is bounded in memory and in time, refused, and named.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::s3::{Asked, Raw, Reply, relation_data};
use jiff::Timestamp;
use synapse_operator::backup::{BackupId, Catalogue, CatalogueError};
use synapse_operator::s3::{Bucket, Limits, Params, PartPlan, Proxy, S3Error, Upload};

/// The most that one answer may cost us; the system's own buffers included.
const MOST: u64 = 64 << 20;
/// As long may any of it take.
const PATIENCE: Duration = Duration::from_secs(20);
const ID: &str = "backup-20261121120405000678";

fn limits() -> Limits {
    Limits {
        head: Duration::from_secs(2),
        control: Duration::from_secs(2),
        silence: Duration::from_millis(700),
        complete: Duration::from_secs(2),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        control_attempts: 2,
        part_attempts: 2,
        fault_attempts: 2,
        ..Limits::default()
    }
}

fn bucket(raw: &Raw) -> Bucket {
    let mut databag = relation_data(&raw.endpoint(), "the-access-key", "the-secret-key", "demo");
    databag.insert("path".to_owned(), "prod".to_owned());
    Bucket::open(
        &Params::parse(&databag).unwrap(),
        &Proxy::default(),
        limits(),
    )
}

fn serve(
    answer: impl Fn(&Asked, &mut Reply) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Raw, Bucket) {
    let raw = Raw::start(answer).unwrap();
    let bucket = bucket(&raw);
    (raw, bucket)
}

/// The head of an answer without a length: its body lasts as long as the connection.
fn head(reply: &mut Reply, status: &str) -> std::io::Result<()> {
    write!(
        reply,
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n"
    )
}

fn xml(reply: &mut Reply, status: &str, body: &str) -> std::io::Result<()> {
    write!(
        reply,
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// What it was told, in time.
async fn told<T: std::fmt::Debug, E: std::error::Error + 'static>(
    call: impl Future<Output = Result<T, E>>,
) -> String {
    let begun = Instant::now();
    let error = tokio::time::timeout(PATIENCE, call)
        .await
        .expect("it hangs")
        .expect_err("it is refused");
    let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    println!("{:?}: {error}{causes}", begun.elapsed());
    let text = format!("{error}{causes}");
    assert!(text.len() < 1500, "{} bytes are told", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
    text
}

#[tokio::test]
async fn listing_of_endless_xml_is_given_up() {
    let (raw, bucket) = serve(|_, reply| {
        head(reply, "200 OK")?;
        reply.write_all(b"<ListBucketResult>")?;
        reply.forever(&b"<Contents><Key>prod/a</Key></Contents>".repeat(1000))
    });
    let text = told(bucket.list("").all(10)).await;
    assert!(
        text.contains("answered without an end to list the bucket: more than 16777216 bytes"),
        "{text}"
    );
    assert!(raw.sent() < 2 * MOST, "{} bytes were taken", raw.sent());
}

#[tokio::test]
async fn refusal_without_an_end_is_given_up() {
    let (raw, bucket) = serve(|_, reply| {
        head(reply, "403 Forbidden")?;
        reply.write_all(b"<Error><Code>AccessDenied</Code><Message>")?;
        reply.forever(&[b'x'; 1 << 16])
    });
    for text in [
        told(bucket.head()).await,
        told(bucket.get("a")).await,
        told(bucket.put("a", Bytes::new())).await,
        told(bucket.delete(&["a"])).await,
        told(Upload::begin(&bucket, "a", PartPlan::default(), 1)).await,
    ] {
        assert!(text.contains("answered without an end"), "{text}");
    }
    assert!(raw.sent() < MOST, "{} bytes were taken", raw.sent());
}

#[tokio::test]
async fn answer_that_comes_a_byte_at_a_time_is_given_up() {
    for status in ["200 OK", "404 Not Found"] {
        let (_raw, bucket) = serve(move |_, reply| {
            head(reply, status)?;
            loop {
                reply.write_all(b" ")?;
                reply.flush()?;
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let text = told(bucket.list("").all(10)).await;
        assert!(text.contains("did not answer in time"), "{text}");
        if status.starts_with("404") {
            let text = told(bucket.get("a")).await;
            assert!(text.contains("did not answer in time"), "{text}");
        }
    }
}

#[tokio::test]
async fn head_of_an_answer_without_an_end_is_given_up() {
    let (raw, bucket) = serve(|_, reply| {
        reply.write_all(b"HTTP/1.1 200 OK\r\n")?;
        let mut number = 0_u64;
        loop {
            number += 1;
            write!(reply, "X-Filler-{number}: {}\r\n", "x".repeat(4000))?;
        }
    });
    let text = told(bucket.list("").all(10)).await;
    assert!(
        text.contains("connection to") && text.contains("broke"),
        "{text}"
    );
    assert!(raw.sent() < MOST, "{} bytes were taken", raw.sent());
}

#[tokio::test]
async fn xml_that_is_nested_without_an_end_is_given_up() {
    for deep in [
        "<a>".repeat(1_000_000),
        "<Contents>".repeat(300_000),
        "<!--".repeat(1000),
        "<!DOCTYPE a [<!ENTITY b \"cc\">]>&b;".to_owned(),
    ] {
        let (_raw, bucket) =
            serve(move |_, reply| xml(reply, "200 OK", &format!("<ListBucketResult>{deep}")));
        let text = told(bucket.list("").all(10)).await;
        assert!(text.contains("the answer ended too early"), "{text}");
        let (_raw, bucket) =
            serve(|_, reply| xml(reply, "403 Forbidden", &"<Error>".repeat(30_000)));
        let text = told(bucket.list("").all(10)).await;
        assert!(
            text.contains("does not allow") || text.contains("did not answer as an S3 store"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn keys_that_nobody_should_follow_are_passed_over() {
    let names = [
        "prod/../../etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        "other/backup-20261121120405000678/manifest.json".to_owned(),
        "production/backup-20261121120405000678/manifest.json".to_owned(),
        format!("prod/{ID}/../x"),
        format!("prod/{ID}/a&#10;b&#27;[31m"),
        format!("prod/{}", "k".repeat(1019)),
        format!("prod/{}", "k".repeat(200_000)),
        "prod/".to_owned(),
        String::new(),
    ];
    let list = move |_: &Asked, reply: &mut Reply| {
        let entries: String = names
            .iter()
            .map(|name| format!("<Contents><Key>{name}</Key><Size>18446744073709551616</Size></Contents><CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>"))
            .collect();
        xml(
            reply,
            "200 OK",
            &format!(
                "<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
            ),
        )
    };
    let (_raw, bucket) = serve(list.clone());
    let listed = Catalogue::new(bucket.clone())
        .list(Timestamp::UNIX_EPOCH)
        .await;
    // A size that no number holds makes the page unreadable; what matters is that nothing is followed.
    if let Ok(listed) = listed {
        assert!(listed.is_empty(), "{listed:?}");
    }
    let id = BackupId::parse(ID).unwrap();
    let deleted = Catalogue::new(bucket).delete(&id).await;
    assert!(deleted.is_err(), "{deleted:?}");
}

#[tokio::test]
async fn listing_that_never_ends_is_given_up_with_a_number() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let pages = AtomicU64::new(0);
    let (_raw, bucket) = serve(move |_, reply| {
        let page = pages.fetch_add(1, Ordering::Relaxed);
        let entries: String = (0..1000)
            .map(|n| format!("<Contents><Key>prod/{ID}/f{page}-{n}</Key><Size>1</Size></Contents>"))
            .collect();
        xml(
            reply,
            "200 OK",
            &format!(
                "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t{page}</NextContinuationToken>{entries}</ListBucketResult>"
            ),
        )
    });
    let begun = Instant::now();
    let id = BackupId::parse(ID).unwrap();
    let refused = Catalogue::new(bucket).delete(&id).await;
    println!("{:?}: {refused:?}", begun.elapsed());
    assert!(
        matches!(&refused, Err(CatalogueError::Store { source: S3Error::Refused { code, .. }, .. }) if code == "TooManyKeys"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn documents_of_a_gigabyte_are_refused_unread() {
    for honest in [true, false] {
        let (raw, bucket) = serve(move |asked, reply| {
            if !asked.line.contains("x-id=GetObject") {
                let key = format!(
                    "<Contents><Key>prod/{ID}/manifest.json</Key><Size>1073741824</Size></Contents><CommonPrefixes><Prefix>prod/{ID}/</Prefix></CommonPrefixes>"
                );
                return xml(
                    reply,
                    "200 OK",
                    &format!("<ListBucketResult>{key}</ListBucketResult>"),
                );
            }
            let length = if honest {
                "Content-Length: 1073741824\r\n"
            } else {
                ""
            };
            write!(
                reply,
                "HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n"
            )?;
            reply.forever(&[b' '; 1 << 16])
        });
        let catalogue = Catalogue::new(bucket);
        let id = BackupId::parse(ID).unwrap();
        let text = told(catalogue.manifest(&id)).await;
        assert!(
            text.contains("manifest of the backup is larger than 1048576 bytes"),
            "{text}"
        );
        let _ = catalogue.at_work(Timestamp::UNIX_EPOCH).await;
        let listed = tokio::time::timeout(PATIENCE, catalogue.list(Timestamp::UNIX_EPOCH))
            .await
            .unwrap();
        println!("{listed:?}");
        assert!(raw.sent() < MOST, "{} bytes were taken", raw.sent());
    }
}

#[tokio::test]
async fn lengths_that_lie_are_told() {
    let lying = |length: &'static str, body: &'static [u8]| {
        serve(move |_, reply| {
            write!(
                reply,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"a\"\r\nConnection: close\r\n\r\n"
            )?;
            reply.write_all(body)
        })
    };
    for length in [
        "100",
        "18446744073709551615",
        "99999999999999999999",
        "-1",
        "7, 8",
    ] {
        let (_raw, bucket) = lying(length, b"short");
        let read = async { bucket.get("a").await?.collect(1 << 20).await };
        told(read).await;
        let whole = async { bucket.fetch("a").await?.chunk().await };
        let begun = Instant::now();
        let _ = tokio::time::timeout(PATIENCE, whole).await.unwrap();
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn what_is_no_http_is_told() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/9.9 999 \xff\xff\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"",
    ] {
        let (_raw, bucket) = serve(move |_, reply| reply.write_all(bytes));
        let text = told(bucket.head()).await;
        assert!(
            text.contains("connection to") || text.contains("did not answer"),
            "{text}"
        );
    }
}
