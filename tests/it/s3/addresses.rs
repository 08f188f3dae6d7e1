//! Under which address a request goes out. A proxy sees it whole, and no name has to resolve.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use harness::s3::relation_data;
use synapse_operator::s3::{Bucket, Proxy};

use super::{limits, params};

/// A proxy that notes the first line of one request and closes the connection.
fn proxy() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        // Refused, so that it is not tried again.
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&bytes[..count]).into_owned();
        head.lines().next().unwrap_or_default().to_owned()
    });
    (url, seen)
}

/// What a proxy sees of the first request to a store.
async fn address(endpoint: &str, settings: &[(&str, &str)]) -> String {
    let (url, seen) = proxy();
    let databag = relation_data(endpoint, "the-access-key", "the-secret-key", "demo");
    let proxy = Proxy::new(Some(&url), Some(&url), None).unwrap();
    let bucket = Bucket::open(&params(&databag, settings), &proxy, limits());
    assert!(bucket.stat("a b").await.is_err());
    let line = seen.join().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    words[..2].join(" ")
}

#[tokio::test]
async fn every_form_of_an_endpoint_leads_to_the_address_that_it_means() {
    let host = [("s3-uri-style", "host")];
    for (endpoint, settings, expected) in [
        (
            "http://s3.example.com",
            &[][..],
            "HEAD http://s3.example.com/demo/a%20b",
        ),
        (
            "http://s3.example.com:9000/",
            &[],
            "HEAD http://s3.example.com:9000/demo/a%20b",
        ),
        (
            "http://s3.example.com/sub/s3//",
            &[],
            "HEAD http://s3.example.com/sub/s3/demo/a%20b",
        ),
        (
            "http://[2001:db8::1]:9000",
            &[],
            "HEAD http://[2001:db8::1]:9000/demo/a%20b",
        ),
        (
            "http://192.0.2.7",
            &host,
            "HEAD http://192.0.2.7/demo/a%20b",
        ),
        (
            "http://s3.example.com:9000",
            &host,
            "HEAD http://demo.s3.example.com:9000/a%20b",
        ),
        (
            "http://s3.example.com/sub",
            &host,
            "HEAD http://demo.s3.example.com/sub/a%20b",
        ),
        (
            "http://s3.example.com",
            &[("s3-uri-style", "host"), ("bucket", "a.b")],
            "HEAD http://s3.example.com/a.b/a%20b",
        ),
        (
            "https://s3.example.com",
            &[("s3-uri-style", "host"), ("bucket", "a.b")],
            "CONNECT s3.example.com:443",
        ),
        (
            "https://s3.example.com:9000",
            &host,
            "CONNECT demo.s3.example.com:9000",
        ),
        ("https://[2001:db8::1]", &[], "CONNECT [2001:db8::1]:443"),
        (
            "",
            &[("region", "eu-west-1")],
            "CONNECT demo.s3.eu-west-1.amazonaws.com:443",
        ),
        (
            "",
            &[("region", "eu-west-1"), ("bucket", "a.b")],
            "CONNECT s3.eu-west-1.amazonaws.com:443",
        ),
        (
            "",
            &[("region", "cn-north-1"), ("s3-uri-style", "path")],
            "CONNECT s3.cn-north-1.amazonaws.com.cn:443",
        ),
    ] {
        let path = [("path", "")];
        let settings = [&path, settings].concat();
        assert_eq!(
            address(endpoint, &settings).await,
            expected,
            "{endpoint} {settings:?}"
        );
    }
}

#[tokio::test]
async fn the_path_of_the_relation_lies_inside_the_bucket() {
    let seen = address("http://s3.example.com/sub", &[("path", "/a b//c/")]).await;
    assert_eq!(seen, "HEAD http://s3.example.com/sub/demo/a%20b/c/a%20b");
}

#[tokio::test]
async fn a_host_that_is_excepted_is_not_asked_of_the_proxy() {
    for (no_proxy, excepted) in [
        ("store.invalid:9000", true),
        ("store.invalid:9001", false),
        ("*.invalid", true),
        ("10.0.0.0/8 invalid", true),
        ("*", true),
        ("other.invalid", false),
    ] {
        let (url, seen) = proxy();
        let databag = relation_data(
            "http://store.invalid:9000",
            "the-access-key",
            "the-secret-key",
            "demo",
        );
        let proxy = Proxy::new(Some(&url), None, Some(no_proxy)).unwrap();
        let bucket = Bucket::open(&params(&databag, &[]), &proxy, limits());
        assert!(bucket.stat("a").await.is_err());
        assert_eq!(!seen.is_finished(), excepted, "{no_proxy}");
    }
}
