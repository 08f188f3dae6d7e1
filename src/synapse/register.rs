//! Registering a user with the registration shared secret.
//!
//! Over Synapse's own administration API, from the charm: the shared secret never leaves this process (only a MAC over
//! a nonce does) and the password goes over the loopback address, in no argument and in no file.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::secrets::random_text;
use super::{ApiError, Homeserver, ServerName};

const PATH: &str = "/_synapse/admin/v1/register";

/// How long a registration may take: hashing a password is slow on purpose.
const LIMIT: Duration = Duration::from_secs(30);

/// The localpart of a user's id: what stands before the colon, without the `@`.
///
/// Lower-case letters, digits and `=_-./+`; not only digits (those are guests), and no underscore at its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// Why a text is no user name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// There is nothing.
    #[error("the user name is empty")]
    Empty,
    /// A character that ids may not have.
    #[error("the user name {name:?} may not contain {character:?}: use a-z, 0-9 and any of =_-./+")]
    Character {
        /// The whole text.
        name: String,
        /// What is too much.
        character: char,
    },
    /// A whole user id was given.
    #[error("{0:?} is a whole user id: give only what stands between @ and the colon")]
    Id(String),
    /// Such names belong to application services.
    #[error("the user name {0:?} may not begin with an underscore")]
    Underscore(String),
    /// Such names belong to guests.
    #[error("the user name {0:?} may not be a number: those belong to guests")]
    Number(String),
    /// The whole id may have 255 characters.
    #[error(
        "the user name is too long: with @ and :{server_name} it would have {length} characters, and 255 are the most"
    )]
    TooLong {
        /// The server that it would belong to.
        server_name: ServerName,
        /// The length of the whole id.
        length: usize,
    },
}

/// Why a user was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// There is one of that name.
    #[error("the user {0} exists already")]
    Exists(Username),
    /// Synapse does not take the name, for a reason that only it knows.
    #[error("synapse does not take the user name {name}: {message}")]
    Username {
        /// The name.
        name: Username,
        /// What Synapse said.
        message: String,
    },
    /// The running Synapse has another shared secret than the one in the file.
    #[error("synapse runs with another registration secret than the one on the data volume")]
    Secret,
    /// Synapse could not be asked.
    #[error("synapse could not be asked to register the user")]
    Api(#[source] ApiError),
}

impl Username {
    /// Reads a user name for a server.
    pub fn parse(name: &str, server_name: &ServerName) -> Result<Self, UsernameError> {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "=_-./+".contains(c);
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.starts_with('@') {
            return Err(UsernameError::Id(name.to_owned()));
        }
        if let Some(character) = name.chars().find(|c| !allowed(*c)) {
            let name = name.to_owned();
            return Err(UsernameError::Character { name, character });
        }
        if name.starts_with('_') {
            return Err(UsernameError::Underscore(name.to_owned()));
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(UsernameError::Number(name.to_owned()));
        }
        let length = name.len() + server_name.as_str().len() + 2;
        if length > 255 {
            let server_name = server_name.clone();
            return Err(UsernameError::TooLong {
                server_name,
                length,
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes a password of 43 characters.
pub fn password<E>(fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<SecretString, E> {
    random_text(fill)
}

impl Homeserver {
    /// Registers a user, as administrator of the server if so wished.
    ///
    /// `shared_secret` is what the registration secret's file holds; white space around it does not count, as Synapse
    /// does not count it either. Nobody is logged in by this.
    pub async fn register(
        &self,
        name: &Username,
        password: &SecretString,
        admin: bool,
        shared_secret: &SecretString,
    ) -> Result<(), RegisterError> {
        #[derive(Deserialize)]
        struct Nonce {
            nonce: String,
        }
        let Nonce { nonce } = self.get(PATH).await.map_err(RegisterError::Api)?;
        let request = Request {
            mac: mac(shared_secret, &nonce, name, password, admin),
            nonce,
            username: name.as_str(),
            password: password.expose_secret(),
            admin,
            inhibit_login: true,
        };
        let document = serde_json::to_vec(&request).unwrap_or_default();
        match self.post(PATH, Zeroizing::new(document), LIMIT).await {
            Ok(_user_id) => Ok(()),
            Err(error) => Err(read_refusal(error, name)),
        }
    }
}

fn read_refusal(error: ApiError, name: &Username) -> RegisterError {
    let ApiError::Refused {
        status,
        code,
        message,
        ..
    } = &error
    else {
        return RegisterError::Api(error);
    };
    match (*status, code.as_str()) {
        (_, "M_USER_IN_USE") => RegisterError::Exists(name.clone()),
        (_, "M_INVALID_USERNAME" | "M_EXCLUSIVE") => RegisterError::Username {
            name: name.clone(),
            message: message.clone(),
        },
        (403, _) => RegisterError::Secret,
        _ => RegisterError::Api(error),
    }
}

#[derive(Serialize)]
struct Request<'a> {
    nonce: String,
    username: &'a str,
    password: &'a str,
    admin: bool,
    inhibit_login: bool,
    mac: String,
}

/// What proves that we know the shared secret: HMAC-SHA1 over the fields with NUL between them, in hexadecimal.
fn mac(
    shared_secret: &SecretString,
    nonce: &str,
    name: &Username,
    password: &SecretString,
    admin: bool,
) -> String {
    let key = shared_secret.expose_secret().trim().as_bytes();
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("a key of any length");
    let role = if admin { "admin" } else { "notadmin" };
    let fields = [nonce, name.as_str(), password.expose_secret(), role];
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            mac.update(b"\0");
        }
        mac.update(field.as_bytes());
    }
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
