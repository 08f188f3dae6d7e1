//! What is different with track 2: it says its version at once, takes its credentials from a secret that a user has granted
//! to it, and hands them on in a secret of its own, which follows the user's.

use serde_json::{Value, json};

use super::{KEYS, NAME, information};
use crate::juju::charm::{Charm, CharmOption};
use crate::juju::context::Bag;
use crate::juju::model::{Application, Link, Model, UserSecret};

/// The option that names the user's secret.
const CREDENTIALS: &str = "credentials";

/// Whether an application is of track 2.
pub(super) fn is(application: &Application) -> bool {
    application.charm.name == NAME && application.charm.options.contains_key(CREDENTIALS)
}

/// What track 2 declares, of what track 1 does.
pub(super) fn charm(mut first: Charm) -> Charm {
    first
        .actions
        .retain(|name, _| name == "get-s3-connection-info");
    let option = CharmOption {
        kind: "secret".to_owned(),
        description: "A secret with access-key and secret-key.".to_owned(),
        default: Value::Null,
    };
    first.options.insert(CREDENTIALS.to_owned(), option);
    first
}

/// The credentials that the user has given, base64 by key.
pub(super) fn credentials(model: &Model, name: &str) -> Option<Bag> {
    let application = model.applications.get(name)?;
    let uri = application.settings.get(CREDENTIALS)?.as_str()?;
    let id = uri.rsplit([':', '/']).next()?;
    let secret = model.secrets.iter().find(|secret| secret.id == id)?;
    let granted = secret.granted.contains(name);
    let whole = KEYS.iter().all(|key| secret.content.contains_key(*key));
    (granted && whole).then(|| secret.content.clone())
}

/// Does for a relation what its hooks would do.
pub(super) fn publish(model: &mut Model, name: &str, link: &Link) {
    let Some(other) = link.other_end(name).map(|end| end.application.clone()) else {
        return;
    };
    if link.dying {
        // The grant was for the relation, and goes with it.
        let own = id(link);
        let secret = model.secrets.iter_mut().find(|secret| secret.id == own);
        secret.into_iter().for_each(|secret| secret.revoke(&other));
        return;
    }
    let asked = link.bags.get(&other).cloned().unwrap_or_default();
    let mut bag = Bag::from([("lib-version".to_owned(), "1.0".to_owned())]);
    let heard = asked.contains_key("lib-version") || asked.contains_key("bucket");
    if let Some(credentials) = credentials(model, name).filter(|_| heard)
        && let Some(application) = model.applications.get(name)
    {
        bag.extend(information(application));
        bag.insert("data".to_owned(), json!(asked).to_string());
        match asked.contains_key("requested-secrets") {
            true => {
                if let Some(bucket) = asked.get("bucket") {
                    // It would make it, too.
                    bag.entry("bucket".to_owned()).or_insert(bucket.clone());
                }
                let uri = hand_on(model, link, &other, credentials);
                bag.insert("secret-extra".to_owned(), uri);
            }
            false => {
                let plain = KEYS.map(|key| (key.to_owned(), super::decoded(&credentials[key])));
                bag.extend(plain);
            }
        }
    }
    model.write_bag(link.id, name, &bag);
}

/// Keeps the relation's secret as the user's is, and tells those who have read it of a change.
fn hand_on(model: &mut Model, link: &Link, to: &str, credentials: Bag) -> String {
    let id = id(link);
    let uri = format!("secret://{}/{id}", model.uuid);
    match model.secrets.iter_mut().find(|secret| secret.id == id) {
        Some(secret) if secret.content == credentials => (),
        Some(secret) => {
            secret.content = credentials;
            model.tell_of_secret(&id);
        }
        None => model.secrets.push(UserSecret {
            name: format!("s3.{}.extra.secret", link.id),
            granted: [to.to_owned()].into(),
            content: credentials,
            id,
            ..UserSecret::default()
        }),
    }
    uri
}

/// The id of a relation's secret: twenty characters, as all ids are.
fn id(link: &Link) -> String {
    format!("s3cred{:013}0", link.id)
}
