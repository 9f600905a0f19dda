//! Every name, address, port and limit of a cluster, with its reason.

use std::time::Duration;

/// The cluster that is meant when none is named.
pub const DEFAULT_CLUSTER: &str = "kulta";
/// A name becomes part of cgroup paths and socket paths, which are short.
pub const CLUSTER_NAME_LIMIT: usize = 20;

/// The node, and with it every part that is a process. All networks are from RFC 2544's benchmark range, which is
/// never a real host; and not loopback, which `EndpointSlice` rejects.
pub const NODE_ADDRESS: &str = "198.18.0.1";
pub(crate) const NODE_NETWORK_LENGTH: u8 = 24;
/// A bridge and not a dummy: some kernels have no `dummy` module.
pub(crate) const NODE_DEVICE: &str = "node0";
/// The only node's name.
pub const NODE_NAME: &str = "node";
pub(crate) const SERVICE_NETWORK: &str = "198.18.16.0/22";
/// The first address of the service network: the service `kubernetes`.
pub(crate) const API_SERVICE_ADDRESS: &str = "198.18.16.1";
pub(crate) const POD_NETWORK: &str = "198.18.32.0/20";
/// The domain of service names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

pub(crate) const API_SERVER_PORT: u16 = 6443;
pub(crate) const CONTROLLER_MANAGER_PORT: u16 = 10257;
pub(crate) const SCHEDULER_PORT: u16 = 10259;
pub(crate) const KUBELET_HEALTH_PORT: u16 = 10248;
pub(crate) const KUBE_PROXY_HEALTH_PORT: u16 = 10256;
pub(crate) const ETCD_PORT: u16 = 2379;
pub(crate) const ETCD_PEER_PORT: u16 = 2380;
/// Kept off 8080, which is Envoy's.
pub(crate) const DNS_HEALTH_PORT: u16 = 8054;
pub(crate) const CONTOUR_XDS_PORT: u16 = 8001;
/// Contour tells Envoy to open this one; nothing else may take it.
pub(crate) const ENVOY_STATS_PORT: u16 = 8002;
pub(crate) const CONTOUR_METRICS_PORT: u16 = 8003;
pub(crate) const CONTOUR_HEALTH_PORT: u16 = 8004;
/// Contour maps the listener port 80 to this one.
pub(crate) const GATEWAY_PORT: u16 = 8080;
pub(crate) const PROMETHEUS_PORT: u16 = 9090;
/// What Contour adds to the ports of the Gateway's listeners, so that Envoy needs no right to low ones.
pub(crate) const GATEWAY_PORT_OFFSET: u16 = 8000;
/// Where Envoy listens for routes of TCP connections.
pub const GATEWAY_TCP_PORT: u16 = 9100;
/// Where Envoy listens for routes of TLS connections.
pub(crate) const GATEWAY_TLS_PORT: u16 = 9443;
/// Where Helm keeps what is its own.
pub const HELM_HOMES: [&str; 3] = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];
/// The API server begins a new audit log beyond this size, in MB. Tests read the log from where they began: it must stay one file.
pub(crate) const AUDIT_LOG_SIZE: u32 = 10_000;

/// The Gateway and its class.
pub const GATEWAY_NAME: &str = "kulta";
/// The namespace of the Gateway.
pub const GATEWAY_NAMESPACE: &str = "gateway-system";

/// Sockets live inside the cluster's own `/run`, so that their paths stay under the kernel's 107 characters.
pub(crate) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
pub(crate) const ENVOY_ADMIN_SOCKET: &str = "/run/envoy-admin.sock";
/// Looked into by the kubelet and the controller manager, which would make one under `/usr`.
pub(crate) const VOLUME_PLUGINS: &str = "/var/lib/kubelet/volume-plugins";
/// The containerd namespace that the kubelet looks into.
pub(crate) const IMAGE_NAMESPACE: &str = "k8s.io";
/// Never the tag `latest`: it would always be pulled.
pub(crate) const PAUSE_IMAGE: &str = "kulta.local/pause:1";

/// Short, so that a demo need not wait for its measurements; Prometheus wants at least two samples in a range.
pub(crate) const SCRAPE_INTERVAL: &str = "2s";

/// What the servers say they are: without it they call themselves v0.0.0-master and clients see a wrong skew.
pub(crate) const KUBERNETES_VERSION_SYMBOLS: &str = "k8s.io/component-base/version";

// The limits are generous, because the machine may be busy with a build, and nothing but a failure waits for their end.

/// From a start to being healthy.
pub(crate) const HEALTHY_WITHIN: Duration = Duration::from_mins(4);
/// One call of `kubectl wait`, which is repeated until [`HEALTHY_WITHIN`] is over.
pub(crate) const KUBECTL_WAIT: Duration = Duration::from_secs(10);
/// From being started to being seen in the list of processes.
pub(crate) const STARTED_WITHIN: Duration = Duration::from_mins(1);
/// From SIGTERM to SIGKILL: the API server waits for its watchers, who do not mean to go.
pub(crate) const STOPPED_WITHIN: Duration = Duration::from_secs(5);
/// How long the kernel may take to bury everything once the first process is gone.
pub(crate) const BURIED_WITHIN: Duration = Duration::from_secs(90);
/// One request of a check.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(15);
