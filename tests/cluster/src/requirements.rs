//! What a machine must have, and how to get what it lacks.

use std::path::Path;

use anyhow::{Result, bail};

/// Programs, and the Debian packages (or sites) that have them.
const PROGRAMS: [(&str, &str); 10] = [
    ("go", "the package golang, or https://go.dev/dl"),
    ("gcc", "the package gcc"),
    ("python3", "the packages python3 and python3-pip"),
    ("apt-get", "a Debian or Ubuntu machine"),
    ("dpkg-deb", "the package dpkg"),
    ("ip", "the package iproute2"),
    ("nsenter", "the package util-linux"),
    ("unshare", "the package util-linux"),
    ("setsid", "the package util-linux"),
    ("mount", "the package mount"),
];

/// Refuses machines that cannot hold a cluster, naming everything that is missing at once.
pub(crate) fn check() -> Result<()> {
    check_owner()?;
    let search_path = std::env::var("PATH").unwrap_or_default();
    let missing = missing(&search_path);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|(program, source)| format!("  {program}: {source}"))
        .collect();
    bail!("these programs are missing:\n{}", lines.join("\n"))
}

/// Namespaces, cgroups and mounts are Linux's, and root's.
pub(crate) fn check_owner() -> Result<()> {
    const OTHERWISE: &str = "with a cluster of your own, `cargo xtask demo --kubeconfig FILE` needs neither";
    if !cfg!(target_os = "linux") {
        bail!("the local cluster needs Linux; {OTHERWISE}");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("the local cluster needs root and Linux: run the same command with `sudo -E`; {OTHERWISE}");
    }
    Ok(())
}

fn missing(search_path: &str) -> Vec<(&'static str, &'static str)> {
    let found = |program: &str| {
        search_path
            .split(':')
            .any(|folder| Path::new(folder).join(program).is_file())
    };
    PROGRAMS
        .into_iter()
        .filter(|(program, _)| !found(program))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_program_is_named() {
        assert_eq!(missing("/there/is/no/such/folder").len(), PROGRAMS.len());
    }
}
