//! Which machines a name may lead to. Who may write Services can have one lead anywhere (`ExternalName`): a name alone says
//! nothing about what answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::vec;

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use thiserror::Error;
use tower_service::Service;

/// Services of clouds that answer to whoever comes from one of their machines, with credentials too, at addresses that are not
/// link-local. (Most are at 169.254.169.254.)
const OF_CLOUDS: [IpAddr; 8] = [
    // Alibaba Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's wire server.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle Cloud.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // Alibaba Cloud, Linode, Oracle Cloud and Scaleway by IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    // Google Cloud.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Where AWS has all such Services by IPv6.
const OF_AWS: [u16; 2] = [0xfd00, 0xec2];
/// Link-local addresses at which AWS answers for servers that users have there (VPC Lattice): 169.254.171.0/24 and `fd00:ec2:80::/64`.
/// Their names lead nowhere else.
const OF_LATTICE: ([u8; 3], [u16; 4]) = ([169, 254, 171], [0xfd00, 0xec2, 0x80, 0]);

/// Which addresses a name may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// The operator has named the server: all but those at which machines are told their own secrets. (One who means such a server
    /// writes its address, which leads nowhere else.)
    Named,
    /// Those that a Service of the cluster may have: not those of this machine either.
    Cluster,
}

impl Reach {
    fn check(self, name: &str, address: IpAddr) -> Result<(), OutOfReach> {
        let name = name.to_owned();
        let plain = plain(address);
        if translated(address).is_some_and(tells_secrets) {
            return Err(OutOfReach::Secrets { name, address });
        }
        match self {
            Self::Cluster if !may_be_of_a_service(plain) => Err(OutOfReach::NoService { name, address }),
            Self::Named if tells_secrets(plain) && !is_of_lattice(plain) => {
                Err(OutOfReach::Secrets { name, address })
            }
            Self::Cluster | Self::Named => Ok(()),
        }
    }
}

/// An IPv4 address in the clothes of IPv6 leads to the same machine, or may: as mapped or compatible (RFC 4291), by NAT64 (RFC 6052,
/// and for one's own network RFC 8215) and by 6to4 (RFC 3056).
fn plain(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return address,
    };
    of_halves(high, low)
}

/// The IPv4 address of these two halves.
fn of_halves(high: u16, low: u16) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// What a translator with all of the prefix for one's own network makes of an address (RFC 8215): there the IPv4 address stands in the
/// middle, around an octet that is none of it (RFC 6052).
fn translated(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let [0x64, 0xff9b, 1, high, middle, low, ..] = v6.segments() else {
        return None;
    };
    Some(of_halves(high, (middle & 0xff) << 8 | low >> 8))
}

/// Link-local addresses are those of the machine's neighbours on the wire, and of what clouds tell their machines.
fn tells_secrets(address: IpAddr) -> bool {
    let is_near = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.segments().starts_with(&OF_AWS),
    };
    is_near || OF_CLOUDS.contains(&address)
}

fn is_of_lattice(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets().starts_with(&OF_LATTICE.0),
        IpAddr::V6(v6) => v6.segments().starts_with(&OF_LATTICE.1),
    }
}

fn may_be_of_a_service(address: IpAddr) -> bool {
    let is_of_no_machine = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets().starts_with(&[0]),
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    let is_one = !address.is_loopback() && !address.is_multicast();
    is_one && !is_of_no_machine && !tells_secrets(address)
}

/// A name leads to where nothing is sent.
#[derive(Debug, Error)]
enum OutOfReach {
    #[error("{name} leads to {address}, where no Service of the cluster is: nothing is sent there")]
    NoService { name: String, address: IpAddr },
    #[error(
        "{name} leads to {address}, where machines are told their own secrets: nothing is sent there (if it is meant, write the \
         address in place of the name)"
    )]
    Secrets { name: String, address: IpAddr },
}

/// Asks the system what a name leads to.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    system: GaiResolver,
    reach: Reach,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            system: GaiResolver::new(),
            reach,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (text, reach) = (name.to_string(), self.reach);
        let found = self.system.call(name);
        Box::pin(async move {
            let addresses: Vec<_> = found.await?.collect();
            // One is enough: what leads here and there is neither a Service nor what the operator has named.
            for address in &addresses {
                reach.check(&text, address.ip()).map_err(io::Error::other)?;
            }
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn includes(reach: Reach, address: &str) -> bool {
        reach.check("web.shop", address.parse().unwrap()).is_ok()
    }

    #[test]
    fn addresses_at_which_machines_are_told_secrets_are_reached_by_no_name() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1:2:3:4:169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00:808:808",
            "2002:a9fe:a9fe::1",
        ] {
            for reach in [Reach::Cluster, Reach::Named] {
                assert!(!includes(reach, address), "{address}, {reach:?}");
            }
        }
    }

    #[test]
    fn addresses_that_no_service_has_are_reached_by_what_the_operator_has_named_only() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "ff02::1",
            "169.254.171.32",
            "fd00:ec2:80::a9fe:ab20",
        ] {
            assert!(!includes(Reach::Cluster, address), "{address}");
            assert!(includes(Reach::Named, address), "{address}");
        }
    }

    #[test]
    fn addresses_of_pods_and_services_are_within_reach() {
        for of_service in [
            "10.96.0.10",
            "192.168.3.4",
            "100.64.0.7",
            "198.18.16.1",
            "fd00:10::a",
            "2001:db8::a",
            "64:ff9b::198.18.16.1",
        ] {
            assert!(includes(Reach::Cluster, of_service), "{of_service}");
            assert!(includes(Reach::Named, of_service), "{of_service}");
        }
    }

    #[tokio::test]
    async fn name_that_leads_to_this_machine_is_refused_by_its_address() {
        let name: Name = "localhost".parse().unwrap();

        let refused = Resolver::new(Reach::Cluster).call(name.clone()).await;
        let taken = Resolver::new(Reach::Named).call(name).await;

        let message = refused.map(drop).unwrap_err().to_string();
        assert!(message.starts_with("localhost leads to "), "{message}");
        assert!(taken.unwrap().all(|address| address.ip().is_loopback()));
    }
}
