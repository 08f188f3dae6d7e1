//! The relation's attributes: headers that go with what is written.
//!
//! The interface leaves open what attributes are; s3-integrator documents `Header=value`. What a store keeps with an object
//! (encryption, tags, metadata, locks, caching) is sent with each request that makes one, and what says whose bucket it is
//! with every request. Nothing else is: a header that changes what a request means is not an operator's to set.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::params::shown;

/// Headers that belong to requests that make an object.
const OF_OBJECTS: [&str; 12] = [
    "x-amz-server-side-encryption*",
    "x-amz-tagging",
    "x-amz-meta-*",
    "x-amz-object-lock-*",
    "x-amz-acl",
    "x-amz-grant-*",
    "x-amz-website-redirect-location",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "expires",
];
/// Headers that belong to every request.
const OF_ALL: [&str; 2] = ["x-amz-expected-bucket-owner", "x-amz-request-payer"];
/// The operations that make an object.
const MAKING: [&str; 2] = ["PutObject", "CreateMultipartUpload"];

/// Headers that go with requests.
///
/// Holds: names are in lower case and among those above; values are visible ASCII.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<(String, String)>);

/// What was found in the value of the key, and what of it is ignored: the attribute, and why.
pub(super) type Found = (Attributes, Vec<(String, String)>);

impl Attributes {
    /// Reads a JSON list of `Header=value`, or the same with commas between.
    pub(super) fn parse(text: &str) -> Found {
        let mut attributes = Self::default();
        let mut ignored = Vec::new();
        for item in items(text) {
            let (name, value) = item.split_once(['=', ':']).unwrap_or((&item, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
            match reason(&name, &value) {
                Some(why) => ignored.push((shown(&name), why.to_owned())),
                None => {
                    attributes.0.retain(|(known, _)| *known != name);
                    attributes.0.push((name, value));
                }
            }
        }
        (attributes, ignored)
    }

    /// Puts the headers that belong to an operation into its request.
    pub(super) fn attach(&self, operation: &str, request: &mut HttpRequest) {
        for (name, value) in &self.0 {
            if belongs(&OF_ALL, name) || MAKING.contains(&operation) {
                let _ = request
                    .headers_mut()
                    .try_insert(name.clone(), value.clone());
            }
        }
    }

    /// The headers, for who wants to show them.
    #[cfg(test)]
    pub(super) fn headers(&self) -> &[(String, String)] {
        &self.0
    }
}

/// The single attributes of a text. In a list with commas, what has no name belongs to the value before it.
fn items(text: &str) -> Vec<String> {
    if let Ok(list) = serde_json::from_str::<Vec<String>>(text) {
        return list;
    }
    let mut items: Vec<String> = Vec::new();
    for piece in text
        .split(',')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
    {
        match items.last_mut() {
            Some(last) if !piece.contains(['=', ':']) => *last = format!("{last}, {piece}"),
            _ => items.push(piece.to_owned()),
        }
    }
    items
}

/// Why an attribute cannot be sent.
fn reason(name: &str, value: &str) -> Option<&'static str> {
    if name == "x-amz-storage-class" {
        return Some("is ignored: set storage-class instead");
    }
    if name.starts_with("x-amz-server-side-encryption-customer") {
        return Some("is ignored: it would have to go with each reading, too");
    }
    if !belongs(&OF_OBJECTS, name) && !belongs(&OF_ALL, name) {
        return Some("is ignored: no header that goes with objects");
    }
    let visible = value.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    (value.is_empty() || !visible).then_some("is ignored: it has no value that a header may have")
}

/// Whether a name is in a list; one that ends in a star stands for all that begin so.
fn belongs(list: &[&str], name: &str) -> bool {
    list.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => {
            name.starts_with(start) && (name.len() > start.len() || !start.ends_with('-'))
        }
        None => name == *known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let (attributes, ignored) = Attributes::parse(text);
        let sent = attributes.headers().iter();
        let sent = sent.map(|(name, value)| format!("{name}: {value}\n"));
        let ignored = ignored
            .iter()
            .map(|(name, why)| format!("({name} {why})\n"));
        sent.chain(ignored).collect()
    }

    #[test]
    fn attributes_are_read_as_a_list_in_either_form() {
        let list = told(
            r#"["X-Amz-Meta-Team=ops, west", "Cache-Control=no-store, max-age=0", "x-amz-tagging=a=1&b=2"]"#,
        );
        insta::assert_snapshot!(list, @r"
        x-amz-meta-team: ops, west
        cache-control: no-store, max-age=0
        x-amz-tagging: a=1&b=2
        ");
        assert_eq!(
            told("X-Amz-Meta-Team=ops, west, x-amz-tagging=a=1&b=2"),
            told(r#"["x-amz-meta-team=ops, west","x-amz-tagging=a=1&b=2"]"#)
        );
        assert_eq!(
            told("cache-control=a,cache-control=b"),
            "cache-control: b\n"
        );
        assert_eq!(told(" , "), "");
    }

    #[test]
    fn attribute_that_is_not_sent_is_named_with_its_reason() {
        insta::assert_snapshot!(told("Host=evil, x-amz-meta-=1, foo, x-amz-storage-class=GLACIER, x-amz-acl=, x-amz-tagging=a\u{7}, x-amz-server-side-encryption-customer-key=k"), @r"
        (host is ignored: no header that goes with objects)
        (x-amz-meta- is ignored: no header that goes with objects)
        (x-amz-storage-class is ignored: set storage-class instead)
        (x-amz-acl is ignored: it has no value that a header may have)
        (x-amz-tagging is ignored: it has no value that a header may have)
        (x-amz-server-side-encryption-customer-key is ignored: it would have to go with each reading, too)
        ");
    }

    #[test]
    fn attributes_go_where_they_belong() {
        let (attributes, _) = Attributes::parse("x-amz-meta-a=1, x-amz-expected-bucket-owner=42");
        let names = |operation| {
            let mut request = HttpRequest::empty();
            attributes.attach(operation, &mut request);
            let names = request.headers().iter().map(|(name, _)| name.to_owned());
            names.collect::<Vec<String>>().join(" ")
        };
        for operation in MAKING {
            assert_eq!(names(operation), "x-amz-meta-a x-amz-expected-bucket-owner");
        }
        for operation in ["UploadPart", "GetObject", "ListObjectsV2", "DeleteObjects"] {
            assert_eq!(names(operation), "x-amz-expected-bucket-owner");
        }
    }
}
