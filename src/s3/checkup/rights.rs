//! What the key may do: each permission by itself.

mod uploads;

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
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
    ListParts,
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
            Self::ListParts => "s3:ListMultipartUploadParts",
            Self::ListUploads => "s3:ListBucketMultipartUploads",
        }
    }

    fn remedy(self, bench: &Bench) -> Remedy {
        let resource = match self {
            Self::List | Self::ListUploads => bench.bucket_arn(),
            Self::Put | Self::Get | Self::Delete | Self::Abort | Self::ListParts => bench.objects(),
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
    uploads::multipart(bench, report).await;
    uploads::abandoned(bench, report).await;
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
        Err(why) => {
            let what = format!(
                "what was written cannot be read back: {}",
                bench.scene.cleared(&why)
            );
            report.fail(
                "get",
                what,
                vec![Remedy::advice("check the network and the store")],
            );
        }
    }
}

/// The bytes of the small object. More than was written is as wrong as less, and is not read to its end.
async fn read(mut body: ByteStream) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = timeout(READING, async {
        while bytes.len() <= CONTENT.len()
            && let Some(chunk) = body.next().await
        {
            bytes.extend_from_slice(&chunk.map_err(|error| told(&error))?);
        }
        Ok(())
    });
    match read.await {
        Ok(read) => read.map(|()| bytes),
        Err(_) => Err(format!("nothing came for {} s", READING.as_secs())),
    }
}

/// The last cause of an error, which says most.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
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
