//! The cluster's certificate authority and what it signs. Everything is made anew with each sandbox, except the key
//! of service account tokens, which running pods depend on.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::settings::{API_SERVICE_ADDRESS, CLUSTER_DOMAIN, NODE_ADDRESS, NODE_NAME};

const SECRET: u32 = 0o600;

/// Somebody the API server knows by a client certificate.
pub(crate) struct User {
    /// The name of its files.
    pub(crate) file: &'static str,
    name: &'static str,
    group: &'static str,
}

pub(crate) const ADMIN: &str = "admin";
pub(crate) const CONTROLLER_MANAGER: &str = "controller-manager";
pub(crate) const SCHEDULER: &str = "scheduler";
pub(crate) const KUBELET: &str = "kubelet";
pub(crate) const KUBE_PROXY: &str = "kube-proxy";
pub(crate) const DNS: &str = "dns";
pub(crate) const GATEWAY: &str = "gateway";
pub(crate) const METRICS: &str = "metrics";
/// The API server, when it asks the kubelet.
pub(crate) const API_CLIENT: &str = "api-client";

pub(crate) const USERS: [User; 9] = [
    User {
        file: ADMIN,
        name: "admin",
        group: "system:masters",
    },
    User {
        file: CONTROLLER_MANAGER,
        name: "system:kube-controller-manager",
        group: "",
    },
    User {
        file: SCHEDULER,
        name: "system:kube-scheduler",
        group: "",
    },
    User {
        file: KUBELET,
        name: "system:node:node",
        group: "system:nodes",
    },
    User {
        file: KUBE_PROXY,
        name: "system:kube-proxy",
        group: "",
    },
    User {
        file: DNS,
        name: "cluster-dns",
        group: "",
    },
    User {
        file: GATEWAY,
        name: "cluster-gateway",
        group: "",
    },
    User {
        file: METRICS,
        name: "cluster-metrics",
        group: "",
    },
    User {
        file: API_CLIENT,
        name: "kube-apiserver",
        group: "",
    },
];

/// Writes all certificates and keys into the folder.
pub(crate) fn write_all(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "kulta test cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    write(folder, "ca.crt", &params.self_signed(&key)?.pem())?;
    write(folder, "ca.key", &key.serialize_pem())?;
    let authority = Issuer::new(params, key);

    let service = |suffix: &str| format!("kubernetes.default{suffix}");
    let names = vec![
        String::from("localhost"),
        String::from("kubernetes"),
        service(""),
        service(".svc"),
        service(&format!(".svc.{CLUSTER_DOMAIN}")),
        String::from("127.0.0.1"),
        NODE_ADDRESS.to_owned(),
        API_SERVICE_ADDRESS.to_owned(),
    ];
    serving(folder, "api-server", names, &authority)?;
    let names = ["localhost", NODE_NAME, "127.0.0.1", NODE_ADDRESS]
        .map(str::to_owned)
        .to_vec();
    serving(folder, "node-server", names, &authority)?;
    for user in USERS {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, user.name);
        if !user.group.is_empty() {
            params
                .distinguished_name
                .push(DnType::OrganizationName, user.group);
        }
        sign(
            folder,
            user.file,
            params,
            ExtendedKeyUsagePurpose::ClientAuth,
            &authority,
        )?;
    }
    service_accounts(folder)
}

fn service_accounts(folder: &Path) -> Result<()> {
    if folder.join("service-accounts.pub").exists() {
        return Ok(());
    }
    let key = KeyPair::generate()?;
    write(folder, "service-accounts.key", &key.serialize_pem())?;
    write(folder, "service-accounts.pub", &key.public_key_pem())
}

fn serving(folder: &Path, file: &str, names: Vec<String>, authority: &Issuer<'_, KeyPair>) -> Result<()> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, file);
    sign(
        folder,
        file,
        params,
        ExtendedKeyUsagePurpose::ServerAuth,
        authority,
    )
}

fn sign(
    folder: &Path,
    file: &str,
    mut params: CertificateParams,
    purpose: ExtendedKeyUsagePurpose,
    authority: &Issuer<'_, KeyPair>,
) -> Result<()> {
    let key = KeyPair::generate()?;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![purpose];
    let certificate = params.signed_by(&key, authority)?;
    write(folder, &format!("{file}.crt"), &certificate.pem())?;
    write(folder, &format!("{file}.key"), &key.serialize_pem())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    use std::io::Write;
    // Renamed when it is whole: a driver may be killed at any moment, and the keys of tokens are never made anew.
    let path = folder.join(format!(".{name}"));
    let mut options = fs::File::options();
    let mut file = options
        .create(true)
        .write(true)
        .truncate(true)
        .mode(SECRET)
        .open(&path)?;
    let written = file.write_all(text.as_bytes());
    written
        .and_then(|()| fs::rename(&path, folder.join(name)))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_account_keys_survive_and_the_rest_is_new() {
        let folder = std::env::temp_dir().join(format!("kulta-certificates-{}", std::process::id()));
        write_all(&folder).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let (tokens, authority) = (read("service-accounts.key"), read("ca.crt"));
        write_all(&folder).unwrap();
        assert_eq!(tokens, read("service-accounts.key"));
        assert_ne!(authority, read("ca.crt"));
        assert!(
            USERS
                .iter()
                .all(|user| folder.join(format!("{}.crt", user.file)).is_file())
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
