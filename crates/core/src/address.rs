//! How near an address is, so that whoever connects can tell what may be reached. Forms of IPv6 that carry an IPv4 address are judged by what they carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How near an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// Anywhere on the internet.
    Public,
    /// Inside: only for hosts that the operator's config names.
    Private,
    /// This machine: likewise, and the only place for plain http that carries secrets.
    Loopback,
    /// Link-local, cloud metadata, multicast, "this network": never.
    Never,
}

/// How near this one is.
#[must_use]
pub fn nearness(address: IpAddr) -> Nearness {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

/// Where clouds answer with credentials, outside the link-local range: Azure, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// The same in IPv6: AWS, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// IANA's special-purpose registry (RFC 6890).
fn of_v4(address: Ipv4Addr) -> Nearness {
    if METADATA_V4.contains(&address) {
        return Nearness::Never;
    }
    match address.octets() {
        [127, ..] => Nearness::Loopback,
        [0, ..] | [169, 254, ..] | [224..=255, ..] => Nearness::Never,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Nearness::Private,
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => Nearness::Private,
        [192, 88, 99, _] => Nearness::Private,
        _ => Nearness::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Nearness {
    if METADATA_V6.contains(&address) {
        return Nearness::Never;
    }
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Nearness::Loopback,
        // v4-mapped, v4-compatible, v4-translated (RFC 4291, 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => embedded(high, low),
        // NAT64 with the well-known prefix (RFC 6052); the local one (RFC 8215) hides its IPv4 address anywhere.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, ..] => Nearness::Never,
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, ORCHID and their neighbours (RFC 2928): no server lives there.
        [0x2001, 0..=0x1ff, ..] => Nearness::Never,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Nearness::Private,
        [0x2000..=0x3fff, ..] => Nearness::Public,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Nearness::Private,
        _ => Nearness::Never,
    }
}

#[cfg(test)]
mod tests;
