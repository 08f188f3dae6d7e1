//! A port that a unit opens: `8008/tcp`, `8000-8010/udp`, `icmp`.

use std::fmt;

/// A range of ports of one protocol, ordered as `opened-ports` lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    protocol: String,
    from: i64,
    to: i64,
}

impl Port {
    /// Reads what is typed behind `open-port`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("icmp") {
            return Ok(Port {
                protocol: "icmp".to_owned(),
                from: -1,
                to: -1,
            });
        }
        let (ports, protocol) = match text.split_once('/') {
            Some((ports, protocol)) => (ports, protocol.to_lowercase()),
            None => (text, "tcp".to_owned()),
        };
        if protocol == "icmp" {
            return Err(format!(
                "protocol \"icmp\" doesn't support any ports; got {ports:?}"
            ));
        }
        let (from, to) = match ports.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(ports)?, number(ports)?),
        };
        if protocol != "tcp" && protocol != "udp" {
            return Err(format!(
                "invalid protocol {protocol:?}, expected \"tcp\", \"udp\", or \"icmp\""
            ));
        }
        let port = Port { protocol, from, to };
        if from > to {
            return Err(format!("invalid port range {port}"));
        }
        if !(0..=65535).contains(&from) || !(0..=65535).contains(&to) {
            return Err(format!(
                "port range bounds must be between 0 and 65535, got {from}-{to}"
            ));
        }
        Ok(port)
    }

    /// True for more than one port.
    pub fn is_range(&self) -> bool {
        self.from != self.to
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Port { protocol, from, to } = self;
        if protocol == "icmp" {
            formatter.write_str("icmp")
        } else if from == to {
            write!(formatter, "{from}/{protocol}")
        } else {
            write!(formatter, "{from}-{to}/{protocol}")
        }
    }
}

impl serde::Serialize for Port {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Port::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|_| {
        format!("invalid port {text:?}: strconv.Atoi: parsing {text:?}: invalid syntax")
    })
}
