//! The parameter `force`: findings that an operator overrides by their names.

use crate::backup::Claim;
use crate::charm::failure::{Failure, Kind};

/// The finding that backups belong to another server.
const OWNER: &str = "owner";

/// Reads names that are separated by commas or spaces; each has to be one of those that may be overridden.
pub(super) fn forced<'a>(
    text: &'a str,
    forceable: &[&str],
    lead: &'static str,
) -> Result<Vec<&'a str>, Failure> {
    let names: Vec<&str> = text
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .collect();
    let Some(name) = names.iter().find(|name| !forceable.contains(name)) else {
        return Ok(names);
    };
    let shown: String = name.chars().take(80).collect();
    let cause = format!("force names {shown:?}, which cannot be overridden");
    let hint = format!("it may name {}", forceable.join(" and "));
    Err(Failure::new(Kind::Operator, "force-invalid", cause, hint).led_by(lead))
}

/// What is claimed of the owner of the backups: `otherwise`, unless that is overridden, where nothing else can be.
pub(super) fn claim(text: &str, otherwise: Claim, lead: &'static str) -> Result<Claim, Failure> {
    let names = forced(text, &[OWNER], lead)?;
    Ok(match names.is_empty() {
        true => otherwise,
        false => Claim::Force,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const FORCEABLE: [&str; 2] = ["server-name", "other-units"];

    #[test]
    fn force_names_what_can_be_overridden_and_nothing_else() {
        let forced = |text| forced(text, &FORCEABLE, "");
        assert_eq!(forced("").unwrap(), [""; 0]);
        assert_eq!(forced("server-name, other-units").unwrap(), FORCEABLE);
        for name in ["all", "server-name,all", "Server-Name", "owner"] {
            assert_eq!(forced(name).unwrap_err().code, "force-invalid", "{name}");
        }
        let claim = |text| claim(text, Claim::Check, "");
        assert_eq!(claim("owner").unwrap(), Claim::Force);
        assert_eq!(claim(" ").unwrap(), Claim::Check);
        assert!(claim("server-name").is_err());
    }
}
