//! The objects in a file.

use kulta_api::Group;
use serde_json::Value;

use super::{Document, Kind, Source, Unreadable};

/// What begins an expression of a Helm template.
const TEMPLATE_MARK: &str = "{{";

/// The objects in a file that are KULTA's or Argo Rollouts', also those in lists.
///
/// # Errors
/// None where a file that is none of ours can't be read; the reason where it speaks of such objects.
pub(super) fn documents(source: &Source) -> Result<Vec<Document>, Option<Unreadable>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let values: Vec<Value> =
        serde_saphyr::from_multiple_with_options(&source.text, options).map_err(|error| {
            let is_ours = Group::ALL
                .iter()
                .any(|group| source.text.contains(group.as_str()));
            let hint = if source.text.contains(TEMPLATE_MARK) {
                "; if it is a Helm template, render it first (helm template ... | kubectl kulta lint -f -)"
            } else {
                ""
            };
            is_ours.then(|| Unreadable {
                file: source.file.clone(),
                reason: format!("can't be read as YAML: {error}{hint}"),
            })
        })?;
    let mut documents = Vec::new();
    for (number, value) in (1..).zip(values) {
        collect(source, number, value, &mut documents);
    }
    Ok(documents)
}

fn collect(source: &Source, number: usize, mut value: Value, documents: &mut Vec<Document>) {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    if let Some(Value::Array(items)) = value.get_mut("items").filter(|_| is_list).map(Value::take) {
        for item in items {
            collect(source, number, item, documents);
        }
        return;
    }
    let document = Document {
        file: source.file.clone(),
        number,
        value,
    };
    if is_ours(&document) {
        documents.push(document);
    }
}

fn is_ours(document: &Document) -> bool {
    let kind = document.kind();
    match document.group() {
        Some(Group::Kulta) => true,
        // Other kinds of that group are of other programs.
        Some(Group::Argo) => Kind::of(kind).is_some(),
        None => false,
    }
}
