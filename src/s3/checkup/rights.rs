//! What the key may do: each permission by itself.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use bytes::Bytes;
use tokio::time::timeout;

use super::bench::Bench;
use super::check::{Remedy, Report};
use super::door::ACCEPTED;
use super::sums::Sum;
use crate::s3::error::S3Error;

/// What the small objects hold.
pub(super) const CONTENT: &[u8] = b"written by check-backup-storage, which removes it again\n";
/// How long the small object may take to come.
const READING: Duration = Duration::from_secs(8);
/// The object that is there as long as the check lasts.
pub(super) const OBJECT: &str = "object";

/// What a permission is called in a policy of AWS.
#[derive(Debug, Clone, Copy)]
enum Right {
    Put,
    Get,
    List,
    Delete,
    Abort,
    ListUploads,
}

impl Right {
    fn action(self) -> &'static str {
        match self {
            Self::Put => "s3:PutObject",
            Self::Get => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Delete => "s3:DeleteObject",
            Self::Abort => "s3:AbortMultipartUpload",
            Self::ListUploads => "s3:ListBucketMultipartUploads",
        }
    }

    fn remedy(self, bench: &Bench) -> Remedy {
        let resource = match self {
            Self::List | Self::ListUploads => bench.bucket_arn(),
            Self::Put | Self::Get | Self::Delete | Self::Abort => bench.objects(),
        };
        Remedy::Allow {
            action: self.action(),
            resource,
        }
    }
}

/// Tells that something was refused: for want of a permission, or for another reason.
fn refuse(
    name: &'static str,
    right: Right,
    error: &S3Error,
    (bench, report): (&Bench, &mut Report),
) {
    match error {
        S3Error::AccessDenied { .. } => {
            let what = format!("not allowed ({})", right.action());
            report.fail(name, what, vec![right.remedy(bench)]);
        }
        error => report.fail(name, error.to_string(), vec![Remedy::of(error)]),
    }
}

/// Tries each permission.
pub(super) async fn ask(bench: &mut Bench, report: &mut Report) {
    put(bench, report).await;
    get(bench, report).await;
    list(bench, report).await;
    delete(bench, report).await;
    multipart(bench, report).await;
    abandoned(bench, report).await;
    credentials(report);
}

/// Some stores say of a key that they do not know that it is not allowed to do things.
fn credentials(report: &mut Report) {
    let name = "credentials";
    let allowed = ["put", "get", "list", "delete", "abort"];
    match allowed.iter().any(|item| report.is_well(item)) {
        true => report.pass(name, ACCEPTED),
        false => {
            let what = "nothing at all is allowed: the store does not know the access key, or the key has no rights here";
            report.fail(name, what, vec![Remedy::Credentials]);
        }
    }
}

/// Writes an object, with whichever checksum the store takes.
async fn put(bench: &mut Bench, report: &mut Report) {
    let key = bench.traces.key(OBJECT);
    let mut first = None;
    for sum in [Sum::Crc32c, Sum::Md5, Sum::None] {
        let call = bench.client.put_object().bucket(&bench.bucket).key(&key);
        let call = sum.on(call, CONTENT);
        let call = call.body(ByteStream::from(Bytes::from_static(CONTENT)));
        let call = call.customize().config_override(sum.settings(bench));
        match call.send().await {
            Ok(answer) => {
                bench.sum = sum;
                bench.traces.version(&key, answer.version_id());
                report.pass("put", format!("allowed, with {}", sum.word()));
                return;
            }
            Err(error) => {
                let error = bench.explain("write an object", None, &error);
                let other = matches!(
                    error,
                    S3Error::Refused {
                        status: 400 | 501,
                        ..
                    }
                );
                first = first.or(Some(error));
                if !other {
                    break;
                }
            }
        }
    }
    if let Some(error) = first {
        refuse("put", Right::Put, &error, (bench, report));
    }
}

/// Reads it back. One that is not there tells, too, whether reading is allowed.
async fn get(bench: &mut Bench, report: &mut Report) {
    let key = bench.traces.key(OBJECT);
    let call = bench.client.get_object().bucket(&bench.bucket).key(&key);
    let call = call.customize().config_override(bench.patience());
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => {
            match bench.explain("read an object", Some(&key), &error) {
                S3Error::NotFound { .. } if report.is_well("put") => {
                    let what = "an object that was just written is not found";
                    let repair = "use a store whose objects can be read once they are written";
                    report.fail("get", what, vec![Remedy::advice(repair)]);
                }
                S3Error::NotFound { .. } => report.pass("get", "allowed; there is nothing to read"),
                error => refuse("get", Right::Get, &error, (bench, report)),
            }
            return;
        }
    };
    match read(answer.body).await {
        Ok(bytes) if bytes == CONTENT => {
            report.pass("get", "allowed, and what was written comes back")
        }
        Ok(bytes) => {
            let what = format!(
                "{} bytes come back that are not the {} which were written",
                bytes.len(),
                CONTENT.len()
            );
            let repair = "do not trust this store, or what lies between";
            report.fail("get", what, vec![Remedy::advice(repair)]);
        }
        Err(()) => {
            let what = "the object breaks off, or stands still, while it is read";
            report.fail(
                "get",
                what,
                vec![Remedy::advice("check the network and the store")],
            );
        }
    }
}

/// The bytes of the small object. More than was written is as wrong as less, and is not read to its end.
async fn read(mut body: ByteStream) -> Result<Vec<u8>, ()> {
    let mut bytes = Vec::new();
    let read = timeout(READING, async {
        while bytes.len() <= CONTENT.len()
            && let Some(chunk) = body.next().await
        {
            bytes.extend_from_slice(&chunk.map_err(drop)?);
        }
        Ok(())
    });
    read.await.map_err(drop)??;
    Ok(bytes)
}

async fn list(bench: &mut Bench, report: &mut Report) {
    let folder = bench.traces.folder().to_owned();
    let key = bench.traces.key(OBJECT);
    let found = bench.list(&folder).await;
    match found.map(|objects| objects.iter().any(|(found, _)| *found == key)) {
        Ok(true) => report.pass("list", "allowed, and what was written is listed"),
        Ok(false) if report.is_well("put") => {
            let what = "allowed, but an object that was just written is not listed yet";
            report.warn("list", what, Vec::new());
        }
        Ok(false) => report.pass("list", "allowed"),
        Err(error) => {
            report.skip("list-version", "listing is not allowed");
            refuse("list", Right::List, &error, (bench, report));
        }
    }
}

async fn delete(bench: &mut Bench, report: &mut Report) {
    let key = bench.traces.key("deleted");
    if report.is_well("put") {
        let call = bench.client.put_object().bucket(&bench.bucket).key(&key);
        let call = bench.sum.on(call, CONTENT);
        let call = call.body(ByteStream::from(Bytes::from_static(CONTENT)));
        let call = call.customize().config_override(bench.sum.settings(bench));
        if let Ok(answer) = call.send().await {
            bench.traces.version(&key, answer.version_id());
        }
    }
    let object = ObjectIdentifier::builder().key(&key).build();
    let objects = object.and_then(|object| Delete::builder().objects(object).quiet(true).build());
    let Ok(objects) = objects else {
        return;
    };
    let call = bench.client.delete_objects().bucket(&bench.bucket);
    let call = call.delete(objects).customize();
    let sent = call.config_override(bench.patience()).send().await;
    let refused = match sent {
        Ok(answer) => {
            let code = answer.errors().first().and_then(|error| error.code());
            code.map(|code| match code {
                "AccessDenied" => bench.scene.denied("delete an object"),
                code => S3Error::Refused {
                    task: "delete an object".to_owned(),
                    status: 200,
                    code: bench.scene.cleared(code),
                    message: String::new(),
                },
            })
        }
        Err(error) => Some(bench.explain("delete an object", None, &error)),
    };
    let Some(error) = refused else {
        report.pass("delete", "allowed");
        return;
    };
    if matches!(error, S3Error::AccessDenied { .. }) {
        refuse("delete", Right::Delete, &error, (bench, report));
        return;
    }
    // Not for want of a permission, perhaps: some stores know only the deletion of one object.
    let call = bench.client.delete_object().bucket(&bench.bucket).key(&key);
    let sent = call.customize().config_override(bench.patience()).send();
    match sent.await {
        Ok(_) => {
            let what = format!("one by one; the store does not take many at once: {error}");
            report.warn("delete", what, Vec::new());
        }
        Err(_) => refuse("delete", Right::Delete, &error, (bench, report)),
    }
}

/// Begins, sends and completes an upload of one part.
async fn multipart(bench: &mut Bench, report: &mut Report) {
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
async fn abandoned(bench: &mut Bench, report: &mut Report) {
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
