//! `secret-get`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Call, Fault, Flag, Kind, Output, Tool, Value};
use crate::juju::context::{Context, Immediate, Secret};

pub(super) const GET: Tool = Tool {
    name: "secret-get",
    usage: "secret-get [options] <ID> [key[#base64]]",
    output: Output::Yaml,
    flags: &[
        Flag {
            names: &["label"],
            kind: Kind::Text,
        },
        Flag {
            names: &["peek"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["refresh"],
            kind: Kind::Switch,
        },
    ],
    run: get,
};

fn get(mut call: Call) -> Result<Value, Fault> {
    let label = call.text("label").to_owned();
    let uri = call.next().unwrap_or_default();
    if uri.is_empty() && label.is_empty() {
        return Err(Fault::Usage(
            "require either a secret URI or label".to_owned(),
        ));
    }
    let id = match uri.as_str() {
        "" => None,
        uri => Some(
            parse_uri(uri).ok_or_else(|| Fault::Usage(format!("secret URI {uri:?} not valid")))?,
        ),
    };
    let (peek, refresh) = (call.switch("peek"), call.switch("refresh"));
    if peek && refresh {
        return Err(Fault::Usage(
            "specify one of --peek or --refresh but not both".to_owned(),
        ));
    }
    let key = call.next().unwrap_or_default();
    call.end()?;
    let content = read(call.context, id, label, peek, refresh).map_err(Fault::Failed)?;
    show(&content, &key).map_err(Fault::Failed)
}

/// The id behind `secret:<id>`, `secret://<model>/<id>` or a bare id, with the URI as Juju would write it.
fn parse_uri(uri: &str) -> Option<(String, String)> {
    let rest = uri.strip_prefix("secret:").unwrap_or(uri);
    let id = match rest.strip_prefix("//") {
        Some(path) => path.split_once('/')?.1,
        None => rest,
    };
    let letters = id
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'v').contains(&b));
    let good = id.len() == 20 && letters && (id.ends_with('0') || id.ends_with('g'));
    good.then(|| (id.to_owned(), format!("secret:{rest}")))
}

fn read(
    context: &mut Context,
    id: Option<(String, String)>,
    label: String,
    peek: bool,
    refresh: bool,
) -> Result<super::super::context::Bag, String> {
    let owned = |secret: &Secret| secret.owner == "application" || secret.owner == "unit";
    let by_label = |secret: &&mut Secret| secret.label == label;
    let Context {
        secrets, effects, ..
    } = context;
    let (found, uri, told) = match id {
        Some((id, uri)) => {
            let found = secrets.iter_mut().find(|secret| secret.id == id);
            (
                found.ok_or(format!("secret {id:?} not found")),
                Some(uri),
                label.clone(),
            )
        }
        None => match secrets.iter_mut().find(by_label) {
            // The agent knows the labels of its own secrets and asks by id.
            Some(secret) if owned(secret) => {
                let uri = format!("secret:{}", secret.id);
                (Ok(secret), Some(uri), String::new())
            }
            Some(secret) => (Ok(secret), None, label.clone()),
            None => (
                Err(format!("consumer label {label:?} not found")),
                None,
                label.clone(),
            ),
        },
    };
    effects.immediate.push(Immediate::SecretRead {
        uri,
        label: told,
        peek,
        refresh,
    });
    let secret = found?;
    if secret.denied {
        return Err("permission denied".to_owned());
    }
    if !label.is_empty() && !owned(secret) {
        secret.label = label;
    }
    if let Some(newest) = &secret.newest {
        if peek {
            return Ok(newest.clone());
        }
        if refresh {
            secret.content = newest.clone();
            secret.newest = None;
        }
    }
    Ok(secret.content.clone())
}

fn show(content: &super::super::context::Bag, key: &str) -> Result<Value, String> {
    let decode = |text: &String| {
        STANDARD
            .decode(text)
            .map(Value::Bytes)
            .map_err(|error| error.to_string())
    };
    if key.is_empty() {
        let shown = content
            .iter()
            .map(|(key, text)| Ok((key.clone(), decode(text)?)));
        return shown.collect::<Result<_, String>>().map(Value::Map);
    }
    let (bare, encoded) = match key.strip_suffix("#base64") {
        Some(bare) => (bare, true),
        None => (key, false),
    };
    match content.get(bare) {
        Some(text) if encoded => Ok(Value::text(text)),
        Some(text) => decode(text),
        None => Err(format!("secret key value {bare:?} not found")),
    }
}
