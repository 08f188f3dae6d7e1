//! A request's JSON body, read as Go reads it: the first value, names in any case, null as absent.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The largest JSON body that is taken.
const LARGEST: usize = 16 << 20;
/// How much of a body that nobody looks at is read away.
const UNREAD: usize = 256 << 10;

/// A JSON object whose fields are asked for by name.
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// Decodes the first JSON value of a text; the error completes "cannot decode ...:".
    pub(crate) fn decode(text: &[u8]) -> Result<Self, String> {
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
        match values.next() {
            None => Err("EOF".to_owned()),
            Some(Ok(Value::Object(map))) => Ok(Self(map)),
            Some(Ok(Value::Null)) => Ok(Self(Map::new())),
            Some(Ok(other)) => Err(format!(
                "json: cannot unmarshal {} into an object",
                kind(&other)
            )),
            Some(Err(error)) if error.is_eof() => Err("unexpected EOF".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
        }
    }

    /// Reads a request's whole body and decodes it.
    pub(crate) async fn read(body: Incoming) -> Result<Self, String> {
        Self::decode(&collect(body).await?)
    }

    /// A field's value, or the default when it is absent or null.
    pub(crate) fn field<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, String> {
        match self.find(name) {
            None | Some(Value::Null) => Ok(T::default()),
            Some(value) => {
                T::deserialize(value).map_err(|error| format!("json: field {name}: {error}"))
            }
        }
    }

    /// A field that is a list of objects.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Self>, String> {
        let list: Vec<Map<String, Value>> = self.field(name)?;
        Ok(list.into_iter().map(Self).collect())
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.get(name).or_else(|| {
            self.0
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        })
    }
}

impl From<Map<String, Value>> for Object {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

/// Reads away a body that nobody looks at, so that a client that is still sending it hears the answer.
pub(crate) async fn drain(body: &mut Incoming) {
    let mut left = UNREAD;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _too_slow = tokio::time::timeout(Duration::from_secs(1), read).await;
}

async fn collect(mut body: Incoming) -> Result<Bytes, String> {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() > LARGEST {
            return Err("the body is too large".to_owned());
        }
    }
    Ok(text.into())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The parameters of a request's query, in order.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (unescape(name), unescape(value))
                })
                .collect(),
        )
    }

    /// The first value of a parameter; empty when there is none.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Every value of a parameter, each of which may be a list with commas.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let values = self
            .all(name)
            .into_iter()
            .flat_map(|value| value.split(','));
        values
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let hex = (first == b'%').then(|| tail.get(..2)).flatten();
        let escaped =
            hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, escaped) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', None) => bytes.push(b' '),
            (byte, None) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
