//! Programs that were started in a cluster's network from outside its walls, and outlived who started them.
//!
//! They are the machine's processes: the end of the keeper does not end them, and what they listen on keeps the network
//! namespace alive.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::process::{self, Identity};
use crate::settings::{BURIED_WITHIN, STOPPED_WITHIN};
use crate::wait;

/// The first process of the machine, whose network is never a cluster's.
const MACHINE: i32 = 1;

/// What decides about a process.
#[derive(Debug)]
struct Seen {
    process: Identity,
    parent: i32,
    network: PathBuf,
    processes: PathBuf,
    depth: usize,
}

impl Seen {
    /// Nothing for a process that ends meanwhile.
    fn of(process: Identity) -> Option<Self> {
        Some(Self {
            process,
            parent: process.parent()?,
            network: process.namespace("net")?,
            processes: process.namespace("pid")?,
            depth: process.depth(),
        })
    }
}

/// Ends the strangers in this keeper's network, politely and then not; the caller and whoever started it are spared.
pub(crate) fn end(keeper: Identity) -> Result<()> {
    let machine = Identity::of(MACHINE).and_then(|machine| machine.namespace("net"));
    let Some(walls) = Seen::of(keeper).filter(|walls| Some(&walls.network) != machine.as_ref()) else {
        return Ok(());
    };
    end_by(&walls, Signal::SIGTERM, STOPPED_WITHIN)
        .or_else(|_| end_by(&walls, Signal::SIGKILL, BURIED_WITHIN))
}

fn end_by(walls: &Seen, signal: Signal, within: Duration) -> Result<()> {
    let present = || {
        let listing: Vec<Seen> = process::all().into_iter().filter_map(Seen::of).collect();
        strangers(&listing, walls, std::process::id())
    };
    for stranger in present() {
        stranger.signal(signal)?;
    }
    wait::until("the programs in the cluster's network to end", within, || {
        Ok(present().is_empty().then_some(()))
    })
}

/// Those in the network that are not behind the walls. What a pod or a part of the cluster starts in namespaces of its
/// own is deeper than the keeper.
fn strangers(listing: &[Seen], walls: &Seen, caller: u32) -> Vec<Identity> {
    let mut spared = lineage(listing, i32::try_from(caller).ok());
    // `unshare` made the walls around itself, and is the keeper's parent.
    spared.extend(lineage(listing, Some(walls.process.pid)));
    let outside = |one: &&Seen| {
        one.network == walls.network && one.processes != walls.processes && one.depth <= walls.depth
    };
    listing
        .iter()
        .filter(outside)
        .map(|one| one.process)
        .filter(|process| !spared.contains(&process.pid))
        .collect()
}

/// A process and all above it.
fn lineage(listing: &[Seen], process: Option<i32>) -> Vec<i32> {
    let mut line = Vec::new();
    let mut next = process;
    while let Some(pid) = next.filter(|pid| !line.contains(pid)) {
        line.push(pid);
        let seen = listing.iter().find(|one| one.process.pid == pid);
        next = seen.map(|one| one.parent);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "pid:[1]";
    const INSIDE: &str = "pid:[2]";
    const CLUSTER: &str = "net:[2]";

    fn seen(pid: i32, parent: i32, network: &str, processes: &str, depth: usize) -> Seen {
        Seen {
            process: Identity { pid, started: 0 },
            parent,
            network: network.into(),
            processes: processes.into(),
            depth,
        }
    }

    fn chosen(listing: &[Seen], caller: u32) -> Vec<i32> {
        let walls = seen(10, 1, CLUSTER, INSIDE, 2);
        let strangers = strangers(listing, &walls, caller);
        strangers.into_iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_program_of_the_machine_in_the_network_is_a_stranger() {
        let listing = [
            seen(20, 1, CLUSTER, HOST, 1),
            seen(21, 1, "net:[1]", HOST, 1),
            seen(22, 1, "net:[3]", "pid:[3]", 2),
        ];
        assert_eq!(chosen(&listing, 99), [20]);
    }

    #[test]
    fn who_made_the_walls_is_none() {
        let listing = [seen(9, 1, CLUSTER, HOST, 1), seen(10, 9, CLUSTER, INSIDE, 2)];
        assert_eq!(chosen(&listing, 99), Vec::<i32>::new());
    }

    #[test]
    fn what_is_behind_the_walls_is_none() {
        let listing = [
            seen(10, 1, CLUSTER, INSIDE, 2),
            seen(30, 10, CLUSTER, INSIDE, 2),
            // A pod in the node's network.
            seen(31, 30, CLUSTER, "pid:[4]", 3),
        ];
        assert_eq!(chosen(&listing, 99), Vec::<i32>::new());
    }

    #[test]
    fn the_caller_and_those_above_it_are_spared() {
        let listing = [
            seen(40, 1, CLUSTER, HOST, 1),
            seen(41, 40, CLUSTER, HOST, 1),
            seen(42, 41, CLUSTER, HOST, 1),
            seen(43, 41, CLUSTER, HOST, 1),
        ];
        assert_eq!(chosen(&listing, 42), [43]);
    }
}
