//! The application that most scenarios deploy.

use kulta_e2e::app::step;
use kulta_e2e::{App, Stage, Version};
use serde_json::Value;

/// Its name.
pub(crate) const NAME: &str = "shop";

/// A routed application with one pod, whose next version goes through one step without waiting.
pub(crate) fn small(stage: &Stage) -> App {
    named(stage, NAME)
}

/// The same under another name, for scenarios with two.
pub(crate) fn named(stage: &Stage, name: &str) -> App {
    App::new(name, Version::v1(&stage.settings().app))
        .replicas(1)
        .steps([step::weight(50)])
        .canary_field("scaleDownDelaySeconds", 1)
        .canary_field("abortScaleDownDelaySeconds", 1)
}

/// A routed application with two pods, whose next version waits with half of the traffic.
pub(crate) fn half_way(stage: &Stage) -> App {
    small(stage).replicas(2).steps([step::weight(50), step::pause()])
}

/// The second version.
pub(crate) fn v2(stage: &Stage) -> Version {
    Version::v2(&stage.settings().app)
}

/// A copy of a manifest with a value at a JSON pointer; objects on the way are made where there are none.
pub(crate) fn with(manifest: &Value, pointer: &str, value: impl Into<Value>) -> Value {
    let mut changed = manifest.clone();
    let mut place = &mut changed;
    for segment in pointer.split('/').skip(1) {
        place = match segment.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[segment],
        };
    }
    *place = value.into();
    changed
}
