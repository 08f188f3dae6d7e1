//! What a certificate says of itself, read from its bytes.
//!
//! Only for people to read: whether it is trusted is the TLS library's to say. The bytes are a stranger's, so everything is
//! looked up with its bounds, and what is not understood is left out.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
/// The most names that are told.
const NAMES: usize = 5;
const LONGEST_NAME: usize = 80;

/// The facts of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Who has signed it.
    pub(super) issuer: String,
    /// Whom it is for: names and addresses.
    pub(super) names: Vec<String>,
    /// When it ends.
    pub(super) until: Option<Timestamp>,
    /// Whether it names itself as its issuer.
    pub(super) self_issued: bool,
}

impl Facts {
    /// Reads a certificate in DER; what cannot be read stays empty.
    pub(super) fn read(der: &[u8]) -> Self {
        Self::of(der).unwrap_or_default()
    }

    fn of(der: &[u8]) -> Option<Self> {
        let certificate = Reader(der).expect(SEQUENCE)?;
        let mut body = Reader(Reader(certificate).expect(SEQUENCE)?);
        body.skip_if(VERSION);
        // The serial number and the signature's algorithm.
        body.next()?;
        body.next()?;
        let issuer = body.expect(SEQUENCE)?;
        let mut validity = Reader(body.expect(SEQUENCE)?);
        validity.next()?;
        let until = validity.next().and_then(|(tag, text)| time(tag, text));
        let subject = body.expect(SEQUENCE)?;
        let self_issued = issuer == subject;
        let (issuer, subject) = (name(issuer), name(subject));
        body.next()?;
        let mut names = Vec::new();
        while let Some((tag, content)) = body.next() {
            if tag == EXTENSIONS {
                names = alternative_names(content).unwrap_or_default();
            }
        }
        if names.is_empty() && !subject.is_empty() {
            names.push(subject);
        }
        Some(Self {
            issuer,
            names,
            until,
            self_issued,
        })
    }

    /// Whom it is for, in words.
    pub(super) fn shown_names(&self) -> String {
        let mut shown = self.names[..self.names.len().min(NAMES)].join(", ");
        if self.names.len() > NAMES {
            shown += &format!(" and {} more", self.names.len() - NAMES);
        }
        match shown.is_empty() {
            true => "nobody by name".to_owned(),
            false => shown,
        }
    }
}

/// Bytes that are still to be read, as tags, lengths and contents.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
                (length.iter().fold(0, add), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The next content, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }

    fn skip_if(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

/// The common name, and else the organization.
fn name(content: &[u8]) -> String {
    let mut best = String::new();
    let mut sets = Reader(content);
    while let Some(set) = sets.expect(SET) {
        let mut pairs = Reader(set);
        while let Some(pair) = pairs.expect(SEQUENCE) {
            let mut pair = Reader(pair);
            let Some(kind) = pair.expect(OID) else {
                continue;
            };
            let Some((_, value)) = pair.next() else {
                continue;
            };
            if kind == COMMON_NAME || (kind == ORGANIZATION && best.is_empty()) {
                best = shown(value);
            }
        }
    }
    best
}

fn alternative_names(content: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Reader(Reader(content).expect(SEQUENCE)?);
    while let Some(extension) = extensions.expect(SEQUENCE) {
        let mut extension = Reader(extension);
        if extension.expect(OID) != Some(&ALTERNATIVE_NAMES) {
            continue;
        }
        let mut found = Vec::new();
        while let Some((tag, content)) = extension.next() {
            if tag != OCTETS {
                continue;
            }
            let mut names = Reader(Reader(content).expect(SEQUENCE)?);
            while let Some((tag, content)) = names.next() {
                match (tag, content.len()) {
                    (DNS_NAME, _) => found.push(shown(content)),
                    (IP_ADDRESS, 4) => {
                        let address = <[u8; 4]>::try_from(content).ok()?;
                        found.push(std::net::Ipv4Addr::from(address).to_string());
                    }
                    (IP_ADDRESS, 16) => {
                        let address = <[u8; 16]>::try_from(content).ok()?;
                        found.push(std::net::Ipv6Addr::from(address).to_string());
                    }
                    _ => (),
                }
            }
        }
        return Some(found);
    }
    None
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Two digits of a year stand for 1950 to 2049.
        UTC_TIME if text.len() == 12 && text < "5" => format!("20{text}"),
        UTC_TIME if text.len() == 12 => format!("19{text}"),
        GENERALIZED_TIME if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    time.to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_well_known_authority_says_who_it_is_and_how_long() {
        let found: Vec<Facts> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .map(|der| Facts::read(der))
            .collect();
        let known = found.iter().find(|facts| facts.issuer == "ISRG Root X1");
        let known = known.cloned().unwrap_or_default();
        assert_eq!(known.names, ["ISRG Root X1"]);
        assert_eq!(known.until, "2035-06-04T11:04:38Z".parse().ok());
        assert!(found.iter().all(|facts| facts.until.is_some()));
    }

    #[test]
    fn years_of_two_digits_are_of_this_age() {
        let end = |text: &str| time(UTC_TIME, text.as_bytes()).map(|time| time.to_string());
        assert_eq!(
            end("491231235959Z").as_deref(),
            Some("2049-12-31T23:59:59Z")
        );
        assert_eq!(
            end("500101000000Z").as_deref(),
            Some("1950-01-01T00:00:00Z")
        );
        assert_eq!(end("4912312359Z"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Facts::read(&bytes).shown_names();
        }
    }
}
