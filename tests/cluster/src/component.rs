//! The parts of a cluster that are processes: which program, with which arguments, and what healthy means.

use std::path::PathBuf;

use crate::artifacts::Artifacts;
use crate::certificates;
use crate::layout::Layout;
use crate::settings::{self, NODE_ADDRESS};

/// A part of a cluster, in the order of starting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Component {
    /// The store.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// The container runtime.
    Containerd,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// The node's agent.
    Kubelet,
    /// Service addresses, by nftables.
    KubeProxy,
    /// `CoreDNS`.
    Dns,
    /// Contour: turns Gateway API objects into Envoy's configuration.
    Contour,
    /// The gateway's data plane.
    Envoy,
    /// Metrics of Envoy and of annotated pods.
    Prometheus,
}

/// How to see that a component is well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Health {
    /// An HTTP address inside the network.
    Http(&'static str, u16, &'static str),
    /// An HTTPS path of a server whose certificate the cluster's authority signed.
    Https(u16, &'static str),
    /// containerd's own client.
    Containerd,
}

impl Component {
    /// All, in the order of starting.
    pub const ALL: [Self; 11] = [
        Self::Etcd,
        Self::ApiServer,
        Self::Containerd,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Dns,
        Self::Contour,
        Self::Envoy,
        Self::Prometheus,
    ];

    /// The name of its program, which is also that of its log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::Containerd => "containerd",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Dns => "coredns",
            Self::Contour => "contour",
            Self::Envoy => "envoy",
            Self::Prometheus => "prometheus",
        }
    }

    pub(crate) fn program(self, artifacts: &Artifacts) -> PathBuf {
        let part = match self {
            Self::Containerd => return artifacts.file("debian", "usr/bin/containerd"),
            Self::ApiServer | Self::ControllerManager | Self::Scheduler | Self::Kubelet | Self::KubeProxy => {
                "kubernetes"
            }
            Self::Etcd | Self::Dns | Self::Contour | Self::Envoy | Self::Prometheus => self.name(),
        };
        artifacts.file(part, &format!("bin/{}", self.name()))
    }

    pub(crate) const fn health(self) -> Health {
        match self {
            Self::Etcd => Health::Http("127.0.0.1", settings::ETCD_PORT, "/health"),
            Self::ApiServer => Health::Https(settings::API_SERVER_PORT, "/readyz"),
            Self::Containerd => Health::Containerd,
            Self::ControllerManager => Health::Https(settings::CONTROLLER_MANAGER_PORT, "/healthz"),
            Self::Scheduler => Health::Https(settings::SCHEDULER_PORT, "/healthz"),
            Self::Kubelet => Health::Http("127.0.0.1", settings::KUBELET_HEALTH_PORT, "/healthz"),
            Self::KubeProxy => Health::Http("127.0.0.1", settings::KUBE_PROXY_HEALTH_PORT, "/healthz"),
            Self::Dns => Health::Http(NODE_ADDRESS, settings::DNS_HEALTH_PORT, "/health"),
            Self::Contour => Health::Http("127.0.0.1", settings::CONTOUR_HEALTH_PORT, "/healthz"),
            Self::Envoy => Health::Http("127.0.0.1", settings::ENVOY_STATS_PORT, "/ready"),
            Self::Prometheus => Health::Http(NODE_ADDRESS, settings::PROMETHEUS_PORT, "/-/ready"),
        }
    }

    pub(crate) fn arguments(self, layout: &Layout) -> Vec<String> {
        match self {
            Self::Etcd => etcd(layout),
            Self::ApiServer => api_server(layout),
            Self::Containerd => vec![format!("--config={}", file(layout, "containerd.toml"))],
            Self::ControllerManager => controller_manager(layout),
            Self::Scheduler => scheduler(layout),
            Self::Kubelet => kubelet(layout),
            Self::KubeProxy => vec![format!("--config={}", file(layout, "kube-proxy.yaml"))],
            Self::Dns => vec![String::from("-conf"), file(layout, "Corefile")],
            Self::Contour => contour(layout),
            Self::Envoy => envoy(layout),
            Self::Prometheus => prometheus(layout),
        }
    }
}

fn etcd(layout: &Layout) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", settings::ETCD_PORT);
    let peer = format!("http://127.0.0.1:{}", settings::ETCD_PEER_PORT);
    vec![
        format!("--data-dir={}", layout.data("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // A test's data need not survive a power cut.
        String::from("--unsafe-no-fsync"),
    ]
}

fn api_server(layout: &Layout) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", settings::ETCD_PORT),
        String::from("--bind-address=0.0.0.0"),
        format!("--advertise-address={NODE_ADDRESS}"),
        format!("--secure-port={}", settings::API_SERVER_PORT),
        format!("--service-cluster-ip-range={}", settings::SERVICE_NETWORK),
        String::from("--authorization-mode=Node,RBAC"),
        String::from("--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement"),
        format!("--authentication-config={}", file(layout, "authentication.yaml")),
        format!("--client-ca-file={}", certificate(layout, "ca.crt")),
        format!("--tls-cert-file={}", certificate(layout, "api-server.crt")),
        format!("--tls-private-key-file={}", certificate(layout, "api-server.key")),
        format!(
            "--kubelet-certificate-authority={}",
            certificate(layout, "ca.crt")
        ),
        format!(
            "--kubelet-client-certificate={}",
            certificate(layout, "api-client.crt")
        ),
        format!("--kubelet-client-key={}", certificate(layout, "api-client.key")),
        String::from("--kubelet-preferred-address-types=InternalIP"),
        format!(
            "--service-account-issuer=https://kubernetes.default.svc.{}",
            settings::CLUSTER_DOMAIN
        ),
        format!(
            "--service-account-key-file={}",
            certificate(layout, "service-accounts.pub")
        ),
        format!(
            "--service-account-signing-key-file={}",
            certificate(layout, "service-accounts.key")
        ),
        format!("--audit-policy-file={}", file(layout, "audit-policy.yaml")),
        format!("--audit-log-path={}", layout.log("audit").display()),
        format!("--audit-log-maxsize={}", settings::AUDIT_LOG_SIZE),
        // The log must not slow down what it measures.
        String::from("--audit-log-mode=batch"),
    ]
}

fn controller_manager(layout: &Layout) -> Vec<String> {
    let mut arguments = with_kubeconfig(layout, certificates::CONTROLLER_MANAGER);
    arguments.extend([
        format!("--root-ca-file={}", certificate(layout, "ca.crt")),
        format!(
            "--service-account-private-key-file={}",
            certificate(layout, "service-accounts.key")
        ),
        String::from("--use-service-account-credentials"),
        format!("--cluster-signing-cert-file={}", certificate(layout, "ca.crt")),
        format!("--cluster-signing-key-file={}", certificate(layout, "ca.key")),
        format!("--secure-port={}", settings::CONTROLLER_MANAGER_PORT),
        format!("--flex-volume-plugin-dir={}", settings::VOLUME_PLUGINS),
        // So that it is never what a measurement waits for.
        String::from("--kube-api-qps=200"),
        String::from("--kube-api-burst=400"),
    ]);
    arguments
}

fn scheduler(layout: &Layout) -> Vec<String> {
    let mut arguments = with_kubeconfig(layout, certificates::SCHEDULER);
    arguments.extend([
        format!("--secure-port={}", settings::SCHEDULER_PORT),
        String::from("--kube-api-qps=200"),
        String::from("--kube-api-burst=400"),
    ]);
    arguments
}

/// What the controller manager and the scheduler have in common.
fn with_kubeconfig(layout: &Layout, user: &str) -> Vec<String> {
    let kubeconfig = layout.kubeconfig(user).display().to_string();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        String::from("--leader-elect=false"),
        String::from("--bind-address=127.0.0.1"),
        format!("--tls-cert-file={}", certificate(layout, "node-server.crt")),
        format!(
            "--tls-private-key-file={}",
            certificate(layout, "node-server.key")
        ),
    ]
}

fn kubelet(layout: &Layout) -> Vec<String> {
    vec![
        format!("--config={}", file(layout, "kubelet.yaml")),
        format!(
            "--kubeconfig={}",
            layout.kubeconfig(certificates::KUBELET).display()
        ),
        format!("--hostname-override={}", settings::NODE_NAME),
        format!("--node-ip={NODE_ADDRESS}"),
    ]
}

fn contour(layout: &Layout) -> Vec<String> {
    vec![
        String::from("serve"),
        format!(
            "--kubeconfig={}",
            layout.kubeconfig(certificates::GATEWAY).display()
        ),
        format!("--config-path={}", file(layout, "contour.yaml")),
        // Only this namespace can reach it.
        String::from("--insecure"),
        String::from("--xds-address=127.0.0.1"),
        format!("--xds-port={}", settings::CONTOUR_XDS_PORT),
        String::from("--http-address=127.0.0.1"),
        format!("--http-port={}", settings::CONTOUR_METRICS_PORT),
        String::from("--health-address=127.0.0.1"),
        format!("--health-port={}", settings::CONTOUR_HEALTH_PORT),
        String::from("--disable-leader-election"),
    ]
}

/// The arguments of `contour` that write Envoy's first configuration.
pub(crate) fn envoy_bootstrap(layout: &Layout) -> Vec<String> {
    vec![
        String::from("bootstrap"),
        file(layout, "envoy.json"),
        String::from("--xds-address=127.0.0.1"),
        format!("--xds-port={}", settings::CONTOUR_XDS_PORT),
        format!("--admin-address={}", settings::ENVOY_ADMIN_SOCKET),
    ]
}

fn envoy(layout: &Layout) -> Vec<String> {
    let configuration = file(layout, "envoy.json");
    // Shared memory under a fixed name would tie two clusters together, hence no hot restart. Its parser wants an
    // option and its value in two words.
    [
        "--config-path",
        &configuration,
        "--service-cluster",
        "contour",
        "--service-node",
        "envoy",
    ]
    .into_iter()
    .chain(["--disable-hot-restart", "--log-level", "warning"])
    .map(str::to_owned)
    .collect()
}

fn prometheus(layout: &Layout) -> Vec<String> {
    vec![
        format!("--config.file={}", file(layout, "prometheus.yaml")),
        format!("--storage.tsdb.path={}", layout.data("prometheus").display()),
        format!(
            "--web.listen-address={NODE_ADDRESS}:{}",
            settings::PROMETHEUS_PORT
        ),
    ]
}

fn file(layout: &Layout, name: &str) -> String {
    layout.configuration().join(name).display().to_string()
}

fn certificate(layout: &Layout, name: &str) -> String {
    layout.certificates().join(name).display().to_string()
}
