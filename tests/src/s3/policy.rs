//! What a key may do, as a policy of AWS says it, and how AWS answers what it does not allow.
//!
//! Understood is what the policy of the reference uses: statements that allow, actions and resources with `*`. There are no
//! conditions, no denials and no principals; a policy with any of them is refused, so that nobody believes it was tried.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::Value;

use super::answers::BoxError;
use super::faults::error_body;
use super::quirks::Refusal;
use super::requests::Operation;

/// A policy; what no statement allows is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    sid: String,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// What a request needs: actions, each on a resource.
type Needs = Vec<(&'static str, String)>;

impl Policy {
    /// Reads a policy in which `BUCKET` and `PATH` stand for these.
    pub fn read(text: &str, bucket: &str, path: &str) -> Result<Self> {
        let text = text.replace("BUCKET", bucket).replace("PATH", path);
        let policy: Value = serde_json::from_str(&text).context("not JSON")?;
        let statements = policy["Statement"].as_array().context("no statements")?;
        let read = statements.iter().map(|statement| {
            let known = ["Sid", "Effect", "Action", "Resource"];
            let fields = statement.as_object().context("no statement")?;
            if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
                bail!("{other} is not understood");
            }
            if statement["Effect"] != "Allow" {
                bail!("only Allow is understood");
            }
            Ok(Statement {
                sid: statement["Sid"].as_str().context("no Sid")?.to_owned(),
                actions: texts(&statement["Action"])?,
                resources: texts(&statement["Resource"])?,
            })
        });
        let statements = read.collect::<Result<Vec<_>>>()?;
        Ok(Self { statements })
    }

    /// All actions that it allows, with the statement's name.
    #[must_use]
    pub fn actions(&self) -> Vec<(String, String)> {
        let each = self.statements.iter().flat_map(|statement| {
            let actions = statement.actions.iter();
            actions.map(|action| (statement.sid.clone(), action.clone()))
        });
        each.collect()
    }

    /// The same policy without one action.
    #[must_use]
    pub fn without(&self, action: &str) -> Self {
        let mut policy = self.clone();
        for statement in &mut policy.statements {
            statement.actions.retain(|known| known != action);
        }
        policy
    }

    fn allows(&self, action: &str, resource: &str) -> bool {
        self.statements.iter().any(|statement| {
            statement.actions.iter().any(|one| like(one, action))
                && statement.resources.iter().any(|one| like(one, resource))
        })
    }

    /// Lets a request in, with its body, or tells how it is refused.
    pub(super) async fn admit(
        &self,
        operation: Operation,
        request: Request<Incoming>,
    ) -> Result<Result<Request<s3s::Body>, Refusal>, BoxError> {
        let path = decoded(request.uri().path());
        let path = path.trim_matches('/').to_owned();
        let bucket = path.split('/').next().unwrap_or_default().to_owned();
        if operation == Operation::DeleteObjects {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let kept: Vec<String> = keys(&body)
                .into_iter()
                .filter(|key| !self.allows("s3:DeleteObject", &arn(&format!("{bucket}/{key}"))))
                .collect();
            return Ok(match kept.is_empty() {
                true => Ok(Request::from_parts(head, s3s::Body::from(body))),
                false => Err(undeleted(&kept)),
            });
        }
        let needs = needs(operation, &path, &request);
        let allowed = !needs.is_empty()
            && needs
                .iter()
                .all(|(action, resource)| self.allows(action, resource));
        if allowed {
            return Ok(Ok(request.map(s3s::Body::from)));
        }
        // Read to its end: a client that is broken off may not see the refusal.
        let _ = request.into_body().collect().await;
        Ok(Err(denied()))
    }

    /// Whether an object that is missing is told as one that is forbidden, as AWS does to those who may not list.
    pub(super) fn hides(&self, operation: Operation, path: &str) -> bool {
        let bucket = path.trim_start_matches('/').split('/').next();
        matches!(operation, Operation::GetObject | Operation::HeadObject)
            && !self.allows("s3:ListBucket", &arn(bucket.unwrap_or_default()))
    }
}

/// The refusal of AWS.
pub(super) fn denied() -> Refusal {
    Refusal {
        status: 403,
        headers: Vec::new(),
        body: error_body("AccessDenied", "Access Denied"),
    }
}

/// What AWS demands for a request, by its own table of actions.
fn needs(operation: Operation, path: &str, request: &Request<Incoming>) -> Needs {
    let bucket = arn(path.split('/').next().unwrap_or_default());
    let object = arn(path);
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    let mut needs = match operation {
        Operation::ListObjects | Operation::ListObjectsV1 => vec![("s3:ListBucket", bucket)],
        Operation::ListUploads => vec![("s3:ListBucketMultipartUploads", bucket)],
        Operation::DeleteObjects => Vec::new(),
        Operation::GetObject | Operation::HeadObject => vec![("s3:GetObject", object)],
        Operation::PutObject
        | Operation::CreateUpload
        | Operation::UploadPart
        | Operation::TryPart
        | Operation::CompleteUpload => vec![("s3:PutObject", object)],
        Operation::CopyPart => {
            let source = request.headers().get("x-amz-copy-source");
            let source = source.and_then(|source| source.to_str().ok());
            let source = decoded(source.unwrap_or_default());
            let source = arn(source.trim_start_matches('/'));
            vec![("s3:PutObject", object), ("s3:GetObject", source)]
        }
        Operation::ListParts => vec![("s3:ListMultipartUploadParts", object)],
        Operation::AbortUpload => vec![("s3:AbortMultipartUpload", object)],
        Operation::Other => match (request.method().as_str(), path.contains('/')) {
            ("HEAD", false) => vec![("s3:ListBucket", bucket)],
            ("GET", false) if has("versioning") => vec![("s3:GetBucketVersioning", bucket)],
            ("GET", false) if has("object-lock") => {
                vec![("s3:GetBucketObjectLockConfiguration", bucket)]
            }
            ("GET", false) if has("lifecycle") => vec![("s3:GetLifecycleConfiguration", bucket)],
            ("DELETE", true) if has("versionId") => vec![("s3:DeleteObjectVersion", object)],
            ("DELETE", true) => vec![("s3:DeleteObject", object)],
            _ => Vec::new(),
        },
    };
    if request.headers().contains_key("x-amz-tagging") {
        needs.push(("s3:PutObjectTagging", arn(path)));
    }
    needs
}

fn arn(path: &str) -> String {
    format!("arn:aws:s3:::{path}")
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else {
            return false;
        };
        rest = behind;
    }
    rest.ends_with(last)
}

/// One text or several.
fn texts(value: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("not a text");
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Ok(vec![text(value)?]),
    }
}

/// The keys that a deletion names.
fn keys(body: &Bytes) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let named = text.split("<Key>").skip(1);
    let keys = named.filter_map(|rest| rest.split_once("</Key>"));
    keys.map(|(key, _)| key.to_owned()).collect()
}

fn undeleted(keys: &[String]) -> Refusal {
    let mut body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult>".to_owned();
    for key in keys {
        body += &format!(
            "<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        );
    }
    body += "</DeleteResult>";
    Refusal {
        status: 200,
        headers: Vec::new(),
        body,
    }
}

/// A part of a URL with its `%20` and the like undone.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_what_aws_takes_them_for() {
        for (pattern, text, expected) in [
            (
                "arn:aws:s3:::demo/prod/*",
                "arn:aws:s3:::demo/prod/a/b",
                true,
            ),
            ("arn:aws:s3:::demo/prod/*", "arn:aws:s3:::demo/other", false),
            ("arn:aws:s3:::demo", "arn:aws:s3:::demo/a", false),
            ("s3:Get*", "s3:GetObject", true),
            ("*", "anything", true),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "a--c", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_policy_with_more_than_is_understood_is_refused() {
        let with = |more: &str| {
            let text = format!(
                r#"{{"Statement":[{{"Sid":"A","Effect":"Allow","Action":"s3:GetObject","Resource":"*"{more}}}]}}"#
            );
            Policy::read(&text, "b", "p").is_ok()
        };
        assert!(with(""));
        assert!(!with(r#","Condition":{}"#));
    }
}
