//! A wire between a controller and the API server that can be cut: connections end, and nobody answers any more.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The wire; it is cut when this is dropped.
#[derive(Debug)]
pub struct Wire {
    whole: Arc<watch::Sender<bool>>,
    _carrying: AbortOnDropHandle<()>,
}

impl Wire {
    /// Carries whatever comes to the server of a kubeconfig, and answers the kubeconfig that leads over the wire.
    ///
    /// # Errors
    /// When the kubeconfig names no server, or there is no port.
    pub async fn to(kubeconfig: &mut Value) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let server = redirected(kubeconfig, address)?;
        let whole = Arc::new(watch::Sender::new(true));
        let carrying = tokio::spawn(carry(listener, server, Arc::clone(&whole)));
        Ok(Self {
            whole,
            _carrying: AbortOnDropHandle::new(carrying),
        })
    }

    /// Cuts it: what is connected hangs, and so does what connects.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it: what hung is gone, and what connects from now on is carried.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

/// Leads every cluster of the kubeconfig over `address`; answers where its server was.
fn redirected(kubeconfig: &mut Value, address: SocketAddr) -> Result<String> {
    let clusters = kubeconfig.get_mut("clusters").and_then(Value::as_array_mut);
    let cluster = clusters.and_then(|clusters| clusters.first_mut()?.get_mut("cluster")?.as_object_mut());
    let cluster = cluster.context("the kubeconfig has no cluster")?;
    let server = cluster.get("server").and_then(Value::as_str);
    let server: http::Uri = server.context("the cluster has no server")?.parse()?;
    let host = server.host().context("the server has no host")?.to_owned();
    let port = server.port_u16().context("the server has no port")?;
    cluster.insert("server".to_owned(), json!(format!("https://{address}")));
    // Its certificate is made out to this one.
    cluster.insert("tls-server-name".to_owned(), json!(host));
    Ok(format!("{host}:{port}"))
}

async fn carry(listener: TcpListener, server: String, whole: Arc<watch::Sender<bool>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (server, mut whole) = (server.clone(), whole.subscribe());
        tokio::spawn(async move {
            let carried = async {
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            };
            tokio::select! {
                _ = whole.wait_for(|whole| !whole) => {}
                _ = carried => return,
            }
            // Held open, and silent: as where packets are lost.
            let _ = whole.wait_for(|whole| *whole).await;
            drop(client);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_leads_over_the_wire_to_the_server_that_its_certificate_names() {
        let mut kubeconfig =
            json!({"clusters": [{"name": "c", "cluster": {"server": "https://198.18.0.1:6443"}}]});

        let server = redirected(&mut kubeconfig, "127.0.0.1:9".parse().unwrap()).unwrap();

        assert_eq!(server, "198.18.0.1:6443");
        let expected = json!({"server": "https://127.0.0.1:9", "tls-server-name": "198.18.0.1"});
        assert_eq!(kubeconfig["clusters"][0]["cluster"], expected);
    }
}
