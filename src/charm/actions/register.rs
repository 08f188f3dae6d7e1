//! `register-user`.

use std::fs;

use secrecy::{ExposeSecret, SecretString};

use super::{Results, led};
use crate::charm::failure::{Failure, Kind};
use crate::charm::{Charm, observe};
use crate::synapse::register::{Username, password};
use crate::synapse::secrets::REGISTRATION_SECRET;

const LEAD: &str = "Failed to register user.";

/// Makes a user. The password is the action's result: Juju has no other way to hand it to the operator.
pub(super) async fn register(
    charm: &Charm,
    username: &str,
    admin: bool,
) -> Result<Results, Failure> {
    let volume = observe::volume(charm).await.map_err(led(LEAD))?;
    let served = volume.and_then(|volume| Some((volume.server_name?, volume.here)));
    let Some((server_name, here)) = served else {
        let hint = "wait until the unit is active, then try again";
        let failure = Failure::new(
            Kind::Waiting,
            "synapse-never-started",
            "Synapse has never started here",
            hint,
        );
        return Err(failure.led_by(LEAD));
    };
    let name = Username::parse(username, &server_name).map_err(led(LEAD))?;
    let secret = here.join(crate::synapse::below_data(REGISTRATION_SECRET));
    let secret = SecretString::from(fs::read_to_string(secret).map_err(led(LEAD))?);
    let password = password(getrandom::fill).map_err(led(LEAD))?;
    charm
        .homeserver
        .register(&name, &password, admin, &secret)
        .await
        .map_err(led(LEAD))?;
    Ok(Results::from([
        ("register-user".to_owned(), "true".to_owned()),
        (
            "user-password".to_owned(),
            password.expose_secret().to_owned(),
        ),
    ]))
}
