//! How the store understands what stores understand in different ways.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::bench::Bench;
use super::check::{Remedy, Report};
use super::part_limit;
use super::rights::CONTENT;
use super::sums::Sum;
use crate::s3::error::S3Error;

/// Other content than the one that is sent.
const OTHER: &[u8] = b"other bytes";

pub(super) async fn ask(bench: &mut Bench, report: &mut Report) {
    let names = [
        ("checksum-crc64nvme", Sum::Crc64Nvme),
        ("checksum-crc32c", Sum::Crc32c),
        ("checksum-md5", Sum::Md5),
    ];
    if report.is_well("put") {
        conditional(bench, report).await;
        let mut accepted = false;
        for (name, sum) in names {
            accepted |= checksum(bench, report, name, sum).await;
        }
        if !accepted {
            let what =
                "the store takes no checksum at all: damage on the way is found only by its tags";
            tracing::warn!("{what}");
        }
    } else {
        let why = "nothing may be written";
        report.skip("conditional-put", why);
        for (name, _) in names {
            report.skip(name, why);
        }
    }
    let told = part_limit::told(bench);
    report.pass("part-limit", told);
}

/// Writes the same object twice on the condition that there is none.
async fn conditional(bench: &mut Bench, report: &mut Report) {
    let name = "conditional-put";
    let key = bench.traces.key("conditional");
    for first in [true, false] {
        let call = bench.client.put_object().bucket(&bench.bucket).key(&key);
        let call = bench.sum.on(call, CONTENT).if_none_match("*");
        let call = call.body(ByteStream::from(Bytes::from_static(CONTENT)));
        let call = call.customize().config_override(bench.sum.settings(bench));
        let sent = call.send().await;
        let status = match &sent {
            Ok(_) => 200,
            Err(error) => error
                .raw_response()
                .map_or(0, |answer| answer.status().as_u16()),
        };
        match (sent, first, status) {
            (Ok(answer), true, _) => bench.traces.version(&key, answer.version_id()),
            (Ok(answer), false, _) => {
                bench.traces.version(&key, answer.version_id());
                let what = "ignored; the lease is settled by writing, waiting and reading again";
                report.warn(name, what, Vec::new());
            }
            (Err(_), false, 412 | 409) => report.pass(name, "honoured"),
            (Err(error), ..) => {
                let error = bench.explain("write on a condition", None, &error);
                let what = format!(
                    "refused ({error}); the lease is settled by writing, waiting and reading again"
                );
                report.warn(name, what, Vec::new());
                return;
            }
        }
    }
}

/// Whether a checksum is taken, and whether a wrong one is noticed.
async fn checksum(bench: &mut Bench, report: &mut Report, name: &'static str, sum: Sum) -> bool {
    let right = write(bench, name, sum, CONTENT).await;
    if let Err(error) = right {
        let what = format!("refused: {error}; backups go without it");
        report.warn(name, what, Vec::new());
        return false;
    }
    match write(bench, name, sum, OTHER).await {
        Ok(()) => {
            let what = "accepted, but a wrong one is accepted, too: verify-backup finds what the store does not";
            report.warn(name, what, Vec::new());
        }
        Err(S3Error::Refused { .. } | S3Error::NotS3 { .. } | S3Error::AccessDenied { .. }) => {
            report.pass(name, "accepted, and a wrong one is refused");
        }
        Err(error) => {
            let what = format!("accepted; whether a wrong one is refused is open: {error}");
            report.warn(name, what, vec![Remedy::of(&error)]);
        }
    }
    true
}

/// Writes the usual content with the checksum of another one.
async fn write(bench: &mut Bench, name: &str, sum: Sum, summed: &[u8]) -> Result<(), S3Error> {
    let key = bench.traces.key(name);
    let call = bench.client.put_object().bucket(&bench.bucket).key(&key);
    let call = sum.on(call, summed);
    let call = call.body(ByteStream::from(Bytes::from_static(CONTENT)));
    let call = call.customize().config_override(sum.settings(bench));
    match call.send().await {
        Ok(answer) => {
            bench.traces.version(&key, answer.version_id());
            Ok(())
        }
        Err(error) => Err(bench.explain("write an object", None, &error)),
    }
}
