//! Lists of pods. Nobody watches pods: they are asked for when something is to be done to single ones, and dropped.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::Resource as _;
use kube::api::ListParams;
use kube::core::Request;
use kulta_api::names::HASH_LABEL;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::observe::read::{ReadError, within_limit};

/// Pods in one answer: at some 10 kB each about a megabyte, which is dropped before the next one is asked for.
const PAGE: u32 = 100;

/// How much of each pod is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// Its metadata.
    Metadata,
}

/// What `keep` makes of the pods of the revisions `hashes`, each read as `P`. All pods that bear such a label are among them,
/// whosever they are.
pub(crate) async fn list<P: DeserializeOwned, T>(
    client: &Client,
    namespace: &str,
    hashes: &[&str],
    extent: Extent,
    mut keep: impl FnMut(P) -> Option<T>,
) -> Result<Vec<T>, ReadError> {
    let mut kept = Vec::new();
    if hashes.is_empty() {
        return Ok(kept);
    }
    let mut parameters = ListParams::default()
        .labels(&format!("{HASH_LABEL} in ({})", hashes.join(",")))
        .limit(PAGE);
    loop {
        let pods = Request::new(Pod::url_path(&(), Some(namespace)));
        let request = match extent {
            Extent::Whole => pods.list(&parameters),
            Extent::Metadata => pods.list_metadata(&parameters),
        };
        let request = request.map_err(kube::Error::BuildRequest)?;
        let page: Page<P> = within_limit(client.request(request)).await?;
        kept.extend(page.items.into_iter().filter_map(&mut keep));
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => parameters = parameters.continue_token(&next),
            None => return Ok(kept),
        }
    }
}

/// A part of a list.
#[derive(Debug, Deserialize)]
#[serde(bound = "P: DeserializeOwned")]
struct Page<P> {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<P>,
}

#[derive(Debug, Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}
