//! Which addresses something may be sent to: those of the public internet, and those that this installation allows.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
}

/// IANA IPv4 Special-Purpose Address Registry: what is not globally reachable, and multicast (RFC 5771).
const NOT_PUBLIC_V4: [Ipv4Net; 16] = [
    // This network, and unspecified (RFC 791).
    v4(0, 0, 0, 0, 8),
    // Private use (RFC 1918).
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    // Shared address space of carriers (RFC 6598).
    v4(100, 64, 0, 0, 10),
    // Loopback (RFC 1122).
    v4(127, 0, 0, 0, 8),
    // Link-local (RFC 3927): also where clouds answer with credentials.
    v4(169, 254, 0, 0, 16),
    // IETF protocol assignments (RFC 6890).
    v4(192, 0, 0, 0, 24),
    // Documentation (RFC 5737).
    v4(192, 0, 2, 0, 24),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Relays of 6to4 (RFC 7526).
    v4(192, 88, 99, 0, 24),
    // Automatic multicast tunneling (RFC 7450).
    v4(192, 52, 193, 0, 24),
    // Benchmarks (RFC 2544).
    v4(198, 18, 0, 0, 15),
    // Multicast.
    v4(224, 0, 0, 0, 4),
    // Reserved, and limited broadcast (RFC 1112, RFC 8190).
    v4(240, 0, 0, 0, 4),
];

/// Global unicast (RFC 4291): all that is public is in it. So what is outside needs no line below: unspecified, loopback,
/// addresses that carry one of IPv4 (`::ffff:0:0/96`, `::/96`, NAT64's `64:ff9b::/96` and `64:ff9b:1::/48`), unique local,
/// link-local, multicast.
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 3);

/// IANA IPv6 Special-Purpose Address Registry: what of it is not globally reachable, or leads to an address of IPv4.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    // IETF protocol assignments (RFC 2928), Teredo (RFC 4380) and ORCHID among them.
    v6(0x2001, 0, 23),
    // Documentation (RFC 3849, RFC 9637).
    v6(0x2001, 0x0db8, 32),
    v6(0x3fff, 0, 20),
    // 6to4 (RFC 3056).
    v6(0x2002, 0, 16),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// Networks that something may be sent to although they are not public: `10.0.0.0/8,127.0.0.1/32`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Vec<IpNet>);

impl AllowedNetworks {
    /// None.
    pub const NONE: Self = Self(Vec::new());

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is in one of them. An address of IPv6 that carries one of IPv4 is not that one.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether something may be sent there. `openly`: not encrypted, which is for allowed networks alone.
    pub(crate) fn may_reach(&self, address: IpAddr, openly: bool) -> bool {
        self.contain(address) || (!openly && is_public(address))
    }
}

impl FromStr for AllowedNetworks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        let networks = networks.map(|network| match network.parse::<IpNet>() {
            Ok(parsed) if parsed.addr() == parsed.network() => Ok(parsed),
            Ok(parsed) => Err(format!("{network} has bits after its prefix; {} is meant, or another", parsed.trunc())),
            Err(_) => Err(format!("{network:?} is not a network like 10.0.0.0/8, 192.0.2.7/32 or fd00::/8")),
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_not_reached_however_it_is_written() {
        for hostile in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            // Those of IPv4 in those of IPv6: mapped, compatible, NAT64, 6to4, Teredo.
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:0:a9fe:a9fe::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address: IpAddr = hostile.parse().unwrap();
            assert!(!AllowedNetworks::NONE.may_reach(address, false), "{hostile}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "198.20.0.1", "223.255.255.254"] {
            assert!(AllowedNetworks::NONE.may_reach(public.parse().unwrap(), false), "{public}");
        }
        for public in ["2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2003::1"] {
            assert!(AllowedNetworks::NONE.may_reach(public.parse().unwrap(), false), "{public}");
        }
    }

    #[test]
    fn what_is_allowed_is_reached_and_nothing_beside_it() {
        let allowed: AllowedNetworks = " 10.1.0.0/16, 127.0.0.1/32 ,fd00::/8".parse().unwrap();
        for (address, openly, expected) in [
            ("10.1.2.3", false, true),
            ("10.1.2.3", true, true),
            ("10.2.0.1", false, false),
            ("127.0.0.1", true, true),
            ("127.0.0.2", true, false),
            ("::ffff:127.0.0.1", true, false),
            ("fd12::1", false, true),
            // What is public is reached over TLS alone.
            ("1.1.1.1", false, true),
            ("1.1.1.1", true, false),
        ] {
            assert_eq!(allowed.may_reach(address.parse().unwrap(), openly), expected, "{address} {openly}");
        }
        assert_eq!("".parse(), Ok(AllowedNetworks::NONE));
    }

    #[test]
    fn what_is_not_a_list_of_networks_is_refused_with_what_is_wrong() {
        for (text, said) in [
            ("localhost", "localhost"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1/8", "10.0.0.0/8 is meant"),
            ("10.0.0.0/8;127.0.0.1/32", "127.0.0.1"),
        ] {
            assert!(text.parse::<AllowedNetworks>().unwrap_err().contains(said), "{text}");
        }
    }
}
