//! Which addresses lie on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 ranges that are not global: IANA's special-purpose registry, multicast and class E.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Ranges within 2000::/3 that are not global: protocol assignments with Teredo, benchmarking and ORCHID; documentation;
/// 6to4. What lies outside 2000::/3 (mapped and translated IPv4, unique local, link-local, multicast, …) is not global.
const SPECIAL_V6: &[([u16; 2], u32)] = &[
    ([0x2001, 0x0000], 23),
    ([0x2001, 0x0db8], 32),
    ([0x2002, 0x0000], 16),
    ([0x3ffe, 0x0000], 16),
    ([0x3fff, 0x0000], 20),
];

/// True where anybody on the internet could be at this address.
pub(super) fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !SPECIAL_V4.iter().any(|(net, length)| same_prefix_v4(address, Ipv4Addr::from(*net), *length))
        }
        IpAddr::V6(address) => {
            in_v6(address, [0x2000, 0], 3) && !SPECIAL_V6.iter().any(|(net, length)| in_v6(address, *net, *length))
        }
    }
}

fn same_prefix_v4(address: Ipv4Addr, net: Ipv4Addr, length: u32) -> bool {
    let shift = 32_u32.saturating_sub(length);
    address.to_bits().checked_shr(shift) == net.to_bits().checked_shr(shift)
}

fn in_v6(address: Ipv6Addr, [high, low]: [u16; 2], length: u32) -> bool {
    let net = Ipv6Addr::new(high, low, 0, 0, 0, 0, 0, 0);
    let shift = 128_u32.saturating_sub(length);
    address.to_bits().checked_shr(shift) == net.to_bits().checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_of_each_special_range_are_refused() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.169.254"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("::", "::1"),
            ("::ffff:8.8.8.8", "::ffff:127.0.0.1"),
            ("::8.8.8.8", "::127.0.0.1"),
            ("64:ff9b::808:808", "64:ff9b::7f00:1"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:2::", "2001:1ff:ffff::"),
            ("2001:db8::", "2001:db8:ffff::1"),
            ("2002::", "2002:7f00:1::"),
            ("3ffe::", "3ffe:ffff::1"),
            ("3fff::", "3fff:fff:ffff::1"),
            ("5f00::", "5f00:ffff::"),
            ("fc00::", "fdff:ffff::1"),
            ("fe80::1", "febf::1"),
            ("fec0::1", "feff::1"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            for text in [first, last] {
                assert!(!is_global(text.parse().expect("an address")), "{text}");
            }
        }
    }

    #[test]
    fn neighbours_of_special_ranges_are_global() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "8.8.8.8",
            "2001:200::",
            "2001:db7::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "3fff:1000::",
        ] {
            assert!(is_global(text.parse().expect("an address")), "{text}");
        }
    }
}
