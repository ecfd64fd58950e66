//! R6: what is public, private, and never.

use super::*;
use proptest::prelude::*;

fn of(text: &str) -> Nearness {
    nearness(text.parse().unwrap())
}

#[test]
fn r6_link_local_and_metadata_addresses_are_never_reached() {
    for never in [
        "169.254.169.254",
        "169.254.0.1",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
        "2001:0:1:2::1",
        "100::1",
        "4000::1",
    ] {
        assert_eq!(of(never), Nearness::Never, "{never}");
    }
}

#[test]
fn r6_private_addresses_are_private_in_every_form() {
    for private in [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.254",
        "198.18.0.1",
        "192.0.2.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:0a00:0001::",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "2001:db8::1",
    ] {
        assert_eq!(of(private), Nearness::Private, "{private}");
    }
    for loopback in
        ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
    {
        assert_eq!(of(loopback), Nearness::Loopback, "{loopback}");
    }
}

#[test]
fn r6_the_rest_is_public() {
    for public in [
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2606:4700::1111",
        "2a00:1450::1",
    ] {
        assert_eq!(of(public), Nearness::Public, "{public}");
    }
}

proptest! {
    #[test]
    fn r6_an_ipv4_address_is_judged_alike_in_every_disguise(octets in any::<[u8; 4]>()) {
        let v4 = Ipv4Addr::from(octets);
        let expected = nearness(IpAddr::V4(v4));
        let ([a, b, c, d], loopback_v6) = (octets, octets == [0, 0, 0, 1]);
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for disguise in [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        ] {
            prop_assert!(loopback_v6 || nearness(IpAddr::V6(disguise)) == expected, "{}", disguise);
        }
    }

    #[test]
    fn r6_a_v6_address_outside_global_unicast_is_never_public(segments in any::<[u16; 8]>()) {
        let address = Ipv6Addr::from(segments);
        if !(0x2000..=0x3fff).contains(&segments[0]) && segments[0] != 0 && segments[0] != 0x64 {
            prop_assert_ne!(nearness(IpAddr::V6(address)), Nearness::Public);
        }
    }
}
