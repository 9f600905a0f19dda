//! The versions of one plugin: the one in service, and those that it has replaced.

use std::sync::Arc;
use std::time::Duration;

use kulta_plugin_host::Digest;
use tokio::time::Instant;

use super::InService;

/// Versions of one plugin at most, the one in service among them: each holds its machine code in memory. A plugin that
/// is replaced more often while one analysis goes on is being written.
const AT_MOST: usize = 3;
/// A replaced version that nobody has asked for in so long belongs to no analysis any more: twice the longest time that
/// a plugin can wish to have between two of its calls.
const UNUSED_AFTER: Duration = Duration::from_hours(2);

/// The versions of one plugin, the latest first.
#[derive(Default)]
pub(super) struct Versions(Vec<Version>);

struct Version {
    in_service: Arc<InService>,
    used: Instant,
}

impl Version {
    fn digest(&self) -> Digest {
        self.in_service.plugin.identity().digest
    }
}

impl Versions {
    pub(super) fn is_in_service(&self) -> bool {
        !self.0.is_empty()
    }

    /// The digest of the latest version.
    pub(super) fn latest(&self) -> Option<Digest> {
        self.0.first().map(Version::digest)
    }

    /// The version with the digest `begun_with`, or else the latest.
    pub(super) fn get(&mut self, begun_with: Option<&str>, now: Instant) -> Option<Arc<InService>> {
        let same =
            |version: &Version| begun_with.is_some_and(|digest| version.digest().to_string() == digest);
        let position = self.0.iter().position(same).unwrap_or(0);
        let version = self.0.get_mut(position)?;
        version.used = now;
        Some(Arc::clone(&version.in_service))
    }

    /// A new latest version.
    pub(super) fn add(&mut self, in_service: Arc<InService>, now: Instant) {
        let version = Version {
            in_service,
            used: now,
        };
        self.0.retain(|earlier| earlier.digest() != version.digest());
        self.replace(version, now);
    }

    /// Makes the version with this digest the latest, if it is here.
    pub(super) fn put_first(&mut self, digest: Digest, now: Instant) -> bool {
        let position = self.0.iter().position(|version| version.digest() == digest);
        match position {
            None => return false,
            Some(0) => {}
            Some(position) => {
                let version = self.0.remove(position);
                let plugin = version.in_service.plugin.identity();
                tracing::info!(%plugin, "an earlier version of the plugin is in service again");
                self.replace(version, now);
            }
        }
        true
    }

    /// Each version as `renewed` has it. Those of which it has none are removed; answers the digest of the latest then,
    /// if no version is left.
    pub(super) fn renew(&mut self, renewed: impl Fn(&InService) -> Option<InService>) -> Option<Digest> {
        let latest = self.latest();
        self.0.retain_mut(|version| match renewed(&version.in_service) {
            Some(in_service) => {
                version.in_service = Arc::new(in_service);
                true
            }
            None => false,
        });
        latest.filter(|_| self.0.is_empty())
    }

    pub(super) fn forget_unused(&mut self, now: Instant) {
        let mut is_latest = true;
        self.0.retain(|version| {
            std::mem::take(&mut is_latest) || now.duration_since(version.used) < UNUSED_AFTER
        });
    }

    fn replace(&mut self, version: Version, now: Instant) {
        // Its analyses have the whole time from now on to ask for it.
        if let Some(replaced) = self.0.first_mut() {
            replaced.used = now;
        }
        self.0.insert(0, version);
        self.0.truncate(AT_MOST);
    }
}
