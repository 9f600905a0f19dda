//! One request through the gateway, with headers of its own: what the load, which is always the same, can't ask.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use kulta_test_cluster::settings::GATEWAY_TCP_PORT;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::limits;
use crate::stage::Stage;

/// The header in which the sample application says which version it is.
const VERSION_HEADER: &str = "x-version";

/// The version of the application that answers such a request well; None where none does.
///
/// # Errors
/// When the gateway can't be reached.
pub async fn version_that_answers(
    stage: &Stage,
    host: &str,
    headers: &[(&str, &str)],
) -> Result<Option<String>> {
    let answer = timeout(limits::WITHIN, exchange(stage.gateway_address(), host, headers))
        .await
        .context("the gateway does not answer")??;
    Ok(version_of(&answer))
}

/// The version of the application that answers behind the gateway's listener for whole connections; None where none does, or
/// nobody listens.
pub async fn version_of_connection(stage: &Stage) -> Option<String> {
    let address = SocketAddr::new(stage.gateway_address().ip(), GATEWAY_TCP_PORT);
    let answer = timeout(limits::WITHIN, exchange(address, "connection", &[])).await;
    version_of(&answer.ok()?.ok()?)
}

async fn exchange(address: SocketAddr, host: &str, headers: &[(&str, &str)]) -> Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn version_of(answer: &str) -> Option<String> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let is_well = lines.next()?.contains(" 200 ");
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let version = headers.find(|(name, _)| name.eq_ignore_ascii_case(VERSION_HEADER));
    let version = version.map(|(_, value)| value.trim().to_owned());
    version.filter(|_| is_well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_a_good_answer_only() {
        let answer = |status| format!("HTTP/1.1 {status}\r\nX-Version: v2\r\ncontent-length: 0\r\n\r\n");

        assert_eq!(version_of(&answer("200 OK")).as_deref(), Some("v2"));
        assert_eq!(version_of(&answer("503 Service Unavailable")), None);
        assert_eq!(version_of("HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
