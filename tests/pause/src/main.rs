//! Waits for a signal and buries its dead: the first process of every pod, and of every test cluster.

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> std::io::Result<()> {
    for signal in &mut Signals::new([SIGCHLD, SIGINT, SIGTERM])? {
        if signal != SIGCHLD {
            break;
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
    Ok(())
}
