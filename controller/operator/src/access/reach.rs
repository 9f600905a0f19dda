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
const OF_CLOUDS: [IpAddr; 5] = [
    // Alibaba Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's wire server.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle Cloud.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Google Cloud.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Which addresses are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// All: the operator has named the server.
    Anywhere,
    /// Those that a Service of the cluster may have: not those of this machine and its neighbours on the wire, nor those at which
    /// clouds tell their machines their secrets.
    Cluster,
}

impl Reach {
    fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Cluster => may_be_of_a_service(address.to_canonical()),
        }
    }
}

/// Of an address that is no IPv4 one in the clothes of IPv6.
fn may_be_of_a_service(address: IpAddr) -> bool {
    let is_near = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets().starts_with(&[0]),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_one = !address.is_loopback() && !address.is_unspecified() && !address.is_multicast();
    is_one && !is_near && !OF_CLOUDS.contains(&address)
}

/// A name leads to where nothing of the cluster is.
#[derive(Debug, Error)]
#[error("{name} leads to {address}, where no Service of the cluster is: nothing is sent there")]
struct OutOfReach {
    name: String,
    address: IpAddr,
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
            // One is enough: what leads here and there is no Service.
            match addresses.iter().find(|address| !reach.includes(address.ip())) {
                Some(address) => Err(io::Error::other(OutOfReach {
                    name: text,
                    address: address.ip(),
                })),
                None => Ok(addresses.into_iter()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_service_has_are_out_of_reach() {
        for near in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:169.254.169.254",
            "::ffff:127.0.0.1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            let address: IpAddr = near.parse().unwrap();
            assert!(!Reach::Cluster.includes(address), "{near}");
            assert!(Reach::Anywhere.includes(address), "{near}");
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
        ] {
            assert!(
                Reach::Cluster.includes(of_service.parse().unwrap()),
                "{of_service}"
            );
        }
    }

    #[tokio::test]
    async fn name_that_leads_to_this_machine_is_refused_by_its_address() {
        let name: Name = "localhost".parse().unwrap();

        let refused = Resolver::new(Reach::Cluster).call(name.clone()).await;
        let taken = Resolver::new(Reach::Anywhere).call(name).await;

        let message = refused.map(drop).unwrap_err().to_string();
        assert!(message.starts_with("localhost leads to "), "{message}");
        assert!(taken.unwrap().all(|address| address.ip().is_loopback()));
    }
}
