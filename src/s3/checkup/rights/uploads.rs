//! What the key may do with uploads in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::super::bench::Bench;
use super::super::check::Report;
use super::super::sums::Sum;
use super::{CONTENT, Right, refuse};
use crate::s3::error::S3Error;

/// Begins, sends and completes an upload of one part.
pub(super) async fn multipart(bench: &mut Bench, report: &mut Report) {
    let key = bench.traces.key("multipart");
    let id = match begin(bench, &key).await {
        Ok(id) => id,
        Err(error) => return refuse("multipart", Right::Put, &error, (bench, report)),
    };
    let call = bench.client.upload_part().bucket(&bench.bucket).key(&key);
    // Every store takes this sum, and buckets with object lock demand one.
    let call = call.upload_id(&id).part_number(1);
    let call = call.content_md5(Sum::Md5.of(CONTENT));
    let call = call.body(ByteStream::from(Bytes::from_static(CONTENT)));
    let sent = call.customize().config_override(bench.bare()).send().await;
    let etag = match sent {
        Ok(answer) => answer.e_tag,
        Err(error) => {
            let error = bench.explain("write a part", None, &error);
            return refuse("multipart", Right::Put, &error, (bench, report));
        }
    };
    list_parts(bench, &key, &id, report).await;
    let part = CompletedPart::builder().part_number(1).set_e_tag(etag);
    let parts = CompletedMultipartUpload::builder().parts(part.build());
    let call = bench.client.complete_multipart_upload();
    let call = call.bucket(&bench.bucket).key(&key).upload_id(&id);
    let call = call.multipart_upload(parts.build()).customize();
    match call.config_override(bench.patience()).send().await {
        Ok(answer) => {
            bench.traces.version(&key, answer.version_id());
            report.pass("multipart", "begun, sent and completed");
        }
        Err(error) => {
            let error = bench.explain("complete an upload", None, &error);
            refuse("multipart", Right::Put, &error, (bench, report));
        }
    }
}

/// Begins an upload, looks for it among the open ones, and gives it up.
pub(super) async fn abandoned(bench: &mut Bench, report: &mut Report) {
    let key = bench.traces.key("aborted");
    let id = match begin(bench, &key).await {
        Ok(id) => Some(id),
        Err(S3Error::AccessDenied { .. }) => None,
        Err(error) => {
            let why = format!("no upload could be begun: {error}");
            report.skip("abort", &why);
            report.skip("list-uploads", why);
            return;
        }
    };
    list_uploads(bench, &key, id.as_deref(), report).await;
    // Without a permission to begin one, an upload that never was tells whether it might be given up.
    let given = id.clone().unwrap_or_else(|| "none".to_owned());
    let call = bench.client.abort_multipart_upload().bucket(&bench.bucket);
    let call = call.key(&key).upload_id(given).customize();
    let sent = call.config_override(bench.patience()).send().await;
    let error = match sent {
        Ok(_) => {
            report.pass("abort", "allowed");
            return;
        }
        Err(error) => bench.explain("abort an upload", None, &error),
    };
    match error {
        S3Error::Refused { code, .. } if code == "NoSuchUpload" && id.is_none() => {
            report.pass("abort", "allowed; there is no upload to abort");
        }
        error => refuse("abort", Right::Abort, &error, (bench, report)),
    }
}

/// Asks for the parts of an upload, which a change of the passphrase does after the store has copied some.
async fn list_parts(bench: &Bench, key: &str, id: &str, report: &mut Report) {
    let name = "list-parts";
    let call = bench.client.list_parts().bucket(&bench.bucket).key(key);
    let call = call.upload_id(id).customize();
    let sent = call.config_override(bench.patience()).send().await;
    let error = match sent {
        Ok(_) => return report.pass(name, "allowed"),
        Err(error) => bench.explain("list the parts of an upload", None, &error),
    };
    let instead = "rotate-passphrase sends volumes again in the place of having them copied";
    match error {
        S3Error::AccessDenied { .. } => {
            let what = format!("not allowed ({}): {instead}", Right::ListParts.action());
            report.warn(name, what, vec![Right::ListParts.remedy(bench)]);
        }
        error => report.warn(name, format!("{error}: {instead}"), Vec::new()),
    }
}

async fn list_uploads(bench: &Bench, key: &str, id: Option<&str>, report: &mut Report) {
    let name = "list-uploads";
    let call = bench.client.list_multipart_uploads().bucket(&bench.bucket);
    let sent = call.customize().config_override(bench.patience()).send();
    let open = match sent.await {
        Ok(answer) => answer,
        Err(error) => {
            let error = bench.explain("list open uploads", None, &error);
            let unknown = matches!(
                error,
                S3Error::Refused {
                    status: 501 | 405,
                    ..
                } | S3Error::NotS3 {
                    status: 501 | 405,
                    ..
                }
            );
            match unknown {
                true => {
                    let what = "the store does not know the question; uploads that break off are found by our own records";
                    report.warn(name, what, Vec::new());
                }
                false => refuse(name, Right::ListUploads, &error, (bench, report)),
            }
            return;
        }
    };
    let listed = open.uploads().iter().any(|one| one.upload_id() == id);
    let whole = open.is_truncated() != Some(true);
    if id.is_none() || listed {
        report.pass(name, "allowed");
        return;
    }
    let call = bench.client.list_multipart_uploads().bucket(&bench.bucket);
    let sent = call
        .prefix(key)
        .customize()
        .config_override(bench.patience());
    let by_key = sent.send().await.is_ok_and(|answer| {
        let mut open = answer.uploads().iter();
        open.any(|one| one.upload_id() == id)
    });
    match (by_key, whole) {
        (true, false) => report.pass(name, "allowed; there are many open ones"),
        (true, true) => {
            let what = "only by the exact key; uploads that break off are found by our own records";
            report.warn(name, what, Vec::new());
        }
        (false, _) => {
            let what = "allowed, but an upload that was just begun is not listed";
            report.warn(name, what, Vec::new());
        }
    }
}

async fn begin(bench: &mut Bench, key: &str) -> Result<String, S3Error> {
    bench.traces.begun();
    let call = bench.client.create_multipart_upload().bucket(&bench.bucket);
    let call = call.key(key).customize();
    let sent = call.config_override(bench.bare()).send().await;
    let answer = sent.map_err(|error| bench.explain("begin an upload", None, &error))?;
    let id = answer.upload_id.filter(|id| !id.is_empty());
    id.ok_or_else(|| bench.scene.not_s3("begin an upload", 200))
}
