//! Connections to one server, with the certificates that are believed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::credentials::bytes;
use super::reach::{Reach, Resolver};
use super::settings::Access;

/// No list of authorities is longer.
const LONGEST_BYTES: u64 = 4 << 20;

/// Speaks to one server.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Connections to one server. They are kept as long as the authorities are the same.
#[derive(Debug)]
pub(crate) struct Connection {
    is_https: bool,
    ca_file: Option<PathBuf>,
    reach: Reach,
    client: Mutex<Option<Made>>,
}

/// A client, and the file that it was made with.
#[derive(Debug, Clone)]
struct Made {
    authorities: Option<Arc<[u8]>>,
    client: HttpClient,
}

/// There is no connecting with these certificates.
#[derive(Debug, Error)]
pub(crate) enum ConnectionError {
    #[error("caFile {}: can't be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("caFile {}: has no certificate (PEM) that can be used", path.display())]
    Unusable { path: PathBuf },
    #[error("there are no certificates of authorities on this system: write caFile")]
    NoAuthorities(#[source] io::Error),
    #[error("TLS does not work here")]
    Tls(#[from] rustls::Error),
    #[error("the reading was broken off")]
    BrokenOff,
}

impl Connection {
    pub(crate) fn new(access: &Access, reach: Reach) -> Self {
        Self::within(reach, access.address.is_https(), access.ca_file.clone())
    }

    /// To a server that the operator has named, and for which the authorities in a file vouch; None: those of the system.
    pub(crate) fn to_named(is_https: bool, ca_file: Option<PathBuf>) -> Self {
        Self::within(Reach::Named, is_https, ca_file)
    }

    fn within(reach: Reach, is_https: bool, ca_file: Option<PathBuf>) -> Self {
        Self {
            is_https,
            ca_file,
            reach,
            client: Mutex::new(None),
        }
    }

    /// The client to ask with: another one after the file of the authorities has changed.
    pub(crate) async fn client(&self) -> Result<HttpClient, ConnectionError> {
        let known = self.client.lock().clone();
        if let (Some(known), None) = (&known, &self.ca_file) {
            return Ok(known.client.clone());
        }
        let (is_https, ca_file, reach) = (self.is_https, self.ca_file.clone(), self.reach);
        let made = spawn_blocking(move || made(is_https, ca_file.as_deref(), reach, known)).await;
        let made = made.map_err(|_| ConnectionError::BrokenOff)??;
        let client = made.client.clone();
        *self.client.lock() = Some(made);
        Ok(client)
    }
}

/// The `known` client, unless it was made with other authorities.
fn made(
    is_https: bool,
    ca_file: Option<&Path>,
    reach: Reach,
    known: Option<Made>,
) -> Result<Made, ConnectionError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        bytes(&path, LONGEST_BYTES).map_err(|source| ConnectionError::Read { path, source })
    };
    let authorities: Option<Arc<[u8]>> = ca_file.map(read).transpose()?.map(Arc::from);
    if let Some(known) = known.filter(|known| known.authorities == authorities) {
        return Ok(known);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    let builder: ConfigBuilder<ClientConfig, WantsClientCert> = match (ca_file, &authorities) {
        (Some(path), Some(pem)) => builder.with_root_certificates(roots(path, pem)?),
        _ if is_https => builder
            .with_native_roots()
            .map_err(ConnectionError::NoAuthorities)?,
        _ => builder.with_root_certificates(RootCertStore::empty()),
    };
    let connector = HttpsConnectorBuilder::new().with_tls_config(builder.with_no_client_auth());
    // What was meant to be encrypted is never sent in the clear.
    let connector = if is_https {
        connector.https_only()
    } else {
        connector.https_or_http()
    };
    let mut plain = HttpConnector::new_with_resolver(Resolver::new(reach));
    // Or https:// would be refused.
    plain.enforce_http(false);
    let connector = connector.enable_http1().wrap_connector(plain);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Ok(Made { authorities, client })
}

fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, ConnectionError> {
    let unusable = || ConnectionError::Unusable {
        path: path.to_owned(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|_| unusable())?;
    }
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(roots)
}
