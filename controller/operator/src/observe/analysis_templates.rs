//! What the templates have to give that analyses need: read when it is needed, and kept within a bound.
//!
//! The watches keep of a template that it is there, at which version, and whom it names. Anybody can write templates, and
//! what nobody uses takes no more than that. What is read stands for one version; a changed template is read anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kulta_api::analysis::template::{Template, parse};
use parking_lot::Mutex;

use super::ObserveError;
use super::read;
use crate::context::Context;
use crate::key::ObjectKey;
use crate::watch::{AnalysisTemplate, ClusterAnalysisTemplate};

/// What was read is kept up to so much, as JSON: some four thousand templates of usual size. Beyond that, those that were
/// not used for longest are read again when they are.
const KEPT_BYTES: usize = 8 << 20;
/// What an entry takes beside the template.
const ENTRY_BYTES: usize = 512;
/// Templates read at the same time: enough to hide the latency, few enough not to crowd out other requests.
const READ_AT_ONCE: usize = 4;

/// Templates, by where they are.
pub(crate) type Templates = BTreeMap<ObjectKey, Arc<Template>>;

/// What was read of templates.
#[derive(Debug, Default)]
pub struct AnalysisTemplates {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<ObjectKey, Entry>,
    bytes: usize,
    /// Rises with every use.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    resource_version: String,
    template: Arc<Template>,
    bytes: usize,
    used: u64,
}

impl AnalysisTemplates {
    fn get(&self, key: &ObjectKey, resource_version: &str) -> Option<Arc<Template>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let clock = kept.clock;
        let entry = kept.entries.get_mut(key)?;
        entry.used = clock;
        (entry.resource_version == resource_version).then(|| Arc::clone(&entry.template))
    }

    fn keep(&self, key: ObjectKey, resource_version: String, template: &Arc<Template>, bytes: usize) {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        // Of one that can't be read, only the reason is kept.
        let bytes = template.as_ref().as_ref().map_or(0, |_| bytes) + ENTRY_BYTES;
        let entry = Entry {
            resource_version,
            template: Arc::clone(template),
            bytes,
            used: kept.clock,
        };
        kept.bytes += bytes;
        if let Some(before) = kept.entries.insert(key, entry) {
            kept.bytes = kept.bytes.saturating_sub(before.bytes);
        }
        kept.forget_unused();
    }
}

impl Kept {
    fn forget_unused(&mut self) {
        while self.bytes > KEPT_BYTES {
            let unused = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(key) = unused.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes = self.bytes.saturating_sub(entry.bytes);
            }
        }
    }
}

/// The templates `seen`, at exactly these versions.
///
/// # Errors
/// When one has changed meanwhile, which the watches will show in a moment, or the API server can't be asked.
pub(crate) async fn read(
    context: &Context,
    seen: &BTreeMap<ObjectKey, String>,
) -> Result<Templates, ObserveError> {
    let wanted: Vec<_> = seen
        .iter()
        .map(|(key, version)| (key.clone(), version.clone()))
        .collect();
    let templates = stream::iter(wanted)
        .map(|(key, resource_version)| async move {
            let kept = context.analysis_templates.get(&key, &resource_version);
            let template = match kept {
                Some(template) => template,
                None => read_one(context, &key, &resource_version).await?,
            };
            Ok((key, template))
        })
        .buffered(READ_AT_ONCE);
    templates.try_collect().await
}

async fn read_one(
    context: &Context,
    key: &ObjectKey,
    resource_version: &str,
) -> Result<Arc<Template>, ObserveError> {
    let live = if key.namespace.is_empty() {
        read::object::<ClusterAnalysisTemplate>(&context.client, key).await?
    } else {
        read::object::<AnalysisTemplate>(&context.client, key).await?
    };
    // What another version names may not be among what was seen.
    let same = |found: &_| resource_version_of(found) == Some(resource_version);
    let live = live.filter(same).ok_or(ObserveError::Changed)?;
    let spec = live.data.get("spec").unwrap_or(&serde_json::Value::Null);
    let template = Arc::new(parse(spec));
    let bytes = spec.to_string().len();
    let version = resource_version.to_owned();
    context
        .analysis_templates
        .keep(key.clone(), version, &template, bytes);
    Ok(template)
}

fn resource_version_of(object: &kube::api::DynamicObject) -> Option<&str> {
    object.metadata.resource_version.as_deref()
}

#[cfg(test)]
mod tests;
