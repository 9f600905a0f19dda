//! What the analyses of a Rollout refer to: templates, and fields of the Rollout itself.

use std::collections::BTreeMap;

use kulta_core::spec::Problem;
use serde::Deserialize as _;
use serde_json::Value;

use super::resolve::{BLUE_GREEN, CANARY, Resolution, Surroundings, resolve};
use super::template::Template;
use super::{Place, RolloutAnalysis, TemplateReference, field};

/// The fields of a Rollout that arguments name, by their paths; what is wrong with a path otherwise.
pub(super) type Fields = BTreeMap<String, Result<Option<String>, String>>;

/// An analysis of a Rollout that refers to something.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Which of its analyses.
    pub place: Place,
    path: String,
    written: RolloutAnalysis,
    fields: Fields,
}

/// The analyses of the Rollout `object` that refer to something. One that can't be read is left out: reading the spec
/// tells so.
#[must_use]
pub fn references(object: &Value) -> Vec<Reference> {
    let canary = object.pointer("/spec/strategy/canary");
    let background = canary.and_then(|canary| canary.get("analysis"));
    let background = background.and_then(read).map(|written| {
        let path = format!("{CANARY}.analysis");
        (Place::Background, path, written)
    });
    let steps = canary.and_then(|canary| canary.get("steps")?.as_array());
    let steps = steps
        .into_iter()
        .flatten()
        .zip(0_u32..)
        .filter_map(|(step, index)| {
            let written = step.get("analysis").and_then(read)?;
            let path = format!("{CANARY}.steps[{index}].analysis");
            Some((Place::Step(index), path, written))
        });
    let blue_green = object.pointer("/spec/strategy/blueGreen");
    let around_the_switch = [
        (Place::PrePromotion, "prePromotionAnalysis"),
        (Place::PostPromotion, "postPromotionAnalysis"),
    ];
    let around_the_switch = around_the_switch.into_iter().filter_map(|(place, field)| {
        let written = blue_green?.get(field).and_then(read)?;
        Some((place, format!("{BLUE_GREEN}.{field}"), written))
    });
    let all = background.into_iter().chain(steps).chain(around_the_switch);
    all.filter(|(_, _, written)| written.refers())
        .map(|(place, path, written)| Reference {
            place,
            path,
            fields: fields(&written, object),
            written,
        })
        .collect()
}

fn read(written: &Value) -> Option<RolloutAnalysis> {
    RolloutAnalysis::deserialize(written).ok()
}

fn fields(written: &RolloutAnalysis, object: &Value) -> Fields {
    let paths = written.field_paths();
    paths
        .map(|path| (path.to_owned(), field::read(object, path)))
        .collect()
}

impl Reference {
    /// The templates that it names.
    #[must_use]
    pub fn templates(&self) -> &[TemplateReference] {
        self.written.templates.as_deref().unwrap_or_default()
    }

    /// The analysis with all that it refers to, and what it will measure, for a Rollout in `namespace`; `find` finds
    /// templates.
    ///
    /// # Errors
    /// Everything that is wrong with it, with paths in the Rollout, and the names of templates that are not there or
    /// don't fit.
    pub fn resolve<'a>(
        &self,
        namespace: &str,
        find: &dyn Fn(&TemplateReference) -> Option<&'a Template>,
    ) -> Result<Resolution, Vec<Problem>> {
        let surroundings = Surroundings {
            namespace,
            fields: &self.fields,
            find,
        };
        resolve(self.place, &self.written, &self.path, &surroundings)
    }
}
