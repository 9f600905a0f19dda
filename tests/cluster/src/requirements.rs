//! What a machine must have, and how to get what it lacks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command;
use crate::pins;
use crate::sandbox;

/// Programs, and how to get them.
const PROGRAMS: [(&str, &str); 11] = [
    ("go", GET_GO),
    ("gcc", "apt-get install gcc"),
    ("python3", GET_PYTHON),
    ("apt-get", "a Debian or Ubuntu machine has it"),
    ("dpkg-deb", "apt-get install dpkg"),
    ("ip", "apt-get install iproute2"),
    ("nsenter", "apt-get install util-linux"),
    ("unshare", "apt-get install util-linux"),
    ("setsid", "apt-get install util-linux"),
    ("setpriv", "apt-get install util-linux"),
    ("mount", "apt-get install mount"),
];
const GET_GO: &str = "https://go.dev/dl, or the distribution's backports (Debian 12's own golang is too old)";
const GET_PYTHON: &str = "apt-get install python3 python3-pip";
/// From this version on, Go fetches the version that a module wants by itself, where it may.
const FETCHES_ITSELF: Version = (1, 21, 0);

/// A version of Go.
type Version = (u32, u32, u32);

/// Refuses machines that cannot hold a cluster, naming every missing program at once.
pub(crate) fn check() -> Result<()> {
    check_owner()?;
    let search_path = std::env::var("PATH").unwrap_or_default();
    let missing = missing(&search_path);
    if !missing.is_empty() {
        let lines: Vec<String> = missing
            .iter()
            .map(|(program, source)| format!("  {program}: {source}"))
            .collect();
        bail!("these programs are missing:\n{}", lines.join("\n"))
    }
    command::output(Command::new("unshare").args(sandbox::WALLS).arg("true"))
        .map(drop)
        .context(
            "root may not make namespaces here (CAP_SYS_ADMIN is missing): a container must be privileged",
        )
}

/// Refuses machines that cannot make the parts; asked only where one has to be made, because it takes a moment.
pub(crate) fn check_builders() -> Result<()> {
    command::output(Command::new("python3").args(["-m", "pip", "--version"]))
        .with_context(|| format!("python3 has no pip: {GET_PYTHON}"))?;
    let said = command::output(Command::new("go").args(["env", "GOVERSION", "GOTOOLCHAIN"]))?;
    let wanted = pins::GO_MODULES.iter().map(pins::GoModule::go_version);
    let pinned = wanted.max_by_key(|text| version(text)).unwrap_or_default();
    ensure!(
        suffices(&said, version(pinned)),
        "go is too old ({}) for the pinned modules, which want {pinned}: {GET_GO}",
        said.lines().next().unwrap_or_default()
    );
    Ok(())
}

/// Whether this answer of `go env GOVERSION GOTOOLCHAIN` is of a Go that can build modules of the wanted version.
fn suffices(said: &str, wanted: Version) -> bool {
    let mut lines = said.lines();
    let own = version(lines.next().unwrap_or_default());
    let fetches = lines
        .next()
        .is_some_and(|toolchain| toolchain == "auto" || toolchain.ends_with("+auto"));
    own >= wanted || fetches && own >= FETCHES_ITSELF
}

/// Reads `1.26.0`, `go1.26.8`, `go1.26rc1` and `devel go1.27-abc`; what cannot be read is older than all.
fn version(text: &str) -> Version {
    let word = text.split_whitespace().find_map(|word| word.strip_prefix("go"));
    let mut numbers = word.unwrap_or(text).split('.').map(|number| {
        let end = number.find(|letter: char| !letter.is_ascii_digit());
        let digits = number.get(..end.unwrap_or(number.len()));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// Namespaces, cgroups and mounts are Linux's, and root's.
pub(crate) fn check_owner() -> Result<()> {
    const OTHERWISE: &str = "with a cluster of your own, `cargo xtask demo --kubeconfig FILE` needs neither";
    if !cfg!(target_os = "linux") {
        bail!("the local cluster needs Linux; {OTHERWISE}");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "the local cluster needs root and Linux: run the same command with `sudo -E env \"PATH=$PATH\"`, as in \
             `sudo -E env \"PATH=$PATH\" cargo xtask demo`; {OTHERWISE}"
        );
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

    #[test]
    fn an_old_go_is_refused() {
        assert!(suffices("go1.26.8\nlocal\n", (1, 26, 0)));
        assert!(suffices("go1.27rc1\nlocal\n", (1, 26, 0)));
        assert!(!suffices("go1.25.9\nlocal\n", (1, 26, 0)));
        assert!(!suffices("", (1, 26, 0)));
    }

    #[test]
    fn a_go_that_fetches_the_wanted_one_is_enough() {
        assert!(suffices("go1.24.1\nauto\n", (1, 26, 0)));
        // Debian 12's knows nothing of toolchains.
        assert!(!suffices("go1.19.8\n\n", (1, 26, 0)));
    }

    #[test]
    fn a_version_of_go_is_read_in_all_its_forms() {
        assert_eq!(version("1.26.0"), (1, 26, 0));
        assert_eq!(version("go1.26.8"), (1, 26, 8));
        assert_eq!(version("go1.26rc1"), (1, 26, 0));
        assert_eq!(version("devel go1.27-abc Mon"), (1, 27, 0));
    }
}
