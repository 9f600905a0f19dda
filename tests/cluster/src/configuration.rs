//! The configuration files of the parts: templates under `config/` and `manifests/`, filled in.

use std::fs;

use anyhow::{Result, bail};

use crate::artifacts::Artifacts;
use crate::certificates::{self, USERS};
use crate::layout::Layout;
use crate::settings;

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../", $file))
    };
}

const KUBECONFIG: &str = template!("config/kubeconfig.json");

/// Files beside the certificates and kubeconfigs, with their templates.
const FILES: [(&str, &str); 9] = [
    ("audit-policy.yaml", template!("config/audit-policy.yaml")),
    ("authentication.yaml", template!("config/authentication.yaml")),
    ("containerd.toml", template!("config/containerd.toml")),
    ("cni/pods.conflist", template!("config/cni.json")),
    ("kubelet.yaml", template!("config/kubelet.yaml")),
    ("kube-proxy.yaml", template!("config/kube-proxy.yaml")),
    ("Corefile", template!("config/Corefile")),
    ("contour.yaml", template!("config/contour.yaml")),
    ("prometheus.yaml", template!("config/prometheus.yaml")),
];

/// What the parts beside Kubernetes may do.
pub(crate) const ACCESS: &str = template!("manifests/access.yaml");
const GATEWAY: &str = template!("manifests/gateway.yaml");

/// Writes every file that a part reads.
pub(crate) fn write_all(layout: &Layout, artifacts: &Artifacts) -> Result<()> {
    certificates::write_all(&layout.certificates())?;
    let folder = layout.configuration();
    fs::create_dir_all(folder.join("cni"))?;
    for user in USERS {
        let values = [
            ("cluster", layout.name().to_owned()),
            (
                "server",
                format!("https://{}:{}", settings::NODE_ADDRESS, settings::API_SERVER_PORT),
            ),
            ("certificates", layout.certificates().display().to_string()),
            ("user", user.file.to_owned()),
        ];
        fs::write(layout.kubeconfig(user.file), render(KUBECONFIG, &values)?)?;
    }
    // Pods ask the cluster's own name server, which asks nobody.
    fs::write(
        folder.join("resolv.conf"),
        format!("nameserver {}\n", settings::NODE_ADDRESS),
    )?;
    for (name, template) in FILES {
        fs::write(
            folder.join(name),
            render(template, &values(name, layout, artifacts))?,
        )?;
    }
    Ok(())
}

/// The Gateway of every cluster.
pub(crate) fn gateway() -> Result<String> {
    render(GATEWAY, &gateway_values())
}

fn gateway_values() -> [(&'static str, String); 4] {
    [
        ("gateway_namespace", settings::GATEWAY_NAMESPACE.to_owned()),
        ("gateway_name", settings::GATEWAY_NAME.to_owned()),
        ("tcp_port", listener_port(settings::GATEWAY_TCP_PORT)),
        ("tls_port", listener_port(settings::GATEWAY_TLS_PORT)),
    ]
}

/// The port of the listener that Envoy listens for at `port`.
fn listener_port(port: u16) -> String {
    port.saturating_sub(settings::GATEWAY_PORT_OFFSET).to_string()
}

fn values(file: &str, layout: &Layout, artifacts: &Artifacts) -> Vec<(&'static str, String)> {
    let shown = |path: std::path::PathBuf| path.display().to_string();
    let user = match file {
        "kube-proxy.yaml" => certificates::KUBE_PROXY,
        "Corefile" => certificates::DNS,
        _ => certificates::METRICS,
    };
    let mut values = vec![
        ("containerd_socket", settings::CONTAINERD_SOCKET.to_owned()),
        ("volume_plugins", settings::VOLUME_PLUGINS.to_owned()),
        ("pause_image", settings::PAUSE_IMAGE.to_owned()),
        ("cni_programs", shown(artifacts.file("debian", "usr/lib/cni"))),
        ("cni_configuration", shown(layout.configuration().join("cni"))),
        ("snapshotter", snapshotter(layout).to_owned()),
        ("runc", shown(artifacts.file("debian", "usr/sbin/runc"))),
        ("pod_network", settings::POD_NETWORK.to_owned()),
        ("certificates", shown(layout.certificates())),
        ("cluster_domain", settings::CLUSTER_DOMAIN.to_owned()),
        ("node_address", settings::NODE_ADDRESS.to_owned()),
        ("node_name", settings::NODE_NAME.to_owned()),
        ("resolver", shown(layout.configuration().join("resolv.conf"))),
        ("cgroup", layout.cgroup()),
        ("kubeconfig", shown(layout.kubeconfig(user))),
        ("dns_health_port", settings::DNS_HEALTH_PORT.to_string()),
        ("scrape_interval", settings::SCRAPE_INTERVAL.to_owned()),
        ("envoy_stats_port", settings::ENVOY_STATS_PORT.to_string()),
    ];
    values.extend(gateway_values());
    values
}

/// Overlay file systems cannot lie on each other, and some kernels have none; copying always works.
fn snapshotter(layout: &Layout) -> &'static str {
    let known = fs::read_to_string("/proc/filesystems").is_ok_and(|names| names.contains("\toverlay\n"));
    let below = nix::sys::statfs::statfs(layout.root()).map(|status| status.filesystem_type());
    if known && below.is_ok_and(|kind| kind != nix::sys::statfs::OVERLAYFS_SUPER_MAGIC) {
        "overlayfs"
    } else {
        "native"
    }
}

/// Fills in a template; what is not filled in is an error, because the part would read nonsense.
fn render(template: &str, values: &[(&str, String)]) -> Result<String> {
    let mut text = template.to_owned();
    for (key, value) in values {
        text = text.replace(&format!("{{{{{key}}}}}"), value);
    }
    if let Some((_, rest)) = text.split_once("{{") {
        bail!(
            "nothing to fill in for {{{{{}",
            rest.split_inclusive("}}").next().unwrap_or_default()
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Cache, remove_tree};

    #[test]
    fn a_hole_in_a_template_is_an_error() {
        assert_eq!(render("a: {{b}}", &[("b", "c".to_owned())]).unwrap(), "a: c");
        assert_eq!(
            render("a: {{b}}\n", &[]).unwrap_err().to_string(),
            "nothing to fill in for {{b}}"
        );
    }

    #[test]
    fn every_file_is_filled_in() {
        let cache =
            Cache::at(&std::env::temp_dir().join(format!("kulta-config-{}", std::process::id()))).unwrap();
        let layout = Layout::new(&cache, "one").unwrap();
        fs::create_dir_all(layout.root()).unwrap();
        let artifacts = Artifacts::find(&cache).unwrap();
        write_all(&layout, &artifacts).unwrap();
        for (name, _) in FILES {
            assert!(layout.configuration().join(name).is_file(), "{name}");
        }
        let admin = fs::read_to_string(layout.kubeconfig(certificates::ADMIN)).unwrap();
        let admin: serde_json::Value = serde_json::from_str(&admin).unwrap();
        assert_eq!(
            admin["clusters"][0]["cluster"]["server"],
            "https://198.18.0.1:6443"
        );
        assert!(gateway().unwrap().contains("name: kulta"));
        remove_tree(cache.root()).unwrap();
    }
}
