//! How the bucket is set: what it keeps, and what it removes by itself.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, LifecycleRule, StorageClass};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;

use super::Checkup;
use super::bench::Bench;
use super::check::{Remedy, Report};
use super::lifecycle;
use super::rights::CONTENT;
use crate::s3::error::S3Error;

/// Why a setting was not told.
enum Untold {
    /// There is none, in the store's words.
    None,
    /// The store does not know such settings.
    Unknown,
    /// The key may not ask.
    Denied,
    /// Something else.
    Other(S3Error),
}

pub(super) async fn ask(checkup: &Checkup, bench: &mut Bench, report: &mut Report) {
    object_lock(bench, report).await;
    versioning(bench, report).await;
    lifecycle_rules(bench, report).await;
    storage_class(checkup, bench, report).await;
}

async fn object_lock(bench: &Bench, report: &mut Report) {
    let name = "object-lock";
    let call = bench.client.get_object_lock_configuration();
    let call = call.bucket(&bench.bucket).customize();
    let answer = match call.config_override(bench.aside()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let action = "s3:GetBucketObjectLockConfiguration";
            return untold(name, action, (&error, "off"), (bench, report));
        }
    };
    let lock = answer.object_lock_configuration();
    let retention = lock
        .and_then(|lock| lock.rule())
        .and_then(|rule| rule.default_retention());
    match (lock, retention) {
        (None, _) => report.pass(name, "off"),
        (Some(_), None) => report.pass(name, "on, without a retention of its own"),
        (Some(_), Some(rule)) => {
            let mode = rule.mode().map_or("", |mode| mode.as_str());
            let term = match (rule.days(), rule.years()) {
                (Some(days), _) => format!("{days} days"),
                (_, Some(years)) => format!("{years} years"),
                (None, None) => "an unknown time".to_owned(),
            };
            let what = format!(
                "on: versions are kept for {term} ({}), also of backups that delete-backup removes",
                bench.scene.cleared(mode)
            );
            report.warn(name, what, Vec::new());
        }
    }
}

async fn versioning(bench: &Bench, report: &mut Report) {
    let name = "versioning";
    let call = bench.client.get_bucket_versioning().bucket(&bench.bucket);
    let sent = call.customize().config_override(bench.aside()).send();
    match sent.await {
        Ok(answer) if answer.status() == Some(&BucketVersioningStatus::Enabled) => {
            let what = "on: what delete-backup removes stays as old versions, and costs";
            let repair = Remedy::advice(lifecycle::noncurrent(&bench.bucket, &bench.root));
            report.warn(name, what, vec![repair]);
        }
        Ok(answer) if answer.status() == Some(&BucketVersioningStatus::Suspended) => {
            report.pass(name, "suspended");
        }
        Ok(_) => report.pass(name, "off"),
        Err(error) => {
            let action = "s3:GetBucketVersioning";
            untold(name, action, (&error, "off"), (bench, report));
        }
    }
}

async fn lifecycle_rules(bench: &Bench, report: &mut Report) {
    let name = "lifecycle";
    let call = bench.client.get_bucket_lifecycle_configuration();
    let call = call.bucket(&bench.bucket).customize();
    match call.config_override(bench.aside()).send().await {
        Ok(answer) => tell_rules(answer.rules(), bench, report),
        Err(error) => {
            if let Untold::None = reason(bench, &error) {
                return tell_rules(&[], bench, report);
            }
            let action = "s3:GetLifecycleConfiguration";
            let none =
                "the store has no such rules; create-backup and delete-backup sweep what broke off";
            untold(name, action, (&error, none), (bench, report));
        }
    }
}

fn tell_rules(rules: &[LifecycleRule], bench: &Bench, report: &mut Report) {
    let (verdict, what, remedies) = lifecycle::told(rules, &bench.bucket, &bench.root);
    report.note("lifecycle", verdict, what, remedies);
}

async fn storage_class(checkup: &Checkup, bench: &mut Bench, report: &mut Report) {
    let name = "storage-class";
    let Some(class) = checkup.params.storage_class() else {
        report.pass(name, "none named: the bucket's own");
        return;
    };
    if !report.is_well("put") {
        report.skip(name, "nothing may be written");
        return;
    }
    let key = bench.traces.key("class");
    let call = bench.client.put_object().bucket(&bench.bucket).key(&key);
    let call = bench.sum.on(call, CONTENT);
    let call = call.storage_class(StorageClass::from(class));
    let call = call.body(ByteStream::from(Bytes::from_static(CONTENT)));
    let call = call.customize().config_override(bench.sum.settings(bench));
    match call.send().await {
        Ok(answer) => {
            bench.traces.version(&key, answer.version_id());
            report.pass(name, format!("{class} is accepted"));
        }
        Err(error) => {
            let error = bench.explain("write an object", None, &error);
            let what = format!("{class} is not accepted: {error}");
            report.fail(name, what, vec![Remedy::set("storage-class", "STANDARD")]);
        }
    }
}

/// Tells a setting that was not told. `none` is what there is when the store has no such setting.
fn untold<E: ProvideErrorMetadata + std::error::Error + 'static>(
    name: &'static str,
    action: &'static str,
    (error, none): (&SdkError<E, HttpResponse>, &str),
    (bench, report): (&Bench, &mut Report),
) {
    match reason(bench, error) {
        Untold::None => report.pass(name, none),
        Untold::Unknown => report.pass(name, "the store does not know such a setting"),
        Untold::Denied => {
            let what = format!("the key may not ask ({action}); backups do without");
            let resource = bench.bucket_arn();
            report.warn(name, what, vec![Remedy::Allow { action, resource }]);
        }
        Untold::Other(error) => report.warn(name, error.to_string(), Vec::new()),
    }
}

fn reason<E: ProvideErrorMetadata + std::error::Error + 'static>(
    bench: &Bench,
    error: &SdkError<E, HttpResponse>,
) -> Untold {
    match bench.explain("ask how the bucket is set", None, error) {
        S3Error::AccessDenied { .. } => Untold::Denied,
        S3Error::Refused {
            status: 405 | 501, ..
        }
        | S3Error::NotS3 { .. } => Untold::Unknown,
        S3Error::Refused { status: 404, .. } | S3Error::NotFound { .. } => Untold::None,
        S3Error::Refused { code, .. } if code == "InvalidBucketState" => Untold::None,
        other => Untold::Other(other),
    }
}
