//! The first question: what its answer tells of clock, credentials, region, style and bucket.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use tokio::time::Instant;

use super::Checkup;
use super::answer::{Head, Witness};
use super::bench::{Bench, target};
use super::check::{Remedy, Report, Stop};
use super::way::milliseconds;
use crate::s3::error::S3Error;
use crate::s3::params::UriStyle;

/// Clocks that differ by more are told.
const SKEW: i64 = 5 * 60;
/// How often the question is changed after what the store said to it.
const TURNS: usize = 4;

/// What is told of credentials that are good.
pub(super) const ACCEPTED: &str = "the store accepts the signature";

/// Codes of keys that were good once.
const ENDED: [&str; 3] = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"];

/// Which kind of list the store understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    V2,
    V1,
}

/// Asks for one key below the path, and tells what the answer says.
pub(super) async fn open(
    checkup: &Checkup,
    bench: &mut Bench,
    report: &mut Report,
) -> Result<(), Stop> {
    let given = checkup.params.region();
    let mut list = List::V2;
    let mut restyled = false;
    for _ in 0..TURNS {
        let began = Instant::now();
        let (asked, head) = ask(bench, &bench.client, list, bench.patience()).await;
        let took = milliseconds(began);
        clock(bench, &head, report);
        let error = match asked {
            Ok(()) => {
                answered(&head, &took, report);
                let style = bench.style;
                entered(bench, report, given, &head);
                match list {
                    List::V2 => report.pass("list-version", "ListObjectsV2"),
                    List::V1 => report.warn(
                        "list-version",
                        "ListObjects (version 1): the store does not know ListObjectsV2",
                        Vec::new(),
                    ),
                }
                told_style(bench, report, restyled.then_some(style)).await;
                report.pass("bucket", format!("{} is there", bench.bucket));
                return Ok(());
            }
            Err(error) => error,
        };
        match error {
            S3Error::WrongRegion { expected, .. } => {
                answered(&head, &took, report);
                let what = match &expected {
                    Some(name) => format!("{given} is not the bucket's, which is {name}"),
                    None => {
                        format!("{given} is not the bucket's, and the store does not tell which is")
                    }
                };
                let value = expected.unwrap_or_else(|| "<the bucket's region>".to_owned());
                report.fail("region", what, vec![Remedy::set("region", value)]);
                return Err(Stop::new("the region is wrong"));
            }
            S3Error::AccessDenied { .. } => {
                answered(&head, &took, report);
                located(bench, report, given, &head);
                told_style(bench, report, restyled.then_some(bench.style)).await;
                let what = format!(
                    "{}: listing is not allowed, so nothing tells whether it is there",
                    bench.bucket
                );
                report.pass("bucket", what);
                return Ok(());
            }
            S3Error::BucketMissing { .. }
                if !restyled && other_works(bench).await == Some(Other::Works) =>
            {
                restyled = true;
                let (other, _) = bench.other_style();
                bench.restyle(other);
            }
            S3Error::BucketMissing { .. } => {
                answered(&head, &took, report);
                entered(bench, report, given, &head);
                let what = format!("{} does not exist", bench.bucket);
                let create = format!(
                    "create it: aws s3api create-bucket --bucket {} {}",
                    bench.bucket,
                    endpoint(checkup)
                );
                let remedies = vec![
                    Remedy::advice(create.trim_end()),
                    Remedy::set("bucket", "<one that exists>"),
                ];
                report.fail("bucket", what, remedies);
                return Err(Stop::new("the bucket does not exist"));
            }
            S3Error::Refused { status, .. } | S3Error::NotS3 { status, .. }
                if list == List::V2 && matches!(status, 400 | 405 | 501) && head.came =>
            {
                list = List::V1;
                bench.v1 = true;
            }
            error => return Err(refused(bench, report, &error, &head, &took)),
        }
    }
    report.fail("answer", "the store contradicts itself", Vec::new());
    Err(Stop::new("the store contradicts itself"))
}

/// Tells of an answer with which nothing more can be asked.
fn refused(bench: &Bench, report: &mut Report, error: &S3Error, head: &Head, took: &str) -> Stop {
    let remedies = vec![Remedy::of(error)];
    match error {
        S3Error::KeyUnknown { .. } => {
            answered(head, took, report);
            report.fail(
                "credentials",
                "the store does not know the access key",
                remedies,
            );
            Stop::new("the credentials are not accepted")
        }
        S3Error::SignatureMismatch { .. } => {
            answered(head, took, report);
            report.fail(
                "credentials",
                "the store knows the access key and refuses the secret key",
                remedies,
            );
            Stop::new("the credentials are not accepted")
        }
        S3Error::Refused { code, .. } if ENDED.contains(&code.as_str()) => {
            answered(head, took, report);
            let what = format!("they are no longer good: {code}");
            report.fail("credentials", what, vec![Remedy::Credentials]);
            Stop::new("the credentials are not accepted")
        }
        S3Error::ClockSkew { .. } => {
            answered(head, took, report);
            let what = "the store refuses requests because the clocks differ too much";
            report.fail("clock", what, clock_remedy(bench.ahead));
            Stop::new("the clocks differ too much")
        }
        error => {
            let mut what = error.to_string();
            if let Some(cause) = std::error::Error::source(error) {
                what += &format!(": {cause}");
            }
            report.fail("answer", what, remedies);
            Stop::new("the store does not answer as it should")
        }
    }
}

/// Credentials and region, once the store has let us in.
fn entered(bench: &Bench, report: &mut Report, given: &str, head: &Head) {
    report.pass("credentials", ACCEPTED);
    located(bench, report, given, head);
}

/// The region, once the store has looked at a request.
fn located(bench: &Bench, report: &mut Report, given: &str, head: &Head) {
    let right = bench.learnt.home().region();
    match (right != given, &head.region) {
        (true, _) => {
            let what = format!(
                "{given} is not the bucket's, which is {right}; backups correct it by themselves"
            );
            report.warn("region", what, vec![Remedy::set("region", right)]);
        }
        (false, Some(named)) if named != given => {
            let what = format!("{given} is accepted, and the store calls it {named}");
            report.pass("region", what);
        }
        (false, Some(_)) => report.pass("region", format!("{given}, as the store says, too")),
        (false, None) => report.pass("region", format!("{given} is accepted")),
    }
}

fn answered(head: &Head, took: &str, report: &mut Report) {
    let server = head.server.as_deref().map(|name| format!(" ({name})"));
    let what = format!("an S3 store{} in {took} ms", server.unwrap_or_default());
    report.pass("answer", what);
}

/// How far the clocks are apart, as far as the answer tells.
fn clock(bench: &mut Bench, head: &Head, report: &mut Report) {
    let Some(date) = head.date else {
        if head.came {
            report.skip("clock", "the store's answer has no Date");
        }
        return;
    };
    bench.ahead = date.as_second() - (bench.now)().as_second();
    match bench.ahead {
        -1..=1 => report.pass("clock", "the same as the store's"),
        ahead if ahead.abs() <= SKEW => report.pass("clock", apart(ahead)),
        ahead => {
            let what = format!(
                "{}; requests are signed with the store's time",
                apart(ahead)
            );
            report.warn("clock", what, clock_remedy(ahead));
        }
    }
}

fn apart(ahead: i64) -> String {
    let way = if ahead < 0 { "ahead of" } else { "behind" };
    format!("{} s {way} the store's", ahead.abs())
}

fn clock_remedy(ahead: i64) -> Vec<Remedy> {
    let whose = match ahead.abs() > SKEW {
        true => "set the clock of this unit's node (timedatectl set-ntp true), or the store's",
        false => "set the store's clock",
    };
    vec![Remedy::advice(whose)]
}

/// Tells the style that is used, and whether the other one would do.
async fn told_style(bench: &Bench, report: &mut Report, restyled: Option<UriStyle>) {
    if let Some(right) = restyled {
        let (wrong, _) = bench.other_style();
        let what = format!("{} finds no bucket, {} does", word(wrong), word(right));
        report.fail(
            "style",
            what,
            vec![Remedy::set("s3-uri-style", word(right))],
        );
        return;
    }
    let (other, _) = bench.other_style();
    let also = match other_works(bench).await {
        Some(Other::Works) => format!("{} works, too", word(other)),
        Some(Other::Same) => format!("{} is not possible with this endpoint", word(other)),
        None => format!("{} does not work", word(other)),
    };
    report.pass("style", format!("{}; {also}", word(bench.style)));
}

/// What came of the other style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Works,
    /// It leads to the very same requests, as with an address in place of a name.
    Same,
}

async fn other_works(bench: &Bench) -> Option<Other> {
    let (_, client) = bench.other_style();
    let here = bench.target().await.ok()?;
    let there = target(&client, &bench.bucket, &bench.scene).await.ok()?;
    if here.host == there.host {
        return Some(Other::Same);
    }
    match ask(bench, &client, List::V2, bench.aside()).await {
        (Ok(()) | Err(S3Error::AccessDenied { .. }), _) => Some(Other::Works),
        (Err(_), _) => None,
    }
}

fn word(style: UriStyle) -> &'static str {
    match style {
        UriStyle::Path => "path",
        UriStyle::Host => "host",
    }
}

fn endpoint(checkup: &Checkup) -> String {
    let params = &checkup.params;
    match params.endpoint() {
        Some(endpoint) => format!("--endpoint-url {endpoint}"),
        None => format!("--region {}", params.region()),
    }
}

async fn ask(
    bench: &Bench,
    client: &Client,
    list: List,
    config: Builder,
) -> (Result<(), S3Error>, Head) {
    let witness = Witness::default();
    let task = "list the bucket";
    let asked = match list {
        List::V2 => {
            let call = client.list_objects_v2().bucket(&bench.bucket);
            let call = call.prefix(&bench.root).max_keys(1).customize();
            let call = call.config_override(config).interceptor(witness.clone());
            let sent = call.send().await;
            sent.map(drop)
                .map_err(|error| bench.explain(task, None, &error))
        }
        List::V1 => {
            let call = client.list_objects().bucket(&bench.bucket);
            let call = call.prefix(&bench.root).max_keys(1).customize();
            let call = call.config_override(config).interceptor(witness.clone());
            let sent = call.send().await;
            sent.map(drop)
                .map_err(|error| bench.explain(task, None, &error))
        }
    };
    (asked, witness.head())
}
