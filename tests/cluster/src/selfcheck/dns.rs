//! A name asked of the cluster's own name server, as a pod asks it.

use std::net::UdpSocket;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::settings::{API_SERVICE_ADDRESS, CLUSTER_DOMAIN, NODE_ADDRESS, PROBE_TIMEOUT};

const PORT: u16 = 53;
const LARGEST_ANSWER: usize = 512;
/// One question, recursion wanted.
const HEADER: [u8; 12] = [0x4b, 0x75, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
/// Type A, class IN.
const ADDRESS_QUESTION: [u8; 4] = [0, 1, 0, 1];

pub(super) fn names_resolve(cluster: &Cluster) -> Result<()> {
    let name = format!("kubernetes.default.svc.{CLUSTER_DOMAIN}");
    let answer = cluster.network().within(|| {
        let socket = UdpSocket::bind((NODE_ADDRESS, 0))?;
        socket.set_read_timeout(Some(PROBE_TIMEOUT))?;
        socket.send_to(&question(&name)?, (NODE_ADDRESS, PORT))?;
        let mut buffer = [0; LARGEST_ANSWER];
        let length = socket.recv(&mut buffer)?;
        Ok(buffer.get(..length).unwrap_or_default().to_vec())
    })?;
    let expected: std::net::Ipv4Addr = API_SERVICE_ADDRESS.parse()?;
    // The address is the last thing in an answer with one record.
    ensure!(
        answer.ends_with(&expected.octets()),
        "{name} is not {expected}: {answer:?}"
    );
    Ok(())
}

fn question(name: &str) -> Result<Vec<u8>> {
    let mut packet = HEADER.to_vec();
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).context("a label is short")?);
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend(ADDRESS_QUESTION);
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_its_labels() {
        let packet = question("a.bc").unwrap();
        assert_eq!(packet[HEADER.len()..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
    }
}
