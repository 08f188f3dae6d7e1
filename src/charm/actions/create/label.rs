//! What an operator says of a backup that is to be made.

use jiff::Timestamp;

use crate::backup::{Interval, Label};
use crate::charm::actions::Parameters;
use crate::charm::actions::ready::CREATE;
use crate::charm::failure::{Failure, Kind};

/// Reads `label`, `tags`, `description` and `expires-after`.
pub(super) fn read(parameters: &Parameters, started: Timestamp) -> Result<Label, Failure> {
    let wrong = |code, cause: String, hint: &str| {
        Failure::new(Kind::Operator, code, cause, hint).led_by(CREATE)
    };
    let after = match parameters.text("expires-after") {
        "" => None,
        text => Some(Interval::parse(text).map_err(|error| {
            let hint = "write one such as 3M2D8h20m5s: numbers above 0 with units s m h D W M Y";
            wrong("interval-invalid", error.to_string(), hint)
        })?),
    };
    let [label, tags, description] =
        ["label", "tags", "description"].map(|name| parameters.text(name));
    Label::new(label, tags, description, (started, after)).map_err(|error| {
        let hint = "correct it, and run create-backup again";
        wrong("parameter-invalid", error.to_string(), hint)
    })
}
