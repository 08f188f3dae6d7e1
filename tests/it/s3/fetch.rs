//! Large objects read ahead from stores that break off, stand still, answer something else or forget what ranges are.

use std::time::{Duration, Instant};

use harness::deadline::{Deadline, Look};
use harness::s3::{Effect, Fault, Operation, Server};
use synapse_operator::s3::{Bucket, Fetch, Limits, Proxy, S3Error};

use super::{MIB, bucket, fetched, limits, noise, params, refusal, server};

const KEY: &str = "volume";
const PIECE: usize = Fetch::PIECE as usize;

/// How many pieces are asked for at a time.
fn ahead() -> usize {
    Fetch::ahead(Limits::default().memory)
}

/// A store that holds an object of this size.
fn store(length: usize) -> (Server, Bucket, Vec<u8>) {
    let server = server();
    let bytes = noise(length, 11);
    std::fs::write(server.directory().join("demo").join(KEY), &bytes).unwrap();
    let bucket = bucket(&server.relation_data(), &[]);
    (server, bucket, bytes)
}

fn on_get(effect: Effect) -> Fault {
    Fault::on(Operation::GetObject, effect)
}

async fn read(bucket: &Bucket) -> Result<Vec<u8>, S3Error> {
    let mut fetch = bucket.fetch(KEY).await?;
    let read = fetched(&mut fetch).await;
    if read.is_err() {
        let again = fetch.chunk().await;
        assert!(
            matches!(again, Err(S3Error::Truncated { .. })),
            "no end after an error: {again:?}"
        );
    }
    read
}

/// What the store was asked for, in order.
fn asked(server: &Server) -> Vec<String> {
    server.header_of_each(Operation::GetObject, "range")
}

fn range(start: usize, end: usize) -> String {
    format!("bytes={start}-{}", end - 1)
}

/// Where the farthest range ends that the store was asked for.
fn farthest(server: &Server) -> usize {
    let ends = asked(server)
        .into_iter()
        .map(|range| range.rsplit('-').next().unwrap().parse::<usize>().unwrap() + 1);
    ends.max().unwrap()
}

fn wait_until_answering(server: &Server, calls: usize) {
    wait_until("the store answers so many requests", calls, || {
        server.answering(Operation::GetObject)
    });
}

/// Waits until the store has been asked for the object so many times.
fn wait_until_asked(server: &Server, calls: usize) {
    wait_until("the store was asked so many times", calls, || {
        server.calls(Operation::GetObject)
    });
}

fn wait_until(what: &str, wanted: usize, seen: impl Fn() -> usize) {
    Deadline::after(Duration::from_secs(10))
        .wait_for(what, || {
            Ok(match seen() {
                now if now == wanted => Look::Done(()),
                now => Look::NotYet(now),
            })
        })
        .unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_piece_is_made_anew_at_that_byte() {
    let length = 2 * PIECE;
    for (broken, start) in [(0, 0), (1, PIECE)] {
        for after in [0, 1, 1_000_001, PIECE - 1] {
            let (server, bucket, bytes) = store(length);
            server.order(on_get(Effect::Cut(after as u64)).after(broken));
            assert!(read(&bucket).await.unwrap() == bytes, "{broken} {after}");
            // The second piece is on its way at the same time.
            let mut asked = asked(&server);
            asked.sort();
            let mut expected = [(0, PIECE), (PIECE, length), (start + after, start + PIECE)]
                .map(|(start, end)| range(start, end));
            expected.sort();
            assert_eq!(asked, expected);
        }
    }
}

#[tokio::test]
async fn progress_sets_the_count_of_tries_back() {
    let (server, bucket, bytes) = store(PIECE - 5);
    assert!(limits().part_attempts < 4);
    server.order(on_get(Effect::Cut(MIB as u64 / 2)).times(3));
    assert!(read(&bucket).await.unwrap() == bytes);
    let mut expected = vec![range(0, PIECE)];
    expected.extend([1, 2, 3].map(|half| range(half * MIB / 2, PIECE - 5)));
    assert_eq!(asked(&server), expected);
    let tag = format!(
        "\"{}\"",
        bucket.stat(KEY).await.unwrap().unwrap().etag.unwrap()
    );
    assert_eq!(
        server.header_of_each(Operation::GetObject, "if-match"),
        ["", &tag, &tag, &tag]
    );
    let checksums = server.header_of_each(Operation::GetObject, "x-amz-checksum-mode");
    assert_eq!(checksums, [""; 4], "a range has no checksum");
}

#[tokio::test]
async fn a_body_that_stands_still_is_asked_for_again_and_what_had_come_is_handed_out_before() {
    let (server, bucket, bytes) = store(MIB);
    server.order(on_get(Effect::StallBody(1000)));
    let start = Instant::now();
    let mut fetch = bucket.fetch(KEY).await.unwrap();
    let first = fetch.chunk().await.unwrap().unwrap();
    assert!(first == bytes[..1000]);
    assert_eq!(server.calls(Operation::GetObject), 1);
    assert!(fetched(&mut fetch).await.unwrap() == bytes[1000..]);
    assert!(start.elapsed() >= limits().silence);
    assert_eq!(asked(&server), [range(0, PIECE), range(1000, MIB)]);
}

#[tokio::test]
async fn a_store_that_brings_nothing_any_more_is_given_up() {
    let (server, bucket, _) = store(MIB);
    server.order(on_get(Effect::Cut(1000)));
    server.order(on_get(Effect::Cut(0)).always());
    let error = refusal(read(&bucket)).await;
    assert!(
        matches!(
            error,
            S3Error::Interrupted { .. } | S3Error::Truncated { .. }
        ),
        "{error:?}"
    );
    let mut expected = vec![range(0, PIECE)];
    // What the first brought is too little to count.
    expected.extend(vec![range(1000, MIB); limits().part_attempts as usize - 1]);
    assert_eq!(asked(&server), expected);

    let (server, bucket, _) = store(MIB);
    server.order(on_get(Effect::StallBody(0)).always());
    let error = read(&bucket).await.err().unwrap();
    assert!(matches!(error, S3Error::TimedOut { .. }), "{error:?}");
    assert_eq!(asked(&server).len(), limits().part_attempts as usize);
}

#[tokio::test]
async fn a_request_that_fails_is_sent_again() {
    for effect in [Effect::Drop, Effect::refuse(503, "SlowDown"), Effect::Stall] {
        let (server, bucket, bytes) = store(PIECE + 1);
        server.order(on_get(effect).after(1));
        assert!(read(&bucket).await.unwrap() == bytes);
        assert_eq!(server.calls(Operation::GetObject), 3);
    }
}

#[tokio::test]
async fn an_error_that_cannot_pass_ends_the_reading_at_once() {
    for (status, code) in [(403, "AccessDenied"), (404, "NoSuchKey")] {
        let (server, bucket, _) = store(MIB);
        server.order(on_get(Effect::Cut(1000)));
        server.order(on_get(Effect::refuse(status, code)).always());
        let error = refusal(read(&bucket)).await;
        assert!(
            matches!(
                error,
                S3Error::AccessDenied { .. } | S3Error::NotFound { .. }
            ),
            "{error:?}"
        );
        assert_eq!(asked(&server).len(), 2);
    }
}

#[tokio::test]
async fn another_object_under_the_key_is_never_read_on() {
    let effects = [
        Effect::refuse(412, "PreconditionFailed"),
        Effect::refuse(416, "InvalidRange"),
        Effect::WrongTag,
        Effect::Header("etag", None),
        Effect::Header("content-range", Some("bytes 2097152-2097152/2097154")),
    ];
    for effect in effects {
        let (server, bucket, _) = store(PIECE + 1);
        server.order(on_get(effect.clone()).after(1));
        let error = refusal(read(&bucket)).await;
        assert!(
            matches!(&error, S3Error::Replaced { key } if key == KEY),
            "{effect:?}: {error:?}"
        );
        assert_eq!(asked(&server).len(), 2);
    }
    let text = S3Error::Replaced { key: KEY.into() }.to_string();
    assert_eq!(text, "volume was replaced while it was being read");
}

#[tokio::test]
async fn other_bytes_than_those_asked_for_are_refused() {
    let first = [
        Some("bytes 0-2097150/4194304"),
        Some("bytes 1-2097152/4194304"),
        Some("bytes 0-2097151/*"),
        Some("bytes 0-2097151"),
        None,
    ];
    let later = [
        Some("bytes 2097152-4194302/4194304"),
        Some("bytes 0-2097151/4194304"),
        Some("nonsense"),
        None,
    ];
    let all = first
        .map(|text| (0, text))
        .into_iter()
        .chain(later.map(|text| (1, text)));
    for (calls, text) in all {
        let (server, bucket, _) = store(2 * PIECE);
        server.order(on_get(Effect::Header("content-range", text)).after(calls));
        let error = refusal(read(&bucket)).await;
        assert!(
            matches!(error, S3Error::RangeAltered { .. }),
            "{calls} {text:?}: {error:?}"
        );
    }
    let (server, bucket, _) = store(2 * PIECE);
    server.order(on_get(Effect::Whole(None)).after(1));
    let error = refusal(read(&bucket)).await;
    assert_eq!(
        error.to_string(),
        "store answered with no range (status 200) of volume where bytes=2097152-4194303 was asked for"
    );
}

#[tokio::test]
async fn a_store_that_knows_no_ranges_is_read_in_one_request() {
    for length in [0, 1, PIECE, 3 * PIECE + 5] {
        let (server, bucket, bytes) = store(length);
        server.order(on_get(Effect::Whole(None)).always());
        assert_eq!(bucket.fetch(KEY).await.unwrap().size(), length as u64);
        assert!(read(&bucket).await.unwrap() == bytes, "{length}");
        assert_eq!(server.calls(Operation::GetObject), 2);
    }
}

#[tokio::test]
async fn a_store_that_knows_no_ranges_is_read_on_behind_what_had_come() {
    let length = 3 * PIECE + 5;
    let after = PIECE + 12_345;
    // The second answer may be the rest only, or everything again.
    for second in [None, Some(Effect::Whole(None))] {
        let (server, bucket, bytes) = store(length);
        server.order(on_get(Effect::Whole(Some(after as u64))));
        if let Some(second) = second {
            server.order(on_get(second));
        }
        assert!(read(&bucket).await.unwrap() == bytes);
        assert_eq!(asked(&server), [range(0, PIECE), range(after, length)]);
    }
}

#[tokio::test]
async fn an_object_without_a_tag_is_read_in_one_request_and_not_twice() {
    for tag in [None, Some("W/\"weak\"")] {
        let (server, bucket, bytes) = store(2 * PIECE);
        server.order(on_get(Effect::Header("etag", tag)).always());
        assert!(read(&bucket).await.unwrap() == bytes);
        assert_eq!(asked(&server), [range(0, PIECE), String::new()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_asked_for_than_may_wait_in_memory() {
    let (server, bucket, bytes) = store(7 * PIECE);
    let mut fetch = bucket.fetch(KEY).await.unwrap();
    let mut given = fetch.chunk().await.unwrap().unwrap().len();
    // The store has given away all that it was asked for: it lies with the reader, who takes none.
    wait_until_asked(&server, ahead());
    wait_until_answering(&server, 0);
    assert_eq!(farthest(&server), ahead() * PIECE);
    while let Some(chunk) = fetch.chunk().await.unwrap() {
        assert!(farthest(&server) <= given + ahead() * PIECE);
        assert!(chunk == bytes[given..given + chunk.len()]);
        given += chunk.len();
    }
    assert_eq!(given, bytes.len());
    assert_eq!(server.calls(Operation::GetObject), 7);
    assert_eq!(ahead(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_dropped_ends_its_requests() {
    for effect in [Effect::StallBody(1000), Effect::Stall] {
        let (server, ..) = store(7 * PIECE);
        server.order(on_get(Effect::StallBody(1000)));
        server.order(on_get(effect).always());
        let params = params(&server.relation_data(), &[]);
        let bucket = Bucket::open(&params, &Proxy::default(), Limits::default());
        let mut fetch = bucket.fetch(KEY).await.unwrap();
        assert_eq!(fetch.chunk().await.unwrap().unwrap().len(), 1000);
        wait_until_answering(&server, ahead());
        drop(fetch);
        wait_until_answering(&server, 0);
        assert_eq!(server.calls(Operation::GetObject), ahead());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_under_the_first_piece_ends_the_others() {
    let (server, bucket, _) = store(7 * PIECE);
    server.order(on_get(Effect::Cut(1000)));
    server.order(on_get(Effect::StallBody(1000)).times(ahead() - 1));
    server.order(on_get(Effect::refuse(403, "AccessDenied")).always());
    let mut fetch = bucket.fetch(KEY).await.unwrap();
    let error = fetched(&mut fetch).await.err().unwrap();
    assert!(matches!(error, S3Error::AccessDenied { .. }), "{error:?}");
    wait_until_answering(&server, 0);
}
