//! The walls of a cluster: one keeper process that is the first of a process, a mount and a network namespace.
//!
//! Whatever ends the keeper ends everything inside: the kernel kills the processes, undoes the mounts and takes the
//! network away. Nothing inside can be seen, bound or left behind on the host, and no file is needed to know what to
//! clean. Only cgroups outlive it; they are removed by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, remove_tree};
use crate::command;
use crate::layout::Layout;
use crate::network::Network;
use crate::process::{self, Identity};
use crate::settings::BURIED_WITHIN;
use crate::strangers;
use crate::wait;

/// Folders of the machine that programs write to without asking, and what is bound over them inside.
const MASKED: [(&str, &str); 3] = [("/run", "run"), ("/var/log", "log"), ("/var/lib", "lib")];

/// The kubelet sets these for the whole machine unless they have these values: it finds what it wants, and the
/// machine's own values stay.
const SHOWN_TO_KUBELET: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// What `unshare` is told to make: the walls, in which the keeper cannot outlive who waits for it.
pub(crate) const WALLS: [&str; 8] = [
    "--mount",
    "--pid",
    "--net",
    "--fork",
    "--kill-child=KILL",
    "--mount-proc",
    "--propagation",
    "private",
];

pub(crate) const CGROUPS: &str = "/sys/fs/cgroup";
/// How the path of the keeper's program ends.
const PAUSE: &str = "/kulta-pause";
const KEEPER_WITHIN: Duration = Duration::from_mins(1);

/// A running sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    keeper: Identity,
    processes: PathBuf,
}

/// Written when the walls stand and everything that the parts read is there.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    keeper: Identity,
    parts: String,
}

impl Sandbox {
    /// The sandbox of this cluster, if it is whole and made for these parts.
    pub(crate) fn find(layout: &Layout, parts: Option<&str>) -> Option<Self> {
        let record: Record = serde_json::from_slice(&fs::read(layout.record()).ok()?).ok()?;
        let keeper = keepers(layout)
            .into_iter()
            .find(|keeper| *keeper == record.keeper)?;
        if parts.is_some_and(|parts| parts != record.parts) {
            return None;
        }
        Some(Self {
            keeper,
            processes: keeper.namespace("pid")?,
        })
    }

    /// Puts the walls up, after burying whatever is left of earlier ones. `furnish` writes what the parts read: a
    /// sandbox that was not furnished to the end is not found later, and so made anew.
    pub(crate) fn create(
        cache: &Cache,
        layout: &Layout,
        program: &Path,
        parts: &str,
        furnish: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        destroy(layout)?;
        fs::create_dir_all(layout.logs())?;
        for (_, folder) in MASKED {
            fs::create_dir_all(layout.machine(folder))?;
        }
        let mut unshare = Command::new("setsid");
        unshare
            .args(["--fork", "unshare"])
            .args(WALLS)
            .arg("--")
            .arg(program)
            .arg(layout.root());
        unshare
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        unshare.stderr(fs::File::create(layout.log("keeper"))?);
        ensure!(unshare.status()?.success(), "the namespaces cannot be created");
        let sandbox = wait::until("the cluster's first process", KEEPER_WITHIN, || {
            let Some(keeper) = keepers(layout).pop() else {
                return Ok(None);
            };
            Ok(keeper
                .namespace("pid")
                .map(|processes| Self { keeper, processes }))
        })
        .with_context(|| fs::read_to_string(layout.log("keeper")).unwrap_or_default())?;
        sandbox.mask(cache, layout)?;
        sandbox.network().set_up()?;
        let record = Record {
            keeper: sandbox.keeper,
            parts: parts.to_owned(),
        };
        record.write(layout, furnish)?;
        Ok(sandbox)
    }

    /// Ends what was started in the network from outside and is still there.
    pub(crate) fn end_strangers(&self) -> Result<()> {
        strangers::end(self.keeper)
    }

    pub(crate) fn keeper(&self) -> Identity {
        self.keeper
    }

    pub(crate) fn network(&self) -> Network {
        Network::new(self.keeper.namespace_file("net"))
    }

    /// A command that runs a program inside all namespaces.
    pub(crate) fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.keeper.pid))
            .args(["--mount", "--pid", "--net", "--"])
            .arg(program);
        command
    }

    /// Starts a program inside that outlives its caller: the keeper becomes its parent.
    pub(crate) fn spawn(
        &self,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
        log: &Path,
    ) -> Result<()> {
        ensure!(
            program.is_file(),
            "{} is missing: `cargo xtask cluster up` makes it",
            program.display()
        );
        let log = fs::File::options().create(true).append(true).open(log)?;
        let mut command = self.inside(Path::new("setsid"));
        command
            .arg("--fork")
            .arg(program)
            .args(arguments)
            .envs(environment.iter().cloned())
            .current_dir("/");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        ensure!(
            command.status()?.success(),
            "{} cannot be started",
            program.display()
        );
        Ok(())
    }

    /// The processes inside that run this program.
    pub(crate) fn running(&self, program: &Path) -> Vec<Identity> {
        let inside = |process: &Identity| process.namespace("pid").as_ref() == Some(&self.processes);
        process::all()
            .into_iter()
            .filter(|process| process.runs(program) && inside(process))
            .collect()
    }

    fn mask(&self, cache: &Cache, layout: &Layout) -> Result<()> {
        for (hidden, folder) in MASKED {
            let cover = layout.machine(folder);
            if let Ok(rest) = cache.root().strip_prefix(hidden) {
                // The cache itself lies in there and must stay in sight.
                fs::create_dir_all(cover.join(rest))?;
                self.bind("--bind", cache.root(), &cover.join(rest))?;
            }
            self.bind("--rbind", &cover, Path::new(hidden))?;
        }
        let shown = layout.machine("shown");
        fs::create_dir_all(&shown)?;
        for (name, value) in SHOWN_TO_KUBELET {
            let original = Path::new("/proc/sys").join(name);
            let file = shown.join(name.replace('/', "."));
            if original.exists() {
                fs::write(&file, format!("{value}\n"))?;
                self.bind("--bind", &file, &original)?;
            }
        }
        Ok(())
    }

    fn bind(&self, how: &str, from: &Path, over: &Path) -> Result<()> {
        command::output(self.inside(Path::new("mount")).arg(how).arg(from).arg(over)).map(drop)
    }
}

impl Record {
    fn write(&self, layout: &Layout, furnish: impl FnOnce() -> Result<()>) -> Result<()> {
        furnish()?;
        Ok(fs::write(layout.record(), serde_json::to_vec(self)?)?)
    }
}

/// Ends everything inside, and in the network, and removes what the kernel leaves: the cgroups and the cluster's `/run`.
pub(crate) fn destroy(layout: &Layout) -> Result<()> {
    let keepers = keepers(layout);
    let namespaces: Vec<PathBuf> = keepers
        .iter()
        .filter_map(|keeper| keeper.namespace("pid"))
        .collect();
    // While the keeper still tells which network is theirs; what is behind the walls ends even if they do not.
    let strangers_ended = keepers.iter().try_for_each(|keeper| strangers::end(*keeper));
    for keeper in keepers {
        keeper.signal(Signal::SIGKILL)?;
    }
    // A start that was interrupted just now: what was to become a keeper ends with who starts it.
    for starter in starters(layout) {
        starter.signal(Signal::SIGKILL)?;
    }
    wait::until("the cluster's processes to end", BURIED_WITHIN, || {
        let left = |process: &Identity| {
            process
                .namespace("pid")
                .is_some_and(|one| namespaces.contains(&one))
        };
        Ok((!process::all().iter().any(left)).then_some(()))
    })?;
    for folder in cgroups(layout)? {
        wait::until("the cluster's cgroups to empty", BURIED_WITHIN, || {
            Ok(remove_cgroup(&folder).ok())
        })?;
    }
    strangers_ended?;
    if layout.record().exists() {
        fs::remove_file(layout.record())?;
    }
    // What a machine forgets when it starts anew.
    remove_tree(&layout.machine("run"))
}

/// First processes of this cluster: more than one only where a start was interrupted.
pub(crate) fn keepers(layout: &Layout) -> Vec<Identity> {
    let root = layout.root().display().to_string();
    let ours = |process: &Identity| {
        let arguments = process.arguments();
        arguments.first().is_some_and(|program| program.ends_with(PAUSE))
            && arguments.get(1) == Some(&root)
            && process.is_first_of_namespace()
    };
    process::all().into_iter().filter(ours).collect()
}

/// What starts first processes of this cluster, and stays as long as they do.
fn starters(layout: &Layout) -> Vec<Identity> {
    let root = layout.root().display().to_string();
    let ours = |process: &Identity| match process.arguments().as_slice() {
        [starter, .., program, folder, _end] => {
            *folder == root && program.ends_with(PAUSE) && !starter.ends_with(PAUSE)
        }
        _ => false,
    };
    process::all().into_iter().filter(ours).collect()
}

/// The cluster's cgroup in each hierarchy: one in version 2, one for each controller in version 1.
fn cgroups(layout: &Layout) -> Result<Vec<PathBuf>> {
    let name = layout.cgroup();
    let name = name.trim_start_matches('/');
    let mut folders = vec![Path::new(CGROUPS).join(name)];
    for entry in fs::read_dir(CGROUPS).with_context(|| format!("{CGROUPS} is not mounted"))? {
        let hierarchy = entry?.path();
        if !hierarchy.is_symlink() {
            folders.push(hierarchy.join(name));
        }
    }
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

fn remove_cgroup(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_is_not_furnished_to_the_end_has_no_record() {
        let root = std::env::temp_dir().join(format!("kulta-sandbox-{}", std::process::id()));
        let layout = Layout::new(&Cache::at(&root).unwrap(), "one").unwrap();
        fs::create_dir_all(layout.root()).unwrap();
        let record = Record {
            keeper: Identity { pid: 1, started: 1 },
            parts: String::new(),
        };
        let killed = record.write(&layout, || anyhow::bail!("no more disk"));
        assert!(killed.is_err() && !layout.record().exists());
        let written = record.write(&layout, || {
            ensure!(!layout.record().exists(), "recorded too early");
            Ok(())
        });
        assert!(written.is_ok() && layout.record().exists());
        remove_tree(&root).unwrap();
    }
}
