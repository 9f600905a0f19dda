//! The Helm chart has copies of what is the same with kustomize: a chart can't read files beside itself.
//! `KULTA_BLESS=1 cargo test -p kulta-api --test chart` makes them.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test: a panic is how it says what is wrong"
)]

use std::fs;
use std::path::{Path, PathBuf};

const FILES: [(&str, &str); 10] = [
    ("kustomize/rbac.yaml", "rbac.yaml"),
    ("kustomize/admission.yaml", "admission.yaml"),
    ("kustomize/disruption.yaml", "disruption.yaml"),
    ("kustomize/network-policy.yaml", "network-policy.yaml"),
    ("kustomize/components/argo-api/rbac.yaml", "argo-api.yaml"),
    (
        "kustomize/components/argo-admission/binding.yaml",
        "argo-admission.yaml",
    ),
    ("kustomize/components/history-api/rbac.yaml", "history-api.yaml"),
    (
        "kustomize/components/monitoring/pod-monitor.yaml",
        "pod-monitor.yaml",
    ),
    ("kustomize/components/monitoring/alerts.yaml", "alerts.yaml"),
    ("kustomize/components/monitoring/dashboard.json", "dashboard.json"),
];
/// Folders of definitions, which have these names in the chart as well.
const DEFINITIONS: [&str; 2] = ["crds", "crds/argo"];
const KUSTOMIZATION: &str = "kustomization.yaml";

fn deploy() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy"))
}

/// Each file below `deploy`, and its copy below the chart's `files`.
fn pairs() -> Vec<(PathBuf, PathBuf)> {
    let copies = deploy().join("helm/kulta/files");
    let mut pairs: Vec<_> = FILES
        .into_iter()
        .map(|(file, copy)| (deploy().join(file), copies.join(copy)))
        .collect();
    for folder in DEFINITIONS {
        for entry in fs::read_dir(deploy().join(folder)).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_owned();
            if file.is_file() && name != KUSTOMIZATION {
                pairs.push((file, copies.join(folder).join(name)));
            }
        }
    }
    pairs
}

fn all_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn chart_has_what_kustomize_has() {
    let pairs = pairs();
    if std::env::var_os("KULTA_BLESS").is_some() {
        for (file, copy) in &pairs {
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(file, copy).unwrap();
        }
    }
    for (file, copy) in &pairs {
        let (file, copied) = (fs::read_to_string(file).unwrap(), fs::read_to_string(copy));

        assert!(
            copied.is_ok_and(|copied| copied == file),
            "{} is stale: KULTA_BLESS=1 cargo test -p kulta-api --test chart",
            copy.display()
        );
    }
    let mut found = Vec::new();
    all_below(&deploy().join("helm/kulta/files"), &mut found);
    assert_eq!(found.len(), pairs.len(), "a copy of nothing: {found:?}");
}
