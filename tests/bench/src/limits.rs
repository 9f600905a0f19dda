//! How much is measured, how fast, and what is aimed at.

use std::time::Duration;

/// A decision, at most.
pub(crate) const DECIDE_AIM: Duration = Duration::from_micros(20);
/// From a changed template to the new ReplicaSet, 99 of 100.
pub(crate) const CHANGE_AIM: Duration = Duration::from_millis(250);
/// From a changed Rollout to its status and its ReplicaSet, 99 of 100.
pub(crate) const REACTION_AIM: Duration = Duration::from_secs(1);
/// From the start of the binary to all Rollouts that Argo Rollouts has left being observed, in seconds.
pub(crate) const TAKEOVER_AIM_SECONDS: f64 = 10.0;
/// From a failing measurement to the route patched, 99 of 100.
pub(crate) const ROLLBACK_AIM: Duration = Duration::from_secs(1);
/// From a transition to a sink having its event, half of them.
pub(crate) const DELIVERY_AIM: Duration = Duration::from_millis(100);
/// From a sink being back to its having all that had piled up, in seconds.
pub(crate) const DRAIN_AIM_SECONDS: f64 = 60.0;
/// Status writes of each Rollout for that.
pub(crate) const DRAIN_WRITES_AIM: usize = 1;
/// From the start of the binary to the first reconcile, the slowest.
pub(crate) const START_AIM: Duration = Duration::from_secs(1);
/// From `helm upgrade --install` to the controller being ready, the slowest.
pub(crate) const INSTALL_AIM: Duration = Duration::from_secs(15);
/// Memory of a replica that is installed, in bytes, with [`ROLLOUTS`].
pub(crate) const INSTALLED_MEMORY_AIM: u64 = 20_000_000;
/// Memory of the controller without any Rollout, in bytes.
pub(crate) const MEMORY_BASE_AIM: u64 = 20_000_000;
/// Memory for each Rollout, in bytes.
pub(crate) const MEMORY_ROLLOUT_AIM: u64 = 10_000;

/// Rollouts there are while changes and starts are measured.
pub(crate) const ROLLOUTS: usize = 100;
/// Between two changes of a template.
pub(crate) const CHANGE_EVERY: Duration = Duration::from_millis(200);
/// Each Rollout's template is changed so often: 500 changes, so that five are slower than the 99 of 100.
pub(crate) const ROUNDS: usize = 5;

/// Rollouts that are scaled up and down: their pods wait, which costs the scheduler something.
pub(crate) const REACTION_ROLLOUTS: usize = 50;

/// Rollouts that Argo Rollouts has left.
pub(crate) const TAKEOVER_ROLLOUTS: usize = 200;

/// Applications that are rolled back: two for each processor of a small machine, whose pods have to come up each time.
pub(crate) const ROLLBACK_ROLLOUTS: usize = 4;
/// Each is rolled back so often.
pub(crate) const ROLLBACK_ROUNDS: usize = 10;

/// Rollouts whose events pile up.
pub(crate) const DELIVERY_ROLLOUTS: usize = 500;
/// Events that pile up, at least.
pub(crate) const DELIVERY_EVENTS: usize = 10_000;
/// Rollouts that are changed while those are delivered.
pub(crate) const BYSTANDERS: usize = 50;

/// How many Rollouts there are while memory is measured.
pub(crate) const POPULATIONS: [usize; 2] = [ROLLOUTS, 1_000];
/// Requests under way at the same time while Rollouts are made and all of them are changed: more than the controller
/// reconciles at once, so that it is as busy as it can be.
pub(crate) const REQUESTS_AT_ONCE: usize = 20;

/// Starts of the controller that are measured.
pub(crate) const STARTS: usize = 20;

/// A controller whose count of reconciles stands still for so long is idle: longer than any of its waits for a cache.
pub(crate) const QUIET_FOR: Duration = Duration::from_secs(4);
/// Between two looks at a file or a counter, which cannot be subscribed to.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// What takes longer has failed: a thousand Rollouts on a busy machine take minutes.
pub(crate) const WITHIN: Duration = Duration::from_mins(10);
/// Installations that are measured.
pub(crate) const INSTALLS: usize = 5;
