//! Which hosts are reached without the proxy; pure.
//!
//! There is no standard for such lists. Every form that is in use is understood in its widest sense, because whoever names
//! a host there wants it to be reached directly: a name stands for itself and all below it, with a dot or a star before it
//! or without; an address and a network for all ways to write them; a port behind any of these for that port alone.

use std::net::IpAddr;

/// The entry of a list that takes a host from the proxy, if any does.
///
/// The machine's own loopback is never asked of a proxy, which has one of its own.
pub(in crate::s3) fn entry<'a>(no_proxy: &'a str, host: &str, port: u16) -> Option<&'a str> {
    let host = bare(host).to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    let own = address.is_some_and(|address| address.to_canonical().is_loopback());
    if own || host == "localhost" || host.ends_with(".localhost") {
        return Some("loopback");
    }
    let entries = no_proxy.split([',', ' ', ';', '\t', '\n']).map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .find(|entry| takes(entry, &host, address, port))
}

/// A host without the brackets of IPv6, its zone, and the dot at a name's end.
fn bare(host: &str) -> &str {
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.split(['%', ']']).next().unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

fn takes(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    let entry = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let (wanted, wanted_port) = with_port(entry);
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if wanted == "*" {
        return true;
    }
    if let Some((network, bits)) = wanted.split_once('/') {
        let network = bare(network).parse::<IpAddr>().ok();
        let inside = address.zip(network).zip(bits.parse().ok());
        return inside.is_some_and(|((address, network), bits)| within(address, network, bits));
    }
    if let (Some(address), Ok(wanted)) = (address, bare(wanted).parse::<IpAddr>()) {
        return address.to_canonical() == wanted.to_canonical();
    }
    let name = wanted.to_ascii_lowercase();
    let name = bare(name.trim_start_matches('*').trim_start_matches('.'));
    let above = host.strip_suffix(name);
    address.is_none()
        && !name.is_empty()
        && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// An entry's host, and its port if it has one. A bare IPv6 address is full of colons and has none.
fn with_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Whether an address lies in a network of so many bits.
fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32_u32.checked_sub(bits);
            let kept = |bytes: u32| shift.map(|shift| bytes.checked_shr(shift).unwrap_or(0));
            shift.is_some() && kept(address.to_bits()) == kept(network.to_bits())
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128_u32.checked_sub(bits);
            let kept = |bytes: u128| shift.map(|shift| bytes.checked_shr(shift).unwrap_or(0));
            shift.is_some() && kept(address.to_bits()) == kept(network.to_bits())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_an_entry_takes_what_it_means_and_nothing_else() {
        let cases = [
            ("s3.example.com", "s3.example.com", 443, true),
            ("S3.Example.com.", "s3.EXAMPLE.com", 443, true),
            ("example.com", "s3.example.com", 443, true),
            (".example.com", "s3.example.com", 443, true),
            (".example.com", "example.com", 443, true),
            ("*.example.com", "a.b.example.com", 443, true),
            ("example.com", "notexample.com", 443, false),
            (".example.com", "notexample.com", 443, false),
            ("s3.example.com", "example.com", 443, false),
            ("example.com:9000", "s3.example.com", 9000, true),
            ("example.com:9000", "s3.example.com", 443, false),
            ("*:9000", "anything", 9000, true),
            ("*:9000", "anything", 9001, false),
            ("*", "10.1.2.3", 80, true),
            ("*", "anything.at.all", 80, true),
            ("10.1.2.3", "10.1.2.3", 80, true),
            ("10.1.2.3:80", "10.1.2.3", 80, true),
            ("10.1.2.3:81", "10.1.2.3", 80, false),
            ("10.1.2.3", "10.1.2.30", 80, false),
            ("10.0.0.0/8", "10.255.0.1", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("10.0.0.0/33", "10.0.0.1", 80, false),
            ("0.0.0.0/0", "192.0.2.1", 80, true),
            ("192.0.2.1/32", "192.0.2.1", 80, true),
            ("192.0.2.1/32", "192.0.2.2", 80, false),
            ("fd00::/8", "[fd12::1]", 80, true),
            ("fd00::/8", "[fe80::1]", 80, false),
            ("::/0", "[2001:db8::1]", 80, true),
            ("2001:db8::1", "[2001:db8:0:0::1]", 80, true),
            ("[2001:db8::1]", "[2001:db8::1]", 80, true),
            ("[2001:db8::1]:9000", "[2001:db8::1]", 9000, true),
            ("[2001:db8::1]:9000", "[2001:db8::1]", 9001, false),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]", 80, true),
            ("0.0.0.0/0", "a.name", 80, false),
            ("https://s3.example.com", "s3.example.com", 443, true),
            ("", "s3.example.com", 443, false),
            (".", "s3.example.com", 443, false),
        ];
        for (no_proxy, host, port, wanted) in cases {
            assert_eq!(
                entry(no_proxy, host, port).is_some(),
                wanted,
                "{no_proxy} {host}:{port}"
            );
        }
    }

    #[test]
    fn list_has_commas_or_blanks_and_the_entry_that_took_the_host_is_told() {
        let list = "a.example, 10.0.0.0/8 .internal;b.example";
        assert_eq!(entry(list, "s3.internal", 80), Some(".internal"));
        assert_eq!(entry(list, "b.example", 80), Some("b.example"));
        assert_eq!(entry(list, "c.example", 80), None);
    }

    #[test]
    fn loopback_is_never_asked_of_a_proxy() {
        for host in [
            "localhost",
            "s3.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(entry("", host, 9000), Some("loopback"), "{host}");
        }
        assert_eq!(entry("", "localhost.example.com", 9000), None);
    }

    proptest! {
        #[test]
        fn any_list_and_any_host_end_in_an_answer(list in any::<String>(), host in "[a-z0-9.:\\[\\]%]{0,20}", port in any::<u16>()) {
            let _ = entry(&list, &host, port);
        }

        #[test]
        fn a_network_holds_the_addresses_that_begin_like_it(address in any::<u32>(), bits in 0..=32_u32, other in any::<u32>()) {
            let (one, two) = (std::net::Ipv4Addr::from(address), std::net::Ipv4Addr::from(other));
            let alike = bits == 0 || address >> (32 - bits) == other >> (32 - bits);
            prop_assert_eq!(within(IpAddr::V4(two), IpAddr::V4(one), bits), alike);
        }
    }
}
